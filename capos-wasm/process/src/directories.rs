//! Directories, each granted to this host under a name.

use capos_rt::grant;
use capos_schema::{file_capnp::namespace, manifest_capnp::instance_entry};
use capos_wasm::Preopen;

/// The directories that `entry` lists; each was granted to this host under the name in the entry.
pub(crate) fn preopens(entry: instance_entry::Reader<'_>) -> capnp::Result<Vec<Preopen>> {
    let mut preopens = Vec::new();
    for preopen in entry.get_preopens()? {
        let path = preopen.get_guest()?.to_str()?.to_owned();
        preopens.push(Preopen { path, directory: directory(preopen.get_grant()?.to_str()?)? });
    }
    Ok(preopens)
}

/// The directory that this host was granted under `name`.
pub(crate) fn directory(name: &str) -> capnp::Result<namespace::Client> {
    grant(name).map_err(|error| capnp::Error::failed(format!("the directory {name:?}: {error}")))
}
