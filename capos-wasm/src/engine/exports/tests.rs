//! Modules keep their meaning.

use super::{Pace, START_EXPORT, add_exports, read_leb, write_leb};
use futures::FutureExt;
use std::borrow::Cow;
use wasmparser::{ExternalKind, Parser, Payload};

/// The module with added exports, and whether it was changed.
fn rewritten(module: &[u8], exposes_state: bool) -> (Vec<u8>, bool) {
    let mut pace = Pace::new(None);
    let bytes = add_exports(module, exposes_state, &mut pace).now_or_never().expect("a small module");
    let is_changed = matches!(bytes, Cow::Owned(_));
    (bytes.into_owned(), is_changed)
}

/// The exports of a module: names, kinds and indices.
fn exports(module: &[u8]) -> Vec<(String, ExternalKind, u32)> {
    let mut all = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.expect("a valid module");
        assert!(!matches!(payload, Payload::StartSection { .. }), "the start section is gone");
        if let Payload::ExportSection(exports) = payload {
            all.extend(exports.into_iter().map(|export| {
                let export = export.expect("a valid export");
                (export.name.to_owned(), export.kind, export.index)
            }));
        }
    }
    all
}

#[test]
fn numbers_come_back() {
    for value in [0, 1, 127, 128, 300, 16_384, u32::MAX] {
        let mut bytes = vec![0xaa];
        write_leb(&mut bytes, value);
        assert_eq!(read_leb(&bytes, 1), Some((value, bytes.len())));
    }
    assert_eq!(read_leb(&[0xff; 9], 0), None);
    assert_eq!(read_leb(&[0xff, 0xff, 0xff, 0xff, 0x7f], 0), None);
    assert_eq!(read_leb(&[0x80], 0), None);
}

#[test]
fn modules_without_a_start_section_stay() {
    for module in
        [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x01\0\0\0\x08", b"\0asm\x01\0\0\0\x08\xff\xff\xff\xff\x0f"]
    {
        for exposes_state in [false, true] {
            assert_eq!(rewritten(module, exposes_state), (module.to_owned(), false));
        }
    }
}

#[test]
fn state_is_exported_under_names_of_its_own() {
    let module = wat::parse_str(
        r#"(module (import "a" "b" (func)) (func $start) (memory (export "memory") 1) (memory 1)
        (global i32 (i32.const 1)) (global (mut i64) (i64.const 2)) (global (export "g") (mut v128) (v128.const i64x2 1 2))
        (start $start) (data (memory 1) (i32.const 0) "x"))"#,
    )
    .expect("text");
    let memory = |name: &str, index| (name.to_owned(), ExternalKind::Memory, index);
    let global = |name: &str, index| (name.to_owned(), ExternalKind::Global, index);
    let start = (START_EXPORT.to_owned(), ExternalKind::Func, 1);
    let own = [memory("memory", 0), global("g", 2)];
    let state = [
        memory("capos:memory 0", 0),
        memory("capos:memory 1", 1),
        global("capos:global 1", 1),
        global("capos:global 2", 2),
    ];
    let (without, is_changed) = rewritten(&module, false);
    assert!(is_changed);
    assert_eq!(exports(&without), [&own[..], std::slice::from_ref(&start)].concat());
    let (with, _) = rewritten(&module, true);
    assert_eq!(exports(&with), [&own[..], &state, &[start]].concat());
}
