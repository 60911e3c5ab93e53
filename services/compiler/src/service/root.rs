//! `CompilerService`: makes clients, and finishes work before the run ends.

use std::rc::Rc;

use capnp::Error;
use capnp::capability::FromClientHook as _;
use capos_schema::compiler_capnp::{compiler, compiler_grant, compiler_service};
use capos_schema::supervision_capnp::{flushable, grantor};

use super::Service;
use super::client::Client;

/// The supervisor's side of the service.
pub struct Root(pub Rc<Service>);

impl compiler_service::Server for Root {}

impl grantor::Server for Root {
    async fn grant(
        self: Rc<Self>,
        params: grantor::GrantParams,
        mut results: grantor::GrantResults,
    ) -> Result<(), Error> {
        let wanted: compiler_grant::Reader<'_> = params.get()?.get_wanted().get_as()?;
        let client = Client::new(self.0.clone(), self.0.new_client(), wanted.get_holder()?.to_string()?);
        let client: compiler::Client = capos_rt::serve(client);
        results.get().init_capability().set_as_capability(client.into_client_hook());
        Ok(())
    }
}

impl flushable::Server for Root {
    async fn flush(
        self: Rc<Self>,
        _: flushable::FlushParams,
        _: flushable::FlushResults,
    ) -> Result<(), Error> {
        self.0.stored.until(|| (self.0.stores.get() == 0).then_some(())).await;
        Ok(())
    }
}
