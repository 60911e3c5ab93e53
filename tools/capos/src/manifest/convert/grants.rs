//! Grants as Cap'n Proto.

use capnp::struct_list;
use capos_schema::compiler_capnp::compiler_grant;
use capos_schema::manifest_capnp::{device_ref, grant_entry};
use capos_schema::names;

use super::super::expand;
use super::super::model::*;
use super::{TooLong, counted, length, storage};

/// Writes the grants of a process, all of which it is passed.
pub(super) fn convert_process(
    manifest: &Manifest,
    from: &Process,
    mut to: struct_list::Builder<'_, grant_entry::Owned>,
) -> Result<(), TooLong> {
    for (index, grant) in counted(&from.grants) {
        let mut entry = to.reborrow().get(index);
        entry.set_name(&grant.name);
        entry.set_interface_id(manifest.interface_of(grant));
        entry.set_read_only(grant.read_only);
        convert_source(&from.name, &grant.source, entry)?;
    }
    Ok(())
}

/// Writes the grants of an instance, all of which its host holds.
pub(super) fn convert_instance(
    manifest: &Manifest,
    from: &[Grant],
    mut to: struct_list::Builder<'_, grant_entry::Owned>,
) {
    for (index, grant) in counted(from) {
        let mut entry = to.reborrow().get(index);
        entry.set_name(&grant.name);
        entry.set_interface_id(manifest.interface_of(grant));
        entry.init_source().set_held(&grant.held_as);
    }
}

fn convert_source(holder: &str, from: &Source, to: grant_entry::Builder<'_>) -> Result<(), TooLong> {
    let mut to = to.init_source();
    match from {
        Source::WellKnown(grant) => to.set_well_known(*grant),
        Source::Export(from) => {
            let mut export = to.init_export();
            export.set_process(&from.process);
            export.set_export(&from.export);
        }
        Source::Directory(directory) => {
            let mut export = to.init_export();
            export.set_process(expand::volume_server(&directory.volume));
            export.set_export(names::VOLUME_EXPORT);
            storage::convert_directory(directory, export.init_wanted().init_as());
        }
        Source::Compiler(CompilerExport::Code) => {
            let mut export = to.init_export();
            export.set_process(expand::COMPILER);
            export.set_export(names::COMPILER_EXPORT);
            export.init_wanted().init_as::<compiler_grant::Builder<'_>>().set_holder(holder);
        }
        Source::Compiler(CompilerExport::Status) => {
            let mut export = to.init_export();
            export.set_process(expand::COMPILER);
            export.set_export(names::COMPILER_STATUS_EXPORT);
        }
        // Another process serves those that are passed: see `expand`.
        Source::Disk(_) => {}
        Source::Device(device) => convert_device(device, to.init_device())?,
    }
    Ok(())
}

fn convert_device(from: &Device, mut to: device_ref::Builder<'_>) -> Result<(), TooLong> {
    to.set_vendor(from.vendor);
    to.set_index(from.index);
    let mut devices = to.init_devices(length(&from.devices)?);
    for (index, device) in counted(&from.devices) {
        devices.set(index, *device);
    }
    Ok(())
}
