//! The processes that a manifest's fields ask for are entries of the boot package like any other.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step fails the test")]

use std::fmt::Write as _;

use capos_host::manifest::{Manifest, convert, decode};
use capos_host::qemu::ConsoleLine;
use capos_schema::compiler_capnp::compiler_grant;
use capos_schema::file_capnp::directory_grant;
use capos_schema::grants::WellKnown;
use capos_schema::manifest_capnp::{export_ref, grant_entry, manifest, process_entry, restart_policy};
use capos_schema::names;
use serde_json::{Value, json};

/// A line for each entry, and one for each of its grants.
fn entries(manifest: &Value, line: ConsoleLine) -> String {
    let mut manifest: Manifest = decode::decode(manifest).unwrap();
    manifest.connect(line);
    let mut message = capnp::message::Builder::new_default();
    convert::convert(&manifest, &|_| 0, message.init_root()).unwrap();
    let manifest: manifest::Reader<'_> = message.get_root_as_reader().unwrap();
    let mut text = String::new();
    for entry in manifest.get_processes().unwrap() {
        describe(entry, &mut text);
        for grant in entry.get_grants().unwrap() {
            let name = grant.get_name().unwrap().to_str().unwrap();
            let only = if grant.get_read_only() { ", read only" } else { "" };
            writeln!(text, "    {name}: {}{only}", source(grant)).unwrap();
        }
    }
    text
}

fn describe(entry: process_entry::Reader<'_>, text: &mut String) {
    let string = |text: capnp::Result<capnp::text::Reader<'_>>| text.unwrap().to_string().unwrap();
    let list = |list: capnp::Result<capnp::text_list::Reader<'_>>| {
        list.unwrap().iter().map(string).collect::<Vec<_>>().join(" ")
    };
    write!(
        text,
        "{}: {} {}",
        string(entry.get_name()),
        string(entry.get_binary()),
        list(entry.get_arguments())
    )
    .unwrap();
    write!(text, "; exports {}", list(entry.get_exports())).unwrap();
    write!(text, "; priority {}", entry.get_limits().unwrap().get_priority()).unwrap();
    if entry.get_is_service() {
        text.push_str("; service");
    }
    if entry.has_group() && !entry.get_group().unwrap().is_empty() {
        write!(text, "; group {}", string(entry.get_group())).unwrap();
    }
    match entry.get_restart().unwrap().which().unwrap() {
        restart_policy::Never(()) => {}
        restart_policy::OnFailure(times) => write!(text, "; on failure {times}").unwrap(),
        restart_policy::Always(()) => text.push_str("; always"),
    }
    let flush = entry.get_flush().unwrap();
    if !flush.get_export().unwrap().is_empty() {
        let seconds = flush.get_timeout_nanoseconds() / 1_000_000_000;
        write!(text, "; flush {} {seconds} s", string(flush.get_export())).unwrap();
    }
    text.push('\n');
}

fn source(grant: grant_entry::Reader<'_>) -> String {
    match grant.get_source().which().unwrap() {
        grant_entry::source::WellKnown(known) => WellKnown::of(known.unwrap()).field.to_owned(),
        grant_entry::source::Export(from) => exported(from.unwrap()),
        grant_entry::source::Device(device) => {
            let device = device.unwrap();
            let devices: Vec<String> =
                device.get_devices().unwrap().iter().map(|number| format!("{number:x}")).collect();
            format!("{:x}:{} {}", device.get_vendor(), devices.join("|"), device.get_index())
        }
        grant_entry::source::Held(_) => panic!("a process holds this itself"),
    }
}

fn exported(from: export_ref::Reader<'_>) -> String {
    let process = from.get_process().unwrap().to_str().unwrap();
    let export = from.get_export().unwrap().to_str().unwrap();
    if !from.has_wanted() {
        return format!("{process} {export}");
    }
    if export == names::COMPILER_EXPORT {
        let wanted: compiler_grant::Reader<'_> = from.get_wanted().get_as().unwrap();
        return format!("{process} {export} of {}", wanted.get_holder().unwrap().to_str().unwrap());
    }
    let wanted: directory_grant::Reader<'_> = from.get_wanted().get_as().unwrap();
    let (rights, quota) = (wanted.get_rights().unwrap(), wanted.get_quota().unwrap());
    format!(
        "{process} {export} {:?} {}{}{} create {} {} {}",
        wanted.get_path().unwrap().to_str().unwrap(),
        if rights.get_read() { "r" } else { "" },
        if rights.get_write() { "w" } else { "" },
        if rights.get_modify() { "m" } else { "" },
        wanted.get_create(),
        quota.get_bytes(),
        quota.get_inodes()
    )
}

#[test]
fn compilers_are_services_of_hosts_that_use_them() {
    let host = |engine: &str| {
        json!({"name": "m", "volumes": {"v": {"ram": "8MiB"}},
            "compiler": {"cache": {"volume": "v", "path": "/c", "rights": "rw", "create": true},
                "workers": 2, "worker": {"memory": "64MiB", "time": "3s"}, "verbose": true},
            "wasm": [{"engine": engine, "instances": [{"name": "i"}]}]})
    };
    let found = entries(&host("auto"), ConsoleLine::Serial);
    let (_, found) = found.split_once("compiler service: ").unwrap();
    let wanted = "\
compiler revision= worker-bytes=67108864 worker-ns=3000000000 workers=2 verbose; exports compiler compiler-status; \
priority 0; service; on failure 100; flush compiler 30 s
    log: log
    timer: timer
    entropy: entropy
    process-spawner: processSpawner
    boot-package: bootPackage
    code-factory: codeFactory
    cache: volume v volume \"c\" rwm create true 0 0
wasm: capos-wasm-compiled ; exports ; priority 0
    timer: timer
    log: log
    boot-package: bootPackage
    entropy: entropy
    compiler: compiler service compiler of wasm
";
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(found), sorted(wanted), "{found}");
    let found = entries(&host("interpreter"), ConsoleLine::Serial);
    assert!(!found.contains("compiler") && found.contains("wasm: capos-wasm ;"), "{found}");
}

#[test]
fn volumes_are_servers_and_drivers() {
    let found = entries(
        &json!({"name": "m",
            "volumes": {
                "a": {"disk": "a.img", "readOnly": true, "restart": {"onFailure": 9}},
                "b": {"disk": "b.img", "limits": {"priority": 14}},
                "c": {"files": "site"},
                "d": {"ram": "100MiB"},
            },
            "processes": [{"name": "p", "grants": {
                "home": {"volume": "b", "path": "/x", "rights": "r", "create": true, "quota": {"bytes": 11, "inodes": 12}},
                "all": {"volume": "a", "rights": "rw"},
            }}],
        }),
        ConsoleLine::Serial,
    );
    let wanted = "\
volume a/disk: virtio-blk ; exports disk; priority 0; service; group volume a; on failure 9
    device: 1af4:1042|1001 0
    log: log
volume a: fs a disk read-only; exports volume; priority 0; service; group volume a; on failure 9; flush volume 30 s
    log: log
    timer: timer
    wall-clock: wallClock
    entropy: entropy
    disk: volume a/disk disk
volume b/disk: virtio-blk ; exports disk; priority 0; service; group volume b
    device: 1af4:1042|1001 1
    log: log
volume b: fs b disk; exports volume; priority 14; service; group volume b; flush volume 30 s
    log: log
    timer: timer
    wall-clock: wallClock
    entropy: entropy
    disk: volume b/disk disk
volume c: fs c packed volume/c; exports volume; priority 0; service; group volume c; flush volume 30 s
    log: log
    timer: timer
    wall-clock: wallClock
    entropy: entropy
    boot-package: bootPackage, read only
volume d: fs d ram 104857600; exports volume; priority 0; service; group volume d; flush volume 30 s
    log: log
    timer: timer
    wall-clock: wallClock
    entropy: entropy
p: p ; exports ; priority 0
    all: volume a volume \".\" rwm create false 0 0
    home: volume b volume \"x\" r create true 11 12
";
    assert_eq!(found, wanted);
}

#[test]
fn disks_and_the_console_are_processes() {
    let manifest = json!({"name": "m", "processes": [
        {"name": "p", "group": "g", "grants": {"console": true, "disk": {"disk": "a.img"}}},
        {"name": "q", "service": true, "exports": ["end"], "flush": {"export": "end", "timeout": "2s"},
            "grants": {"spare": {"disk": "b.img"}}},
    ]});
    let rest = "\
p/disk: virtio-blk ; exports disk; priority 0; service; group g
    device: 1af4:1042|1001 0
    log: log
p: p ; exports ; priority 0; group g
    console: CONSOLE
    disk: p/disk disk
q/spare: virtio-blk ; exports disk; priority 0; service; group q/
    device: 1af4:1042|1001 1
    log: log
q: q ; exports end; priority 0; service; group q/; flush end 2 s
    spare: q/spare disk
";
    for (line, server) in [
        (ConsoleLine::Serial, None),
        (ConsoleLine::Virtio, Some(("virtio", "device: 1af4:1043|1003 0"))),
        (ConsoleLine::FramedSerial, Some(("serial", "line: console"))),
    ] {
        let server = server.map(|(mode, grant)| {
            format!(
                "console server: capos-console {mode}; exports console flush; priority 12; service; flush flush 0 s\n    {grant}\n    log: log\n"
            )
        });
        let console = if server.is_some() { "console server console" } else { "console" };
        let wanted = server.unwrap_or_default() + &rest.replace("CONSOLE", console);
        assert_eq!(entries(&manifest, line), wanted);
    }
}
