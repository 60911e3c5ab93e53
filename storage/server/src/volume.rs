//! The volume itself, which creates namespaces.

use std::rc::Rc;

use capos_schema::file_capnp::namespace as namespace_interface;
use capos_schema::file_capnp::quota;
use capos_schema::file_capnp::volume::{
    self, NamespaceParams, NamespaceResults, SyncParams, SyncResults, UsageParams, UsageResults,
};
use capos_volume::{Error, Kind, Mode, Namespace, Opened, QuotaLimits, Result, Rights, Volume};

use crate::convert::{self, answer};
use crate::namespace::Directory;
use crate::shared::{Account, Shared, Slot, Turn};
use crate::turns::Changes;

pub(crate) struct Root(Rc<Shared>);

impl Root {
    pub(crate) fn new(shared: Rc<Shared>) -> Self {
        Self(shared)
    }

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.0
    }

    /// A namespace with an account of its own.
    pub(crate) fn namespace_at(
        &self,
        path: &[u8],
        rights: Rights,
        create: bool,
        quota: QuotaLimits,
    ) -> Result<namespace_interface::Client> {
        let slot = Slot::take(&self.0, &Rc::new(Account::default()))?;
        let granted = self.0.revived(|volume| {
            let root = Namespace::root(volume)?;
            let found = find(volume, &root, path, rights, create);
            let closed = root.close(volume);
            let found = found?;
            closed?;
            limit(volume, &found, quota)?;
            Ok(found)
        })?;
        let opened = Opened { ino: granted.ino(), kind: Kind::Directory };
        Ok(Directory::new(slot, opened, granted.rights(), opened.ino).into_client())
    }
}

pub(crate) fn limits(quota: quota::Reader<'_>) -> QuotaLimits {
    let some = |limit| (limit != 0).then_some(limit);
    QuotaLimits { bytes: some(quota.get_bytes()), inodes: some(quota.get_inodes()) }
}

/// The namespace at `path`, which may begin with slashes or be empty for the root itself.
fn find(
    volume: &mut Volume,
    root: &Namespace,
    path: &[u8],
    rights: Rights,
    create: bool,
) -> Result<Namespace> {
    let leading = path.iter().take_while(|byte| **byte == b'/').count();
    let path = match path.get(leading..) {
        None | Some([]) => b".",
        Some(path) => path,
    };
    let found = root.sub(volume, path, rights);
    if !create || !matches!(found, Err(Error::NotFound)) {
        return found;
    }
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(index, _)| index);
    for end in ends.chain([path.len()]) {
        match root.create_dir(volume, path.get(..end).unwrap_or(path)) {
            Ok(_) | Err(Error::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    root.sub(volume, path, rights)
}

/// Sets the quota of a namespace's directory, if one is given and the volume is writable.
fn limit(volume: &mut Volume, namespace: &Namespace, quota: QuotaLimits) -> Result<()> {
    if volume.mode() == Mode::ReadOnly || quota == QuotaLimits::default() {
        return Ok(());
    }
    let limited = volume.set_quota(namespace.ino(), quota);
    if limited.is_err() {
        volume.release(namespace.ino())?;
    }
    limited
}

impl volume::Server for Root {
    async fn namespace(
        self: Rc<Self>,
        params: NamespaceParams,
        mut results: NamespaceResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let quota = limits(params.get_quota()?);
        let rights = convert::rights(params.get_rights()?);
        let mut results = results.get();
        let _turn = Turn::take(&self.0, Changes::Nothing).await;
        let granted = self.namespace_at(params.get_path()?, rights, params.get_create(), quota);
        answer!(results, granted.map(|directory| results.set_directory(directory)))
    }

    async fn usage(self: Rc<Self>, _: UsageParams, mut results: UsageResults) -> capnp::Result<()> {
        let mut results = results.get();
        let _turn = Turn::take(&self.0, Changes::Nothing).await;
        let usage = self.0.revived(|volume| Ok((volume.usage(), volume.mode() == Mode::ReadOnly)));
        answer!(
            results,
            usage.map(|(usage, read_only)| {
                results.set_block_bytes(usage.block_bytes);
                results.set_blocks(usage.blocks);
                results.set_blocks_free(usage.blocks_free);
                results.set_inodes(usage.inodes);
                results.set_read_only(read_only);
            })
        )
    }

    async fn sync(self: Rc<Self>, _: SyncParams, mut results: SyncResults) -> capnp::Result<()> {
        let _turn = Turn::take(&self.0, Changes::Nothing).await;
        answer!(results.get(), self.0.current(Volume::sync))
    }
}
