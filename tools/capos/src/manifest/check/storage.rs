//! Checks volumes and pipes: volumes exist, pipes have two ends, and paths within an instance are unique.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use capos_volume_tool::show_size;

use super::super::MOST_MACHINE_BYTES;
use super::super::broken::Broken;
use super::super::candidates::not_found;
use super::super::model::*;
use crate::problem::Problem;

/// Memory of a machine without volumes.
const LEAST_MACHINE_BYTES: u64 = 128 << 20;

/// The uses of a pipe in one host.
#[derive(Default)]
struct Pipe {
    readers: Vec<String>,
    writers: Vec<String>,
}

pub(super) fn check(manifest: &Manifest, broken: &Broken<'_>, problems: &mut Vec<Problem>) {
    check_disks(manifest, problems);
    check_memory(manifest, problems);
    for process in &manifest.processes {
        for directory in process.directories() {
            let is_there = manifest.volumes.iter().any(|volume| volume.name == directory.volume);
            let is_known = is_there
                || directory.volume.is_empty()
                || broken.has(&format!("volumes.{}", directory.volume));
            if !is_known && !broken.is_at(&format!("{}.volume", directory.at)) {
                let there = manifest.volumes.iter().map(|volume| &volume.name);
                let reason = not_found("volume", &directory.volume, there);
                problems.push(Problem::new(format!("{}.volume", directory.at), reason));
            }
        }
        for directory in process.listed_directories() {
            check_rights(directory, manifest, problems);
        }
        if let Some(host) = &process.wasm_host {
            let unread = |stream: &&str| broken.has(&format!("{}.instances.*.{stream}", process.at));
            if !["stdin", "stdout", "stderr"].iter().any(unread) {
                check_pipes(host, problems);
            }
            for instance in &host.instances {
                check_guest_paths(instance, problems);
                check_outputs(instance, manifest, problems);
            }
        }
    }
}

/// A directory of a volume that cannot be changed is neither made nor written to.
fn check_rights(directory: &Directory, manifest: &Manifest, problems: &mut Vec<Problem>) {
    let volume = manifest.volumes.iter().find(|volume| volume.name == directory.volume);
    let Some(volume) = volume.filter(|volume| volume.is_read_only()) else { return };
    let why = match &volume.source {
        VolumeSource::Files(_) => "its files are packed (`files`)",
        VolumeSource::Ram(_) | VolumeSource::Disk(_) => "its disk is `readOnly`",
    };
    let mut problem = |field: &str, right: &str| {
        let reason = format!("the volume {:?} cannot be changed, because {why}; {right}", volume.name);
        problems.push(Problem::new(format!("{}.{field}", directory.at), reason));
    };
    if directory.access == Access::ReadWrite {
        problem("rights", "`rights: \"r\"` lets it be read");
    }
    if directory.create {
        problem("create", "leave `create` out");
    }
}

/// Two volumes that write to one image would corrupt it.
fn check_disks(manifest: &Manifest, problems: &mut Vec<Problem>) {
    let mut seen: Vec<(&Path, &DiskImage, String)> = Vec::new();
    let volumes = manifest.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Disk(disk) => Some((format!("{}.disk", volume.at), disk)),
        VolumeSource::Ram(_) | VolumeSource::Files(_) => None,
    });
    let granted = manifest.processes.iter().flat_map(|process| &process.grants);
    let granted = granted.filter_map(|grant| Some((format!("{}.disk", grant.at), &grant.disk()?.image)));
    for (at, disk) in volumes.chain(granted) {
        let shared =
            seen.iter().find(|(file, other, _)| *file == disk.file && !(other.read_only && disk.read_only));
        if let Some((_, _, first)) = shared {
            let reason = format!(
                "{} is also the image of another disk; only readOnly disks can share an image",
                disk.file.display()
            );
            problems.push(Problem::new(at.clone(), reason).with_other(first.clone()));
        }
        seen.push((&disk.file, disk, at));
    }
}

/// A volume in memory can use its full size in its server and in the machine.
fn check_memory(manifest: &Manifest, problems: &mut Vec<Problem>) {
    let mut total: u64 = 0;
    for volume in &manifest.volumes {
        let VolumeSource::Ram(bytes) = volume.source else { continue };
        total = total.saturating_add(bytes);
        if let Some(limit) = volume.limits.memory_bytes.filter(|limit| *limit <= bytes) {
            let (bytes, limit) = (show_size(bytes), show_size(limit));
            let reason = format!(
                "the volume of {bytes} (`ram`) does not fit into a server with {limit}; without this limit the server has 32 MiB more \
                 than the volume"
            );
            problems.push(
                Problem::new(format!("{}.limits.memory", volume.at), reason)
                    .with_other(format!("{}.ram", volume.at)),
            );
        }
        if total.saturating_add(LEAST_MACHINE_BYTES) > MOST_MACHINE_BYTES {
            let (total, most) = (show_size(total), show_size(MOST_MACHINE_BYTES));
            let reason = format!(
                "volumes in memory (`ram`) take {total}, but a machine has at most {most} in total (--mem)"
            );
            problems.push(Problem::new(format!("{}.ram", volume.at), reason));
            return;
        }
    }
}

fn check_pipes(host: &WasmHost, problems: &mut Vec<Problem>) {
    let mut pipes: BTreeMap<&str, Pipe> = BTreeMap::new();
    for instance in &host.instances {
        let streams =
            [("stdin", &instance.stdin), ("stdout", &instance.stdout), ("stderr", &instance.stderr)];
        for (field, stdio) in streams {
            let Stdio::Pipe(name) = stdio else { continue };
            let pipe = pipes.entry(name).or_default();
            let ends = if field == "stdin" { &mut pipe.readers } else { &mut pipe.writers };
            ends.push(format!("{}.{field}", instance.at));
        }
    }
    for (name, pipe) in pipes {
        match (pipe.readers.as_slice(), pipe.writers.as_slice()) {
            ([], [writer, ..]) => problems
                .push(Problem::new(writer, format!("no instance of this host reads the pipe {name:?}"))),
            ([reader, ..], []) => {
                let reason = format!("nothing in this host writes to the pipe {name:?}");
                problems.push(Problem::new(reader, reason));
            }
            ([first, others @ ..], [_, ..]) => {
                for other in others {
                    let reason = format!("the pipe {name:?} has another reader already");
                    problems.push(Problem::new(other, reason).with_other(first));
                }
                if host.sequence {
                    // The writer would wait for a reader that starts only after the writer has ended.
                    let reason = "instances that run one after the other cannot share a pipe";
                    problems.push(Problem::new(first, reason));
                }
            }
            ([], []) => {}
        }
    }
}

fn check_guest_paths(instance: &Instance, problems: &mut Vec<Problem>) {
    let mut seen = HashMap::new();
    for preopen in instance.preopens.iter().filter(|preopen| !preopen.guest.is_empty()) {
        let plain: Vec<&str> = preopen.guest.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let at = format!("{}.guest", preopen.directory.at);
        // Libraries of C take `a` and `/a` for one.
        match seen.entry(plain) {
            Entry::Vacant(entry) => {
                entry.insert(at);
            }
            Entry::Occupied(first) => {
                let reason = format!("another preopen of this instance is at {:?} already", preopen.guest);
                problems.push(Problem::new(at, reason).with_other(first.get()));
            }
        }
    }
}

fn check_outputs(instance: &Instance, manifest: &Manifest, problems: &mut Vec<Problem>) {
    for stdio in [&instance.stdout, &instance.stderr] {
        let Stdio::File(file) = stdio else { continue };
        let volume = manifest.volumes.iter().find(|volume| volume.name == file.directory.volume);
        if volume.is_some_and(Volume::is_read_only) {
            let reason = format!("output to the volume {:?}, which cannot be changed", file.directory.volume);
            problems.push(Problem::new(file.directory.at.clone(), reason));
        }
    }
}
