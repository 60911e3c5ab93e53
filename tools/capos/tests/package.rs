//! The boot package round-trips, with each program on separate pages.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use capnp::message::ReaderOptions;
use capnp::serialize::read_message_from_flat_slice_no_alloc;
use capos_host::binaries::{Image, Images};
use capos_host::manifest::{Manifest, decode};
use capos_host::pack::{PAGE_BYTES, pack};
use capos_schema::grants::WellKnown;
use capos_schema::manifest_capnp::{boot_package, grant_entry::source};
use capos_schema::methods;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

fn manifest() -> Manifest {
    let json = json!({
        "name": "all", "exitFrom": "wasm/i",
        "processes": [{
            "name": "p", "binary": "b", "args": ["one", ""], "env": {"A": "1", "B": "="}, "executable": true,
            "exports": [{"name": "echo", "interface": "0x8000000000000001"}], "expectFault": true,
            "grants": {"console": true, "wallClock": true, "w": {"from": "wasm", "export": "wasm-host"}, "keys": {"from": "p", "export": "echo"}},
            "limits": {"memory": "1MiB", "capabilitySlots": 3, "threads": 4, "priority": 5},
        }],
        "wasm": [{
            "exports": true, "sequence": true,
            "instances": [{
                "name": "i", "module": "m", "args": ["two"], "env": {"C": "3"},
                "grants": {"timer": true, "entropy": true, "keys": {"from": "p", "export": "echo"},
                    "nic": {"device": {"vendor": 3, "device": [4, 5], "index": 6}}},
                "limits": {
                    "memory": "2MiB", "fuel": 6, "wallTime": "7us", "outputBytes": 8, "tableElements": 9,
                    "stack": 4096,
                },
            }],
        }],
    });
    decode::decode(&json).unwrap()
}

/// Calls `read` with the package, which must be standard framing, one segment, whole pages.
fn reading(package: &[u8], read: impl FnOnce(boot_package::Reader<'_>)) {
    assert!(package.len().is_multiple_of(PAGE_BYTES));
    assert_eq!(package.get(..4), Some([0; 4].as_slice()), "more than one segment");
    let mut rest = package;
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(None);
    let message = read_message_from_flat_slice_no_alloc(&mut rest, options).unwrap();
    assert!(rest.is_empty(), "{} bytes are not part of the message", rest.len());
    let bytes = package;
    let base = bytes.as_ptr().addr();
    let package: boot_package::Reader<'_> = message.get_root().unwrap();
    let images = package.get_binaries().unwrap().iter().map(|binary| binary.get_image().unwrap());
    for image in images.chain([package.get_init().unwrap()]) {
        let offset = image.as_ptr().addr() - base;
        assert!(offset.is_multiple_of(PAGE_BYTES), "a program at {offset:#x}");
        let tail = bytes.get(offset + image.len()..(offset + image.len()).next_multiple_of(PAGE_BYTES));
        assert!(tail.unwrap().iter().all(|byte| *byte == 0), "something else on a program's last page");
    }
    read(package);
}

#[test]
fn every_field_arrives() {
    let images = Images { init: vec![1], programs: vec![Image { name: "b".into(), bytes: vec![2; 5000] }] };
    reading(&pack(&manifest(), &images, &[]).unwrap(), |package| {
        assert_eq!(package.get_init().unwrap(), [1]);
        let binary = package.get_binaries().unwrap().get(0);
        assert_eq!(
            (binary.get_name().unwrap().to_str().unwrap(), binary.get_image().unwrap().len()),
            ("b", 5000)
        );
        let manifest = format!("{:?}", package.get_manifest().unwrap());
        for part in [
            r#"name = "all""#,
            r#"exitFrom = "wasm/i""#,
            r#"binary = "b""#,
            r#"arguments = ["one", ""]"#,
            r#"name = "B", value = "=""#,
            "executable = true",
            r#"exports = ["echo"]"#,
            "expectFault = true",
            "frames = 256, capabilitySlots = 3, threads = 4, priority = 5",
            r#"name = "wall-clock""#,
            r#"source = (export = (process = "wasm", export = "wasm-host"))"#,
            r#"name = "grant/i/keys", interfaceId = 9223372036854775809, source = (export = (process = "p", export = "echo"))"#,
            "source = (device = (vendor = 3, devices = [4, 5], index = 6))",
            "sequence = true, exports = true",
            r#"binary = "capos-wasm""#,
            r#"exports = ["wasm-host"]"#,
            r#"module = "m", arguments = ["two"]"#,
            r#"source = (held = "timer")"#,
            r#"source = (held = "entropy")"#,
            r#"name = "keys", interfaceId = 9223372036854775809, source = (held = "grant/i/keys")"#,
            "memoryBytes = 2097152, fuel = 6, wallTimeNanoseconds = 7000, outputBytes = 8, tableElements = 9, stackBytes = 4096",
        ] {
            assert!(manifest.contains(part), "{part} is not in {manifest}");
        }
    });
}

#[test]
fn grants_are_of_the_right_kind() {
    let images = Images { init: vec![1], programs: vec![] };
    reading(&pack(&manifest(), &images, &[]).unwrap(), |package| {
        let grants = package.get_manifest().unwrap().get_processes().unwrap().get(0).get_grants().unwrap();
        let found: Vec<_> = grants
            .iter()
            .map(|grant| {
                let source = match grant.get_source().which().unwrap() {
                    source::WellKnown(known) => WellKnown::of(known.unwrap()).name.to_owned(),
                    source::Export(export) => export.unwrap().get_process().unwrap().to_string().unwrap(),
                    _ => "another".to_owned(),
                };
                (grant.get_name().unwrap().to_string().unwrap(), source, grant.get_interface_id())
            })
            .collect();
        let wanted = [
            ("console", "console", methods::console::INTERFACE_ID),
            ("keys", "p", 1 << 63 | 1),
            ("w", "wasm", methods::wasm_host::INTERFACE_ID),
            ("wall-clock", "wall-clock", methods::wall_clock::INTERFACE_ID),
        ];
        assert_eq!(found, wanted.map(|(name, source, id)| (name.to_owned(), source.to_owned(), id)));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn programs_of_any_length_arrive_on_pages_of_their_own(
        init in vec(any::<u8>(), 1..9000),
        programs in vec(vec(any::<u8>(), 1..9000), 0..6),
    ) {
        let images = Images {
            init: init.clone(),
            programs: programs
                .iter()
                .enumerate()
                .map(|(index, bytes)| Image { name: "x".repeat(index), bytes: bytes.clone() })
                .collect(),
        };
        reading(&pack(&manifest(), &images, &[]).unwrap(), |package| {
            assert_eq!(package.get_init().unwrap(), init);
            for (index, (binary, bytes)) in package.get_binaries().unwrap().iter().zip(&programs).enumerate() {
                assert_eq!(binary.get_name().unwrap().len(), index);
                assert_eq!(binary.get_image().unwrap(), bytes.as_slice());
            }
        });
    }
}
