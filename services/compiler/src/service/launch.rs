//! Starts workers.

use capnp::Result;
use capnp::capability::{Client, FromClientHook};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{PAGE_SIZE, Rights};
use capos_package::{Package, PackageMessage, Passed, Program};
use capos_rt::{attenuate, grant, take_grant};
use capos_schema::compiler_capnp::compiler_job;
use capos_schema::entropy_capnp::entropy_source;
use capos_schema::manifest_capnp::boot_package;
use capos_schema::memory_capnp::{code_factory, memory_object};
use capos_schema::process_capnp::{limits, process, process_spawner};
use capos_schema::{grants, names};

use super::module::Module;
use crate::options::Options;
use crate::settings::Settings;

/// Threads of a worker: the first one, and the one that compiles.
const THREADS: u32 = 2;
const CAPABILITY_SLOTS: u32 = 32;
/// Priority of workers whose result is not awaited.
const LOW_PRIORITY: u8 = 1;

/// The capabilities with which workers are started and code is created.
pub struct Launcher {
    spawner: process_spawner::Client,
    package: Package,
    message: PackageMessage,
    entropy: entropy_source::Client,
    factory: code_factory::Client,
}

impl Launcher {
    /// Takes the grants for it.
    ///
    /// # Errors
    /// If one is missing, or the boot package cannot be mapped.
    pub async fn from_grants() -> Result<Self> {
        // Neither this process nor what it starts runs code of its own making.
        let spawner = take_grant::<process_spawner::Client>(grants::PROCESS_SPAWNER)?.into_client();
        let spawner = attenuate(&spawner, Rights::all() - Rights::EXECUTE)?;
        let package = Package::map(grant(grants::BOOT_PACKAGE)?).await?;
        let message = package.message()?;
        let (entropy, factory) = (grant(grants::ENTROPY)?, grant(grants::CODE_FACTORY)?);
        Ok(Self { spawner, package, message, entropy, factory })
    }

    pub(super) fn factory(&self) -> &code_factory::Client {
        &self.factory
    }

    /// Starts a worker for `module`, which delivers to `job`.
    pub(super) async fn start(
        &self,
        options: &Options,
        module: &Module,
        settings: Settings,
        is_urgent: bool,
        job: compiler_job::Client,
    ) -> Result<process::Client> {
        let length = module.length.to_string();
        let mut message = Builder::new_default();
        let mut limits: limits::Builder<'_> = message.init_root();
        limits.set_frames(u32::try_from(options.worker_bytes(module.length) / PAGE_SIZE).unwrap_or(u32::MAX));
        limits.set_threads(THREADS);
        limits.set_capability_slots(CAPABILITY_SLOTS);
        // Zero is the default priority.
        limits.set_priority(if is_urgent { 0 } else { LOW_PRIORITY });
        let mut arguments = vec![length.as_str()];
        for word in settings.arguments() {
            arguments.push(word);
        }
        let program = Program {
            name: names::COMPILER_WORKER,
            binary: names::COMPILER_WORKER,
            arguments,
            environment: Vec::new(),
            grants: vec![
                pass::<memory_object::Client>("module", module.object.clone(), Rights::READ),
                pass::<compiler_job::Client>("job", job, Rights::CALL),
                pass(grants::ENTROPY.name, self.entropy.clone(), Rights::READ | Rights::WRITE),
            ],
            limits: message.get_root_as_reader()?,
            executable: false,
        };
        let root: boot_package::Reader<'_> = self.message.get_root()?;
        capos_package::start(&self.spawner, &self.package, root, program).await
    }
}

fn pass<C: FromClientHook + HasTypeId>(name: &str, client: C, rights: Rights) -> Passed {
    let client = Client::new(client.into_client_hook());
    Passed { name: name.to_owned(), client, interface: C::TYPE_ID, rights }
}
