//! Grants: the capabilities of processes and instances, and their sources.

use capos_schema::grants::{UNKNOWN_INTERFACE, WellKnown, WellKnownGrant};
use capos_schema::methods;

use super::{CompilerExport, Directory, DiskImage, Manifest, Process};

/// A capability of a process or an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its place in the manifest; empty for a wasm host's own grants.
    pub at: String,
    /// The name under which the holder finds it.
    pub name: String,
    /// The source of the capability.
    pub source: Source,
    /// Whether its holder may only read, where the source gives more.
    pub read_only: bool,
    /// For an instance: the name under which its host is granted it.
    pub held_as: String,
}

/// The source of a granted capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The system itself.
    WellKnown(WellKnownGrant),
    /// An export of another process.
    Export(ExportRef),
    /// A directory of a volume.
    Directory(Directory),
    /// A disk without a volume, for this holder alone.
    Disk(DiskGrant),
    /// A PCI device, for this holder alone.
    Device(Device),
    /// The compiler service.
    Compiler(CompilerExport),
}

/// An export of another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRef {
    /// The process that serves it.
    pub process: String,
    /// Its name there.
    pub export: String,
}

/// A disk without a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskGrant {
    /// The image that holds it; created empty.
    pub image: DiskImage,
    /// Whether a driver is started for it. Otherwise it is only attached, for a process that drives it
    /// itself.
    pub driven: bool,
}

/// One of the PCI devices with these numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The vendor's number.
    pub vendor: u16,
    /// The device's alternative numbers.
    pub devices: Vec<u16>,
    /// Its index among the matching devices, in bus order from 0.
    pub index: u32,
}

/// A service of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// The type id of its interface; [`UNKNOWN_INTERFACE`] if the manifest does not state it.
    pub interface: u64,
}

impl Grant {
    /// A grant that is not written in the manifest.
    pub(in crate::manifest) fn implied(grant: WellKnownGrant) -> Self {
        Self::inner(WellKnown::of(grant).name, Source::WellKnown(grant))
    }

    /// A grant of a process that the manifest does not write.
    pub(in crate::manifest) fn inner(name: &str, source: Source) -> Self {
        Self { at: String::new(), name: name.to_owned(), source, read_only: false, held_as: String::new() }
    }

    /// The disk that it grants, if it is one.
    pub fn disk(&self) -> Option<&DiskGrant> {
        match &self.source {
            Source::Disk(disk) => Some(disk),
            _ => None,
        }
    }

    /// The directory that it grants, if it is one.
    pub fn directory(&self) -> Option<&Directory> {
        match &self.source {
            Source::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// Whether its holder receives a capability. A disk that it drives itself is only on the bus.
    pub fn is_passed(&self) -> bool {
        self.disk().is_none_or(|disk| disk.driven)
    }
}

impl Source {
    /// Whether two grants of one host can be one capability.
    pub(in crate::manifest) fn is_shared_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Directory(one), Self::Directory(other)) => one.same_grant(other),
            (Self::Disk(_) | Self::Device(_) | Self::Compiler(_), _) => false,
            (one, other) => one == other,
        }
    }
}

impl Manifest {
    /// The type id of the interface of `grant`, as far as the manifest states it.
    pub fn interface_of(&self, grant: &Grant) -> u64 {
        match self.interface_behind(&grant.source) {
            // The interface that its holders expect.
            UNKNOWN_INTERFACE => {
                WellKnown::with_name(&grant.name).map_or(UNKNOWN_INTERFACE, |known| known.interface_id)
            }
            known => known,
        }
    }

    /// The type id of a source's interface, as far as the manifest states it.
    pub fn interface_behind(&self, source: &Source) -> u64 {
        match source {
            Source::WellKnown(grant) => WellKnown::of(*grant).interface_id,
            Source::Export(from) => self.export(from).map_or(UNKNOWN_INTERFACE, |export| export.interface),
            Source::Directory(_) => methods::namespace::INTERFACE_ID,
            Source::Disk(_) => methods::block_device::INTERFACE_ID,
            Source::Device(_) => methods::pci_device::INTERFACE_ID,
            Source::Compiler(CompilerExport::Code) => methods::compiler::INTERFACE_ID,
            Source::Compiler(CompilerExport::Status) => methods::compiler_status::INTERFACE_ID,
        }
    }

    /// The export that `from` names, if there is one.
    pub fn export(&self, from: &ExportRef) -> Option<&Export> {
        let process = self.processes.iter().find(|process| process.name == from.process)?;
        process.exports.iter().find(|export| export.name == from.export)
    }
}

impl Process {
    /// The grants written in this manifest entry, for the process itself or for its instances.
    pub fn written_grants(&self) -> impl Iterator<Item = &Grant> {
        let instances = self.wasm_host.iter().flat_map(|host| &host.instances);
        let own = self.wasm_host.is_none().then_some(&self.grants);
        own.into_iter().flatten().chain(instances.flat_map(|instance| &instance.grants))
    }
}
