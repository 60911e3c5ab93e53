//! Files imported into an image and exported again are unchanged.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use capos_volume_tool::{VolumeCommand, run};

#[derive(clap::Parser)]
struct Arguments {
    #[command(subcommand)]
    command: VolumeCommand,
}

fn volume(arguments: &[&str]) -> anyhow::Result<()> {
    let words = std::iter::once("volume").chain(arguments.iter().copied());
    run(<Arguments as clap::Parser>::try_parse_from(words)?.command)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn an_image_without_its_end_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("v.img");
    let file = image.clone();
    run(VolumeCommand::Create { file, size: 8 << 20, metadata: None, force: false }).unwrap();
    for (bytes, shown) in [(5 << 20, "5MiB"), (9 << 10, "9KiB")] {
        fs::OpenOptions::new().write(true).open(&image).unwrap().set_len(bytes).unwrap();
        let error = format!("{:#}", run(VolumeCommand::Check { file: image.clone() }).unwrap_err());
        let wanted =
            format!(" is cut off: the volume in it was created with 8MiB, and the file has only {shown}");
        assert!(error.ends_with(&wanted), "{error}");
        assert!(capos_volume_tool::probe(&image).is_err());
    }
}

#[test]
fn a_path_that_breaks_a_rule_is_refused_with_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    let image = text(&image);
    let source = folder.path().join("source");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("file"), "x").unwrap();
    std::os::unix::fs::symlink("loop", source.join("loop")).unwrap();
    volume(&["create", image, "--size", "4M"]).unwrap();
    volume(&["import", image, text(&source)]).unwrap();
    let out = folder.path().join("out");
    let (source, out, long) = (text(&source), text(&out), "x".repeat(256));
    let gone = folder.path().join("none/disk.img");
    for (arguments, wanted) in [
        (
            &["import", image, source, "--to", "../../x"][..],
            "--to ../../x: the path starts at the volume's root",
        ),
        (&["import", image, source, "--to", "a/../x"], "must not contain `..`"),
        (
            &["import", image, source, "--to", "source/file"],
            "file already exists in the volume and is not a directory",
        ),
        (&["import", image, source, "--to", &long], "a name has at most 255 bytes"),
        (&["import", image, "/"], "name the files in it instead"),
        (&["ls", image, "../x"], "../x: leads out of the volume"),
        (&["ls", image, "none"], "none: no such file or directory in the volume"),
        (&["ls", image, "source/file/x"], "a component of this path is a file, not a directory"),
        (&["export", image, "..", out], "..: leads out of the volume"),
        (&["export", image, "source/loop", out], "more than 40 symbolic links"),
        (&["export", image, &long, out], "a name has at most 255 bytes"),
        (&["create", text(&gone)], "/none for the image"),
    ] {
        let error = format!("{:#}", volume(arguments).unwrap_err());
        assert!(error.contains(wanted), "{arguments:?}: {error}");
    }
    let many = folder.path().join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..1000 {
        fs::write(many.join(number.to_string()), "").unwrap();
    }
    let (many, small) = (text(&many), folder.path().join("small.img"));
    let small = text(&small);
    volume(&["create", small, "--size", "4M"]).unwrap();
    let full = (0..9).find_map(|round| volume(&["import", small, many, "--to", &round.to_string()]).err());
    let error = format!("{:#}", full.unwrap());
    assert!(error.starts_with("no space for more names; `capos volume create --metadata`"), "{error}");
    volume(&["check", small]).unwrap();
    fs::write(folder.path().join("large"), vec![1; 4 << 20]).unwrap();
    volume(&["create", small, "--size", "4M", "--force"]).unwrap();
    let error = format!("{:#}", volume(&["import", small, text(&folder.path().join("large"))]).unwrap_err());
    assert!(error.starts_with("no space for more data; `capos volume create --size`"), "{error}");
}

#[test]
fn what_goes_in_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    let image = text(&image);
    let source = folder.path().join("source");
    fs::create_dir_all(source.join("sub/empty")).unwrap();
    let big: Vec<u8> = (0..3_000_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
    fs::write(source.join("big"), &big).unwrap();
    fs::write(source.join("sub/small"), "hello").unwrap();
    fs::hard_link(source.join("sub/small"), source.join("twin")).unwrap();
    std::os::unix::fs::symlink("sub/small", source.join("link")).unwrap();

    volume(&["create", image, "--size", "16M"]).unwrap();
    assert!(volume(&["create", image]).is_err(), "an image is not overwritten without being told");
    volume(&["import", image, text(&source), "--to", "a/b"]).unwrap();
    // Importing again replaces.
    fs::write(source.join("sub/small"), "hello again").unwrap();
    volume(&["import", image, text(&source), "--to", "a/b"]).unwrap();
    volume(&["check", image]).unwrap();
    volume(&["ls", image, "a", "--recursive"]).unwrap();
    volume(&["ls", image, "/a/b"]).unwrap();
    assert!(volume(&["ls", image, "none"]).is_err());

    let out = folder.path().join("out");
    volume(&["export", image, "a/b/source", text(&out)]).unwrap();
    assert!(fs::read(out.join("big")).unwrap() == big);
    assert_eq!(fs::read_to_string(out.join("link")).unwrap(), "hello again");
    assert_eq!(fs::read_to_string(out.join("twin")).unwrap(), "hello again");
    let number = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_eq!(number(&out.join("twin")), number(&out.join("sub/small")));
    // The destination is kept unless --force is given; and then until the copy is complete.
    let message = format!("{:#}", volume(&["export", image, "a/b/source", text(&out)]).unwrap_err());
    assert!(message.contains("already exists; --force replaces it"), "{message}");
    fs::write(out.join("of before"), "x").unwrap();
    volume(&["export", image, "a/b/source", text(&out), "--force"]).unwrap();
    assert!(!out.join("of before").exists() && fs::read(out.join("big")).unwrap() == big);
    assert!(volume(&["export", image, "none", text(&out), "--force"]).is_err() && out.join("big").exists());
    volume(&["export", image, "a/b/source/twin", text(&out), "--force"]).unwrap();
    assert_eq!(fs::read_to_string(&out).unwrap(), "hello again");
    volume(&["export", image, "a/b/source", text(&out), "--force"]).unwrap();
    let beside: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(beside.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{beside:?}");
    let all = folder.path().join("all");
    volume(&["export", image, "/", text(&all)]).unwrap();
    assert!(fs::read(all.join("a/b/source/big")).unwrap() == big);
    assert!(out.join("sub/empty").is_dir());
    let modified = |path: &Path| fs::metadata(path).unwrap().mtime_nsec();
    assert_eq!(modified(&source.join("big")), modified(&out.join("big")));
    assert!(volume(&["export", image, "a/b/source", text(&out)]).is_err(), "the host is not overwritten");

    // Importing more than fits fails without damage.
    fs::write(folder.path().join("huge"), vec![1; 20 << 20]).unwrap();
    assert!(volume(&["import", image, text(&folder.path().join("huge"))]).is_err());
    volume(&["check", image]).unwrap();
}

#[test]
fn a_bad_image_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    fs::write(&image, vec![7; 5 << 20]).unwrap();
    assert!(volume(&["check", text(&image)]).is_err());
    assert!(volume(&["ls", text(&image)]).is_err());
    assert!(volume(&["create", text(&image), "--size", "1M", "--force"]).is_err());
    volume(&["create", text(&image), "--size", "5M", "--force"]).unwrap();
    let source = folder.path().join("file");
    fs::write(&source, vec![0x5a; 10_000]).unwrap();
    volume(&["import", text(&image), text(&source)]).unwrap();
    let mut bytes = fs::read(&image).unwrap();
    let at = bytes.windows(64).position(|w| w.iter().all(|b| *b == 0x5a)).unwrap();
    bytes[at + 5] ^= 1;
    fs::write(&image, bytes).unwrap();
    let error = volume(&["check", text(&image)]).unwrap_err().to_string();
    assert!(error.contains("1 problems"), "{error}");
    assert!(volume(&["export", text(&image), "file", text(&folder.path().join("out"))]).is_err());
}

#[test]
fn an_image_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    volume(&["create", text(&image), "--size", "4M"]).unwrap();
    let before = fs::read(&image).unwrap();
    let user = fs::File::open(&image).unwrap();
    user.lock().unwrap();
    for command in [
        &["create", text(&image), "--force"][..],
        &["import", text(&image), "Cargo.toml"],
        &["check", text(&image)],
        &["ls", text(&image)],
    ] {
        let error = format!("{:#}", volume(command).unwrap_err());
        assert!(error.contains("is in use"), "{command:?}: {error}");
    }
    assert!(fs::read(&image).unwrap() == before);
    user.unlock().unwrap();
    volume(&["create", text(&image), "--force", "--size", "5M"]).unwrap();
    assert_eq!(fs::metadata(&image).unwrap().len(), 5 << 20);
    volume(&["check", text(&image)]).unwrap();
}

#[test]
fn what_could_not_be_made_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    assert!(volume(&["create", text(&image), "--size", "1M"]).is_err());
    assert!(volume(&["create", text(&image), "--size", "8000000T"]).is_err());
    assert!(!image.exists());
    volume(&["create", text(&image), "--size", "4M"]).unwrap();
    assert!(volume(&["create", text(&image), "--size", "8000000T", "--force"]).is_err());
    volume(&["check", text(&image)]).unwrap();
}

#[test]
fn a_link_that_leads_nowhere_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (image, link) = (folder.path().join("disk.img"), folder.path().join("in/link"));
    fs::create_dir(folder.path().join("in")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", link).unwrap();
    volume(&["create", text(&image), "--size", "4M"]).unwrap();
    volume(&["import", text(&image), text(&folder.path().join("in"))]).unwrap();
    volume(&["ls", text(&image), "in/link"]).unwrap();
}

/// A name that a volume cannot hold does not prevent other files from being copied.
#[test]
fn what_cannot_be_imported_is_left_out_and_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (image, source) = (folder.path().join("disk.img"), folder.path().join("in"));
    let odd = |parent: &Path| parent.join(OsStr::from_bytes(b"od\xffd"));
    fs::create_dir(&source).unwrap();
    for name in ["a", "z"] {
        fs::write(source.join(name), name).unwrap();
    }
    fs::write(odd(&source), "").unwrap();
    fs::write(odd(folder.path()), "").unwrap();
    volume(&["create", text(&image), "--size", "4M"]).unwrap();
    let error = volume(&["import", text(&image), text(&source)]).unwrap_err().to_string();
    assert_eq!(error, "1 entry was left out; everything else was copied");
    for name in ["in/a", "in/z"] {
        volume(&["ls", text(&image), name]).unwrap();
    }
    let sources = vec![odd(folder.path()), source.clone(), source.join("z")];
    let import = VolumeCommand::Import { file: image.clone(), sources, to: "all".to_owned() };
    let error = run(import).unwrap_err().to_string();
    assert_eq!(error, "2 entries were left out; everything else was copied");
    volume(&["ls", text(&image), "all/z"]).unwrap();
    // A missing source is a usage error, and nothing is copied.
    let missing = folder.path().join("missing");
    assert!(volume(&["import", text(&image), text(&source), text(&missing), "--to", "never"]).is_err());
    assert!(volume(&["ls", text(&image), "never"]).is_err());
}

#[test]
fn a_lock_ends_with_the_device_though_another_has_the_open_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let opened = file.reopen().unwrap();
    opened.try_lock().unwrap();
    // As in a forked child that has not called exec yet.
    let inherited = opened.try_clone().unwrap();
    drop(capos_volume::FileDevice::new(opened).unwrap());
    file.reopen().unwrap().try_lock().unwrap();
    drop(inherited);
}
