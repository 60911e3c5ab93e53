//! Grants as Cap'n Proto.

use capnp::struct_list;
use capos_schema::manifest_capnp::{device_ref, grant_entry};

use super::super::model::*;
use super::{TooLong, counted, length, storage};

/// Writes the grants of a process. `next_disk` is the number of the next disk on the bus.
pub(super) fn convert_process(
    manifest: &Manifest,
    from: &[Grant],
    next_disk: &mut u32,
    mut to: struct_list::Builder<'_, grant_entry::Owned>,
) -> Result<(), TooLong> {
    let mut places = 0..;
    for grant in from {
        if grant.is_passed()
            && let Some(place) = places.next()
        {
            let mut entry = to.reborrow().get(place);
            entry.set_name(&grant.name);
            entry.set_interface_id(manifest.interface_of(grant));
            convert_source(&grant.source, *next_disk, entry)?;
        }
        if grant.disk().is_some() {
            *next_disk += 1;
        }
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

fn convert_source(from: &Source, disk: u32, to: grant_entry::Builder<'_>) -> Result<(), TooLong> {
    let mut to = to.init_source();
    match from {
        Source::WellKnown(grant) => to.set_well_known(*grant),
        Source::Export(from) => {
            let mut export = to.init_export();
            export.set_process(&from.process);
            export.set_export(&from.export);
        }
        Source::Directory(directory) => storage::convert_directory(directory, to.init_directory()),
        Source::Disk(_) => to.set_disk(disk),
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
