//! The grants and names that the first process is started with.

use alloc::vec::Vec;
use capnp::{message::Builder, serialize, traits::HasTypeId};
use capos_abi::Rights;
use capos_kernel_core::caps::ObjectKind;
use capos_schema::{
    console_capnp::console,
    device_capnp::pci_bus,
    diagnostics_capnp::diagnostics,
    entropy_capnp::entropy_source,
    launch_capnp::launch_parameters,
    memory_capnp::memory_object,
    power_capnp::power,
    process_capnp::process_spawner,
    timer_capnp::{timer, wall_clock},
};

/// A capability of the first process.
pub(super) struct Grant {
    pub(super) name: &'static str,
    pub(super) kind: ObjectKind,
    pub(super) rights: Rights,
    /// Which of several objects of the kind.
    pub(super) payload: u64,
    interface: u64,
}

const USE: Rights = Rights::READ.union(Rights::WRITE).union(Rights::TRANSFER);
const LOOK: Rights = Rights::READ.union(Rights::TRANSFER);

const fn grant<T: HasTypeId>(name: &'static str, kind: ObjectKind, rights: Rights, payload: u64) -> Grant {
    Grant { name, kind, rights, payload, interface: T::TYPE_ID }
}

/// Everything there is to give.
pub(super) const GRANTS: [Grant; 10] = [
    grant::<console::Client>("console", ObjectKind::Console, USE, 0),
    grant::<console::Client>(
        "log",
        ObjectKind::Console,
        Rights::WRITE.union(Rights::TRANSFER),
        crate::objects::console::LOG,
    ),
    grant::<timer::Client>("timer", ObjectKind::Timer, USE, 0),
    grant::<wall_clock::Client>("wall-clock", ObjectKind::WallClock, LOOK, 0),
    grant::<entropy_source::Client>("entropy", ObjectKind::EntropySource, USE, 0),
    grant::<process_spawner::Client>(
        "process-spawner",
        ObjectKind::ProcessSpawner,
        USE.union(Rights::EXECUTE),
        0,
    ),
    grant::<power::Client>("power", ObjectKind::Power, USE, 0),
    grant::<memory_object::Client>("boot-package", ObjectKind::MemoryObject, LOOK.union(Rights::EXECUTE), 0),
    grant::<diagnostics::Client>("diagnostics", ObjectKind::Diagnostics, USE, 0),
    grant::<pci_bus::Client>("pci-bus", ObjectKind::PciBus, USE, 0),
];

/// The first process's `LaunchParameters` message.
pub(super) fn parameters() -> Option<Vec<u8>> {
    let mut message = Builder::new_default();
    let mut launch = message.init_root::<launch_parameters::Builder<'_>>();
    launch.reborrow().init_arguments(1).set(0, "init");
    let mut grants = launch.init_grants(u32::try_from(GRANTS.len()).ok()?);
    for (index, grant) in (0..).zip(&GRANTS) {
        let mut entry = grants.reborrow().get(index);
        entry.set_name(grant.name);
        entry.set_interface_id(grant.interface);
    }
    Some(serialize::write_message_to_words(&message))
}
