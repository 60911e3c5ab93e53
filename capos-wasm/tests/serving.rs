//! `WasmHost` and `WasmInstance` as seen by their clients.

use crate::support::{World, console, with_imports};
use capnp::{ErrorKind, capability::FromClientHook as _};
use capos_schema::grants;
use capos_schema::launch_capnp::named_grant;
use capos_schema::wasm_capnp::{instance_end, value, wasm_host, wasm_instance};
use capos_wasm::server::WasmHost;
use std::rc::Rc;

const MODULE: &str = r#"(module
    (memory 1)
    (global $calls (mut i32) (i32.const 0))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "all") (param i64 f32 f64) (result f64 f32 i64) (local.get 2) (local.get 1) (local.get 0))
    (func (export "count") (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))
    (func (export "trap") unreachable)
    (func (export "loop") (loop $again (br $again)))
    (func (export "reference") (result funcref) (ref.null func)))"#;

/// A client of the world's host; "named" is a module that it can look up.
fn host(world: &World) -> wasm_host::Client {
    let named: &'static [u8] = wat::parse_str(MODULE).expect("text").leak();
    let lookup = Rc::new(move |name: &str| (name == "named").then_some(named));
    capnp_rpc::new_client(WasmHost::new(world.host.clone(), lookup, capnp_rpc::new_client))
}

fn start(world: &mut World, wat: &str, run: bool) -> capnp::Result<wasm_instance::Client> {
    let mut request = host(world).start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_bytes(&wat::parse_str(wat).expect("text"));
    spec.set_name("served");
    spec.set_run(run);
    spec.init_grants().set_stdout(console(&world.console));
    let response = world.block_on(request.send().promise)?;
    response.get()?.get_instance()
}

fn call(
    world: &mut World,
    instance: &wasm_instance::Client,
    function: &str,
    arguments: &[i32],
) -> capnp::Result<Vec<i32>> {
    let mut request = instance.call_request();
    request.get().set_function(function);
    let mut list = request.get().init_arguments(arguments.len() as u32);
    for (index, &argument) in (0..).zip(arguments) {
        list.reborrow().get(index).set_i32(argument);
    }
    let response = world.block_on(request.send().promise)?;
    let mut results = Vec::new();
    for result in response.get()?.get_results()? {
        if let value::I32(result) = result.which()? {
            results.push(result);
        }
    }
    Ok(results)
}

fn end_of<T>(
    world: &mut World,
    instance: &wasm_instance::Client,
    read: impl FnOnce(instance_end::Reader<'_>) -> T,
) -> T {
    let response = world.block_on(instance.wait_request().send().promise).expect("waiting");
    read(response.get().and_then(|results| results.get_end()).expect("an end"))
}

fn is_killed(end: instance_end::Reader<'_>) -> bool {
    matches!(end.which(), Ok(instance_end::Killed(())))
}

#[test]
fn exports_are_called_and_keep_their_state() {
    let mut world = World::new();
    let instance = start(&mut world, MODULE, false).expect("it starts");
    assert_eq!(call(&mut world, &instance, "add", &[40, 2]).expect("add"), [42]);
    for expected in 1..4 {
        assert_eq!(call(&mut world, &instance, "count", &[]).expect("count"), [expected]);
    }
}

#[test]
fn modules_are_found_by_name() {
    let mut world = World::new();
    for (name, found) in [("named", true), ("other", false)] {
        let mut request = host(&world).start_request();
        request.get().init_spec().init_module().set_named(name);
        let response = world.block_on(request.send().promise);
        assert_eq!(response.is_ok(), found);
        if let Err(error) = response {
            assert!(error.extra.contains("no module \"other\""), "{error}");
        }
    }
}

#[test]
fn every_type_passes_both_ways() {
    let mut world = World::new();
    let instance = start(&mut world, MODULE, false).expect("it starts");
    let mut request = instance.call_request();
    request.get().set_function("all");
    let mut list = request.get().init_arguments(3);
    list.reborrow().get(0).set_i64(-5_000_000_000);
    list.reborrow().get(1).set_f32(1.5);
    list.reborrow().get(2).set_f64(-0.1);
    let response = world.block_on(request.send().promise).expect("all");
    let results = response.get().and_then(|results| results.get_results()).expect("results");
    assert!(matches!(results.get(0).which(), Ok(value::F64(-0.1))));
    assert!(matches!(results.get(1).which(), Ok(value::F32(1.5))));
    assert!(matches!(results.get(2).which(), Ok(value::I64(-5_000_000_000))));
}

#[test]
fn wrong_calls_fail_and_harm_nobody() {
    let mut world = World::new();
    let instance = start(&mut world, MODULE, false).expect("it starts");
    for (function, arguments) in
        [("add", &[1][..]), ("add", &[1, 2, 3]), ("nothing", &[]), ("all", &[1, 2, 3]), ("reference", &[])]
    {
        let error = call(&mut world, &instance, function, arguments).expect_err(function);
        assert_eq!(error.kind, ErrorKind::Failed, "{error}");
    }
    assert_eq!(call(&mut world, &instance, "add", &[1, 2]).expect("add"), [3]);
}

#[test]
fn a_call_that_ends_the_instance_says_so_and_so_do_later_ones() {
    let mut world = World::new();
    let instance = start(&mut world, MODULE, false).expect("it starts");
    for function in ["trap", "add"] {
        let error = call(&mut world, &instance, function, if function == "add" { &[1, 2] } else { &[] });
        let error = error.expect_err(function);
        assert_eq!(error.kind, ErrorKind::Disconnected);
        assert!(error.extra.contains("unreachable"), "{error}");
    }
    let message = end_of(&mut world, &instance, |end| match end.which() {
        Ok(instance_end::Trap(trap)) => {
            trap.and_then(|trap| Ok(trap.get_backtrace()?.len())).expect("a trap")
        }
        _ => panic!("no trap"),
    });
    assert_eq!(message, 1);
}

#[test]
fn a_loop_is_killed_and_its_caller_told() {
    let mut world = World::new();
    let instance = start(&mut world, MODULE, false).expect("it starts");
    let mut request = instance.call_request();
    request.get().set_function("loop");
    let calling = world.begin(request.send().promise);
    world.turns(10);
    let usage = world.block_on(instance.use_request().send().promise).expect("use");
    let usage = usage.get().expect("use");
    assert!(usage.get_fuel() > 100_000, "{}", usage.get_fuel());
    assert_eq!(usage.get_memory_bytes(), 65536);
    world.block_on(instance.kill_request().send().promise).map(|_| ()).expect("kill");
    let Ok(Err(error)) = world.block_on(calling) else { panic!("a loop returned") };
    assert_eq!(error.kind, ErrorKind::Disconnected);
    assert!(end_of(&mut world, &instance, is_killed));
}

#[test]
fn calls_run_one_after_the_other() {
    let mut world = World::new();
    let instance = start(&mut world, MODULE, false).expect("it starts");
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let mut request = instance.call_request();
            request.get().set_function("count");
            request.send().promise
        })
        .collect();
    for (call, expected) in calls.into_iter().zip(1..) {
        let response = world.block_on(call).expect("count");
        let results = response.get().and_then(|results| results.get_results()).expect("results");
        assert!(matches!(results.get(0).which(), Ok(value::I32(count)) if count == expected));
    }
}

#[test]
fn too_many_calls_are_turned_away() {
    let mut world = World::new();
    let instance = start(&mut world, MODULE, false).expect("it starts");
    let mut calls = Vec::new();
    for _ in 0..200 {
        let mut request = instance.call_request();
        request.get().set_function("loop");
        calls.push(world.begin(request.send().promise));
    }
    world.turns(10);
    world.block_on(instance.kill_request().send().promise).map(|_| ()).expect("kill");
    let mut kinds = Vec::new();
    for call in calls {
        let answer = world.block_on(call).expect("it is answered");
        kinds.push(answer.map(|_| ()).expect_err("a loop").kind);
    }
    assert!(kinds.contains(&ErrorKind::Overloaded) && kinds.contains(&ErrorKind::Disconnected));
}

#[test]
fn the_last_client_takes_the_instance_with_it() {
    let mut world = World::new();
    let before = Rc::strong_count(&world.console);
    for run in [false, true] {
        let wat = r#"(module (func (export "_start") (loop $again (br $again))))"#;
        let instance = start(&mut world, wat, run).expect("it starts");
        let copy = instance.clone();
        drop(instance);
        world.turns(10);
        assert!(Rc::strong_count(&world.console) > before, "a client is left");
        drop(copy);
        world.turns(10);
        assert_eq!(Rc::strong_count(&world.console), before, "the instance is gone");
    }
}

#[test]
fn programs_run_with_what_the_message_grants() {
    let mut world = World::new();
    let program = with_imports(
        r#"(data (i32.const 0) "\40\00\00\00\03\00\00\00") (data (i32.const 64) "hi\n")
        (func (export "_start")
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
            (call $proc_exit (call $random_get (i32.const 0) (i32.const 1))))"#,
    );
    let instance = start(&mut world, &program, true).expect("it starts");
    let status = end_of(&mut world, &instance, |end| match end.which() {
        Ok(instance_end::Exited(status)) => status,
        _ => panic!("no exit"),
    });
    assert_eq!((status, &world.output()[..]), (52, "hi\n"));
}

#[test]
fn what_cannot_start_fails_at_once() {
    let mut world = World::new();
    let Err(error) = start(&mut world, r#"(module (import "a" "b" (func)))"#, true) else {
        panic!("it started")
    };
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(error.extra.contains("unknown import \"b\" of \"a\""), "{error}");
}

#[test]
fn a_reactor_is_initialized_before_its_first_call() {
    let mut world = World::new();
    let module = r#"(module (global $ready (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $ready (i32.const 1)))
        (func (export "ready") (result i32) (global.get $ready)))"#;
    let instance = start(&mut world, module, false).expect("it starts");
    assert_eq!(call(&mut world, &instance, "ready", &[]).expect("ready"), [1]);
}

#[test]
fn waiting_in_a_tail_call_or_in_an_exported_import() {
    let mut world = World::new();
    let module = r#"(module
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (func $tail (result i32) (return_call $yield))
        (func (export "root") (result i32) (return_call $yield))
        (func (export "nested") (result i32) (i32.add (call $tail) (i32.const 5)))
        (export "import" (func $yield)))"#;
    let instance = start(&mut world, module, false).expect("it starts");
    for (function, expected) in [("root", 0), ("nested", 5), ("import", 0), ("nested", 5)] {
        assert_eq!(call(&mut world, &instance, function, &[]).expect(function), [expected]);
    }
}

/// Starts an instance with these grants: names, interfaces, and whether there is a capability.
fn start_with(world: &mut World, grants: &[(&str, u64, bool)]) -> capnp::Result<wasm_instance::Client> {
    let mut request = host(world).start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_named("named");
    let mut list = spec.init_grants().init_grants(grants.len() as u32);
    for (index, &(name, interface, is_there)) in (0..).zip(grants) {
        let mut grant = list.reborrow().get(index);
        grant.set_name(name);
        grant.set_interface_id(interface);
        if is_there {
            grant.init_capability().set_as_capability(console(&world.console).into_client_hook());
        }
    }
    let response = world.block_on(request.send().promise)?;
    response.get()?.get_instance()
}

fn grants_of(world: &mut World, instance: &wasm_instance::Client) -> Vec<(String, u64)> {
    let response = world.block_on(instance.grants_request().send().promise).expect("grants");
    let list = response.get().and_then(|results| results.get_grants()).expect("a list");
    let read = |grant: named_grant::Reader<'_>| {
        (grant.get_name().expect("a name").to_string().expect("text"), grant.get_interface_id())
    };
    list.iter().map(read).collect()
}

/// WASI Preview 1 cannot use them.
#[test]
fn what_is_held_by_name_is_listed_and_released_at_the_end() {
    let mut world = World::new();
    let before = Rc::strong_count(&world.console);
    let console = grants::CONSOLE.interface_id;
    let instance =
        start_with(&mut world, &[("keys", console, true), ("unknown", 0, true)]).expect("it starts");
    world.turns(10);
    assert!(Rc::strong_count(&world.console) > before, "held");
    let held = [("keys".to_owned(), console), ("unknown".to_owned(), 0)];
    assert_eq!(grants_of(&mut world, &instance), held);
    assert_eq!(call(&mut world, &instance, "add", &[1, 2]).expect("add"), [3]);
    world.block_on(instance.kill_request().send().promise).map(|_| ()).expect("kill");
    assert!(end_of(&mut world, &instance, is_killed));
    assert_eq!(grants_of(&mut world, &instance), []);
    world.turns(10);
    assert_eq!(Rc::strong_count(&world.console), before, "released, though the instance is still watched");
}

#[test]
fn hostile_grants_are_refused() {
    let mut world = World::new();
    let console = grants::CONSOLE.interface_id;
    let long = "x".repeat(256);
    let many: Vec<String> = (0..257).map(|number| format!("g{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), 0, false)).collect();
    for (grants, wanted) in [
        (&[("a", 0, true), ("a", 0, true)][..], "two grants are called \"a\""),
        (&[("", 0, true)], "the name of a grant has 1 to 255 bytes"),
        (&[(&*long, 0, true)], "the name of a grant has 1 to 255 bytes"),
        (&[("a", console, false)], "the grant \"a\" has no capability"),
        (&[("timer", console, true)], "the grant \"timer\" serves interface @0x"),
        (&many, "more than 256 grants"),
    ] {
        let Err(error) = start_with(&mut world, grants) else { panic!("{wanted}: it started") };
        assert!(error.extra.contains(wanted), "{wanted}: {error}");
    }
    // If the granter does not know its interface, it is tried.
    assert!(start_with(&mut world, &[("timer", 0, true)]).is_ok());
}
