//! The grants of the first process, and their names.

use alloc::vec::Vec;
use capnp::{message::Builder, serialize};
use capos_abi::Rights;
use capos_kernel_core::caps::ObjectKind;
use capos_schema::{
    grants::{self, WellKnown},
    launch_capnp::launch_parameters,
};

/// A capability of the first process.
pub(super) struct Grant {
    known: WellKnown,
    pub(super) kind: ObjectKind,
    pub(super) rights: Rights,
    /// Selects one of several objects of the kind.
    pub(super) payload: u64,
}

const USE: Rights = Rights::READ.union(Rights::WRITE).union(Rights::TRANSFER);
const LOOK: Rights = Rights::READ.union(Rights::TRANSFER);

const fn grant(known: WellKnown, kind: ObjectKind, rights: Rights) -> Grant {
    Grant { known, kind, rights, payload: 0 }
}

/// All grants that exist.
pub(super) const GRANTS: [Grant; grants::ALL.len()] = [
    grant(grants::CONSOLE, ObjectKind::Console, USE),
    Grant {
        known: grants::LOG,
        kind: ObjectKind::Console,
        rights: Rights::WRITE.union(Rights::TRANSFER),
        payload: crate::objects::console::LOG,
    },
    grant(grants::TIMER, ObjectKind::Timer, USE),
    grant(grants::WALL_CLOCK, ObjectKind::WallClock, LOOK),
    grant(grants::ENTROPY, ObjectKind::EntropySource, USE),
    grant(grants::PROCESS_SPAWNER, ObjectKind::ProcessSpawner, USE.union(Rights::EXECUTE)),
    grant(grants::POWER, ObjectKind::Power, USE),
    grant(grants::BOOT_PACKAGE, ObjectKind::MemoryObject, LOOK.union(Rights::EXECUTE)),
    grant(grants::DIAGNOSTICS, ObjectKind::Diagnostics, USE),
    grant(grants::PCI_BUS, ObjectKind::PciBus, USE),
    grant(grants::CODE_FACTORY, ObjectKind::CodeFactory, USE),
];

/// The first process's `LaunchParameters` message.
pub(super) fn parameters() -> Option<Vec<u8>> {
    let mut message = Builder::new_default();
    let mut launch = message.init_root::<launch_parameters::Builder<'_>>();
    launch.reborrow().init_arguments(1).set(0, "init");
    let mut grants = launch.init_grants(u32::try_from(GRANTS.len()).ok()?);
    for (index, grant) in (0..).zip(&GRANTS) {
        let mut entry = grants.reborrow().get(index);
        entry.set_name(grant.known.name);
        entry.set_interface_id(grant.known.interface_id);
    }
    Some(serialize::write_message_to_words(&message))
}
