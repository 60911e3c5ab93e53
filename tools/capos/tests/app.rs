//! The manifest of a program on the command line.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use capos_host::app::folders::Plan;
use capos_host::app::{App, folders};
use capos_host::manifest::{Access, Engine, InstanceLimits, Manifest, Stdio, VolumeSource, decode};
use capos_host::project::Project;
use capos_host::qemu::ConsoleLine;
use capos_host::{cue, image};
use capos_volume_tool::Links;
use serde_json::Value;

fn project() -> Project {
    Project::find(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")), None).unwrap()
}

/// The value of `text` according to CUE.
fn exported(text: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.cue");
    fs::write(&file, text).unwrap();
    let json = cue::export(&project(), &file, cue::Definitions::Apply);
    json.unwrap_or_else(|error| panic!("{error:#}\n{text}"))
}

/// The manifest of `app` from CUE and our own checks: as printed, and as used by a run.
fn evaluated(app: &App) -> Manifest {
    let printed = exported(&app.manifest(&[7 << 30]));
    let mut ours = exported(&app.outline(&[7 << 30]));
    app.complete(&mut ours).unwrap();
    assert_eq!(ours, printed);
    decode::decode(&printed).unwrap()
}

/// The error for `app`, and the text that CUE evaluated.
fn refused(app: &App) -> (String, String) {
    let place = tempfile::tempdir().unwrap();
    let error = image::check_app(&project(), app, &[], place.path(), ConsoleLine::Serial).unwrap_err();
    (error.to_string(), fs::read_to_string(place.path().join("x.cue")).unwrap())
}

#[test]
fn a_program_gets_the_console_and_nothing_else() {
    let manifest = evaluated(&App { module: "x/my program.wasm".into(), ..App::default() });
    assert_eq!(manifest.name, "my-program");
    assert!(manifest.volumes.is_empty());
    let process = manifest.processes.first().unwrap();
    let instance = process.wasm_host.as_ref().unwrap().instances.first().unwrap();
    assert_eq!(instance.grants.iter().map(|grant| &grant.name).collect::<Vec<_>>(), ["console"]);
    assert!(instance.args.is_empty() && instance.env.is_empty() && instance.preopens.is_empty());
    assert!(!instance.trap_unknown_imports && instance.invoke.is_none() && instance.argv0.is_none());
    assert_eq!([&instance.stdin, &instance.stdout, &instance.stderr], [&Stdio::Console; 3]);
    assert_eq!(instance.module.file.as_deref(), Some(Path::new("x/my program.wasm")));
}

#[test]
fn everything_arrives_whatever_its_characters() {
    let strange = "\"quotes\" \\(x) \\ \n\t\u{1} äöü \u{1f980} #\"";
    let limits = InstanceLimits {
        memory_bytes: Some(1 << 20),
        fuel: Some(5),
        wall_time_ns: Some(1_500_000_000),
        output_bytes: Some(12_345),
        table_elements: Some(6),
        stack_bytes: Some(8 << 20),
        descriptors: Some(7),
    };
    let app = App {
        module: PathBuf::from("a\"b.wasm"),
        args: vec![strange.into(), String::new(), "--flag".into()],
        argv0: Some(strange.into()),
        env: vec![("A B".into(), strange.into()), ("package".into(), "1".into())],
        dirs: vec!["/h o\"st::/data".parse().unwrap(), "./site::/:ro".parse().unwrap()],
        links: Links::Keep,
        volumes: vec!["disk.img::/disk".parse().unwrap(), "old.img::/old:ro".parse().unwrap()],
        entropy: true,
        clock: true,
        wall_clock: true,
        limits: limits.clone(),
        trap_unknown_imports: true,
        invoke: Some("f\"n".into()),
        engine: Engine::Auto,
        cache: Some("/x/code.img".into()),
    };
    let manifest = evaluated(&app);
    let instance = manifest.processes.first().unwrap().wasm_host.as_ref().unwrap().instances.first().unwrap();
    assert_eq!((&instance.args, &instance.argv0), (&app.args, &app.argv0));
    assert_eq!(instance.env, app.env);
    assert_eq!(instance.grants.len(), 4);
    assert_eq!(instance.limits, limits);
    assert!(instance.trap_unknown_imports);
    assert_eq!(instance.invoke, app.invoke);
    assert_eq!((&instance.stdin, &instance.stdout), (&Stdio::Console, &Stdio::Console));
    let preopens: Vec<_> = instance
        .preopens
        .iter()
        .map(|one| (one.guest.as_str(), one.directory.volume.as_str(), one.directory.access))
        .collect();
    assert_eq!(
        preopens,
        [
            ("/data", "dir0", Access::ReadWrite),
            ("/", "dir1", Access::Read),
            ("/disk", "volume0", Access::ReadWrite),
            ("/old", "volume1", Access::Read),
        ]
    );
    let kinds = manifest.volumes.iter().map(|volume| match &volume.source {
        VolumeSource::Files(folder) => {
            format!("{} files {} {:?}", volume.name, folder.path.display(), folder.links)
        }
        VolumeSource::Disk(disk) => {
            let links = disk.from.as_ref().map(|from| from.links);
            format!("{} disk {:?} {} {links:?}", volume.name, disk.size, disk.read_only)
        }
        VolumeSource::Ram(_) => String::new(),
    });
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [
            "compiler-cache disk Some(536870912) false None",
            "dir0 disk Some(7516192768) false Some(Keep)",
            "dir1 files ./site Keep",
            "volume0 disk Some(67108864) false None",
            "volume1 disk None true None",
        ]
    );
    let host = manifest.processes.first().unwrap();
    assert_eq!(host.wasm_host.as_ref().unwrap().engine, Engine::Auto);
    let cache = manifest.compiler.as_ref().unwrap().cache.as_ref().unwrap();
    assert_eq!((cache.volume.as_str(), cache.access), ("compiler-cache", Access::ReadWrite));
}

#[test]
fn folders_are_copied_in_and_brought_back() {
    let (folder, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("file"), "text").unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("up")).unwrap();
    let dirs = [
        format!("{}::/data", folder.path().display()).parse().unwrap(),
        format!("{}::/same:ro", folder.path().display()).parse().unwrap(),
    ];
    let plan = |room| Plan::make(&dirs, room, Links::Inside);
    let room = plan(Some(100 << 20)).unwrap().image_sizes();
    assert!(room.len() == 1 && room.iter().all(|size| *size > 100 << 20), "{room:?}");
    assert!(plan(None).unwrap().image_sizes().iter().all(|size| *size > folders::DEFAULT_ROOM));
    let mut left = Vec::new();
    let copies = plan(None).unwrap().copy_in(place.path(), |_, out| left.extend(out.to_vec())).unwrap();
    assert_eq!(left.iter().map(|out| out.path.as_str()).collect::<Vec<_>>(), ["up"]);
    assert_eq!(copies.find("dir0").unwrap().1, folders::DEFAULT_ROOM);
    let disks = copies.disks();
    assert_eq!(disks.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["dir0"]);
    assert!(disks.iter().all(|(_, image)| image.is_file()));
    copies.bring_back(|_, _| ()).unwrap();
    fs::write(&disks.first().unwrap().1, "no volume").unwrap();
    let message = format!("{:#}", copies.bring_back(|_, _| ()).unwrap_err());
    assert!(message.contains("is not a capOS volume"), "{message}");
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "text");
}

#[test]
fn a_folder_that_holds_more_than_its_room_is_refused_before_it_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), vec![7; 3 << 20]).unwrap();
    let dirs = [format!("{}::/data", folder.path().display()).parse().unwrap()];
    let message = format!("{:#}", Plan::make(&dirs, Some(2 << 20), Links::Inside).unwrap_err());
    assert!(message.contains("3 MiB") && message.contains("--dir-size 2MiB"), "{message}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let app =
        App { module: "x.wasm".into(), dirs: vec!["nowhere::/d:ro".parse().unwrap()], ..App::default() };
    let (message, _) = refused(&app);
    assert!(message.contains("volumes.dir0.files: there is no folder"), "{message}");
    assert!(message.contains("wasm.0.instances.0.module: missing: there is no"), "{message}");
}

/// CUE's time is quadratic in a list's length.
#[test]
fn what_cue_is_given_does_not_grow_with_arguments_and_environment() {
    let few = App { module: "no-such/x.wasm".into(), ..App::default() };
    let many = App {
        args: (0..100_000).map(|number| number.to_string()).collect(),
        env: (0..10_000).map(|number| (format!("V{number:05}"), "value".to_owned())).collect(),
        ..few.clone()
    };
    let (message, given) = refused(&many);
    assert_eq!(given, few.outline(&[]));
    // There are no problems in them.
    let module = "x.cue:6:10: wasm.0.instances.0.module: missing: there is no no-such/x.wasm";
    assert!(message.ends_with(module) && message.lines().count() == 1, "{message}");
    let mut json = exported(&given);
    many.complete(&mut json).unwrap();
    let manifest = decode::decode(&json).unwrap();
    let instance = manifest.processes.first().unwrap().wasm_host.as_ref().unwrap().instances.first().unwrap();
    assert!(instance.args == many.args && instance.env == many.env);
}

#[test]
fn arguments_and_environment_are_checked_without_cue() {
    let app = |args: Vec<String>, env: &[(&str, &str)]| App {
        module: "no-such/x.wasm".into(),
        args,
        env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..App::default()
    };
    let cases = [
        (app(vec!["a".into(), "b\0".into()], &[]), "instances.0.args.1: contains a NUL character"),
        (app(vec![], &[("A", "b\0")]), "instances.0.env.A: contains a NUL character"),
        (app(vec![], &[("A=B", "")]), "invalid environment variable name \"A=B\""),
        (App { argv0: Some("\0".into()), ..app(vec![], &[]) }, "instances.0.argv0: contains a NUL character"),
        (app(vec!["x".repeat(64 << 20)], &[]), "args and env need"),
    ];
    for (app, wanted) in cases {
        let (message, _) = refused(&app);
        assert!(message.contains(wanted), "{message}");
    }
    assert!(app(vec![], &[]).complete(&mut Value::Null).is_err());
}
