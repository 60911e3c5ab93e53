//! Programs that pass invalid memory ranges: each gets an errno, and the host continues to work.

use crate::support::{World, by_engine, call_program, e, errno, spec, with_imports};
use capos_wasm::End;

#[test]
fn bad_pointers_are_errnos() {
    let mut world = World::new();
    world.console.give(b"some input");
    // Each PTR is outside memory, or so close to its end that the structure does not fit.
    let calls = [
        ("(call $args_sizes_get (i32.const PTR) (i32.const 0))", 4),
        ("(call $args_sizes_get (i32.const 0) (i32.const PTR))", 4),
        ("(call $args_get (i32.const PTR) (i32.const 0))", 4),
        ("(call $args_get (i32.const 0) (i32.const PTR))", 1),
        ("(call $clock_time_get (i32.const 1) (i64.const 0) (i32.const PTR))", 8),
        ("(call $clock_res_get (i32.const 0) (i32.const PTR))", 8),
        ("(call $fd_fdstat_get (i32.const 1) (i32.const PTR))", 8),
        ("(call $fd_write (i32.const 1) (i32.const PTR) (i32.const 1) (i32.const 0))", 4),
        ("(call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const PTR))", 4),
        ("(call $fd_read (i32.const 0) (i32.const PTR) (i32.const 1) (i32.const 0))", 4),
        ("(call $fd_read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const PTR))", 4),
        ("(call $poll_oneoff (i32.const PTR) (i32.const 0) (i32.const 1) (i32.const 0))", 8),
        ("(call $poll_oneoff (i32.const 0) (i32.const PTR) (i32.const 1) (i32.const 0))", 8),
        ("(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 1) (i32.const PTR))", 4),
    ];
    for (call, align) in calls {
        for pointer in [65536u32, 0x7fff_fff8, 0x8000_0000, 0xffff_fff8] {
            let end = world.run(world.program(&call_program("", &call.replace("PTR", &pointer.to_string()))));
            assert_eq!(end, errno(e::FAULT), "{call} at {pointer:#x}");
        }
        if align > 1 {
            let end = world.run(world.program(&call_program("", &call.replace("PTR", "65"))));
            assert_eq!(end, errno(e::INVAL), "{call} not aligned");
        }
    }
}

#[test]
fn bad_buffers_are_errnos() {
    let mut world = World::new();
    world.console.give(b"some input");
    for call in ["$fd_write (i32.const 1)", "$fd_read (i32.const 0)"] {
        for (iovec, count, number) in [
            (r"\00\00\01\00\01\00\00\00", 1, e::FAULT),
            (r"\f0\ff\00\00\11\00\00\00", 1, e::FAULT),
            (r"\00\00\00\00\ff\ff\ff\ff", 1, e::FAULT),
            (r"\ff\ff\ff\ff\ff\ff\ff\ff", 1, e::FAULT),
            (r"\00\00\00\00\01\00\00\00", 1025, e::INVAL),
            (r"\00\00\00\00\01\00\00\00", -1, e::INVAL),
        ] {
            let items = format!(r#"(data (i32.const 0) "{iovec}")"#);
            let call = format!("(call {call} (i32.const 0) (i32.const {count}) (i32.const 32))");
            let end = world.run(world.program(&call_program(&items, &call)));
            assert_eq!(end, errno(number), "{iovec} {call}");
        }
    }
    assert_eq!(world.output(), "");
}

#[test]
fn the_second_bad_buffer_stops_the_first() {
    let mut world = World::new();
    let items = r#"(data (i32.const 0) "\00\00\00\00\04\00\00\00\ff\ff\ff\ff\04\00\00\00")"#;
    let call = "(call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 32))";
    assert_eq!(world.run(world.program(&call_program(items, call))), errno(e::FAULT));
    assert_eq!(world.output(), "");
}

#[test]
fn lists_of_subscriptions_are_bounded() {
    let mut world = World::new();
    for count in ["0", "1025", "-1", "0x7fffffff"] {
        let call =
            format!("(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const {count}) (i32.const 0))");
        assert_eq!(world.run(world.program(&call_program("", &call))), errno(e::INVAL), "{count}");
    }
}

#[test]
fn subscriptions_that_mean_nothing_are_einval() {
    let mut world = World::new();
    let zeros = |count: usize| r"\00".repeat(count);
    for (what, bytes) in [
        ("tag", format!(r"{}\03", zeros(8))),
        ("clock", format!(r"{}\09", zeros(16))),
        ("processor time", format!(r"{}\02", zeros(16))),
        ("flags", format!(r"{}\02", zeros(40))),
    ] {
        let items = format!(r#"(data (i32.const 0) "{bytes}")"#);
        let call = "(call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))";
        assert_eq!(world.run(world.program(&call_program(&items, call))), errno(e::INVAL), "{what}");
    }
}

#[test]
fn a_program_without_memory_gets_efault() {
    let mut world = World::new();
    let program = r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (func (export "_start") (call $proc_exit (call $random_get (i32.const 0) (i32.const 1)))))"#;
    assert_eq!(world.run(world.program(program)), errno(e::FAULT));
}

#[test]
fn a_memory_that_is_no_memory_gets_efault() {
    let mut world = World::new();
    let program = r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (func (export "memory"))
        (func (export "_start") (call $proc_exit (call $random_get (i32.const 0) (i32.const 1)))))"#;
    assert_eq!(world.run(world.program(program)), errno(e::FAULT));
}

#[test]
fn things_that_are_no_modules_fail_to_start() {
    let mut world = World::new();
    let good = wat::parse_str(with_imports(r#"(func (export "_start"))"#)).expect("text");
    let mut cut = good.clone();
    cut.truncate(good.len() / 2);
    for module in [vec![], b"\0asm".to_vec(), b"\x7fELF everything else".to_vec(), cut] {
        let mut spec = spec("(module)", world.all_grants());
        spec.module = module.into();
        let End::FailedToStart(reason) = world.run(spec) else { panic!("it started") };
        assert!(reason.contains("not a valid module"), "{reason}");
    }
}

#[test]
fn every_prefix_and_every_flipped_byte_of_a_module_ends_cleanly() {
    let mut world = World::new();
    let good = wat::parse_str(with_imports(
        r#"(data (i32.const 0) "\10\00\00\00\04\00\00\00")
        (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"#,
    ))
    .expect("text");
    // wasmtime compiles each of them as a whole, with a compiler that is not optimised here.
    let flips = by_engine(&[0x01, 0x80, 0xff][..], &[0x01]);
    for at in 0..good.len() {
        for flip in flips {
            let mut module = good.clone();
            module[at] ^= flip;
            let mut spec = spec("(module)", world.all_grants());
            spec.limits.fuel = Some(1_000_000);
            spec.limits.memory_bytes = 1 << 20;
            spec.module = module.into();
            let handle = world.host.start(spec);
            world.turns(100);
            handle.kill();
            world.wait(&handle);
        }
    }
    assert_eq!(world.run(world.program(&with_imports(r#"(func (export "_start"))"#))), End::Exited(0));
}
