#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod hostile;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use capos_volume::{ROOT, Volume};

use super::Mirror;
use crate::image;
use crate::links::Links;
use crate::source::Source;

fn mirrored(host: &Path, image: &Path, size: u64) -> Mirror {
    Mirror::create(Source::scan(host, Links::Inside).unwrap(), image, size, None).unwrap()
}

struct Case {
    _folder: tempfile::TempDir,
    host: PathBuf,
    image: PathBuf,
    mirror: Mirror,
}

/// A folder with one entry of each kind, mirrored.
fn case() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let (host, image) = (folder.path().join("host"), folder.path().join("image"));
    fs::create_dir_all(host.join("sub/deep")).unwrap();
    for (path, text) in [("keep", "kept"), ("edit", "old"), ("drop", "dropped"), ("sub/deep/file", "deep")] {
        fs::write(host.join(path), text).unwrap();
    }
    fs::set_permissions(host.join("edit"), fs::Permissions::from_mode(0o751)).unwrap();
    symlink("keep", host.join("link")).unwrap();
    let mirror = mirrored(&host, &image, 8 << 20);
    Case { _folder: folder, host, image, mirror }
}

impl Case {
    /// Modifies the volume, as a program would.
    fn program(&self, act: impl FnOnce(&mut Volume)) {
        let mut volume = image::open_to_write(&self.image).unwrap();
        act(&mut volume);
        volume.sync().unwrap();
    }

    /// Brings back, and returns the number of changes and the conflicts.
    fn back(&self) -> (usize, Vec<String>) {
        let outcome = self.mirror.bring_back(&self.image).unwrap();
        let left: Vec<_> = fs::read_dir(&self.host)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with(".capos-"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        (outcome.changed, outcome.conflicts)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.host.join(path)).unwrap()
    }
}

fn write(volume: &mut Volume, name: &str, text: &str) {
    let ino = match volume.lookup(ROOT, name) {
        Ok(entry) => entry.ino,
        Err(_) => volume.create_file(ROOT, name).unwrap(),
    };
    volume.set_size(ino, 0).unwrap();
    volume.write(ino, 0, text.as_bytes()).unwrap();
}

#[test]
fn nothing_done_changes_nothing() {
    let case = case();
    case.program(|_| ());
    assert_eq!(case.back(), (0, vec![]));
}

#[test]
fn all_that_was_done_is_done_to_the_folder() {
    let case = case();
    case.program(|volume| {
        write(volume, "edit", "new");
        write(volume, "made", "by the program");
        volume.unlink(ROOT, "drop").unwrap();
        volume.unlink(ROOT, "link").unwrap();
        volume.create_symlink(ROOT, "link", "edit").unwrap();
        volume.create_dir(ROOT, "empty").unwrap();
        volume.rename(ROOT, "sub", ROOT, "moved").unwrap();
    });
    let (changed, conflicts) = case.back();
    assert_eq!(conflicts, Vec::<String>::new());
    assert_eq!(changed, 11, "edit, made, drop, link, empty; sub and moved with two below each");
    assert_eq!(case.read("edit"), "new");
    assert_eq!(case.read("made"), "by the program");
    assert_eq!(case.read("keep"), "kept");
    assert_eq!(case.read("moved/deep/file"), "deep");
    assert_eq!(fs::read_link(case.host.join("link")).unwrap(), Path::new("edit"));
    assert!(case.host.join("empty").is_dir());
    assert!(!case.host.join("drop").exists() && !case.host.join("sub").exists());
    assert_eq!(fs::metadata(case.host.join("edit")).unwrap().permissions().mode() & 0o777, 0o751);
}

#[test]
fn a_file_that_may_not_be_written_is_replaced_but_not_changed() {
    let case = case();
    let protect = |path: &str| {
        fs::set_permissions(case.host.join(path), fs::Permissions::from_mode(0o444)).unwrap();
    };
    ["keep", "edit", "drop"].into_iter().for_each(protect);
    case.program(|volume| {
        write(volume, "edit", "changed");
        write(volume, "new", "replaced");
        volume.rename(ROOT, "new", ROOT, "keep").unwrap();
        volume.unlink(ROOT, "drop").unwrap();
    });
    let outcome = case.mirror.bring_back(&case.image).unwrap();
    let left: Vec<_> = outcome.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(left, ["edit (its file may not be written, and is left as it was)"]);
    assert_eq!((case.read("edit").as_str(), case.read("keep").as_str()), ("old", "replaced"));
    assert!(!case.host.join("drop").exists() && outcome.conflicts.is_empty());
}

#[test]
fn what_is_renamed_keeps_its_mode() {
    let case = case();
    let mode = |path: &str, to: u32| {
        fs::set_permissions(case.host.join(path), fs::Permissions::from_mode(to)).unwrap();
    };
    mode("sub/deep/file", 0o700);
    mode("sub", 0o750);
    case.program(|volume| {
        volume.rename(ROOT, "edit", ROOT, "renamed").unwrap();
        volume.rename(ROOT, "sub", ROOT, "moved").unwrap();
        write(volume, "edit", "another");
    });
    assert_eq!(case.back().1, Vec::<String>::new());
    let is = |path: &str| fs::metadata(case.host.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(is("renamed"), 0o751);
    assert_eq!(is("edit"), 0o751, "a replaced file keeps its mode");
    assert_eq!(is("moved/deep/file"), 0o700);
    assert_eq!(is("moved"), 0o750);
}

#[test]
fn kinds_can_change() {
    let case = case();
    case.program(|volume| {
        volume.unlink(ROOT, "keep").unwrap();
        volume.create_dir(ROOT, "keep").unwrap();
        let deep = volume.lookup(ROOT, "sub").unwrap().ino;
        let inner = volume.lookup(deep, "deep").unwrap().ino;
        volume.unlink(inner, "file").unwrap();
        volume.remove_dir(deep, "deep").unwrap();
        volume.remove_dir(ROOT, "sub").unwrap();
        write(volume, "sub", "a file now");
    });
    assert_eq!(case.back().1, Vec::<String>::new());
    assert!(case.host.join("keep").is_dir());
    assert_eq!(case.read("sub"), "a file now");
}

#[test]
fn what_the_folder_changed_itself_is_left_alone() {
    let case = case();
    case.program(|volume| {
        write(volume, "edit", "new");
        write(volume, "both", "the program's");
        write(volume, "keep", "changed");
        volume.unlink(ROOT, "drop").unwrap();
        let dir = volume.create_dir(ROOT, "clash").unwrap();
        volume.create_file(dir, "inner").unwrap();
        let sub = volume.lookup(ROOT, "sub").unwrap().ino;
        let deep = volume.lookup(sub, "deep").unwrap().ino;
        volume.unlink(deep, "file").unwrap();
        volume.remove_dir(sub, "deep").unwrap();
    });
    fs::write(case.host.join("edit"), "edited meanwhile").unwrap();
    fs::write(case.host.join("both"), "the user's").unwrap();
    fs::write(case.host.join("clash"), "a file").unwrap();
    fs::write(case.host.join("sub/deep/more"), "more").unwrap();
    fs::remove_file(case.host.join("drop")).unwrap();
    let (_, mut conflicts) = case.back();
    conflicts.sort();
    assert_eq!(conflicts, ["both", "clash", "clash/inner", "drop", "edit", "sub/deep"]);
    assert_eq!(case.read("edit"), "edited meanwhile");
    assert_eq!(case.read("both"), "the user's");
    assert_eq!(case.read("sub/deep/more"), "more");
    assert_eq!(case.read("keep"), "changed");
}

#[test]
fn a_failure_before_the_folder_is_touched_leaves_it_as_it_was() {
    let case = case();
    case.program(|volume| {
        write(volume, "edit", "new");
        write(volume, "rotten", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    });
    // The block of "rotten" now fails its checksum.
    let mut bytes = fs::read(&case.image).unwrap();
    let at = bytes.windows(40).position(|window| window == [b'x'; 40]).unwrap();
    *bytes.get_mut(at).unwrap() = b'y';
    fs::write(&case.image, bytes).unwrap();
    let error = case.mirror.bring_back(&case.image).unwrap_err();
    assert!(format!("{error:#}").starts_with("rotten"), "{error:#}");
    assert_eq!(case.read("edit"), "old");
    assert!(!case.host.join("rotten").exists());
    assert_eq!(fs::read_dir(&case.host).unwrap().count(), 5);
}

#[test]
fn a_tree_deeper_than_any_path_is_refused() {
    let case = case();
    case.program(|volume| {
        let mut dir = ROOT;
        for _ in 0..17 {
            dir = volume.create_dir(dir, &"d".repeat(255)).unwrap();
        }
    });
    let error = case.mirror.bring_back(&case.image).unwrap_err();
    assert!(format!("{error:#}").contains("4096 bytes"), "{error:#}");
    assert_eq!(case.read("keep"), "kept");
    let mut volume = image::open_to_read(&case.image).unwrap();
    assert!(crate::list::list(&mut volume, ".", true, &mut Vec::new()).is_err());
    crate::list::list(&mut volume, ".", false, &mut Vec::new()).unwrap();
}

#[test]
fn many_names_fit_as_well_as_much_data() {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("host");
    fs::create_dir(&host).unwrap();
    for number in 0..3000 {
        fs::write(host.join(format!("{number:0100}")), b"").unwrap();
    }
    let source = Source::scan(&host, Links::Inside).unwrap();
    let (bytes, metadata) = (source.device_bytes(1), source.metadata_bytes(1));
    // Data blocks alone would not need any.
    assert!(bytes > 30 << 20, "{bytes}");
    Mirror::create(source, &folder.path().join("image"), bytes, Some(metadata)).unwrap();
}

#[test]
fn a_folder_has_room_for_as_many_small_files_as_for_data() {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("host");
    fs::create_dir(&host).unwrap();
    for mebibytes in [4_u64, 16, 64] {
        let (room, image) = (mebibytes << 20, folder.path().join(format!("{mebibytes}.img")));
        let source = Source::scan(&host, Links::Inside).unwrap();
        let (bytes, metadata) = (source.device_bytes(room), source.metadata_bytes(room));
        Mirror::create(source, &image, bytes, Some(metadata)).unwrap();
        let mut volume = image::open_to_write(&image).unwrap();
        // Not in order, as programs create them.
        let blocks = room / 4096;
        for number in 0..blocks {
            let name = format!("file-{:08}.txt", number * 7919 % blocks);
            let ino = volume.create_file(ROOT, &name).unwrap();
            let written = volume.write(ino, 0, &[1; 1000]);
            assert_eq!(written, Ok(1000), "{mebibytes} MiB: full after {number} files: {:?}", volume.usage());
        }
    }
}
