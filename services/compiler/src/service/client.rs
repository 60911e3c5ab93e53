//! `Compiler`: one client's side of the service.

use std::rc::Rc;

use capnp::Error;
use capos_schema::compiler_capnp::compiler::{CompileParams, CompileResults, Server};

use super::Service;
use super::compilation::Compilation;
use super::module::Module;
use super::ticket::Tickets;
use crate::settings::Settings;
use crate::slots::ClientId;

/// A client, with its own limit of requests.
pub(super) struct Client {
    service: Rc<Service>,
    id: ClientId,
    holder: String,
    tickets: Tickets,
}

impl Client {
    pub(super) fn new(service: Rc<Service>, id: ClientId, holder: String) -> Self {
        let tickets = Tickets::new(service.options.requests);
        Self { service, id, holder, tickets }
    }
}

impl Server for Client {
    async fn compile(
        self: Rc<Self>,
        params: CompileParams,
        mut results: CompileResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let ticket = self.tickets.take()?;
        let asked = params.get_settings()?;
        let (settings, is_urgent) = (Settings::read(asked)?, !asked.get_low_priority());
        let (module, bytes) = Module::take(&self.service, params.get_module()?, params.get_length()).await?;
        let name = self.service.names.of(&bytes, settings);
        drop(bytes);
        self.service.note(|| format!("{}: asked by {}", name.short(), self.holder));
        let work = self.service.work(self.id, name, module, settings, is_urgent);
        results.get().set_compilation(capos_rt::serve(Compilation::new(work, ticket)));
        Ok(())
    }
}
