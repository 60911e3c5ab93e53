//! Instances that call one function of Preview 1 over and over, beside the servers of what they use.

use crate::{Hosts, folder};
use capnp::Error;
use capos_rt::schema::{
    console_capnp::{MAX_READ_BYTES, console},
    grants::{TIMER, hold},
    wasm_capnp::wasm_instance,
};
use std::rc::Rc;

/// The module of them, of which each export calls one function.
const MODULE: &str = "turns-calls";
/// Arguments, and variables of the environment: nearly as many as a message holds.
const ARGUMENTS: u32 = 1_800;
const VARIABLES: u32 = 500;

/// The exports.
pub(crate) const ALL: [&str; 24] = [
    "write to a stream",
    "write nothing to a stream",
    "write pieces to a stream",
    "write to a file",
    "write pieces to a file",
    "read a stream",
    "read a stream in pieces",
    "read nothing of a stream",
    "read a file",
    "read a file in pieces",
    "read nothing of a file",
    "list a directory",
    "open and close",
    "rename",
    "link",
    "poll clocks",
    "poll a stream for reading",
    "poll a stream for writing",
    "poll a file for reading",
    "poll a file for writing",
    "get arguments",
    "get the environment",
    "close everything",
    "renumber",
];

impl Hosts {
    /// Starts the module with a console and a folder of this process.
    pub(crate) async fn caller(&self) -> Result<wasm_instance::Client, Error> {
        let mut request = self.host.start_request();
        let mut spec = request.get().init_spec();
        spec.reborrow().init_module().set_named(MODULE);
        spec.set_name("hog");
        let mut launch = spec.reborrow().init_launch();
        let mut arguments = launch.reborrow().init_arguments(ARGUMENTS);
        (0..ARGUMENTS).for_each(|index| arguments.set(index, ""));
        let mut environment = launch.init_environment(VARIABLES);
        (0..VARIABLES).for_each(|index| environment.reborrow().get(index).set_name("x"));
        let mut grants = spec.init_grants();
        let console: console::Client = capos_rt::serve(Endless);
        grants.set_stdin(console.clone());
        grants.set_stdout(console);
        hold(grants.reborrow().init_grants(1).get(0), TIMER, self.timer.clone());
        let mut preopen = grants.init_preopens(1).get(0);
        preopen.set_path("/");
        preopen.set_directory(folder::folder_of(vec![7; 1 << 20]));
        request.send().promise.await?.get()?.get_instance()
    }
}

/// A console that always has input, and accepts all output.
struct Endless;

impl console::Server for Endless {
    async fn write(self: Rc<Self>, _: console::WriteParams, _: console::WriteResults) -> Result<(), Error> {
        Ok(())
    }

    async fn read(
        self: Rc<Self>,
        params: console::ReadParams,
        mut results: console::ReadResults,
    ) -> Result<(), Error> {
        let length = params.get()?.get_max_bytes().min(MAX_READ_BYTES);
        results.get().init_bytes(length).fill(b'x');
        Ok(())
    }
}
