//! Starts the observed programs.

use capos_abi::Rights;
use capos_schema::device_capnp::pci_bus;
use capos_schema::memory_capnp::{code_factory, memory_object};
use capos_schema::process_capnp::process;
use parent::{Child, Parent, grant, limits, pass};

/// The capabilities of this process, which it passes on.
pub(crate) struct Launcher {
    parent: Parent,
    boot_package: memory_object::Client,
    bus: pci_bus::Client,
    factory: code_factory::Client,
}

impl Launcher {
    /// Takes the grants of this process.
    pub(crate) async fn new() -> capnp::Result<Self> {
        Ok(Self {
            parent: Parent::new().await?,
            boot_package: grant(capos_schema::grants::BOOT_PACKAGE)?,
            bus: grant(capos_schema::grants::PCI_BUS)?,
            factory: grant(capos_schema::grants::CODE_FACTORY)?,
        })
    }

    /// Starts a case: one of this program's own, or of the hostile program, which identifies its grants by their
    /// order.
    pub(crate) async fn start(&self, case: &str, priority: u8) -> capnp::Result<process::Client> {
        let is_own = crate::case::NAMES.contains(&case);
        let (parent, rights) = (&self.parent, Rights::READ | Rights::WRITE | Rights::EXECUTE);
        let child = Child {
            binary: if is_own { "gaps" } else { "hostile" },
            arguments: &[case],
            grants: vec![
                pass(capos_schema::grants::CONSOLE.name, &parent.console, rights),
                pass(capos_schema::grants::TIMER.name, &parent.timer, rights),
                pass(capos_schema::grants::LOG.name, &parent.log, rights),
                pass(capos_schema::grants::ENTROPY.name, &parent.entropy, rights),
                pass(capos_schema::grants::PROCESS_SPAWNER.name, &parent.spawner, rights),
                pass(capos_schema::grants::BOOT_PACKAGE.name, &self.boot_package, rights),
                pass(capos_schema::grants::DIAGNOSTICS.name, &parent.diagnostics, rights),
                pass(capos_schema::grants::PCI_BUS.name, &self.bus, rights),
                pass(capos_schema::grants::CODE_FACTORY.name, &self.factory, rights),
            ],
            limits: limits(1 << 25, 65536, 4096, priority),
            executable: false,
        };
        parent.start(child).await
    }

    /// Writes a line to the log.
    pub(crate) async fn note(&self, line: &str) -> capnp::Result<()> {
        let mut request = self.parent.log.write_line_request();
        request.get().set_line(line);
        request.send().promise.await?;
        Ok(())
    }

    /// The problems found by the kernel's self-check.
    pub(crate) async fn self_check(&self) -> capnp::Result<Vec<String>> {
        self.parent.self_check().await
    }

    /// The kernel's longest time without a preemption point since the last query, in nanoseconds, and a description of
    /// what it did.
    pub(crate) async fn longest_stretch(&self) -> capnp::Result<(u64, String)> {
        let response = self.parent.diagnostics.longest_stretch_request().send().promise.await?;
        let results = response.get()?;
        Ok((results.get_nanoseconds(), results.get_what()?.to_string()?))
    }
}
