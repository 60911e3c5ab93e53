//! `Console` (schema/console.capnp).

use crate::streams::Streams;
use capnp::Error;
use capos_schema::console_capnp::console::{
    FlushParams, FlushResults, ReadParams, ReadResults, Server, TerminalsParams, TerminalsResults,
    WriteErrorParams, WriteErrorResults, WriteLineParams, WriteLineResults, WriteParams, WriteResults,
};
use capos_schema::console_capnp::{MAX_READ_BYTES, MAX_WRITE_BYTES, terminal};
use capos_schema::supervision_capnp::flushable;
use capos_streams::{Output, Terminal};
use std::rc::Rc;

/// The console object shared by all holders.
pub(crate) struct ConsoleServer(pub(crate) Rc<Streams>);

fn checked(bytes: &[u8]) -> Result<&[u8], Error> {
    if bytes.len() > MAX_WRITE_BYTES as usize {
        return Err(Error::overloaded(format!("more than {MAX_WRITE_BYTES} bytes in one write")));
    }
    Ok(bytes)
}

impl Server for ConsoleServer {
    async fn write(self: Rc<Self>, params: WriteParams, _: WriteResults) -> Result<(), Error> {
        self.0.write(Output::Standard, &[checked(params.get()?.get_bytes()?)?]).await
    }

    async fn write_line(self: Rc<Self>, params: WriteLineParams, _: WriteLineResults) -> Result<(), Error> {
        let line = checked(params.get()?.get_line()?.as_bytes())?;
        self.0.write(Output::Standard, &[line, b"\n"]).await
    }

    async fn write_error(
        self: Rc<Self>,
        params: WriteErrorParams,
        _: WriteErrorResults,
    ) -> Result<(), Error> {
        self.0.write(Output::Errors, &[checked(params.get()?.get_bytes()?)?]).await
    }

    async fn read(self: Rc<Self>, params: ReadParams, mut results: ReadResults) -> Result<(), Error> {
        let most = params.get()?.get_max_bytes().min(MAX_READ_BYTES);
        if most == 0 {
            return Err(Error::failed("a read of zero bytes".into()));
        }
        self.0.read(most as usize, |bytes| results.get().set_bytes(bytes)).await
    }

    async fn terminals(
        self: Rc<Self>,
        _: TerminalsParams,
        mut results: TerminalsResults,
    ) -> Result<(), Error> {
        let terminals = self.0.terminals().await?;
        let mut results = results.get();
        set(results.reborrow().init_input(), terminals.input);
        set(results.reborrow().init_output(), terminals.output);
        set(results.init_errors(), terminals.errors);
        Ok(())
    }

    async fn flush(self: Rc<Self>, _: FlushParams, _: FlushResults) -> Result<(), Error> {
        self.0.flush().await
    }
}

/// Flushes the output of all holders of the console before the run ends.
pub(crate) struct LastFlush(pub(crate) Rc<Streams>);

impl flushable::Server for LastFlush {
    async fn flush(
        self: Rc<Self>,
        _: flushable::FlushParams,
        _: flushable::FlushResults,
    ) -> Result<(), Error> {
        self.0.flush().await
    }
}

fn set(mut to: terminal::Builder<'_>, from: Terminal) {
    to.set_is_terminal(from.is_terminal);
    to.set_columns(from.columns);
    to.set_rows(from.rows);
}
