//! The requirements of a host, and of its instances.

use crate::{
    Discard, EngineChoice, Grants, Launch, Limits, NamedGrant, Note, Options, Spawn,
    resources::{FastClock, FastSleep},
};
use capos_schema::timer_capnp::timer;
use std::borrow::Cow;

/// The services that a host requires from its embedder.
#[derive(Clone)]
pub struct HostConfig {
    /// The executor.
    pub spawn: Spawn,
    /// The host's own timer, for time limits and for pauses before restarts. Instances do not receive it.
    pub timer: Option<timer::Client>,
    /// The host's own clock, for measuring the time of starts.
    pub clock: Option<FastClock>,
    /// A cheaper way to wait until a time of `timer`.
    pub sleep: Option<FastSleep>,
    /// Frees memory in parts; without it an instance's memory is freed all at once.
    pub discard: Option<Discard>,
    /// Approximate limit on the memory of compiled modules that no instance uses; they are kept so that starting
    /// them again is fast.
    pub module_cache_bytes: usize,
    /// The engine of instances for which no other is chosen.
    pub engine: EngineChoice,
    /// Is told what concerns no single instance and a user may want to know.
    pub note: Option<Note>,
}

/// The specification of an instance to start.
pub struct InstanceSpec {
    /// The WebAssembly binary.
    pub module: Cow<'static, [u8]>,
    /// The module's name in messages.
    pub module_name: String,
    /// The instance's name in messages.
    pub name: String,
    /// Arguments and environment.
    pub launch: Launch,
    /// The instance's capabilities that WASI can use.
    pub grants: Grants,
    /// All capabilities that it holds by name, including those.
    pub named: Vec<NamedGrant>,
    /// Its limits.
    pub limits: Limits,
    /// Whether to call `_start` at once and end when it returns, rather than wait for calls.
    pub run: bool,
    /// Further options.
    pub options: Options,
}

impl HostConfig {
    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock())
    }
}
