//! Manifests that must be refused: each with the path at fault and the reason, and no other problem.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use capos_host::manifest::broken::Broken;
use capos_host::manifest::{Manifest, check, decode};
use serde_json::{Value, json};

/// The problems of a manifest, as `path: reason`.
fn problems(manifest: &Value) -> Vec<String> {
    let (manifest, mut problems) = decode::decode_partly(manifest);
    let more = check::check(&manifest, &Broken::new(&problems));
    problems.extend(more);
    problems.iter().map(|problem| format!("{}: {}", problem.path, problem.reason)).collect()
}

/// A manifest with one process that has these fields besides its name.
fn process(fields: Value) -> Value {
    let mut process = json!({"name": "p"});
    process.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"name": "m", "processes": [process]})
}

/// The same for an instance.
fn instance(fields: Value) -> Value {
    let mut instance = json!({"name": "i"});
    instance.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"name": "m", "wasm": [{"instances": [instance]}]})
}

#[track_caller]
fn refused(manifest: Value, wanted: &[&str]) {
    let found = problems(&manifest);
    assert!(
        found.len() == wanted.len()
            && found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(wanted)),
        "wanted {wanted:#?}, found {found:#?} in {manifest:#}"
    );
}

#[test]
fn unknown_fields() {
    refused(
        json!({"name": "m", "proceses": []}),
        &["proceses: unknown field; did you mean \"processes\"? Known here: name, processes"],
    );
    refused(process(json!({"consle": 1})), &["processes.0.consle: unknown field"]);
    refused(
        process(json!({"grants": {"consle": true}})),
        &[
            "processes.0.grants.consle: unknown grant; did you mean \"console\"? `true` grants one of console, log",
        ],
    );
    // Instances and processes have grants of the same form.
    refused(
        instance(json!({"grants": {"powr": true}})),
        &["wasm.0.instances.0.grants.powr: unknown grant; did you mean \"power\"?"],
    );
    refused(instance(json!({"grants": {"power": true}})), &[]);
    refused(process(json!({"limits": {"fuel": 1}})), &["processes.0.limits.fuel: unknown field"]);
    refused(
        instance(json!({"limits": {"threads": 1}})),
        &["wasm.0.instances.0.limits.threads: unknown field"],
    );
    refused(
        instance(json!({"module": {"path": "x"}})),
        &["wasm.0.instances.0.module.path: unknown field", "wasm.0.instances.0.module.file: missing"],
    );
}

#[test]
fn wrong_types() {
    refused(json!([]), &[": expected a structure, found a list"]);
    refused(
        json!({"name": 1, "processes": {}}),
        &["processes: expected a list, found a structure", "name: expected a string, found a number"],
    );
    refused(process(json!({"args": "x"})), &["processes.0.args: expected a list, found a string"]);
    refused(process(json!({"args": ["x", 1]})), &["processes.0.args.1: expected a string, found a number"]);
    refused(process(json!({"env": {"A": null}})), &["processes.0.env.A: expected a string, found null"]);
    refused(process(json!({"executable": "yes"})), &["processes.0.executable: expected true or false"]);
    refused(
        process(json!({"grants": {"console": "yes"}})),
        &["processes.0.grants.console: expected true or a source: {from: PROCESS}"],
    );
    refused(
        process(json!({"grants": {"console": false}})),
        &["processes.0.grants.console: a grant must be `true`"],
    );
    refused(
        process(json!({"binary": 3})),
        &["processes.0.binary: expected the name of a program or {file: PATH}, found a number"],
    );
    refused(
        json!({"name": "m", "wasm": [{"instances": [3]}]}),
        &["wasm.0.instances.0: expected a structure"],
    );
}

#[test]
fn services_groups_and_flushes() {
    refused(process(json!({"service": 1})), &["processes.0.service: expected true or false"]);
    refused(process(json!({"group": "a b"})), &["processes.0.group: "]);
    refused(process(json!({"group": ["g"]})), &["processes.0.group: expected a string, found a list"]);
    refused(
        process(json!({"flush": 3})),
        &["processes.0.flush: expected the name of an export or {export: NAME"],
    );
    refused(process(json!({"flush": {"timeout": "1s"}})), &["processes.0.flush.export: missing"]);
    refused(
        process(json!({"exports": ["e"], "flush": {"export": "e", "timeout": 1}})),
        &["processes.0.flush.timeout: expected a string such as \"500ms\", found a number"],
    );
    refused(
        process(json!({"exports": ["e"], "flush": {"export": "e", "after": "x"}})),
        &["processes.0.flush.after: unknown field"],
    );
    refused(
        process(json!({"exports": ["end"], "flush": "ens"})),
        &["processes.0.flush: \"ens\" is no export of this process; did you mean \"end\"?"],
    );
}

#[test]
fn missing_names() {
    refused(json!({"processes": [{}]}), &["processes.0.name: missing", "name: missing"]);
    refused(json!({"name": "m", "wasm": [{"instances": [{}]}]}), &["wasm.0.instances.0.name: missing"]);
    refused(
        process(json!({"grants": {"s": {"export": "t"}, "t": {}}})),
        &[
            "processes.0.grants.s: a grant that is not `true` must name its source: {from: PROCESS}",
            "processes.0.grants.t: a grant that is not `true` must name its source",
        ],
    );
}

#[test]
fn limits_out_of_range() {
    for (limit, value, reason) in [
        ("memory", json!(0), "0 is not a whole number from 1 to"),
        ("memory", json!(-1), "-1 is not"),
        ("memory", json!(1.5), "1.5 is not"),
        ("memory", json!("64MB"), "\"64MB\" has no known unit"),
        ("memory", json!("16385GiB"), "17593259786240 bytes exceed the maximum of"),
        ("memory", json!([]), "expected a number of bytes"),
        ("capabilitySlots", json!(65537), "65537 is not a whole number from 1 to 65536"),
        ("threads", json!(0), "0 is not a whole number from 1 to 1024"),
        ("priority", json!(32), "32 is not a whole number from 1 to 31"),
        ("priority", json!("8"), "expected a number"),
    ] {
        refused(
            process(json!({"limits": {limit: value}})),
            &[&format!("processes.0.limits.{limit}: {reason}")],
        );
    }
    for (limit, value, reason) in [
        ("memory", json!("5GiB"), "5368709120 bytes exceed the maximum of 4294967296"),
        ("fuel", json!(0), "0 is not"),
        ("wallTime", json!(5), "expected a string such as \"500ms\""),
        ("wallTime", json!("5d"), "\"5d\" has no known unit"),
        ("wallTime", json!("99999999999999s"), "\"99999999999999s\" is too large"),
        ("outputBytes", json!("0B"), "\"0B\" is zero"),
        ("tableElements", json!(1u64 << 32), "4294967296 is not"),
        ("stack", json!("65MiB"), "68157440 bytes exceed the maximum of 67108864"),
    ] {
        let wanted = format!("wasm.0.instances.0.limits.{limit}: {reason}");
        refused(instance(json!({"limits": {limit: value}})), &[&wanted]);
    }
}

#[test]
fn hostile_names_and_texts() {
    for name in ["", "..", "../../etc/passwd", "a/b", "a b", "a\0b", "ä", "-rf", &"x".repeat(64)] {
        let manifest = json!({"name": "m", "processes": [{"name": name, "binary": "b"}]});
        refused(manifest, &[&format!("processes.0.name: invalid name {name:?}")]);
        refused(process(json!({"binary": name})), &[&format!("processes.0.binary: invalid name {name:?}")]);
        refused(
            instance(json!({"module": name})),
            &[&format!("wasm.0.instances.0.module: invalid name {name:?}")],
        );
    }
    for file in ["", "..", "/", "a\0.wasm"] {
        refused(
            instance(json!({"module": {"file": file}})),
            &["wasm.0.instances.0.module.file: not the path"],
        );
    }
    // A file may have any name.
    refused(instance(json!({"module": {"file": "x/ä a b.wasm"}})), &[]);
    refused(process(json!({"args": ["a\0b"]})), &["processes.0.args.0: contains a NUL"]);
    refused(process(json!({"env": {"A": "a\0b"}})), &["processes.0.env.A: contains a NUL"]);
    refused(
        process(json!({"env": {"A=B": ""}})),
        &["processes.0.env.A=B: invalid environment variable name \"A=B\""],
    );
    refused(process(json!({"env": {"": ""}})), &["processes.0.env.: invalid environment variable name \"\""]);
}

#[test]
fn names_that_must_differ() {
    refused(
        json!({"name": "m", "processes": [{"name": "p"}, {"name": "p"}]}),
        &["processes.1.name: another process is called \"p\" already"],
    );
    refused(
        json!({"name": "m", "processes": [{"name": "wasm"}], "wasm": [{"instances": [{"name": "i"}]}]}),
        &["wasm.0.name: another process is called \"wasm\" already"],
    );
    refused(
        json!({"name": "m", "wasm": [{"instances": [{"name": "i"}, {"name": "i"}]}]}),
        &["wasm.0.instances.1.name: another instance of \"wasm\" already has the name \"i\""],
    );
    refused(process(json!({"exports": ["s", "s"]})), &["processes.0.exports.1: \"s\" is exported twice"]);
    refused(
        process(json!({"exports": ["console"]})),
        &["processes.0.exports.0: \"console\" is the name of a grant"],
    );
    refused(
        json!({"name": "m", "wasm": [{"instances": [{"name": "x"}, {"name": "y", "module": {"file": "z/x.wasm"}}]}]}),
        &[
            "wasm.0.instances.1.module: two programs would have the name \"x\" in the package; rename one of the files: this is the module z/x.wasm, the other is a module of this tree",
        ],
    );
    refused(
        json!({"name": "m", "processes": [{"name": "x"}], "include": {"modules": ["x"]}}),
        &[
            "include.modules.0: two programs would have the name \"x\" in the package; rename one of the files: this is a module of this tree, the other is a native program of this tree",
        ],
    );
}

#[test]
fn another_kind_of_value_is_told_with_what_would_be_right() {
    let at = "wasm.0.instances.0";
    for (fields, wanted) in [
        (json!({"grants": ["console"]}), "grants: expected a structure, found a list; as in {console: true}"),
        (json!({"env": ["A=1"]}), "env: expected a structure, found a list; as in {NAME: VALUE}"),
        (json!({"args": "a b"}), "args: expected a list, found a string; write [VALUE] for a list of one"),
    ] {
        refused(instance(fields), &[format!("{at}.{wanted}").as_str()]);
    }
}

#[test]
fn limits_with_which_nothing_starts() {
    refused(
        process(json!({"limits": {"memory": "1B"}})),
        &[
            "processes.0.limits.memory: a process needs at least 80KiB of memory to start, but its limit is 1B; `limits: memory: \"2MiB\"` is enough",
        ],
    );
    refused(process(json!({"limits": {"memory": "80KiB", "capabilitySlots": 3}})), &[]);
    let given = json!({"limits": {"capabilitySlots": 3}, "grants": {"console": true}, "exports": ["s"]});
    refused(
        process(given),
        &[
            "processes.0.limits.capabilitySlots: the process starts with 5 capabilities, 2 grants and 3 of its own, but its limit is 3; `limits: capabilitySlots: 65` is enough",
        ],
    );
    refused(
        json!({"name": "m", "wasm": [{"limits": {"capabilitySlots": 5, "memory": 4096}, "instances": [{"name": "i"}]}]}),
        &[
            "wasm.0.limits.memory: a WebAssembly host needs at least 400KiB",
            "wasm.0.limits.capabilitySlots: the process starts with 6 capabilities, 3 grants",
        ],
    );
    // Unreadable grants are not counted.
    refused(
        process(json!({"limits": {"capabilitySlots": 3}, "grants": {"consle": true, "log": true}})),
        &["processes.0.grants.consle: unknown grant"],
    );
}

#[test]
fn grants_without_a_source() {
    let grant = |process, export| {
        json!({"name": "m", "processes": [
            {"name": "client", "grants": {"s": {"from": process, "export": export}}},
            {"name": "server", "exports": ["echo"]},
        ]})
    };
    let at = "processes.0.grants.s";
    refused(grant("server", "echo"), &[]);
    refused(grant("sever", "echo"), &[&format!("{at}: no process is called \"sever\"")]);
    refused(grant("server", "ohce"), &[&format!("{at}: process \"server\" does not export \"ohce\"")]);
    refused(
        json!({"name": "m", "processes": [
            {"name": "c", "grants": {"wasm-host": {"from": "wasm"}}},
        ], "wasm": [{"instances": [{"name": "i"}]}]}),
        &[
            "processes.0.grants.wasm-host: the WebAssembly host \"wasm\" serves no instances of others: set `exports: true` in its entry",
        ],
    );
}

#[test]
fn sources_of_all_kinds() {
    let grant = |source: Value| {
        json!({"name": "m", "volumes": {"v": {"ram": "4MiB"}}, "processes": [
            {"name": "p", "grants": {"g": source}},
            {"name": "q", "exports": ["g", {"name": "h", "interface": "0x8000000000000001"}]},
        ]})
    };
    let at = "processes.0.grants.g";
    for source in [
        json!({"from": "q"}),
        json!({"from": "q", "export": "h"}),
        json!({"volume": "v", "rights": "r"}),
        json!({"disk": "x.img"}),
        json!({"device": {"vendor": 0x1af4, "device": 0x1042}}),
        json!({"device": {"vendor": 0x1af4, "device": [0x1042, 0x1001], "index": 1}}),
        json!({"wellKnown": "timer"}),
    ] {
        refused(grant(source), &[]);
    }
    for (source, wanted) in [
        (json!(true), ": unknown grant; `true` grants one of console,"),
        (
            json!({"from": "q", "volume": "v"}),
            ": a grant must have one source, but this has both \"from\" and \"volume\"",
        ),
        (json!({"from": "q", "process": "q"}), ".process: unknown field"),
        (
            json!({"wellKnown": "wall-clock"}),
            ".wellKnown: no well-known grant is called \"wall-clock\"; did you mean \"wallClock\"",
        ),
        (
            json!({"device": {"vendor": 65536, "device": 1}}),
            ".device.vendor: 65536 is not a whole number from 0 to 65535",
        ),
        (json!({"device": {"vendor": 1, "device": []}}), ".device.device: at least one number is required"),
        (json!({"device": {"vendor": 1}}), ".device.device: missing"),
    ] {
        refused(grant(source), &[&format!("{at}{wanted}")]);
    }
}

#[test]
fn grants_as_they_were_written_before() {
    for (field, value, now) in [
        (
            "services",
            json!({"s": {"process": "p", "export": "s"}}),
            "`NAME: {from: PROCESS, export: EXPORT}`",
        ),
        (
            "namespaces",
            json!({"d": {"volume": "v", "rights": "r"}}),
            "`NAME: {volume: VOLUME, path: PATH, rights: \"r\"}`",
        ),
        ("disks", json!({"d": {"file": "x"}}), "`NAME: {disk: FILE}`"),
    ] {
        let wanted = format!(
            "processes.0.grants.{field}: grants are listed here directly, each with its source: {now}"
        );
        refused(process(json!({"grants": {field: value}})), &[&wanted]);
    }
    // Names are checked like any other.
    refused(process(json!({"grants": {"disks": {"disk": "x"}, "services": {"wellKnown": "timer"}}})), &[]);
}

#[test]
fn names_and_interfaces_that_do_not_fit() {
    refused(
        process(json!({"grants": {"wall-clock": {"disk": "x"}}})),
        &["processes.0.grants.wall-clock: the grant \"wall-clock\" has the field name \"wallClock\""],
    );
    refused(
        process(json!({"grants": {"timer": {"disk": "x"}}})),
        &["processes.0.grants.timer: holders of \"timer\" expect the interface 0x"],
    );
    let instead = |interface: &str| {
        json!({"name": "m", "processes": [
            {"name": "p", "grants": {"console": {"from": "q", "export": "filter"}}},
            {"name": "q", "exports": [{"name": "filter", "interface": interface}]},
        ]})
    };
    let console = format!("{:#x}", capos_schema::methods::console::INTERFACE_ID);
    refused(instead(&console), &[]);
    refused(instead("0x8000000000000001"), &["processes.0.grants.console: holders of \"console\" expect"]);
    for interface in ["", "8000000000000001", "0x1", "0x+000000000000001", "0x80000000000000000"] {
        refused(
            json!({"name": "m", "processes": [{"name": "q", "exports": [{"name": "x", "interface": interface}]}]}),
            &[&format!("processes.0.exports.0.interface: invalid interface id {interface:?}")],
        );
    }
    refused(
        instance(json!({"grants": {"d": {"disk": "x", "driver": false}}})),
        &["wasm.0.instances.0.grants.d: an instance cannot drive a disk"],
    );
}

#[test]
fn statuses_from_nowhere() {
    for from in ["q", "wasm/j", "p/i", "wasm/", "/i", ""] {
        let manifest = json!({"name": "m", "exitFrom": from, "processes": [{"name": "p"}],
            "wasm": [{"instances": [{"name": "i"}]}]});
        refused(manifest, &[&format!("exitFrom: no process or instance is called {from:?}")]);
    }
}

#[test]
fn nothing_to_do_and_too_much() {
    refused(json!({"name": "m"}), &[": nothing to start"]);
    refused(json!({"name": "m", "wasm": [{}]}), &["wasm.0: has no instances and exports nothing"]);
    refused(process(json!({"args": ["x".repeat(32769)]})), &["processes.0: args and env need 32785 bytes"]);
    refused(process(json!({"args": vec![""; 2049]})), &["processes.0: args and env need 32784 bytes"]);
    let exports: Vec<String> = (0..49).map(|number| format!("e{number}")).collect();
    refused(process(json!({"exports": exports})), &["processes.0: has 49 grants and exports"]);
}

fn decoded(manifest: Value) -> Manifest {
    decode::decode(&manifest).unwrap()
}

#[test]
fn defaults_grant_nothing() {
    let process = decoded(process(json!({}))).processes.remove(0);
    assert!(process.grants.is_empty() && process.exports.is_empty());
    assert!(!process.executable);
    assert_eq!(process.binary.name, "p");
}

#[test]
fn a_wasm_host_holds_what_its_instances_hold() {
    let hosted = |instances| {
        let host = decoded(json!({"name": "m", "wasm": [{"instances": instances}]})).processes.remove(0);
        host.grants.into_iter().map(|grant| grant.name).collect::<Vec<_>>()
    };
    let own = ["log", "timer", "boot-package"];
    assert_eq!(hosted(json!([{"name": "a"}])), own);
    assert_eq!(
        hosted(json!([
            {"name": "a", "grants": {"console": true, "timer": true}},
            {"name": "b", "grants": {"entropy": true, "console": true}},
        ])),
        ["console", "log", "timer", "entropy", "boot-package"]
    );
    // The host holds a grant that two instances can share only once; a device has one holder.
    assert_eq!(
        hosted(json!([
            {"name": "a", "grants": {"keys": {"from": "vault", "export": "k"}, "clock": {"wellKnown": "timer"}}},
            {"name": "b", "grants": {"mine": {"from": "vault", "export": "k"}, "d": {"device": {"vendor": 1, "device": 2}}}},
            {"name": "c", "grants": {"d": {"device": {"vendor": 1, "device": 2}}}},
        ])),
        ["log", "timer", "boot-package", "grant/a/keys", "grant/b/d", "grant/c/d"]
    );
}
