//! Rights of descriptors, which can only be reduced, and of the objects they refer to.

use crate::support::{Guest, ROOT, World, e, guest, namespace as namespace_of, o, preopen, right, volume};
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{namespace, object};
use capos_wasm::{Grants, Limits};
use std::rc::Rc;

const RW: u64 = right::READ | right::WRITE;

/// A directory in which nothing can be opened for lack of space for capabilities.
struct Full;

impl object::Server for Full {}

impl namespace::Server for Full {
    async fn open(
        self: Rc<Self>,
        _: namespace::OpenParams,
        _: namespace::OpenResults,
    ) -> Result<(), capnp::Error> {
        Err(capnp::Error::overloaded("no slot is left".into()))
    }

    async fn unlink(
        self: Rc<Self>,
        _: namespace::UnlinkParams,
        _: namespace::UnlinkResults,
    ) -> Result<(), capnp::Error> {
        Err(capnp::Error::overloaded("busy".into()))
    }
}

#[test]
fn opening_without_room_for_a_capability_is_enfile() {
    let world = World::new();
    let grants = Grants { preopens: vec![preopen("/", capnp_rpc::new_client(Full))], ..world.all_grants() };
    let mut guest = Guest::new(world, grants, Limits::default());
    assert_eq!(guest.open(ROOT, "a", 0, right::READ), Err(e::NFILE));
    assert_eq!(guest.unlink(ROOT, "a"), Err(e::AGAIN), "what opens nothing may be tried again");
}

/// A directory whose server allows no more open objects.
struct Crowded;

impl object::Server for Crowded {}

impl namespace::Server for Crowded {
    async fn open(
        self: Rc<Self>,
        _: namespace::OpenParams,
        mut results: namespace::OpenResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_error(Errno::TooManyFiles);
        Ok(())
    }
}

#[test]
fn what_a_server_lets_be_open_is_told_apart_from_the_limit_of_descriptors() {
    let world = World::new();
    let crowded = capnp_rpc::new_client(Crowded);
    let grants = Grants { preopens: vec![preopen("/", crowded)], ..world.all_grants() };
    let mut guest = Guest::new(world, grants, Limits::default());
    assert_eq!(guest.open(ROOT, "a", 0, right::READ), Err(e::MFILE));
    let told: Vec<_> = guest.handle.refusals().iter().map(ToString::to_string).collect();
    let hint = "path_open needs more open files than the server of its directory allows for one grant";
    assert!(told.len() == 1 && told[0].starts_with(hint), "{told:?}");
}

#[test]
fn what_was_given_up_is_gone() {
    let mut guest = guest();
    let wanted = RW | right::SEEK | right::TELL;
    let fd = guest.open(ROOT, "a", o::CREAT, wanted).expect("opening");
    assert_eq!(guest.fdstat(fd).expect("fdstat").base, wanted, "named rights are given as they are named");
    assert_eq!(guest.write(fd, b"abcd"), Ok(4));
    guest.set_rights(fd, right::SEEK | right::TELL, 0).expect("giving up");
    assert_eq!(guest.fdstat(fd).expect("fdstat").base, right::SEEK | right::TELL);
    assert_eq!(guest.read(fd, 1), Err(e::NOTCAPABLE));
    assert_eq!(guest.write(fd, b"x"), Err(e::NOTCAPABLE));
    assert_eq!(guest.seek(fd, 0, 0), Ok(0));
    assert_eq!(guest.set_rights(fd, wanted, 0), Err(e::NOTCAPABLE));
    assert_eq!(guest.set_rights(fd, 0, right::READ), Err(e::NOTCAPABLE));
    assert_eq!(guest.set_rights(fd, u64::MAX, 0), Err(e::NOTCAPABLE));
    guest.set_rights(fd, 0, 0).expect("giving up everything");
    assert_eq!(guest.seek(fd, 0, 0), Err(e::NOTCAPABLE));
    assert_eq!(guest.fd_stat(fd), Err(e::NOTCAPABLE));
    assert_eq!(guest.errno("fd_sync", &[fd.into()]), Err(e::NOTCAPABLE));
    assert_eq!(guest.errno("fd_fdstat_set_flags", &[fd.into(), 0]), Err(e::NOTCAPABLE));
    assert_eq!(guest.close(fd), Ok(()), "closing needs none");
    assert_eq!(guest.set_rights(99, 0, 0), Err(e::BADF));
}

#[test]
fn whoever_may_sync_a_file_may_sync_its_data() {
    const DATASYNC: u64 = 1 << 0;
    const SYNC: u64 = 1 << 4;
    let mut guest = guest();
    guest.open(ROOT, "a", o::CREAT, RW).expect("making");
    for (rights, sync, datasync) in [
        // The rights that C programs request for a file that they read.
        (right::READ | right::SEEK | SYNC, Ok(()), Ok(())),
        (right::READ, Ok(()), Ok(())),
        (right::READ | right::SEEK | DATASYNC, Err(e::NOTCAPABLE), Ok(())),
        (right::READ | right::SEEK, Err(e::NOTCAPABLE), Err(e::NOTCAPABLE)),
    ] {
        let fd = guest.open(ROOT, "a", 0, rights).expect("opening");
        assert_eq!(guest.errno("fd_sync", &[fd.into()]), sync, "{rights}");
        assert_eq!(guest.errno("fd_datasync", &[fd.into()]), datasync, "{rights}");
    }
}

#[test]
fn rights_that_are_not_named_are_not_given() {
    let mut guest = guest();
    let fd = guest.open(ROOT, "a", o::CREAT, RW | right::SEEK).expect("opening");
    assert_eq!(guest.write(fd, b"x"), Ok(1));
    assert_eq!(guest.tell(fd), Ok(1), "seeking includes telling");
    assert_eq!(guest.pread(fd, 1, 0), Ok(b"x".to_vec()));
    assert_eq!(guest.fd_stat(fd), Err(e::NOTCAPABLE));
    assert_eq!(guest.errno("fd_allocate", &[fd.into(), 0, 1]), Err(e::NOTCAPABLE));
    // A request for only reading and writing includes what belongs to them.
    let fd = guest.open(ROOT, "a", 0, RW).expect("opening");
    assert_eq!(guest.fd_stat(fd).expect("stat").size, 1);
    assert_eq!(guest.errno("fd_allocate", &[fd.into(), 0, 1]), Ok(()));
    let reader = guest.open(ROOT, "a", 0, right::READ).expect("opening");
    let base = guest.fdstat(reader).expect("fdstat").base;
    assert_eq!(base & (right::WRITE | right::ALLOCATE | right::SET_SIZE), 0);
    assert_eq!(
        guest.errno("fd_filestat_set_size", &[reader.into(), 0]),
        Err(e::INVAL),
        "not open for writing"
    );
    assert_eq!(guest.errno("fd_allocate", &[reader.into(), 0, 1]), Err(e::BADF), "nor here");
    assert_eq!(guest.handle.refusals(), [], "what was opened so is no matter of grants");
}

#[test]
fn a_directory_passes_on_no_more_than_it_inherits() {
    let mut guest = guest();
    let root = guest.fdstat(ROOT).expect("fdstat");
    let dir =
        guest.open_with(ROOT, false, ".", o::DIRECTORY, (root.base, root.inheriting), 0).expect("opening");
    assert_eq!(guest.fdstat(dir), Ok(root));
    assert_eq!(root.base & (right::SEEK | right::SET_SIZE), 0);
    guest.set_rights(dir, root.base, root.inheriting & !right::WRITE).expect("giving up");
    assert_eq!(guest.open(dir, "a", o::CREAT, RW), Err(e::NOTCAPABLE));
    assert_eq!(guest.open_with(dir, false, ".", 0, (right::READ, right::WRITE), 0), Err(e::NOTCAPABLE));
    let fd = guest.open(dir, "a", o::CREAT, right::READ).expect("opening");
    assert_eq!(guest.write(fd, b"x"), Err(e::BADF));
    // The same applies to what is opened through it.
    let sub = guest.open(dir, ".", o::DIRECTORY, 0).expect("opening");
    assert_eq!(guest.fdstat(sub).expect("fdstat").inheriting & right::WRITE, 0);
    assert_eq!(guest.open(sub, "a", 0, RW), Err(e::NOTCAPABLE));
    guest.set_rights(dir, root.base & !right::PATH_OPEN, 0).expect("giving up");
    assert_eq!(guest.open(dir, "a", 0, 0), Err(e::NOTCAPABLE));
}

#[test]
fn emptying_a_file_needs_the_right_to_set_sizes() {
    let mut guest = guest();
    guest.create(ROOT, "file");
    let root = guest.fdstat(ROOT).expect("fdstat");
    guest.set_rights(ROOT, root.base, root.inheriting & !right::SET_SIZE).expect("giving up");
    guest.open(ROOT, "file", o::TRUNC, 0).expect("the descriptor's right is not needed");
    guest
        .set_rights(ROOT, root.base & !right::PATH_FILESTAT_SET_SIZE, root.inheriting & !right::SET_SIZE)
        .expect("giving up");
    assert_eq!(guest.open(ROOT, "file", o::TRUNC, 0), Err(e::NOTCAPABLE));
}

#[test]
fn each_path_function_needs_its_right() {
    let mut guest = guest();
    guest.create(ROOT, "file");
    guest.symlink("file", ROOT, "symlink").expect("linking");
    let root = guest.fdstat(ROOT).expect("fdstat");
    let bare = guest.open(ROOT, ".", o::DIRECTORY, 0).expect("opening");
    guest.set_rights(bare, 0, root.inheriting).expect("giving up");
    assert_eq!(guest.mkdir(bare, "a"), Err(e::NOTCAPABLE));
    assert_eq!(guest.rmdir(bare, "a"), Err(e::NOTCAPABLE));
    assert_eq!(guest.unlink(bare, "file"), Err(e::NOTCAPABLE));
    assert_eq!(guest.stat(bare, true, "file"), Err(e::NOTCAPABLE));
    assert_eq!(guest.set_times(bare, true, "file", [0, 0], 5), Err(e::NOTCAPABLE));
    assert_eq!(guest.link(bare, false, "file", ROOT, "b"), Err(e::NOTCAPABLE));
    assert_eq!(guest.link(ROOT, false, "file", bare, "b"), Err(e::NOTCAPABLE));
    assert_eq!(guest.rename(bare, "file", ROOT, "b"), Err(e::NOTCAPABLE));
    assert_eq!(guest.rename(ROOT, "file", bare, "b"), Err(e::NOTCAPABLE));
    assert_eq!(guest.symlink("file", bare, "b"), Err(e::NOTCAPABLE));
    assert_eq!(guest.readlink(bare, "symlink", 9), Err(e::NOTCAPABLE));
    assert_eq!(guest.readdir(bare, 99, 0), Err(e::NOTCAPABLE));
    assert_eq!(guest.open(bare, "file", 0, 0), Err(e::NOTCAPABLE));
    assert_eq!(guest.fd_stat(bare), Err(e::NOTCAPABLE));
    let opener = guest.open(ROOT, ".", o::DIRECTORY, 0).expect("opening");
    guest.set_rights(opener, right::PATH_OPEN, root.inheriting).expect("giving up");
    guest.open(opener, "file", 0, 0).expect("opening");
    assert_eq!(guest.open(opener, "new", o::CREAT, 0), Err(e::NOTCAPABLE));
}

#[test]
fn a_read_only_grant_reads_and_does_nothing_else() {
    let mut world = World::new();
    let volume = volume(7);
    let full = namespace_of(&mut world, &volume, "/", "rwm", 0);
    let read_only = namespace_of(&mut world, &volume, "/", "r", 0);
    let grants =
        Grants { preopens: vec![preopen("/rw", full), preopen("/ro", read_only)], ..world.all_grants() };
    let mut guest = Guest::new(world, grants, Limits::default());
    let ro = 4;
    let fd = guest.open(3, "file", o::CREAT, right::WRITE).expect("opening");
    guest.write(fd, b"content").expect("writing");
    guest.mkdir(3, "dir").expect("making");
    let fd = guest.open(ro, "file", 0, right::READ).expect("opening to read");
    assert_eq!(guest.read(fd, 99), Ok(b"content".to_vec()));
    assert_eq!(guest.list(ro, 999).map(|entries| entries.len()), Ok(4));
    assert_eq!(guest.open(ro, "file", 0, right::WRITE), Err(e::PERM));
    assert_eq!(guest.open(ro, "file", 0, RW), Err(e::PERM));
    assert_eq!(guest.open(ro, "new", o::CREAT, right::READ), Err(e::PERM));
    assert_eq!(guest.open(ro, "file", o::TRUNC, right::READ), Err(e::PERM));
    assert_eq!(guest.mkdir(ro, "new"), Err(e::PERM));
    assert_eq!(guest.rmdir(ro, "dir"), Err(e::PERM));
    assert_eq!(guest.unlink(ro, "file"), Err(e::PERM));
    assert_eq!(guest.rename(ro, "file", ro, "b"), Err(e::PERM));
    assert_eq!(guest.link(ro, false, "file", ro, "b"), Err(e::PERM));
    assert_eq!(guest.symlink("file", ro, "b"), Err(e::PERM));
    assert_eq!(guest.set_times(ro, true, "file", [0, 0], 5), Err(e::PERM));
    let dir = guest.open(ro, "dir", o::DIRECTORY, right::READ).expect("opening");
    assert_eq!(guest.open(dir, "new", o::CREAT, 0), Err(e::PERM), "nor below");
    let refusals: Vec<_> = guest.handle.refusals().iter().map(ToString::to_string).collect();
    assert!(refusals.iter().any(|line| line.starts_with("path_open needs a right")), "{refusals:?}");
}
