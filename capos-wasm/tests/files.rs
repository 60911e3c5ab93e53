//! Open files: data, positions, sizes, times.

use crate::support::{
    BUFFER, Guest, MEMORY_BYTES, ROOT, World, e, fdflag, guest, namespace, o, preopen, right, volume,
};
use capos_wasm::{Grants, Limits};

const RW: u64 = right::READ | right::WRITE;

fn file(guest: &mut Guest, name: &str, base: u64) -> u32 {
    guest.open(ROOT, name, o::CREAT, base).expect("opening a file")
}

#[test]
fn what_is_written_is_read_back() {
    let mut guest = guest();
    let fd = file(&mut guest, "a", RW);
    assert_eq!(fd, 4);
    assert_eq!(guest.tell(fd), Ok(0));
    assert_eq!(guest.write(fd, b"hello, world"), Ok(12));
    assert_eq!(guest.tell(fd), Ok(12));
    assert_eq!(guest.read(fd, 10), Ok(vec![]));
    assert_eq!(guest.seek(fd, -5, 1), Ok(7));
    assert_eq!(guest.read(fd, 100), Ok(b"world".to_vec()));
    assert_eq!(guest.seek(fd, 0, 0), Ok(0));
    assert_eq!(guest.read(fd, 5), Ok(b"hello".to_vec()));
    assert_eq!(guest.seek(fd, -3, 2), Ok(9));
    assert_eq!(guest.write(fd, b"LD!!"), Ok(4));
    assert_eq!(guest.pread(fd, 100, 0), Ok(b"hello, woLD!!".to_vec()));
    assert_eq!(guest.tell(fd), Ok(13));
}

#[test]
fn positions_stay_in_range() {
    let mut guest = guest();
    let fd = file(&mut guest, "a", RW);
    guest.write(fd, &[0; 100]).expect("writing");
    assert_eq!(guest.seek(fd, 1000, 1), Ok(1100), "past the end is a place");
    assert_eq!(guest.seek(fd, -2000, 1), Err(e::INVAL));
    assert_eq!(guest.seek(fd, -1, 0), Err(e::INVAL));
    assert_eq!(guest.seek(fd, -101, 2), Err(e::INVAL));
    assert_eq!(guest.seek(fd, 0, 3), Err(e::INVAL));
    assert_eq!(guest.tell(fd), Ok(1100), "what failed changed nothing");
    assert_eq!(guest.seek(fd, i64::MAX, 0), Ok(i64::MAX as u64));
    assert_eq!(guest.seek(fd, i64::MAX, 1), Ok(u64::MAX - 1));
    assert_eq!(guest.seek(fd, i64::MAX, 1), Err(e::INVAL));
    assert_eq!(guest.read(fd, 10), Ok(vec![]));
    assert_eq!(guest.write(fd, b"x"), Err(e::FBIG));
    assert_eq!(guest.pwrite(fd, b"x", u64::MAX), Err(e::FBIG));
    assert_eq!(guest.pread(fd, 1, u64::MAX), Ok(vec![]));
}

#[test]
fn reading_and_writing_at_an_offset_leaves_the_position() {
    let mut guest = guest();
    let fd = file(&mut guest, "a", RW);
    assert_eq!(guest.pwrite(fd, b"", 50), Ok(0));
    assert_eq!(guest.fd_stat(fd).expect("stat").size, 0, "nothing written is nothing changed");
    assert_eq!(guest.pwrite(fd, b"x", 50), Ok(1));
    assert_eq!(guest.fd_stat(fd).expect("stat").size, 51);
    assert_eq!(guest.pread(fd, 3, 48), Ok(b"\0\0x".to_vec()));
    assert_eq!(guest.tell(fd), Ok(0));
}

#[test]
fn appending_goes_to_the_end_wherever_that_is() {
    let mut guest = guest();
    let fd = guest.open_with(ROOT, false, "a", o::CREAT, (RW, 0), fdflag::APPEND).expect("opening");
    assert_eq!(guest.fdstat(fd).expect("fdstat").flags, fdflag::APPEND);
    let other = guest.open(ROOT, "a", 0, right::WRITE).expect("opening");
    assert_eq!(guest.write(other, b"other"), Ok(5));
    assert_eq!(guest.write(fd, b"end"), Ok(3));
    assert_eq!(guest.tell(fd), Ok(8));
    assert_eq!(guest.seek(fd, 0, 0), Ok(0));
    assert_eq!(guest.write(fd, b"!"), Ok(1));
    assert_eq!(guest.tell(fd), Ok(9));
    // As on Linux.
    assert_eq!(guest.pwrite(fd, b"?", 0), Ok(1));
    assert_eq!(guest.tell(fd), Ok(9));
    assert_eq!(guest.pread(fd, 20, 0), Ok(b"otherend!?".to_vec()));
    guest.errno("fd_fdstat_set_flags", &[fd.into(), 0]).expect("setting flags");
    guest.seek(fd, 0, 0).expect("seeking");
    assert_eq!(guest.write(fd, b"O"), Ok(1));
    assert_eq!(guest.pread(fd, 5, 0), Ok(b"Other".to_vec()));
}

#[test]
fn buffers_are_filled_one_after_the_other() {
    let mut guest = guest();
    let fd = file(&mut guest, "a", RW);
    guest.poke(BUFFER, b"abcdefghij");
    // Consecutive ones, empty ones, and the same bytes twice.
    guest.poke_words(256, &[BUFFER, 2, BUFFER, 0, BUFFER + 4, 3, BUFFER, 2, 0, 0]);
    guest.errno("fd_write", &[fd.into(), 256, 5, 16]).expect("writing");
    assert_eq!(guest.peek_u32(16), 7);
    assert_eq!(guest.pread(fd, 20, 0), Ok(b"abefgab".to_vec()));
    guest.poke(BUFFER, &[b'.'; 10]);
    guest.poke_words(256, &[BUFFER, 1, BUFFER + 2, 0, BUFFER + 3, 2, BUFFER + 6, 20]);
    guest.seek(fd, 0, 0).expect("seeking");
    guest.errno("fd_read", &[fd.into(), 256, 4, 16]).expect("reading");
    assert_eq!(guest.peek_u32(16), 7);
    assert_eq!(guest.peek(BUFFER, 11), b"a..be.fgab\0");
}

#[test]
fn a_large_write_is_written_whole_and_a_large_read_read_whole() {
    let mut guest = guest();
    let fd = file(&mut guest, "a", RW);
    let length = 300_000u32;
    guest.call("fill", &[BUFFER.into(), 7, length.into()]);
    guest.poke(BUFFER + 200_000, b"mark");
    guest.poke_words(256, &[BUFFER, length]);
    guest.errno("fd_write", &[fd.into(), 256, 1, 16]).expect("writing");
    assert_eq!(guest.peek_u32(16), length);
    guest.call("fill", &[BUFFER.into(), 0, length.into()]);
    guest.seek(fd, 0, 0).expect("seeking");
    guest.poke_words(256, &[BUFFER, 400_000]);
    guest.errno("fd_read", &[fd.into(), 256, 1, 16]).expect("reading");
    assert_eq!(guest.peek_u32(16), length);
    assert_eq!(guest.tell(fd), Ok(length.into()));
    assert_eq!(guest.peek(BUFFER + 199_999, 6), b"\x07mark\x07");
    assert_eq!(guest.peek(BUFFER + length - 1, 2), b"\x07\0");
}

#[test]
fn sizes_are_set() {
    let mut guest = guest();
    let fd = file(&mut guest, "a", RW);
    guest.write(fd, b"0123456789").expect("writing");
    let set = |guest: &mut Guest, size: i64| guest.errno("fd_filestat_set_size", &[fd.into(), size]);
    assert_eq!(set(&mut guest, 4), Ok(()));
    assert_eq!(set(&mut guest, 6), Ok(()));
    assert_eq!(guest.pread(fd, 20, 0), Ok(b"0123\0\0".to_vec()));
    assert_eq!(guest.tell(fd), Ok(10));
    assert_eq!(set(&mut guest, -1), Err(e::FBIG));
    let allocate = |guest: &mut Guest, offset: i64, length: i64| {
        guest.errno("fd_allocate", &[fd.into(), offset, length])
    };
    assert_eq!(allocate(&mut guest, 0, 100), Ok(()));
    assert_eq!(guest.fd_stat(fd).expect("stat").size, 100);
    assert_eq!(allocate(&mut guest, 10, 10), Ok(()));
    assert_eq!(guest.fd_stat(fd).expect("stat").size, 100);
    assert_eq!(allocate(&mut guest, 90, 20), Ok(()));
    assert_eq!(guest.fd_stat(fd).expect("stat").size, 110);
    assert_eq!(allocate(&mut guest, 0, 0), Err(e::INVAL));
    assert_eq!(allocate(&mut guest, -1, 2), Err(e::FBIG));
    for (advice, outcome) in [(0, Ok(())), (5, Ok(())), (6, Err(e::INVAL))] {
        assert_eq!(guest.errno("fd_advise", &[fd.into(), 10, 50, advice]), outcome);
    }
    assert_eq!(guest.fd_stat(fd).expect("stat").size, 110);
    guest.errno("fd_sync", &[fd.into()]).expect("sync");
    guest.errno("fd_datasync", &[fd.into()]).expect("datasync");
}

#[test]
fn times_are_set_as_the_flags_say() {
    let mut guest = guest();
    let fd = file(&mut guest, "a", RW);
    let before = guest.fd_stat(fd).expect("stat");
    let set =
        |guest: &mut Guest, flags: i64| guest.errno("fd_filestat_set_times", &[fd.into(), 111, 222, flags]);
    assert_eq!(set(&mut guest, 4), Ok(()));
    let after = guest.fd_stat(fd).expect("stat");
    assert_eq!((after.accessed, after.modified), (before.accessed, 222));
    assert_eq!(set(&mut guest, 1), Ok(()));
    assert_eq!(set(&mut guest, 0), Ok(()));
    let after = guest.fd_stat(fd).expect("stat");
    assert_eq!((after.accessed, after.modified), (111, 222));
    for flags in [3, 12, 15, 16, -1] {
        assert_eq!(set(&mut guest, flags), Err(e::INVAL), "{flags}");
        assert_eq!(guest.set_times(ROOT, false, "a", [1, 2], flags as u32), Err(e::INVAL));
    }
    let after = guest.fd_stat(fd).expect("stat");
    assert_eq!((after.accessed, after.modified), (111, 222), "what failed changed nothing");
    assert_eq!(guest.set_times(ROOT, true, "a", [5, 6], 5), Ok(()));
    let after = guest.stat(ROOT, false, "a").expect("stat");
    assert_eq!((after.accessed, after.modified), (5, 6));
    assert_eq!(guest.errno("fd_filestat_set_times", &[ROOT.into(), 7, 8, 5]), Ok(()));
    assert_eq!(guest.fd_stat(ROOT).expect("stat").modified, 8);
}

#[test]
fn times_need_the_right_and_not_a_file_open_for_writing() {
    let mut world = World::new();
    let volume = volume(7);
    let all = namespace(&mut world, &volume, "/", "rwm", 0);
    let seen = namespace(&mut world, &volume, "/", "r", 0);
    let grants = Grants { preopens: vec![preopen("/", all), preopen("/seen", seen)], ..world.all_grants() };
    let mut guest = Guest::new(world, grants, Limits::default());
    guest.create(ROOT, "a");
    let set = |guest: &mut Guest, fd: u32| guest.errno("fd_filestat_set_times", &[fd.into(), 111, 222, 5]);
    for base in [0, right::READ, right::READ | right::SET_TIMES, right::WRITE] {
        let fd = guest.open(ROOT, "a", 0, base).expect("opening");
        assert_eq!(set(&mut guest, fd), Ok(()), "{base:x}");
        assert_eq!(guest.stat(ROOT, false, "a").expect("stat").modified, 222);
        assert_eq!(guest.set_times(ROOT, false, "a", [0, 0], 5), Ok(()));
    }
    let without = guest.open(ROOT, "a", 0, right::READ | right::SEEK).expect("opening");
    assert_eq!(set(&mut guest, without), Err(e::NOTCAPABLE));
    let through_seen = guest.open(ROOT + 1, "a", 0, right::READ).expect("opening");
    assert_eq!(set(&mut guest, through_seen), Err(e::PERM), "its directory may not write");
}

#[test]
fn what_opening_asks_for_decides_what_works() {
    let mut guest = guest();
    guest.create(ROOT, "a");
    let reader = guest.open(ROOT, "a", 0, right::READ).expect("opening");
    assert_eq!(guest.write(reader, b"x"), Err(e::BADF));
    assert_eq!(guest.pwrite(reader, b"x", 0), Err(e::BADF));
    let writer = guest.open(ROOT, "a", 0, right::WRITE).expect("opening");
    assert_eq!(guest.write(writer, b"now"), Ok(3));
    assert_eq!(guest.read(writer, 1), Err(e::BADF));
    assert_eq!(guest.pread(writer, 1, 0), Err(e::BADF));
    assert_eq!(guest.read(reader, 9), Ok(b"now".to_vec()), "at once, for everybody");
    let neither = guest.open(ROOT, "a", 0, 0).expect("opening");
    assert_eq!(guest.read(neither, 1), Err(e::BADF));
    assert_eq!(guest.write(neither, b""), Err(e::BADF));
    assert_eq!(guest.fd_stat(neither).expect("stat").size, 3);
    let stat = guest.fdstat(reader).expect("fdstat");
    assert_eq!((stat.file_type, stat.base & RW, stat.inheriting), (4, right::READ, 0));
}

#[test]
fn opening_makes_and_empties() {
    let mut guest = guest();
    assert_eq!(guest.open(ROOT, "a", 0, RW), Err(e::NOENT));
    let fd = file(&mut guest, "a", right::WRITE);
    guest.write(fd, b"content").expect("writing");
    assert_eq!(guest.open(ROOT, "a", o::CREAT | o::EXCL, RW), Err(e::EXIST));
    let fd = file(&mut guest, "a", RW);
    assert_eq!(guest.read(fd, 20), Ok(b"content".to_vec()));
    let fd = guest.open(ROOT, "a", o::CREAT | o::TRUNC, RW).expect("opening");
    assert_eq!(guest.read(fd, 20), Ok(vec![]));
    assert_eq!(guest.open(ROOT, "a", o::DIRECTORY, 0), Err(e::NOTDIR));
    assert_eq!(guest.open(ROOT, "b", o::CREAT | o::DIRECTORY, 0), Err(e::INVAL));
    assert_eq!(guest.open(ROOT, "a", 16, 0), Err(e::INVAL));
    assert_eq!(guest.open_with(ROOT, false, "a", 0, (0, 0), 32), Err(e::INVAL));
    assert_eq!(guest.open(fd, "b", o::CREAT, 0), Err(e::NOTDIR), "below a file");
    assert_eq!(guest.open(1, "b", o::CREAT, 0), Err(e::BADF));
    assert_eq!(guest.open(99, "b", o::CREAT, 0), Err(e::BADF));
}

#[test]
fn a_file_lives_on_without_its_name() {
    let mut guest = guest();
    let fd = file(&mut guest, "a", RW);
    guest.write(fd, b"still here").expect("writing");
    guest.unlink(ROOT, "a").expect("unlinking");
    assert_eq!(guest.pread(fd, 20, 0), Ok(b"still here".to_vec()));
    assert_eq!(guest.fd_stat(fd).expect("stat").links, 0);
    guest.create(ROOT, "a");
    assert_eq!(guest.stat(ROOT, false, "a").expect("stat").size, 0);
    assert_eq!(guest.pread(fd, 5, 0), Ok(b"still".to_vec()));
}

#[test]
fn synchronous_files_are_files() {
    let mut guest = guest();
    let flags = fdflag::SYNC | fdflag::DSYNC | fdflag::NONBLOCK;
    let fd = guest.open_with(ROOT, false, "a", o::CREAT, (RW, 0), flags).expect("opening");
    assert_eq!(guest.fdstat(fd).expect("fdstat").flags, flags);
    assert_eq!(guest.write(fd, b"safe"), Ok(4));
    assert_eq!(guest.pread(fd, 9, 0), Ok(b"safe".to_vec()));
    assert_eq!(guest.errno("fd_fdstat_set_flags", &[fd.into(), 32]), Err(e::INVAL));
}

#[test]
fn descriptors_are_the_lowest_that_are_free_and_bounded() {
    let mut world = World::new();
    let root = namespace(&mut world, &volume(7), "/", "rwm", 0);
    let grants = Grants { preopens: vec![preopen("/", root)], ..world.all_grants() };
    let mut guest = Guest::new(world, grants, Limits { descriptors: 8, ..Limits::default() });
    guest.create(ROOT, "a");
    let fds: Vec<u32> = (0..4).map(|_| guest.open(ROOT, "a", 0, 0).expect("opening")).collect();
    assert_eq!(fds, [4, 5, 6, 7]);
    assert_eq!(guest.open(ROOT, "a", 0, 0), Err(e::MFILE));
    assert_eq!(guest.open(ROOT, "new", o::CREAT, 0), Err(e::MFILE));
    assert_eq!(guest.stat(ROOT, false, "new"), Err(e::NOENT), "nothing is made that cannot be opened");
    guest.close(5).expect("closing");
    guest.close(1).expect("closing");
    assert_eq!(guest.open(ROOT, "a", 0, 0), Ok(1));
    assert_eq!(guest.open(ROOT, "a", 0, 0), Ok(5));
    assert_eq!(guest.open(ROOT, "a", 0, 0), Err(e::MFILE));
    assert_eq!(guest.close(5), Ok(()));
    assert_eq!(guest.close(5), Err(e::BADF));
}

#[test]
fn what_is_opened_is_never_a_standard_stream_that_was_not_granted() {
    let mut world = World::new();
    let root = namespace(&mut world, &volume(7), "/", "rwm", 0);
    let stderr = world.all_grants().stderr;
    let grants = Grants { preopens: vec![preopen("/", root)], stderr, ..Grants::default() };
    let mut guest = Guest::new(world, grants, Limits::default());
    guest.create(ROOT, "a");
    let fds: Vec<u32> = (0..3).map(|_| guest.open(ROOT, "a", 0, 0).expect("opening")).collect();
    assert_eq!(fds, [4, 5, 6]);
    assert_eq!(guest.write(1, b"lost"), Err(e::BADF));
    guest.close(2).expect("closing what was granted");
    assert_eq!(guest.open(ROOT, "a", 0, 0), Ok(2));
    assert_eq!(guest.open(ROOT, "a", 0, 0), Ok(7));
}

#[test]
fn renumbering_moves() {
    let mut guest = guest();
    let (a, b) = (file(&mut guest, "a", RW), file(&mut guest, "b", right::READ));
    guest.write(a, b"abc").expect("writing");
    let stat = guest.fdstat(a);
    let renumber =
        |guest: &mut Guest, from: u32, to: u32| guest.errno("fd_renumber", &[from.into(), to.into()]);
    assert_eq!(renumber(&mut guest, a, b), Ok(()));
    assert_eq!(guest.close(a), Err(e::BADF));
    assert_eq!(guest.fdstat(b), stat);
    assert_eq!(guest.tell(b), Ok(3));
    assert_eq!(renumber(&mut guest, b, a), Err(e::BADF), "the target must be open");
    assert_eq!(renumber(&mut guest, a, b), Err(e::BADF));
    assert_eq!(renumber(&mut guest, b, b), Ok(()));
    assert_eq!(renumber(&mut guest, b, 1), Ok(()), "standard output too");
    assert_eq!(guest.write(1, b"def"), Ok(3));
    assert_eq!(guest.stat(ROOT, false, "a").expect("stat").size, 6);
    assert_eq!(renumber(&mut guest, 0, ROOT), Ok(()), "and a preopened directory");
    assert_eq!(guest.fdstat(ROOT).map(|stat| stat.file_type), Ok(2));
    assert_eq!(guest.fdstat(0), Err(e::BADF));
}

#[test]
fn a_quota_is_an_errno_and_what_fits_is_written() {
    let mut world = World::new();
    let root = namespace(&mut world, &volume(7), "/small", "rwm", 64 << 10);
    let grants = Grants { preopens: vec![preopen("/", root)], ..world.all_grants() };
    let mut guest = Guest::new(world, grants, Limits::default());
    let fd = file(&mut guest, "a", RW);
    guest.poke_words(256, &[BUFFER, MEMORY_BYTES - BUFFER]);
    let mut total = 0;
    let errno = loop {
        match guest.errno("fd_write", &[fd.into(), 256, 1, 16]) {
            Ok(()) => total += guest.peek_u32(16),
            Err(errno) => break errno,
        }
    };
    assert_eq!(errno, e::DQUOT);
    assert_eq!(total, 64 << 10);
    assert_eq!(guest.fd_stat(fd).expect("stat").size, u64::from(total));
}

/// As in wasmtime: an operation that is not possible on a file returns its error when executed, not while
/// waiting for it.
#[test]
fn a_file_is_ready_whatever_it_was_opened_for() {
    const WRITE: u8 = 2;
    let mut guest = guest();
    let writer = file(&mut guest, "a", right::WRITE | POLL);
    let reader = guest.open(ROOT, "a", 0, right::READ | POLL).expect("opening");
    let without = file(&mut guest, "a", right::READ | right::SEEK);
    // The number of events, and the error and the kind of the first.
    let mut poll = |fd: u32, kind: u8| {
        // The parts of a `subscription`: userdata, tag, and the descriptor.
        guest.poke_words(256, &[7, 0, kind.into(), 0, fd, 0, 0, 0, 0, 0, 0, 0]);
        guest.errno("poll_oneoff", &[256, 512, 1, 16]).expect("polling");
        (guest.peek_u32(16), guest.peek_u32(520))
    };
    for kind in [READ_EVENT, WRITE] {
        let shifted = u32::from(kind) << 16;
        for fd in [reader, writer] {
            assert_eq!(poll(fd, kind), (1, shifted));
        }
        let refused = e::NOTCAPABLE.cast_unsigned();
        assert_eq!(poll(without, kind), (1, shifted | refused), "a right that was not asked for");
    }
}

/// `rights::poll_fd_readwrite`.
const POLL: u64 = 1 << 27;
/// `eventtype` of waiting to read.
const READ_EVENT: u8 = 1;
