//! The processes that a manifest does not list and its fields ask for: servers of volumes, drivers of disks, and what keeps the
//! console's streams apart. They are entries like any other in the boot package.

use capos_schema::grants::WellKnownGrant;
use capos_schema::{methods, names};

use super::model::held::shown;
use super::model::*;
use crate::qemu::ConsoleLine;

/// The PCI numbers of virtio devices, those of version 1 and those that allow the version before.
const VIRTIO: u16 = 0x1af4;
const VIRTIO_DISKS: [u16; 2] = [0x1042, 0x1001];
const VIRTIO_CONSOLES: [u16; 2] = [0x1043, 0x1003];
/// The console does what all others wait for, and little of it.
const CONSOLE_PRIORITY: u8 = 12;
/// How long the last sync of a volume may take.
const LAST_SYNC_NS: u64 = 30_000_000_000;
/// The process that keeps the console's streams apart. No manifest can name a process so, nor those below.
const CONSOLE: &str = "console server";
/// The compiler service.
pub(super) const COMPILER: &str = "compiler service";
/// Memory of the compiler service: modules, and code that is in use.
const COMPILER_BYTES: u64 = 512 << 20;
/// Its capability slots: several for each request, and for code in use.
const COMPILER_SLOTS: u32 = 16_384;
/// How often it is restarted.
const COMPILER_RESTARTS: u32 = 100;
/// Its grants, beside directories.
const COMPILER_GRANTS: [WellKnownGrant; 6] = [
    WellKnownGrant::Log,
    WellKnownGrant::Timer,
    WellKnownGrant::Entropy,
    WellKnownGrant::ProcessSpawner,
    WellKnownGrant::BootPackage,
    WellKnownGrant::CodeFactory,
];

/// The process that serves a volume.
pub(super) fn volume_server(volume: &str) -> String {
    format!("volume {volume}")
}

/// The process that drives a disk of `holder`.
fn driver(holder: &str, disk: &str) -> String {
    format!("{holder}/{disk}")
}

/// The manifest with those processes before its own, and with grants of what they serve.
pub(super) fn expanded(manifest: &Manifest) -> Manifest {
    let console = manifest.console.filter(|line| *line != ConsoleLine::Serial);
    let mut disks = 0..;
    let mut processes: Vec<Process> = console.into_iter().map(console_server).collect();
    for volume in &manifest.volumes {
        let disk = matches!(volume.source, VolumeSource::Disk(_)).then(|| disks.next()).flatten();
        processes.extend(volume_processes(volume, disk));
    }
    if let Some(compiler) = manifest.compiler.as_ref().filter(|_| manifest.uses_compiler()) {
        processes.push(compiler_service(compiler));
    }
    for process in &manifest.processes {
        let mut process = process.clone();
        let mut drivers = Vec::new();
        for grant in &mut process.grants {
            let Source::Disk(disk) = &grant.source else { continue };
            let index = disks.next().unwrap_or(u32::MAX);
            if disk.driven {
                let name = driver(&process.name, shown(&grant.name));
                grant.source = export(&name, names::DISK_EXPORT);
                drivers.push(disk_driver(name, index));
            }
        }
        process.grants.retain(|grant| grant.disk().is_none());
        if console.is_some() {
            process.grants.iter_mut().for_each(over_server);
        }
        if !drivers.is_empty() {
            // A disk is whole only as long as both its driver and its holder know the same of it.
            let group = process.group.get_or_insert_with(|| format!("{}/", process.name)).clone();
            drivers.iter_mut().for_each(|driver| driver.group = Some(group.clone()));
        }
        processes.extend(drivers);
        processes.push(process);
    }
    Manifest { processes, ..manifest.clone() }
}

fn export(process: &str, export: &str) -> Source {
    Source::Export(ExportRef { process: process.to_owned(), export: export.to_owned() })
}

fn exports(name: &str, interface: u64) -> Export {
    Export { name: name.to_owned(), interface }
}

/// Has a grant of the console lead to its server.
fn over_server(grant: &mut Grant) {
    if grant.source == Source::WellKnown(WellKnownGrant::Console) {
        grant.source = export(CONSOLE, names::CONSOLE_EXPORT);
    }
}

/// The process that keeps streams apart on `line`, which is not the plain one.
fn console_server(line: ConsoleLine) -> Process {
    let (mode, grant) = match line {
        ConsoleLine::Virtio => {
            let device = Device { vendor: VIRTIO, devices: VIRTIO_CONSOLES.to_vec(), index: 0 };
            ("virtio", Grant::inner(names::DEVICE_GRANT, Source::Device(device)))
        }
        ConsoleLine::FramedSerial | ConsoleLine::Serial => {
            let console = Source::WellKnown(WellKnownGrant::Console);
            ("serial", Grant::inner(names::LINE_GRANT, console))
        }
    };
    Process {
        name: CONSOLE.to_owned(),
        binary: Program::of_this_tree(names::CONSOLE_SERVER),
        args: vec![mode.to_owned()],
        grants: vec![grant, Grant::implied(WellKnownGrant::Log)],
        exports: vec![
            exports(names::CONSOLE_EXPORT, methods::console::INTERFACE_ID),
            exports(names::FLUSH_EXPORT, methods::flushable::INTERFACE_ID),
        ],
        limits: ProcessLimits { priority: Some(CONSOLE_PRIORITY), ..ProcessLimits::default() },
        is_service: true,
        // Whoever reads the output may take any time.
        flush: Some(Flush { export: names::FLUSH_EXPORT.to_owned(), timeout_ns: None }),
        ..Process::default()
    }
}

/// The compiler service.
fn compiler_service(compiler: &Compiler) -> Process {
    let mut grants: Vec<Grant> = COMPILER_GRANTS.map(Grant::implied).to_vec();
    for (name, directory) in [("cache", &compiler.cache), ("key", &compiler.key)] {
        grants.extend(
            directory.iter().map(|directory| Grant::inner(name, Source::Directory(directory.clone()))),
        );
    }
    let numbers = [
        ("module-bytes", compiler.module_bytes),
        ("code-bytes", compiler.code_bytes),
        ("worker-bytes", compiler.worker_bytes),
        ("worker-ns", compiler.worker_ns),
        ("workers", compiler.workers),
        ("requests", compiler.requests),
        ("cache-bytes", compiler.cache_bytes),
    ];
    let mut args = vec![format!("revision={}", compiler.revision)];
    args.extend(numbers.iter().filter_map(|(name, number)| Some(format!("{name}={}", (*number)?))));
    args.extend(compiler.is_verbose.then(|| "verbose".to_owned()));
    let memory_bytes = compiler.limits.memory_bytes.or(Some(COMPILER_BYTES));
    let capability_slots = compiler.limits.capability_slots.or(Some(COMPILER_SLOTS));
    Process {
        name: COMPILER.to_owned(),
        binary: Program::of_this_tree(names::COMPILER_SERVICE),
        args,
        grants,
        exports: vec![
            exports(names::COMPILER_EXPORT, methods::compiler_service::INTERFACE_ID),
            exports(names::COMPILER_STATUS_EXPORT, methods::compiler_status::INTERFACE_ID),
        ],
        limits: ProcessLimits { memory_bytes, capability_slots, ..compiler.limits.clone() },
        restart: Restart::OnFailure(COMPILER_RESTARTS),
        is_service: true,
        flush: Some(Flush { export: names::COMPILER_EXPORT.to_owned(), timeout_ns: Some(LAST_SYNC_NS) }),
        ..Process::default()
    }
}

/// The driver of the virtio disk with number `index`. It holds that PCI device and the log, and nothing else.
fn disk_driver(name: String, index: u32) -> Process {
    let device = Source::Device(Device { vendor: VIRTIO, devices: VIRTIO_DISKS.to_vec(), index });
    Process {
        name,
        binary: Program::of_this_tree(names::DISK_DRIVER),
        grants: vec![Grant::inner(names::DEVICE_GRANT, device), Grant::implied(WellKnownGrant::Log)],
        exports: vec![exports(names::DISK_EXPORT, methods::block_device::INTERFACE_ID)],
        is_service: true,
        ..Process::default()
    }
}

/// The server of a volume, after the driver of its disk if it has one.
fn volume_processes(volume: &Volume, disk: Option<u32>) -> Vec<Process> {
    let name = volume_server(&volume.name);
    let needed =
        [WellKnownGrant::Log, WellKnownGrant::Timer, WellKnownGrant::WallClock, WellKnownGrant::Entropy];
    let mut grants: Vec<Grant> = needed.map(Grant::implied).to_vec();
    let mut processes = Vec::new();
    let medium = match &volume.source {
        VolumeSource::Ram(bytes) => vec!["ram".to_owned(), bytes.to_string()],
        VolumeSource::Files(_) => {
            grants.push(Grant { read_only: true, ..Grant::implied(WellKnownGrant::BootPackage) });
            vec!["packed".to_owned(), volume.image_name()]
        }
        VolumeSource::Disk(_) => {
            let driver = driver(&name, names::DISK_GRANT);
            grants.push(Grant::inner(names::DISK_GRANT, export(&driver, names::DISK_EXPORT)));
            let restart = volume.restart;
            let process = disk_driver(driver, disk.unwrap_or(u32::MAX));
            processes.push(Process { group: Some(name.clone()), restart, ..process });
            let mode = volume.is_read_only().then(|| "read-only".to_owned());
            std::iter::once("disk".to_owned()).chain(mode).collect()
        }
    };
    processes.push(Process {
        binary: Program::of_this_tree(names::VOLUME_SERVER),
        args: std::iter::once(volume.name.clone()).chain(medium).collect(),
        grants,
        exports: vec![exports(names::VOLUME_EXPORT, methods::volume::INTERFACE_ID)],
        limits: volume.server_limits(),
        restart: volume.restart,
        group: Some(name.clone()),
        is_service: true,
        flush: Some(Flush { export: names::VOLUME_EXPORT.to_owned(), timeout_ns: Some(LAST_SYNC_NS) }),
        name,
        ..Process::default()
    });
    processes
}
