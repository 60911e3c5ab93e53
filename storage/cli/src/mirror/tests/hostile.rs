//! Hostile entries that a program may create in a folder, and concurrent changes of the folder.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use capos_volume::ROOT;

use super::{Case, case, mirrored, write};
use crate::image;
use crate::links::Links;
use crate::mirror::put::Put;
use crate::mirror::stage::Staging;
use crate::mirror::step::{Outcome, Step};
use crate::mirror::{Mirror, difference, volume_entries};
use crate::source::Source;

fn named(outcome: &Outcome) -> Vec<&str> {
    outcome.left_out.iter().map(|left| left.path.as_str()).collect()
}

fn number(case: &Case, path: &str) -> u64 {
    fs::symlink_metadata(case.host.join(path)).unwrap().ino()
}

#[test]
fn links_that_lead_out_are_left_out_and_named() {
    let case = case();
    fs::write(case.host.parent().unwrap().join("outside"), "secret").unwrap();
    case.program(|volume| {
        volume.unlink(ROOT, "keep").unwrap();
        volume.create_symlink(ROOT, "keep", "../outside").unwrap();
        volume.create_symlink(ROOT, "absolute", "/etc/passwd").unwrap();
        let sub = volume.lookup(ROOT, "sub").unwrap().ino;
        volume.create_symlink(sub, "up", "../../outside").unwrap();
        volume.create_symlink(sub, "fine", "../edit").unwrap();
        // Each of these is harmless alone.
        volume.create_symlink(sub, "self", ".").unwrap();
        volume.create_symlink(sub, "trick", "self/../../outside").unwrap();
    });
    let outcome = case.mirror.bring_back(&case.image).unwrap();
    assert_eq!(named(&outcome), ["absolute", "keep", "sub/trick", "sub/up"]);
    assert!(outcome.left_out.iter().any(|left| left.to_string().contains("../outside")));
    assert_eq!(outcome.conflicts, Vec::<String>::new());
    assert_eq!(case.read("keep"), "kept", "the entry that such a link would replace is kept");
    assert_eq!(case.read("sub/fine"), "old");
    for gone in ["absolute", "sub/up", "sub/trick"] {
        assert!(fs::symlink_metadata(case.host.join(gone)).is_err(), "{gone}");
    }
}

#[test]
fn links_that_lead_out_are_kept_when_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let (host, image_file) = (folder.path().join("host"), folder.path().join("image"));
    fs::create_dir(&host).unwrap();
    symlink("/etc/passwd", host.join("mine")).unwrap();
    let source = Source::scan(&host, Links::Keep).unwrap();
    assert_eq!(source.left_out(), []);
    let mirror = Mirror::create(source, &image_file, 8 << 20, None).unwrap();
    let mut volume = image::open_to_write(&image_file).unwrap();
    assert!(volume.lookup(ROOT, "mine").is_ok());
    volume.create_symlink(ROOT, "new", "../x").unwrap();
    volume.sync().unwrap();
    drop(volume);
    let outcome = mirror.bring_back(&image_file).unwrap();
    assert_eq!((outcome.changed, outcome.left_out.len()), (1, 0));
    assert_eq!(fs::read_link(host.join("new")).unwrap().to_str(), Some("../x"));
}

#[test]
fn what_a_volume_cannot_hold_is_left_out_and_stays() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (host, image_file) = (folder.path().join("host"), folder.path().join("image"));
    fs::create_dir_all(host.join("sub")).unwrap();
    fs::write(host.join("file"), "text").unwrap();
    let _socket = UnixListener::bind(host.join("sub/socket")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        host.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    symlink("/etc", host.join("out")).unwrap();
    symlink("out/passwd", host.join("through")).unwrap();
    symlink("file", host.join("in")).unwrap();
    fs::write(host.join(OsStr::from_bytes(b"b\xffd")), "x").unwrap();
    let mirror = mirrored(&host, &image_file, 8 << 20);
    let left: Vec<_> = mirror.left_out().iter().map(|left| left.path.as_str()).collect();
    assert_eq!(left, ["b\u{fffd}d", "fifo", "out", "sub/socket", "through"]);
    // If the program creates an entry of the same name, it is not written to the folder, nor through the
    // link.
    let mut volume = image::open_to_write(&image_file).unwrap();
    write(&mut volume, "fifo", "now a file");
    let out = volume.create_dir(ROOT, "out").unwrap();
    volume.create_file(out, "passwd").unwrap();
    volume.create_symlink(ROOT, "guess", "out/shadow").unwrap();
    volume.remove_dir(ROOT, "sub").unwrap();
    volume.sync().unwrap();
    drop(volume);
    let outcome = mirror.bring_back(&image_file).unwrap();
    assert_eq!(outcome.conflicts, ["fifo", "out", "out/passwd", "sub"]);
    assert_eq!(named(&outcome), ["guess"]);
    assert!(host.join("sub/socket").exists());
    assert_eq!(fs::read_link(host.join("out")).unwrap().to_str(), Some("/etc"));
}

#[test]
fn holes_stay_holes_in_both_directions() {
    let folder = tempfile::tempdir().unwrap();
    let (host, image_file) = (folder.path().join("host"), folder.path().join("image"));
    fs::create_dir(&host).unwrap();
    let file = fs::File::create(host.join("mine")).unwrap();
    file.set_len(2 << 30).unwrap();
    file.write_at(b"middle", 1 << 30).unwrap();
    let source = Source::scan(&host, Links::Inside).unwrap();
    assert!(source.data_bytes() <= 64 << 10, "{}", source.data_bytes());
    // Far less than the file's length.
    let mirror = Mirror::create(source, &image_file, 8 << 20, None).unwrap();
    let mut volume = image::open_to_write(&image_file).unwrap();
    let mine = volume.lookup(ROOT, "mine").unwrap().ino;
    assert_eq!(volume.stat(mine).unwrap().stored_bytes, 4096);
    let mut middle = [0; 6];
    volume.read(mine, 1 << 30, &mut middle).unwrap();
    assert_eq!(&middle, b"middle");
    volume.rename(ROOT, "mine", ROOT, "yours").unwrap();
    let new = volume.create_file(ROOT, "new").unwrap();
    volume.set_size(new, 3 << 30).unwrap();
    volume.sync().unwrap();
    drop(volume);
    mirror.bring_back(&image_file).unwrap();
    let meta = fs::metadata(host.join("new")).unwrap();
    assert_eq!(meta.len(), 3 << 30);
    assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    let meta = fs::metadata(host.join("yours")).unwrap();
    assert_eq!(meta.len(), 2 << 30);
    assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    let mut middle = [0; 6];
    fs::File::open(host.join("yours")).unwrap().read_at(&mut middle, 1 << 30).unwrap();
    assert_eq!(&middle, b"middle");
}

#[test]
fn hard_links_stay_hard_links() {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("host");
    fs::create_dir_all(host.join("sub")).unwrap();
    fs::write(host.join("one"), "1").unwrap();
    fs::hard_link(host.join("one"), host.join("sub/two")).unwrap();
    fs::write(host.join("alone"), "a").unwrap();
    let image = folder.path().join("image");
    let mirror = mirrored(&host, &image, 8 << 20);
    let case = Case { _folder: folder, host, image, mirror };
    case.program(|volume| {
        let one = volume.lookup(ROOT, "one").unwrap().ino;
        let sub = volume.lookup(ROOT, "sub").unwrap().ino;
        assert_eq!(volume.lookup(sub, "two").unwrap().ino, one);
        volume.write(one, 0, b"2").unwrap();
        // New names of an existing file, and of a new one.
        let alone = volume.lookup(ROOT, "alone").unwrap().ino;
        volume.link(alone, sub, "not-alone").unwrap();
        let new = volume.create_file(ROOT, "new").unwrap();
        volume.link(new, ROOT, "newer").unwrap();
    });
    assert_eq!(case.back().1, Vec::<String>::new());
    assert_eq!(number(&case, "one"), number(&case, "sub/two"));
    assert_eq!(case.read("sub/two"), "2");
    assert_eq!(number(&case, "alone"), number(&case, "sub/not-alone"));
    assert_eq!(number(&case, "new"), number(&case, "newer"));
    assert_ne!(number(&case, "new"), number(&case, "one"));
    assert_eq!(fs::metadata(case.host.join("one")).unwrap().nlink(), 2);
}

#[test]
fn identities_are_never_lent() {
    let case = case();
    let mode = |path: &str, to: u32| {
        fs::set_permissions(case.host.join(path), fs::Permissions::from_mode(to)).unwrap();
    };
    mode("edit", 0o6755);
    mode("drop", 0o4711);
    mode("sub/deep", 0o3777);
    mode("keep", 0o4755);
    case.program(|volume| {
        write(volume, "edit", "evil");
        volume.rename(ROOT, "drop", ROOT, "dropped").unwrap();
        let sub = volume.lookup(ROOT, "sub").unwrap().ino;
        volume.rename(sub, "deep", ROOT, "shallow").unwrap();
    });
    assert_eq!(case.back().1, Vec::<String>::new());
    let is = |path: &str| fs::metadata(case.host.join(path)).unwrap().mode() & 0o7777;
    assert_eq!(is("edit"), 0o755);
    assert_eq!(is("dropped"), 0o711);
    assert_eq!(is("shallow"), 0o777);
    assert_eq!(is("keep"), 0o4755, "unchanged files keep their mode");
}

#[test]
fn nothing_is_written_through_a_link_that_appeared() {
    let case = case();
    let outside = case.host.parent().unwrap().join("outside");
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::write(outside.join("deep/file"), "theirs").unwrap();
    case.program(|volume| {
        let sub = volume.lookup(ROOT, "sub").unwrap().ino;
        let deep = volume.lookup(sub, "deep").unwrap().ino;
        let file = volume.lookup(deep, "file").unwrap().ino;
        volume.write(file, 0, b"evil").unwrap();
        volume.create_file(deep, "more").unwrap();
        volume.create_dir(sub, "other").unwrap();
        write(volume, "edit", "evil");
    });
    fs::remove_dir_all(case.host.join("sub")).unwrap();
    symlink(&outside, case.host.join("sub")).unwrap();
    fs::remove_file(case.host.join("edit")).unwrap();
    symlink(outside.join("deep/file"), case.host.join("edit")).unwrap();
    let (changed, conflicts) = case.back();
    assert_eq!(changed, 0);
    assert_eq!(conflicts, ["edit", "sub/deep/file", "sub/deep/more", "sub/other"]);
    assert_eq!(fs::read_to_string(outside.join("deep/file")).unwrap(), "theirs");
    assert_eq!(fs::read_dir(outside.join("deep")).unwrap().count(), 1);
    assert!(!outside.join("other").exists());
}

/// Also between planning and applying.
#[test]
fn what_changes_at_the_last_moment_is_put_back() {
    let case = case();
    case.program(|volume| {
        write(volume, "edit", "new");
        write(volume, "made", "new");
        volume.unlink(ROOT, "drop").unwrap();
        let sub = volume.lookup(ROOT, "sub").unwrap().ino;
        volume.create_file(sub, "inner").unwrap();
    });
    let mut volume = image::open_to_read(&case.image).unwrap();
    let after = volume_entries(&mut volume).unwrap();
    let changes = difference::between(&case.mirror.volume, &after);
    let steps: Vec<_> =
        changes.iter().map(|(path, change)| Step { path, change: *change, mode: None }).collect();
    let staging = Staging::create(&case.mirror.folder).unwrap();
    staging.fill(&mut volume, &steps).unwrap();
    fs::write(case.host.join("edit"), "the user's").unwrap();
    fs::write(case.host.join("made"), "the user's").unwrap();
    fs::write(case.host.join("drop"), "the user's").unwrap();
    fs::remove_dir_all(case.host.join("sub")).unwrap();
    symlink(".", case.host.join("sub")).unwrap();
    let mut outcome = Outcome::default();
    Put { mirror: &case.mirror, staging: &staging, steps: &steps }.all(&mut volume, &mut outcome).unwrap();
    staging.remove().unwrap();
    outcome.conflicts.sort();
    assert_eq!(outcome.conflicts, ["drop", "edit", "made", "sub/inner"]);
    assert_eq!(outcome.changed, 0);
    for path in ["edit", "made", "drop"] {
        assert_eq!(case.read(path), "the user's");
    }
    assert!(!case.host.join("inner").exists());
}

#[test]
fn a_failure_half_way_keeps_what_was_there() {
    let case = case();
    case.program(|volume| {
        write(volume, "edit", "new");
        write(volume, "made", "new");
        volume.unlink(ROOT, "drop").unwrap();
    });
    let mut volume = image::open_to_read(&case.image).unwrap();
    let after = volume_entries(&mut volume).unwrap();
    let changes = difference::between(&case.mirror.volume, &after);
    let steps: Vec<_> =
        changes.iter().map(|(path, change)| Step { path, change: *change, mode: None }).collect();
    let staging = Staging::create(&case.mirror.folder).unwrap();
    staging.fill(&mut volume, &steps).unwrap();
    let place = staging.shown().to_string();
    // The new content of "made" is gone.
    fs::remove_file(std::path::Path::new(&place).join("new-2")).unwrap();
    let put = Put { mirror: &case.mirror, staging: &staging, steps: &steps };
    assert!(put.all(&mut volume, &mut Outcome::default()).is_err());
    let kept = |name: &str| fs::read_to_string(std::path::Path::new(&place).join(name)).unwrap();
    assert_eq!((kept("old-0").as_str(), kept("new-1").as_str()), ("dropped", "old"));
    assert_eq!(case.read("edit"), "new");
}

#[test]
fn what_would_not_fit_is_refused_before_anything_is_copied() {
    let case = case();
    let huge = u64::MAX / 2;
    let free = {
        let root = case.mirror.folder.directory("").unwrap();
        let stat = rustix::fs::fstatvfs(&root).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    assert!(crate::mirror::apply::room(huge, free).is_err());
    assert!(crate::mirror::apply::room(4096, free).is_ok());
}

#[test]
fn times_come_back_to_the_nanosecond() {
    let case = case();
    let ns = 1_234_567_890_123_456_789;
    case.program(|volume| {
        let made = volume.create_file(ROOT, "made").unwrap();
        let dir = volume.create_dir(ROOT, "dir").unwrap();
        volume.create_file(dir, "inner").unwrap();
        for ino in [made, dir] {
            volume.set_times(ino, capos_volume::SetTime::To(ns), capos_volume::SetTime::To(ns)).unwrap();
        }
    });
    assert_eq!(case.back().1, Vec::<String>::new());
    for path in ["made", "dir"] {
        let meta = fs::metadata(case.host.join(path)).unwrap();
        assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_234_567_890, 123_456_789), "{path}");
    }
}
