//! Serves one vault as the export "vault".

use capos_rt::GrantError;
use native_ipc::Vault;
use native_ipc::vault_capnp::vault;
use std::future::pending;

fn main() -> Result<(), GrantError> {
    let vault: vault::Client = capos_rt::serve(Vault::default());
    capos_rt::serve_export("vault", vault)?;
    capos_rt::block_on(pending())
}
