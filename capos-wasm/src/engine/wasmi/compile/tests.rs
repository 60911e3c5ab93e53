//! Compiling is done in turns with other tasks.

use super::{Settings, compile};
use crate::{Limits, UnknownImports, pace::Pace, preview1::Preview1};
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// The number of times that compiling a module lets other tasks run.
fn pauses(module: &str) -> usize {
    let module = wat::parse_str(module).expect("it is a module");
    let settings = Settings::new(&Limits::default(), UnknownImports::Deny, false, false);
    let mut pace = Pace::new(None);
    let mut compiling = pin!(compile::<Preview1>(&module, settings, &mut pace));
    let mut count = 0;
    loop {
        match compiling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => count += 1,
            Poll::Ready(compiled) => {
                assert!(compiled.is_ok(), "{:?}", compiled.err());
                return count;
            }
        }
    }
}

#[test]
fn long_sections_are_read_in_turns() {
    let numbered = |item: fn(u32) -> String| (0..20_000).map(item).collect::<String>();
    for items in [
        numbered(|_| "(type (func))".to_owned()),
        numbered(|_| r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#.to_owned()),
        numbered(|_| "(global i32 (i32.const 1))".to_owned()),
        format!("(func $f) {}", numbered(|number| format!(r#"(export "{number}" (func $f))"#))),
        format!("(func $f) (elem func {})", numbered(|_| "$f ".to_owned())),
        format!("(func $f) (elem funcref {})", numbered(|_| "(ref.func $f) ".to_owned())),
    ] {
        // Each item counts as at least 16 of the 16,384 bytes of a turn, twice.
        let count = pauses(&format!("(module {items})"));
        assert!(count >= 20, "{count} pauses: {}", &items[..60]);
    }
}

#[test]
fn operators_of_many_values_count_as_more_work() {
    let values = "i32 ".repeat(800);
    let module = |block: &str| {
        let (push, drops) = ("(i32.const 1)".repeat(800), "drop ".repeat(800));
        let blocks = format!("block {block} end ").repeat(1_000);
        format!(
            "(module (type $many (func (param {values}) (result {values}))) (func {push} {blocks} {drops}))"
        )
    };
    let count = pauses(&module("(type $many)"));
    assert!(count >= 10, "{count} pauses");
}
