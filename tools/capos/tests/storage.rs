//! Manifests with volumes: which are refused and why, and what the package contains for the rest.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use capos_host::binaries::{Image, Images};
use capos_host::manifest::broken::Broken;
use capos_host::manifest::{Manifest, check, convert, decode};
use capos_host::{pack, volumes};
use capos_schema::manifest_capnp::{grant_entry::source, manifest};
use serde_json::{Value, json};

fn problems(manifest: &Value) -> Vec<String> {
    let (manifest, mut problems) = decode::decode_partly(manifest);
    let more = check::check(&manifest, &Broken::new(&problems));
    problems.extend(more);
    problems.iter().map(|problem| format!("{}: {}", problem.path, problem.reason)).collect()
}

#[track_caller]
fn refused(manifest: &Value, wanted: &[&str]) {
    let found = problems(manifest);
    assert!(
        found.len() == wanted.len()
            && found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(wanted)),
        "wanted {wanted:#?}, found {found:#?} in {manifest:#}"
    );
}

/// A manifest with the volume `v` and these instances.
fn instances(instances: Value) -> Value {
    json!({"name": "m", "volumes": {"v": {"ram": "4MiB"}, "site": {"files": "site"}},
        "wasm": [{"instances": instances}]})
}

fn instance(fields: Value) -> Value {
    let mut instance = json!({"name": "i"});
    instance.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    instances(json!([instance]))
}

const AT: &str = "wasm.0.instances.0";

#[test]
fn volumes_are_of_one_kind() {
    for (volume, wanted) in [
        (json!({}), "volumes.v: a volume must have exactly one of ram, files and disk"),
        (json!({"ram": "4MiB", "files": "x"}), "volumes.v: a volume must have exactly one of"),
        (json!({"ram": "3MiB"}), "volumes.v.ram: a volume must have between 4 MiB and 16 TiB"),
        (json!({"ram": "5MB"}), "volumes.v.ram: \"5MB\" has no known unit"),
        (json!({"ram": "4MiB", "readOnly": true}), "volumes.v.readOnly: only allowed for a disk"),
        (json!({"ram": "4MiB", "links": "keep"}), "volumes.v.links: only allowed for a volume with `files`"),
        (json!({"disk": "x", "links": "keep"}), "volumes.v.links: only allowed for a volume with `files`"),
        (json!({"files": "x", "links": "all"}), "volumes.v.links: \"all\" is neither"),
        (json!({"disk": "", "size": "4MiB"}), "volumes.v.disk: not the path of a file"),
        (json!({"disk": "x", "size": "1B"}), "volumes.v.size: a volume must have between"),
        (json!({"disk": "x", "siez": "4MiB"}), "volumes.v.siez: unknown field"),
        (json!({"disk": "x", "limits": {"fuel": 1}}), "volumes.v.limits.fuel: unknown field"),
        (json!({"ram": "4MiB", "restart": "often"}), "volumes.v.restart: \"often\" is none of"),
    ] {
        let manifest = json!({"name": "m", "volumes": {"v": volume}, "processes": [{"name": "p"}]});
        refused(&manifest, &[wanted]);
    }
}

#[test]
fn two_volumes_do_not_write_to_one_image() {
    let two = |first: bool, second: bool| {
        json!({"name": "m", "processes": [{"name": "p"}], "volumes": {
            "a": {"disk": "x", "readOnly": first}, "b": {"disk": "x", "readOnly": second}}})
    };
    refused(&two(true, true), &[]);
    for (first, second) in [(false, false), (true, false), (false, true)] {
        refused(&two(first, second), &["volumes.b.disk: x is also the image of another disk"]);
    }
}

#[test]
fn directories_name_a_volume_a_path_and_rights() {
    let preopen = |fields: Value| {
        let mut preopen = json!({"guest": "/data", "volume": "v", "rights": "rw"});
        preopen.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        instance(json!({"preopens": [preopen]}))
    };
    refused(
        &preopen(json!({"path": "//a/./b/", "create": true, "quota": {"bytes": "1MiB", "inodes": 5}})),
        &[],
    );
    for (fields, wanted) in [
        (json!({"volume": "w"}), "volume: no volume is called \"w\""),
        (json!({"volume": "a/b"}), "volume: invalid name \"a/b\""),
        (json!({"path": "a/../b"}), "path: a path in a volume must not contain `..`"),
        (json!({"path": ""}), "path: not a path"),
        (json!({"path": "a\0"}), "path: not a path"),
        (json!({"path": "x/".repeat(2049)}), "path: longer than 4096 bytes"),
        (json!({"path": "x".repeat(256)}), "path: has a name longer than 255 bytes"),
        (json!({"rights": "w"}), "rights: \"w\" is neither \"r\" nor \"rw\""),
        (json!({"guest": ""}), "guest: not a valid guest path"),
        (json!({"quota": {"files": 1}}), "quota.files: unknown field"),
        (json!({"from": "/"}), "from: unknown field"),
    ] {
        refused(&preopen(fields), &[&format!("{AT}.preopens.0.{wanted}")]);
    }
    refused(
        &instance(json!({"preopens": [{"volume": "v", "rights": "r"}]})),
        &[&format!("{AT}.preopens.0.guest: missing")],
    );
    let manifest = json!({"name": "m", "processes": [{"name": "p", "exports": ["a"], "grants": {
        "a": {"volume": "w", "rights": "r"}, "timer": {"volume": "w", "rights": "r"}}}]});
    refused(
        &manifest,
        &[
            "processes.0.grants.a: \"a\" is also an export",
            "processes.0.grants.timer: holders of \"timer\" expect the interface",
            "processes.0.grants.a.volume: no volume is called \"w\"",
            "processes.0.grants.timer.volume: no volume is called \"w\"",
        ],
    );
}

#[test]
fn a_program_knows_each_directory_by_another_path() {
    let two = |first: &str, second: &str| {
        instance(json!({"preopens": [
            {"guest": first, "volume": "v", "rights": "r"}, {"guest": second, "volume": "v", "rights": "r"}]}))
    };
    for (first, second) in [("/a", "/b"), ("/a", "/a/b"), ("/", "a")] {
        refused(&two(first, second), &[]);
    }
    for (first, second) in
        [("/a", "/a"), ("/a", "/a/"), ("/a", "//./a"), (".", "./"), ("/a", "a"), ("/", ".")]
    {
        refused(&two(first, second), &[&format!("{AT}.preopens.1.guest: another preopen of this instance")]);
    }
}

#[test]
fn pipes_have_two_ends() {
    let reads = |name, pipe| json!({"name": name, "stdin": {"pipe": pipe}});
    let writes = |name, pipe| json!({"name": name, "stdout": {"pipe": pipe}});
    refused(&instances(json!([reads("a", "p"), writes("b", "p")])), &[]);
    let both = json!({"name": "b", "stdout": {"pipe": "p"}, "stderr": {"pipe": "p"}});
    refused(&instances(json!([reads("a", "p"), both])), &[]);
    refused(
        &instances(json!([reads("a", "p")])),
        &[&format!("{AT}.stdin: nothing in this host writes to the pipe \"p\"")],
    );
    refused(
        &instances(json!([writes("a", "p")])),
        &[&format!("{AT}.stdout: no instance of this host reads the pipe \"p\"")],
    );
    refused(
        &instances(json!([reads("a", "p"), writes("b", "p"), reads("c", "p")])),
        &["wasm.0.instances.2.stdin: the pipe \"p\" has another reader already"],
    );
    let one_by_one =
        json!({"name": "m", "wasm": [{"sequence": true, "instances": [reads("a", "p"), writes("b", "p")]}]});
    refused(&one_by_one, &[&format!("{AT}.stdin: instances that run one after the other")]);
}

#[test]
fn streams_files_and_policies() {
    for (fields, wanted) in [
        (json!({"stdin": "consle"}), "stdin: \"consle\" is none of \"console\", \"stream\", \"closed\""),
        (json!({"stdin": {}}), "stdin: a stream must have exactly one of pipe and file"),
        (
            json!({"stdin": {"file": {"volume": "v", "path": "x", "append": true}}}),
            "stdin.file.append: unknown",
        ),
        (
            json!({"stdout": {"file": {"volume": "v", "path": "x/"}}}),
            "stdout.file.path: not the path of a file",
        ),
        (
            json!({"stdout": {"file": {"volume": "v", "path": "/"}}}),
            "stdout.file.path: not the path of a file",
        ),
        (
            json!({"stdout": {"file": {"volume": "v", "path": "x/."}}}),
            "stdout.file.path: not the path of a file",
        ),
        (
            json!({"stdout": {"file": {"volume": "w", "path": "x"}}}),
            "stdout.file.volume: no volume is called",
        ),
        (
            json!({"stderr": {"file": {"volume": "site", "path": "x"}}}),
            "stderr.file: output to the volume \"site\"",
        ),
        (json!({"unknownImports": "allow"}), "unknownImports: \"allow\" is neither"),
        (json!({"restart": "on-failure"}), "restart: \"on-failure\" is none of"),
        (json!({"restart": {"onFailure": 0}}), "restart.onFailure: 0 is not"),
        (json!({"limits": {"descriptors": 0}}), "limits.descriptors: 0 is not"),
    ] {
        refused(&instance(fields), &[&format!("{AT}.{wanted}")]);
    }
}

fn all_of(manifest: &Value) -> Manifest {
    let (manifest, problems) = decode::decode_partly(manifest);
    assert!(problems.is_empty());
    manifest
}

fn all() -> Manifest {
    let json = json!({"name": "all",
        "volumes": {
            "a": {"disk": "a.img", "readOnly": true, "limits": {"threads": 3}, "restart": {"onFailure": 9}},
            "b": {"disk": "b.img", "size": "5000KiB"},
            "c": {"files": "site"},
            "d": {"ram": "100MiB"},
        },
        "processes": [{"name": "p", "restart": {"onFailure": 7}, "grants": {
            "console": true,
            "home": {"volume": "b", "path": "/x", "rights": "r", "create": true,
                "quota": {"bytes": 11, "inodes": 12}}}}],
        "wasm": [{"instances": [
            {"name": "i", "restart": "always", "unknownImports": "trap", "limits": {"descriptors": 9},
                "preopens": [
                    {"guest": "/data", "volume": "b", "path": "app", "rights": "rw"},
                    {"guest": "/", "volume": "c", "rights": "r"},
                ],
                "stdin": {"file": {"volume": "c", "path": "index"}},
                "stdout": {"file": {"volume": "b", "path": "log/out", "append": true}},
                "stderr": "closed"},
            {"name": "j", "preopens": [{"guest": "/same", "volume": "b", "path": "/app/", "rights": "rw"}],
                "stdin": {"pipe": "q"}, "stdout": {"pipe": "q"}},
        ]}],
    });
    let manifest = decode::decode(&json).unwrap();
    assert_eq!(check::check(&manifest, &Broken::default()), []);
    manifest
}

#[test]
fn every_field_arrives() {
    let mut message = capnp::message::Builder::new_default();
    convert::convert(&all(), &|_| 0, message.init_root()).unwrap();
    let text = format!("{:?}", message.get_root_as_reader::<manifest::Reader<'_>>().unwrap());
    for part in [
        "restart = (onFailure = 7)",
        "restart = (onFailure = 9)",
        r#"preopens = [(guest = "/data", grant = "preopen/i/0"), (guest = "/", grant = "preopen/i/1")]"#,
        r#"stdin = (file = (grant = "preopen/i/1", path = "index", append = false))"#,
        r#"stdout = (file = (grant = "stdout/i", path = "out", append = true))"#,
        "stderr = (closed = ())",
        "trapUnknownImports = true, restart = (always = ())",
        "descriptors = 9",
        // 256, plus the descriptors of two instances that can have files: 9, and the default of 1024.
        "capabilitySlots = 1289",
        // The same directory with the same rights is one grant.
        r#"preopens = [(guest = "/same", grant = "preopen/i/0")], stdin = (pipe = "q"), stdout = (pipe = "q")"#,
        "stderr = (console = ()), trapUnknownImports = false, restart = (never = ())",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(text.matches(r#"name = "preopen/"#).count(), 2);
}

#[test]
fn folders_are_packed() {
    let folder = tempfile::tempdir().unwrap();
    let found = volumes::check(&all(), folder.path());
    assert_eq!(found.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(), ["volumes.c.files"]);
    fs::create_dir(folder.path().join("site")).unwrap();
    fs::write(folder.path().join("site/index"), "hello").unwrap();
    assert_eq!(volumes::check(&all(), folder.path()), []);
    let images = volumes::pack(&all(), folder.path()).unwrap();
    assert_eq!(images.iter().map(|image| image.name.as_str()).collect::<Vec<_>>(), ["volume/c"]);
    let programs = Images { init: vec![1], programs: vec![Image { name: "p".into(), bytes: vec![2] }] };
    let package = pack::pack(&all(), &programs, &images).unwrap();
    assert!(package.len() > 4 << 20);
}

#[test]
fn disk_images_are_found_made_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    let error = |instead: &[(String, PathBuf)]| {
        format!("{:#}", volumes::disks(&all(), base, instead).unwrap_err())
            .replace(base.to_str().unwrap(), "")
    };
    assert_eq!(
        error(&[]),
        "there is no /a.img; a `size` in the manifest creates it, as does `capos volume create`"
    );
    assert!(error(&[("x".into(), "y".into())]).starts_with("--disk x: the manifest has no disk"));
    fs::write(base.join("a.img"), "").unwrap();
    let other = base.join("deep/other.img");
    // A folder is not created for a file on the command line.
    let instead = [("b".into(), other.clone())];
    assert_eq!(error(&instead), "--disk b: there is no folder /deep for /deep/other.img");
    fs::create_dir(base.join("deep")).unwrap();
    assert_eq!(
        error(&[("b".into(), base.join("a.img"))]),
        "disk b: /a.img is also the image of the disk a; only readOnly disks can share an image"
    );
    let disks = volumes::disks(&all(), base, &[("b".into(), other.clone())]).unwrap();
    let list: Vec<_> = disks.list.iter().map(|disk| (disk.file.clone(), disk.read_only)).collect();
    assert_eq!(list, [(base.join("a.img"), true), (other.clone(), false)]);
    assert_eq!(fs::metadata(&other).unwrap().len(), 5000 << 10);
    assert_eq!(disks.made, [format!("created {}, 5000KiB", other.display())]);
    assert_eq!(
        error(&[("b".into(), other.clone())]),
        "/deep/other.img is in use; wait until its user has ended, or use a copy"
    );
    drop(disks);
    let again = volumes::disks(&all(), base, &[("b".into(), other)]).unwrap();
    assert!(again.made.is_empty(), "{again:?}");
    assert!(!base.join("b.img").exists());
}

/// The problems that a run of the manifest in `base` would have with its disks.
fn disk_problems(manifest: &Value, base: &Path, instead: &[(String, PathBuf)]) -> Vec<String> {
    let (manifest, problems) = decode::decode_partly(manifest);
    let found = volumes::check_disks(&manifest, base, instead, &Broken::new(&problems));
    let text = |problem: &capos_host::problem::Problem| {
        let other = problem.other.as_ref().map_or("", |place| place.path.as_str());
        format!("{}, {other}: {}", problem.path, problem.reason).replace(base.to_str().unwrap(), "")
    };
    found.iter().map(text).collect()
}

#[test]
fn one_image_behind_two_disks_is_found_under_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    fs::create_dir(base.join("sub")).unwrap();
    let with = |files: [&str; 2], read_only: bool| {
        let disk = |file: &str| json!({"disk": file, "size": "4MiB", "readOnly": read_only});
        json!({"name": "m", "processes": [{"name": "p"}],
            "volumes": {"a": disk(files[0]), "b": disk(files[1])}})
    };
    // Before the image exists, and after.
    for made in [false, true] {
        if made {
            drop(volumes::disks(&all_of(&with(["x.img", "y.img"], false)), base, &[]).unwrap());
            std::os::unix::fs::symlink("x.img", base.join("link.img")).unwrap();
            fs::hard_link(base.join("x.img"), base.join("hard.img")).unwrap();
        }
        let others: &[&str] = if made {
            &["./x.img", "sub/../x.img", "link.img", "hard.img"]
        } else {
            &["./x.img", "sub/../x.img"]
        };
        for other in others {
            let problems = disk_problems(&with(["x.img", other], false), base, &[]);
            let wanted = format!(
                "volumes.b.disk, volumes.a.disk: /{other} and /x.img are the same image; only readOnly disks can share an image"
            );
            assert_eq!(problems, [wanted]);
        }
    }
    assert!(disk_problems(&with(["x.img", "hard.img"], true), base, &[]).is_empty());
    assert!(disk_problems(&with(["x.img", "y.img"], false), base, &[]).is_empty());
    let instead = [("b".to_owned(), base.join("link.img"))];
    let problems = disk_problems(&with(["x.img", "y.img"], false), base, &instead);
    assert!(problems[0].starts_with("volumes.b.disk, volumes.a.disk: /link.img and /x.img"), "{problems:?}");
}

#[test]
fn an_image_is_not_made_where_there_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    let manifest = json!({"name": "m", "processes": [{"name": "p"}],
        "volumes": {"v": {"disk": "none/new.img", "size": "4MiB"}}});
    let reason = "there is no folder /none for /none/new.img";
    assert_eq!(disk_problems(&manifest, base, &[]), [format!("volumes.v.disk, : {reason}")]);
    let error = volumes::disks(&all_of(&manifest), base, &[]).unwrap_err();
    assert_eq!(format!("{error:#}").replace(base.to_str().unwrap(), ""), reason);
    assert!(!base.join("none").exists());
}

#[test]
fn a_volume_in_memory_fits_into_its_server_and_the_machine() {
    let with = |volumes: Value| json!({"name": "m", "processes": [{"name": "p"}], "volumes": volumes});
    refused(&with(json!({"v": {"ram": "512GiB"}, "w": {"ram": "4MiB", "limits": {"memory": "8MiB"}}})), &[]);
    refused(
        &with(json!({"v": {"ram": "4MiB", "limits": {"memory": "4MiB"}}})),
        &["volumes.v.limits.memory: the volume of 4MiB (`ram`) does not fit into a server with 4MiB"],
    );
    let too_much = "volumes in memory (`ram`) take";
    for volumes in [json!({"v": {"ram": "1TiB"}}), json!({"v": {"ram": "600GiB"}, "w": {"ram": "600GiB"}})] {
        let problems = problems(&with(volumes));
        assert!(problems.len() == 1 && problems[0].contains(too_much), "{problems:?}");
        assert!(problems[0].contains("--mem"), "{problems:?}");
    }
}

#[test]
fn an_image_is_made_with_what_is_in_a_folder_and_then_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    let manifest = json!({"name": "m", "processes": [{"name": "p"}],
        "volumes": {"v": {"disk": "v.img", "size": "8MiB", "from": "site"}}});
    let manifest = decode::decode(&manifest).unwrap();
    let error = format!("{:#}", volumes::disks(&manifest, base, &[]).unwrap_err());
    assert!(error.contains("copying the folder") && error.contains("site"), "{error}");
    assert!(!base.join("v.img").exists());
    fs::create_dir(base.join("site")).unwrap();
    fs::write(base.join("site/index"), "hello").unwrap();
    drop(volumes::disks(&manifest, base, &[]).unwrap());
    let out = base.join("out");
    capos_volume_tool::run(capos_volume_tool::VolumeCommand::Export {
        file: base.join("v.img"),
        path: "index".into(),
        target: out.clone(),
        force: false,
    })
    .unwrap();
    assert_eq!(fs::read_to_string(&out).unwrap(), "hello");
    // From then on it is independent.
    fs::remove_dir_all(base.join("site")).unwrap();
    drop(volumes::disks(&manifest, base, &[]).unwrap());
    refused(
        &json!({"name": "m", "processes": [{"name": "p"}], "volumes": {"v": {"ram": "8MiB", "from": "site"}}}),
        &["volumes.v.from: only allowed for a disk"],
    );
}

#[test]
fn links_that_lead_out_are_left_out_or_kept() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    fs::create_dir(base.join("site")).unwrap();
    std::os::unix::fs::symlink("../outside", base.join("site/out")).unwrap();
    for (links, kept) in [(None, false), (Some("inside"), false), (Some("keep"), true)] {
        let mut packed = json!({"files": "site"});
        let mut disk = json!({"disk": "v.img", "size": "8MiB", "from": "site"});
        for (volume, links) in [&mut packed, &mut disk].into_iter().zip([links; 2]) {
            if let (Some(fields), Some(links)) = (volume.as_object_mut(), links) {
                fields.insert("links".into(), links.into());
            }
        }
        let manifest =
            json!({"name": "m", "processes": [{"name": "p"}], "volumes": {"p": packed, "d": disk}});
        let manifest = decode::decode(&manifest).unwrap();
        let image = volumes::pack(&manifest, base).unwrap().remove(0);
        fs::write(base.join("p.img"), image.bytes).unwrap();
        drop(volumes::disks(&manifest, base, &[]).unwrap());
        for image in ["p.img", "v.img"] {
            let out = base.join("out");
            let export = capos_volume_tool::VolumeCommand::Export {
                file: base.join(image),
                path: ".".into(),
                target: out.clone(),
                force: false,
            };
            capos_volume_tool::run(export).unwrap();
            let target = fs::read_link(out.join("out")).ok();
            assert_eq!(
                target.is_some_and(|target| target == Path::new("../outside")),
                kept,
                "{image} {links:?}"
            );
            fs::remove_dir_all(out).unwrap();
        }
        fs::remove_file(base.join("v.img")).unwrap();
    }
}

#[test]
fn a_disk_without_a_driver_keeps_its_place_on_the_bus() {
    let disk = |fields: Value| {
        json!({"name": "m", "processes": [{"name": "p", "grants": {
            "a": fields, "b": {"disk": "b.img"}}}]})
    };
    refused(&disk(json!({"disk": "a.img", "driver": 1})), &["processes.0.grants.a.driver: "]);
    for (driver, wanted) in [(true, vec![("p/a", 0), ("p/b", 1)]), (false, vec![("p/b", 1)])] {
        let manifest = decode::decode(&disk(json!({"disk": "a.img", "driver": driver}))).unwrap();
        let mut message = capnp::message::Builder::new_default();
        convert::convert(&manifest, &|_| 0, message.init_root()).unwrap();
        let manifest = message.get_root_as_reader::<manifest::Reader<'_>>().unwrap();
        let mut found = Vec::new();
        for process in manifest.get_processes().unwrap() {
            for grant in process.get_grants().unwrap() {
                if let source::Device(device) = grant.get_source().which().unwrap() {
                    found.push((process.get_name().unwrap().to_str().unwrap(), device.unwrap().get_index()));
                }
            }
        }
        assert_eq!(found, wanted);
    }
}
