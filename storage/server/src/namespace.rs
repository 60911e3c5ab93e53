//! Directories, and all operations by path.

use std::rc::Rc;

use capnp::capability::get_resolved_cap;
use capos_schema::file_capnp::namespace::{
    self, CreateDirectoryParams, CreateDirectoryResults, CreateSymbolicLinkParams, CreateSymbolicLinkResults,
    LinkParams, LinkResults, OpenParams, OpenResults, ParentParams, ParentResults, ReadDirectoryParams,
    ReadDirectoryResults, ReadLinkParams, ReadLinkResults, RemoveDirectoryParams, RemoveDirectoryResults,
    RenameParams, RenameResults, SetTimesPathParams, SetTimesPathResults, StatPathParams, StatPathResults,
    SubParams, SubResults, UnlinkParams, UnlinkResults,
};
use capos_schema::file_capnp::namespace::{open_results, read_directory_results};
use capos_schema::file_capnp::object::{
    self, SetTimesParams, SetTimesResults, StatParams, StatResults, SyncParams, SyncResults,
};
use capos_schema::file_capnp::{MAX_DATA_BYTES, MAX_ENTRIES};
use capos_volume::{
    Attributes, Error, Ino, Kind, Last, Namespace, OpenFlags, Opened, Result, Rights, Volume,
};

use crate::convert::{self, answer, last, set_attributes, set_time};
use crate::file::OpenFile;
use crate::shared::{OpenInode, Slot};
use crate::turns::Changes;

/// Bytes of an entry in a message besides its name: structure, pointer, and the text's rounding.
const ENTRY_BYTES: usize = 40;

/// A directory and everything below it, with rights.
pub struct Directory {
    held: OpenInode,
    namespace: Namespace,
    /// The root of the namespace through which this directory was opened: `..` stops there.
    top: Ino,
}

impl Directory {
    /// The directory in `opened`, which the current session has retained for it.
    pub(crate) fn new(slot: Slot, opened: Opened, rights: Rights, top: Ino) -> Self {
        let namespace = Namespace::from_opened(opened, rights);
        Self { held: OpenInode::new(slot, opened.ino), namespace, top }
    }

    /// Creates a client through which this directory is found again when it comes back in a message.
    pub(crate) fn into_client(self) -> namespace::Client {
        let directory = Rc::new(self);
        let shared = directory.held.shared().clone();
        shared.directories.insert(&directory);
        (shared.options.clients.directory)(directory)
    }

    /// Calls `work` with the namespace and the volume.
    fn with<T>(&self, work: impl FnOnce(&Namespace, &mut Volume) -> Result<T>) -> Result<T> {
        self.held.with(|volume| work(&self.namespace, volume))
    }

    fn open_into(
        &self,
        path: &[u8],
        last: Last,
        flags: OpenFlags,
        results: &mut open_results::Builder<'_>,
    ) -> Result<()> {
        let slot = self.held.another()?;
        let opened = self.with(|namespace, volume| namespace.open(volume, path, last, flags))?;
        let reads = self.namespace.rights().contains(Rights::READ);
        let visible = match opened.kind {
            Kind::Directory => {
                let directory = Self::new(slot, opened, self.namespace.rights(), self.top);
                results.set_directory(directory.into_client());
                reads
            }
            Kind::File | Kind::Symlink => {
                let may_write = self.namespace.rights().contains(Rights::WRITE);
                let flags = if may_write { flags } else { flags.difference(OpenFlags::TIMES) };
                let file = OpenFile::new(OpenInode::new(slot, opened.ino), flags, reads);
                let visible = file.is_visible();
                results.set_file((self.held.shared().options.clients.file)(Rc::new(file)));
                visible
            }
        };
        if visible {
            let found = self.with(|_, volume| volume.stat(opened.ino))?;
            set_attributes(results.reborrow().init_attributes(), &found);
        }
        Ok(())
    }

    fn sub(&self, path: &[u8], rights: Rights) -> Result<namespace::Client> {
        let slot = self.held.another()?;
        let sub = self.with(|namespace, volume| namespace.sub(volume, path, rights))?;
        let opened = Opened { ino: sub.ino(), kind: Kind::Directory };
        Ok(Self::new(slot, opened, sub.rights(), opened.ino).into_client())
    }

    fn list_into(
        &self,
        cookie: u64,
        max_bytes: u32,
        results: &mut read_directory_results::Builder<'_>,
    ) -> Result<()> {
        let room = max_bytes.min(MAX_DATA_BYTES) as usize;
        let most = (room / ENTRY_BYTES).clamp(1, MAX_ENTRIES as usize);
        let listed = self.with(|namespace, volume| {
            namespace.need(Rights::READ)?;
            volume.read_dir(self.held.ino, cookie, most)
        })?;
        let mut used = 0;
        let fit = listed.iter().take_while(|listed| {
            used += ENTRY_BYTES + listed.name.len();
            used <= room
        });
        let count = fit.count().max(usize::from(!listed.is_empty()));
        results.set_end(listed.len() < most && count == listed.len());
        let mut entries = results.reborrow().init_entries(count as u32);
        for (index, listed) in (0..).zip(listed.iter().take(count)) {
            let mut entry = entries.reborrow().get(index);
            entry.set_name(&listed.name);
            entry.set_inode(listed.entry.ino);
            entry.set_kind(convert::kind(listed.entry.kind));
            entry.set_cookie(listed.entry.cookie);
        }
        Ok(())
    }

    fn above(&self) -> Result<Attributes> {
        self.with(|namespace, volume| {
            namespace.need(Rights::READ)?;
            let parent = volume.parent(self.held.ino)?;
            // A directory that was moved out of the namespace does not reveal its new place.
            let inside = self.held.ino != self.top && volume.is_within(parent, self.top)?;
            volume.stat(if inside { parent } else { self.held.ino })
        })
    }

    /// The directory of this volume behind `client`.
    async fn other(&self, client: namespace::Client) -> Result<Rc<Self>> {
        let resolved: namespace::Client = get_resolved_cap(client).await;
        self.held.shared().directories.find(&*resolved.client.hook).ok_or(Error::CrossDevice)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.held.shared().directories.remove(self);
    }
}

impl namespace::Server for Directory {
    async fn open(self: Rc<Self>, params: OpenParams, mut results: OpenResults) -> capnp::Result<()> {
        let params = params.get()?;
        let flags = convert::open_flags(params.get_flags()?);
        let mut results = results.get();
        let (path, last) = (params.get_path()?, last(params.get_follow()));
        let changes = if flags.contains(OpenFlags::TRUNCATE) { Changes::Any } else { Changes::Nothing };
        let _turn = self.held.turn(changes).await;
        answer!(results, self.open_into(path, last, flags, &mut results))
    }

    async fn sub(self: Rc<Self>, params: SubParams, mut results: SubResults) -> capnp::Result<()> {
        let params = params.get()?;
        let rights = convert::rights(params.get_rights()?);
        let mut results = results.get();
        let _turn = self.held.turn(Changes::Nothing).await;
        let sub = Self::sub(&self, params.get_path()?, rights);
        answer!(results, sub.map(|directory| results.set_directory(directory)))
    }

    async fn stat_path(
        self: Rc<Self>,
        params: StatPathParams,
        mut results: StatPathResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let (path, last) = (params.get_path()?, last(params.get_follow()));
        let mut results = results.get();
        let _turn = self.held.turn(Changes::Nothing).await;
        let found = self.with(|namespace, volume| namespace.stat(volume, path, last));
        answer!(results, found.map(|found| set_attributes(results.reborrow().init_attributes(), &found)))
    }

    async fn set_times_path(
        self: Rc<Self>,
        params: SetTimesPathParams,
        mut results: SetTimesPathResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let (path, last) = (params.get_path()?, last(params.get_follow()));
        let (accessed, modified) = (set_time(params.get_accessed()?)?, set_time(params.get_modified()?)?);
        let _turn = self.held.turn(Changes::Nothing).await;
        answer!(
            results.get(),
            self.with(|namespace, volume| namespace.set_times(volume, path, last, accessed, modified))
        )
    }

    async fn read_directory(
        self: Rc<Self>,
        params: ReadDirectoryParams,
        mut results: ReadDirectoryResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let mut results = results.get();
        let _turn = self.held.turn(Changes::Nothing).await;
        answer!(results, self.list_into(params.get_cookie(), params.get_max_bytes(), &mut results))
    }

    async fn read_link(
        self: Rc<Self>,
        params: ReadLinkParams,
        mut results: ReadLinkResults,
    ) -> capnp::Result<()> {
        let path = params.get()?.get_path()?;
        let mut results = results.get();
        let _turn = self.held.turn(Changes::Nothing).await;
        let target = self.with(|namespace, volume| namespace.read_link(volume, path));
        answer!(results, target.map(|target| results.set_target(target.as_bytes())))
    }

    async fn create_directory(
        self: Rc<Self>,
        params: CreateDirectoryParams,
        mut results: CreateDirectoryResults,
    ) -> capnp::Result<()> {
        let path = params.get()?.get_path()?;
        let _turn = self.held.turn(Changes::Nothing).await;
        let made = self.with(|namespace, volume| namespace.create_dir(volume, path));
        answer!(results.get(), made.map(drop))
    }

    async fn create_symbolic_link(
        self: Rc<Self>,
        params: CreateSymbolicLinkParams,
        mut results: CreateSymbolicLinkResults,
    ) -> capnp::Result<()> {
        let (target, path) = (params.get()?.get_target()?, params.get()?.get_path()?);
        let _turn = self.held.turn(Changes::Nothing).await;
        let made = self.with(|namespace, volume| namespace.create_symlink(volume, target, path));
        answer!(results.get(), made.map(drop))
    }

    async fn link(self: Rc<Self>, params: LinkParams, mut results: LinkResults) -> capnp::Result<()> {
        let params = params.get()?;
        let to = self.other(params.get_to()?).await;
        let (path, new_path) = (params.get_path()?, params.get_new_path()?);
        let last = last(params.get_follow());
        let _turn = self.held.turn(Changes::Nothing).await;
        let linked = to.and_then(|to| {
            to.with(|_, _| Ok(()))?;
            self.with(|namespace, volume| namespace.link(volume, path, last, &to.namespace, new_path))
        });
        answer!(results.get(), linked)
    }

    async fn rename(self: Rc<Self>, params: RenameParams, mut results: RenameResults) -> capnp::Result<()> {
        let params = params.get()?;
        let to = self.other(params.get_to()?).await;
        let (path, new_path) = (params.get_path()?, params.get_new_path()?);
        let _turn = self.held.turn(Changes::Nothing).await;
        let renamed = to.and_then(|to| {
            to.with(|_, _| Ok(()))?;
            self.with(|namespace, volume| namespace.rename(volume, path, &to.namespace, new_path))
        });
        answer!(results.get(), renamed)
    }

    async fn unlink(self: Rc<Self>, params: UnlinkParams, mut results: UnlinkResults) -> capnp::Result<()> {
        let path = params.get()?.get_path()?;
        let _turn = self.held.turn(Changes::Nothing).await;
        answer!(results.get(), self.with(|namespace, volume| namespace.unlink(volume, path)))
    }

    async fn remove_directory(
        self: Rc<Self>,
        params: RemoveDirectoryParams,
        mut results: RemoveDirectoryResults,
    ) -> capnp::Result<()> {
        let path = params.get()?.get_path()?;
        let _turn = self.held.turn(Changes::Nothing).await;
        answer!(results.get(), self.with(|namespace, volume| namespace.remove_dir(volume, path)))
    }

    async fn parent(self: Rc<Self>, _: ParentParams, mut results: ParentResults) -> capnp::Result<()> {
        let mut results = results.get();
        let _turn = self.held.turn(Changes::Nothing).await;
        let found = self.above();
        answer!(results, found.map(|found| set_attributes(results.reborrow().init_attributes(), &found)))
    }
}

impl object::Server for Directory {
    async fn stat(self: Rc<Self>, _: StatParams, mut results: StatResults) -> capnp::Result<()> {
        let mut results = results.get();
        let _turn = self.held.turn(Changes::Nothing).await;
        let found = self.with(|namespace, volume| {
            namespace.need(Rights::READ)?;
            volume.stat(self.held.ino)
        });
        answer!(results, found.map(|found| set_attributes(results.reborrow().init_attributes(), &found)))
    }

    async fn set_times(
        self: Rc<Self>,
        params: SetTimesParams,
        mut results: SetTimesResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let (accessed, modified) = (set_time(params.get_accessed()?)?, set_time(params.get_modified()?)?);
        let _turn = self.held.turn(Changes::Nothing).await;
        let set = self.with(|namespace, volume| {
            namespace.need(Rights::WRITE)?;
            volume.set_times(self.held.ino, accessed, modified)
        });
        answer!(results.get(), set)
    }

    async fn sync(self: Rc<Self>, _: SyncParams, mut results: SyncResults) -> capnp::Result<()> {
        let _turn = self.held.turn(Changes::Nothing).await;
        answer!(results.get(), self.held.with(Volume::sync))
    }
}
