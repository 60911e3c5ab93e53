//! Directories: listing, creating, removing and renaming entries; preopens.

use crate::support::{
    BUFFER, Guest, ROOT, World, dirents, e, fdflag, guest, namespace, o, preopen, right, volume,
};
use capos_wasm::{Grants, Limits};

#[test]
fn preopens_are_found_from_3_on() {
    let mut world = World::new();
    let volume = volume(7);
    let mut one = |path| namespace(&mut world, &volume, path, "rwm", 0);
    let preopens = vec![preopen("/", one("a")), preopen("/data/dir", one("b"))];
    let grants = Grants { preopens, ..world.all_grants() };
    let mut guest = Guest::new(world, grants, Limits::default());
    for (fd, name) in [(3, "/"), (4, "/data/dir")] {
        guest.errno("fd_prestat_get", &[fd, 16]).expect("prestat");
        assert_eq!(guest.peek_u64(16), (name.len() as u64) << 32);
        let length = name.len() as i64;
        guest.errno("fd_prestat_dir_name", &[fd, BUFFER.into(), length + 1]).expect("a larger buffer");
        assert_eq!(guest.peek(BUFFER, name.len() as u32 + 1), format!("{name}\0").as_bytes());
        let short = guest.errno("fd_prestat_dir_name", &[fd, BUFFER.into(), length - 1]);
        assert_eq!(short, Err(e::NAMETOOLONG));
    }
    for fd in [0, 1, 5, -1] {
        assert_eq!(guest.errno("fd_prestat_get", &[fd, 16]), Err(e::BADF));
    }
    let fd = guest.open(3, ".", o::DIRECTORY, 0).expect("opening");
    assert_eq!(guest.errno("fd_prestat_get", &[fd.into(), 16]), Err(e::BADF));
    assert_eq!(guest.errno("fd_prestat_dir_name", &[fd.into(), BUFFER.into(), 9]), Err(e::NOTDIR));
    assert_eq!(guest.close(3), Ok(()));
    assert_eq!(guest.fdstat(3), Err(e::BADF));
    assert_eq!(guest.fdstat(fd).map(|stat| stat.file_type), Ok(3));
}

#[test]
fn what_is_for_files_is_ebadf_on_a_directory() {
    let mut guest = guest();
    let fd = i64::from(guest.open(ROOT, ".", o::DIRECTORY, 0).expect("opening"));
    guest.poke_words(256, &[BUFFER, 8]);
    for (function, arguments) in [
        ("fd_read", &[fd, 256, 1, 16][..]),
        ("fd_pread", &[fd, 256, 1, 0, 16]),
        ("fd_write", &[fd, 256, 1, 16]),
        ("fd_pwrite", &[fd, 256, 1, 0, 16]),
        ("fd_seek", &[fd, 0, 0, 16]),
        ("fd_seek", &[fd, 0, 1, 16]),
        ("fd_seek", &[fd, 0, 2, 16]),
        ("fd_tell", &[fd, 16]),
        ("fd_advise", &[fd, 0, 0, 4]),
        ("fd_allocate", &[fd, 0, 0]),
        ("fd_sync", &[fd]),
        ("fd_datasync", &[fd]),
        ("fd_fdstat_set_flags", &[fd, 4]),
        ("fd_filestat_set_size", &[fd, 0]),
    ] {
        assert_eq!(guest.errno(function, arguments), Err(e::BADF), "{function}");
    }
    for function in ["sock_shutdown", "sock_accept"] {
        let arguments = if function == "sock_accept" { &[fd, 0, 16][..] } else { &[fd, 1] };
        assert_eq!(guest.errno(function, arguments), Err(e::NOTSOCK), "{function}");
    }
    assert_eq!(guest.errno("sock_shutdown", &[99, 1]), Err(e::BADF));
    assert_eq!(guest.errno("sock_shutdown", &[1, 4]), Err(e::INVAL));
}

#[test]
fn what_is_for_directories_is_ebadf_on_a_file() {
    let mut guest = guest();
    let fd = guest.open(ROOT, "a", o::CREAT, right::READ).expect("opening");
    assert_eq!(guest.mkdir(fd, "b"), Err(e::BADF));
    assert_eq!(guest.unlink(fd, "b"), Err(e::BADF));
    assert_eq!(guest.stat(fd, true, "b"), Err(e::BADF));
    assert_eq!(guest.rename(ROOT, "a", fd, "b"), Err(e::BADF));
    assert_eq!(guest.readdir(fd, 100, 0), Err(e::BADF));
    assert_eq!(guest.mkdir(1, "b"), Err(e::BADF));
}

#[test]
fn directories_are_made_opened_and_removed() {
    let mut guest = guest();
    guest.mkdir(ROOT, "dir").expect("making");
    assert_eq!(guest.mkdir(ROOT, "dir"), Err(e::EXIST));
    assert_eq!(guest.mkdir(ROOT, "no/dir"), Err(e::NOENT));
    let dir = guest.open(ROOT, "dir", 0, 0).expect("opening, also without the flag");
    let stat = guest.fdstat(dir).expect("fdstat");
    assert_eq!((stat.file_type, stat.flags), (3, 0));
    assert_eq!(guest.open(ROOT, "dir", o::DIRECTORY, right::READ | right::WRITE), Err(e::ISDIR));
    assert_eq!(guest.open(ROOT, "dir", 0, right::WRITE), Err(e::ISDIR));
    assert_eq!(guest.open(ROOT, "dir", o::CREAT, 0), Err(e::ISDIR));
    guest.open_with(ROOT, false, ".", 0, (0, 0), fdflag::NONBLOCK).expect("flags of no use");
    guest.create(dir, "file");
    assert_eq!(guest.stat(ROOT, false, "dir/file").expect("stat").file_type, 4);
    assert_eq!(guest.rmdir(ROOT, "dir"), Err(e::NOTEMPTY));
    assert_eq!(guest.unlink(ROOT, "dir"), Err(e::ISDIR));
    assert_eq!(guest.unlink(ROOT, "dir/"), Err(e::ISDIR));
    assert_eq!(guest.rmdir(ROOT, "dir/file"), Err(e::NOTDIR));
    assert_eq!(guest.rmdir(ROOT, "dir/file/"), Err(e::NOTDIR));
    assert_eq!(guest.unlink(ROOT, "dir/file/"), Err(e::NOTDIR));
    assert_eq!(guest.unlink(dir, "file"), Ok(()));
    assert_eq!(guest.rmdir(ROOT, "dir/"), Ok(()));
    assert_eq!(guest.open(ROOT, "dir", 0, 0), Err(e::NOENT));
    assert_eq!(guest.open(dir, "file", o::CREAT, 0), Err(e::NOENT), "it is gone");
    guest.mkdir(ROOT, "dir").expect("a new one");
    assert_eq!(guest.list(dir, 256).map(|entries| entries.len()), Ok(2));
}

#[test]
fn paths_never_leave_the_directory() {
    let mut guest = guest();
    guest.mkdir(ROOT, "dir").expect("making");
    guest.mkdir(ROOT, "dir/nested").expect("making");
    guest.create(ROOT, "dir/nested/file");
    let path = "dir/.//nested/../../dir/nested/../nested///./file";
    guest.open(ROOT, path, 0, 0).expect("a winding path");
    assert_eq!(guest.open(ROOT, "/dir/nested/file", 0, 0), Err(e::PERM));
    assert_eq!(guest.open(ROOT, "dir/nested/../../../dir/nested/file", 0, 0), Err(e::PERM));
    assert_eq!(guest.open(ROOT, "..", o::DIRECTORY, 0), Err(e::PERM));
    let dir = guest.open(ROOT, "dir", 0, 0).expect("opening");
    assert_eq!(guest.open(dir, "..", o::DIRECTORY, 0), Err(e::PERM), "not even into what it was opened from");
    assert_eq!(guest.mkdir(dir, "../b"), Err(e::PERM));
    assert_eq!(guest.rename(ROOT, "dir/nested/file", dir, "../b"), Err(e::PERM));
    assert_eq!(guest.open(ROOT, "dir/nested/file\0", 0, 0), Err(e::INVAL));
    assert_eq!(guest.open(ROOT, "dir/nested/file/", 0, 0), Err(e::NOTDIR));
    assert_eq!(guest.open(ROOT, "dir/nested/file///", 0, 0), Err(e::NOTDIR));
    assert_eq!(guest.open(ROOT, "dir/nested/file/more", 0, 0), Err(e::NOTDIR));
    assert_eq!(guest.open(ROOT, "", 0, 0), Err(e::NOENT));
    guest.open(ROOT, "dir/nested/", 0, 0).expect("with a slash");
    guest.open(ROOT, "dir/nested///", 0, 0).expect("with slashes");
    let [path, length] = guest.path(b"\xff\xfe");
    assert_eq!(guest.errno("path_create_directory", &[ROOT.into(), path, length]), Err(e::ILSEQ));
    let [path, length] = guest.path(&[b'a'; 4097]);
    assert_eq!(guest.errno("path_create_directory", &[ROOT.into(), path, length]), Err(e::NAMETOOLONG));
    assert_eq!(guest.mkdir(ROOT, &"a".repeat(256)), Err(e::NAMETOOLONG));
}

#[test]
fn listings_have_dots_and_stable_cookies() {
    let mut guest = guest();
    guest.mkdir(ROOT, "sub").expect("making");
    let sub = guest.open(ROOT, "sub", o::DIRECTORY, 0).expect("opening");
    let entries = guest.list(sub, 256).expect("listing");
    let names: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.file_type)).collect();
    assert_eq!(names, [(".", 3), ("..", 3)]);
    assert_eq!(entries[0].inode, guest.fd_stat(sub).expect("stat").inode);
    for name in ["a", "b", "c"] {
        guest.create(sub, name);
    }
    guest.symlink("a", sub, "d").expect("linking");
    let entries = guest.list(sub, 4096).expect("listing");
    let kinds: Vec<_> = entries[2..].iter().map(|entry| (entry.name.as_str(), entry.file_type)).collect();
    assert_eq!(kinds, [("a", 4), ("b", 4), ("c", 4), ("d", 7)]);
    assert_eq!(entries[3].inode, guest.stat(sub, false, "b").expect("stat").inode);
    // The entries after a given one remain the same, whatever else is removed.
    for (index, entry) in entries.iter().enumerate() {
        let rest = guest.readdir(sub, 4096, entry.next).expect("listing");
        assert_eq!(dirents(&rest), entries[index + 1..]);
    }
    guest.unlink(sub, "a").expect("unlinking");
    let rest = guest.readdir(sub, 4096, entries[3].next).expect("listing");
    assert_eq!(dirents(&rest), entries[4..]);
    assert_eq!(guest.readdir(sub, 4096, u64::MAX), Ok(vec![]));
}

#[test]
fn a_removed_directory_is_still_itself_and_empty() {
    let mut guest = guest();
    guest.mkdir(ROOT, "sub").expect("making");
    let sub = guest.open(ROOT, "sub", o::DIRECTORY, 0).expect("opening");
    guest.rmdir(ROOT, "sub").expect("removing");
    let again = guest.open(sub, ".", o::DIRECTORY, 0).expect("opening");
    for fd in [sub, again] {
        assert_eq!(guest.stat(fd, false, ".").expect("stat").links, 0);
        assert_eq!(guest.mkdir(fd, "x"), Err(e::NOENT));
        assert_eq!(guest.open(fd, "x", o::CREAT, 0), Err(e::NOENT));
        assert_eq!(guest.stat(fd, false, ".."), Err(e::PERM));
    }
    assert_eq!(guest.rmdir(ROOT, "."), Err(e::INVAL));
    assert_eq!(guest.rmdir(ROOT, "missing/."), Err(e::NOENT));
}

#[test]
fn small_buffers_are_filled_to_the_brim() {
    let mut guest = guest();
    let name = "a name of some length";
    guest.create(ROOT, name);
    let whole = guest.readdir(ROOT, 4096, 0).expect("listing");
    assert_eq!(whole.len(), 3 * 24 + 3 + name.len());
    for room in 0..whole.len() {
        assert_eq!(guest.readdir(ROOT, room as u32, 0).expect("listing"), whole[..room], "{room}");
    }
    assert_eq!(guest.list(ROOT, 24 + name.len() as u32).expect("listing").len(), 3);
}

#[test]
fn a_thousand_entries_come_once_each() {
    let mut guest = guest();
    for number in 0..1000 {
        guest.create(ROOT, &format!("file.{number}"));
    }
    for room in [256, 65536] {
        let mut names: Vec<_> =
            guest.list(ROOT, room).expect("listing").into_iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 1002);
    }
}

#[test]
fn renaming_replaces_what_posix_lets_it() {
    let mut guest = guest();
    let file = |guest: &mut Guest, name: &str| guest.create(ROOT, name);
    guest.mkdir(ROOT, "source").expect("making");
    assert_eq!(guest.rename(ROOT, "source/", ROOT, "target"), Ok(()));
    assert_eq!(guest.rename(ROOT, "target", ROOT, "source/"), Ok(()));
    assert_eq!(guest.rename(ROOT, "source/", ROOT, "target/"), Ok(()));
    assert_eq!(guest.open(ROOT, "source", o::DIRECTORY, 0), Err(e::NOENT));
    guest.mkdir(ROOT, "source").expect("making");
    assert_eq!(guest.rename(ROOT, "source", ROOT, "target"), Ok(()), "over an empty directory");
    guest.mkdir(ROOT, "source").expect("making");
    file(&mut guest, "target/file");
    assert_eq!(guest.rename(ROOT, "source", ROOT, "target"), Err(e::NOTEMPTY));
    assert_eq!(guest.rename(ROOT, "source", ROOT, "target/file"), Err(e::NOTDIR));
    assert_eq!(guest.rename(ROOT, "target", ROOT, "target/in"), Err(e::INVAL), "into itself");
    file(&mut guest, "a");
    assert_eq!(guest.rename(ROOT, "a", ROOT, "source"), Err(e::ISDIR));
    file(&mut guest, "b");
    assert_eq!(guest.rename(ROOT, "a", ROOT, "b"), Ok(()), "over a file");
    assert_eq!(guest.stat(ROOT, false, "a"), Err(e::NOENT));
    for (from, to) in [("b/", "c"), ("b", "c/"), ("b/", "c/")] {
        assert_eq!(guest.rename(ROOT, from, ROOT, to), Err(e::NOTDIR), "{from} to {to}");
    }
    assert_eq!(guest.rename(ROOT, "missing", ROOT, "c"), Err(e::NOENT));
    let target = guest.open(ROOT, "target", o::DIRECTORY, 0).expect("opening");
    assert_eq!(guest.rename(ROOT, "b", target, "moved"), Ok(()), "into another descriptor's directory");
    assert_eq!(guest.stat(ROOT, false, "target/moved").expect("stat").file_type, 4);
}

#[test]
fn volumes_are_apart() {
    let mut world = World::new();
    let one = namespace(&mut world, &volume(7), "/", "rwm", 0);
    let other = namespace(&mut world, &volume(8), "/", "rwm", 0);
    let grants = Grants { preopens: vec![preopen("/a", one), preopen("/b", other)], ..world.all_grants() };
    let mut guest = Guest::new(world, grants, Limits::default());
    guest.create(3, "file");
    assert_eq!(guest.rename(3, "file", 4, "file"), Err(e::XDEV));
    assert_eq!(guest.link(3, false, "file", 4, "file"), Err(e::XDEV));
    guest.create(4, "file");
    let (a, b) = (guest.stat(3, false, "file").expect("stat"), guest.stat(4, false, "file").expect("stat"));
    assert_ne!(a.device, b.device);
}
