//! A volume as its supervisor uses it: directories by the manifest's descriptions of them, and the flush before the end.

use std::rc::Rc;

use capnp::capability::FromClientHook;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::directory_grant;
use capos_schema::supervision_capnp::{flushable, grantor};
use capos_volume::Volume;

use crate::convert;
use crate::shared::Turn;
use crate::turns::Changes;
use crate::volume::{Root, limits};

impl grantor::Server for Root {
    async fn grant(
        self: Rc<Self>,
        params: grantor::GrantParams,
        mut results: grantor::GrantResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let wanted: directory_grant::Reader<'_> = params.get_wanted().get_as()?;
        let path = wanted.get_path()?;
        let (rights, quota) = (convert::rights(wanted.get_rights()?), limits(wanted.get_quota()?));
        let _turn = Turn::take(self.shared(), Changes::Nothing).await;
        let directory =
            self.namespace_at(path.as_bytes(), rights, wanted.get_create(), quota).map_err(|error| {
                let path = String::from_utf8_lossy(path.as_bytes());
                let shown = path.get(..path.floor_char_boundary(MOST_SHOWN)).unwrap_or_default();
                let reason = reason(convert::errno(error));
                capnp::Error::failed(format!("directory \"{shown}\": {reason}"))
            })?;
        results.get().init_capability().set_as_capability(directory.into_client_hook());
        Ok(())
    }
}

impl flushable::Server for Root {
    async fn flush(
        self: Rc<Self>,
        _: flushable::FlushParams,
        _: flushable::FlushResults,
    ) -> capnp::Result<()> {
        let _turn = Turn::take(self.shared(), Changes::Nothing).await;
        let synced = self.shared().current(Volume::sync);
        synced.map_err(|error| capnp::Error::failed(reason(convert::errno(error))))
    }
}

/// The most bytes of a path that a reason repeats. A manifest's paths are shorter, and messages have an end.
const MOST_SHOWN: usize = 1024;

/// An error of a volume, in words, with what its reader can do about it.
fn reason(error: Errno) -> String {
    match error {
        Errno::NoEntry => "it does not exist; set `create: true` in the manifest to create it".into(),
        Errno::NotDirectory => "it, or a part of its path, is not a directory".into(),
        Errno::ReadOnly => "it does not exist, and the volume is read-only".into(),
        Errno::NotPermitted => "it is outside the volume".into(),
        Errno::NoSpace => "the volume is full".into(),
        Errno::Io => {
            "the volume's device failed, or its content is damaged; `capos volume check` gives details".into()
        }
        other => format!("{other:?}"),
    }
}
