//! Every function, called with arguments that no compiler would produce: each returns an errno of the specification
//! or ends only this instance, and only the guest's memory is accessed.

use crate::support::{BUFFER, Guest, MEMORY_BYTES, ROOT, World, e, namespace, o, preopen, right, volume};
use capos_wasm::{
    Grants, Limits, Value, ValueType,
    preview1::{FUNCTIONS, Function},
};

const END: i64 = MEMORY_BYTES as i64;
const IOVEC: u32 = 256;
const RESULT: i64 = 16;

/// Arguments to try: descriptors, pointers and lengths around every limit, flags, and meaningless numbers.
const SMALL: &[i64] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 48, 64, 255, 256, 1024, 1025, 4096, 4097];
const BORDERS: &[i64] = &[
    BUFFER as i64,
    IOVEC as i64,
    END - 65,
    END - 64,
    END - 48,
    END - 32,
    END - 24,
    END - 8,
    END - 7,
    END - 4,
    END - 1,
    END,
    END + 1,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_0000,
    0xffff_fff8,
    0xffff_fffc,
    0xffff_ffff,
];
const WIDE: &[i64] = &[
    0,
    1,
    2,
    64,
    4096,
    1 << 20,
    1 << 32,
    1 << 40,
    i64::MAX - 1,
    i64::MAX,
    i64::MIN,
    i64::MIN + 1,
    -4096,
    -2,
    -1,
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick(&mut self, from: &[i64]) -> i64 {
        from[(self.next() % from.len() as u64) as usize]
    }

    fn argument(&mut self, kind: ValueType) -> i64 {
        match (kind, self.next() % 8) {
            (ValueType::I64, 0..6) => self.pick(WIDE),
            (ValueType::I64, _) => self.next() as i64,
            (_, 0..4) => self.pick(SMALL),
            (_, 4..7) => self.pick(BORDERS),
            _ => i64::from(self.next() as u32),
        }
    }
}

/// A guest with open objects of all kinds, in a directory with a small quota.
fn guest() -> Guest {
    let mut world = World::new();
    world.console.end_input();
    let volume = volume(7);
    let root = namespace(&mut world, &volume, "/guest", "rwm", 256 << 10);
    let other = namespace(&mut world, &volume, "/read-only", "r", 0);
    let grants = Grants { preopens: vec![preopen("/", root), preopen("/ro", other)], ..world.all_grants() };
    let limits = Limits { descriptors: 24, output_bytes: 1 << 40, ..Limits::default() };
    let mut guest = Guest::new(world, grants, limits);
    guest.open(ROOT, "file", o::CREAT, right::READ | right::WRITE).expect("a file");
    guest.mkdir(ROOT, "dir").expect("a directory");
    guest.open(ROOT, "dir", o::DIRECTORY, 0).expect("its descriptor");
    guest
}

/// Calls `function` and checks that it returns an errno of the specification.
fn call(guest: &mut Guest, function: &Function, arguments: &[i64]) -> i32 {
    let results = guest.call(function.name, arguments);
    let [Value::I32(errno)] = results[..] else {
        panic!("{}{arguments:?} returned {results:?}", function.name)
    };
    assert!((0..=76).contains(&errno), "{}{arguments:?} returned {errno}", function.name);
    errno
}

#[test]
fn calls_with_arguments_of_no_sense_give_errnos() {
    let mut random = Random(0x5eed);
    for round in 0..8 {
        let mut guest = guest();
        // The memory from which strings, lists and structures are read.
        let noise: Vec<u8> = (0..512).map(|_| random.next() as u8 & 0x7f).collect();
        guest.poke(0, &noise);
        guest.poke_words(IOVEC, &[BUFFER, 64, BUFFER + 32, 64, MEMORY_BYTES - 8, 8]);
        // Functions that end the instance are skipped, and `fd_close` is called only at the end, so that objects
        // stay open.
        let closes = ["fd_close", "fd_renumber", "fd_fdstat_set_rights"];
        for last in [false, true] {
            for _ in 0..40 {
                let skipped = |name: &str| name.starts_with("proc_") || !last && closes.contains(&name);
                for function in FUNCTIONS.iter().filter(|function| !skipped(function.name)) {
                    let arguments: Vec<i64> =
                        function.params.iter().map(|&kind| random.argument(kind)).collect();
                    call(&mut guest, function, &arguments);
                }
            }
        }
        assert_eq!(guest.errno("sched_yield", &[]), Ok(()), "round {round}");
    }
}

/// Functions with valid arguments, each of which succeeds, and the indices of their pointers.
fn good() -> Vec<(&'static str, Vec<i64>, Vec<usize>)> {
    let (buffer, iovec, file, root) = (i64::from(BUFFER), i64::from(IOVEC), 5, i64::from(ROOT));
    vec![
        ("args_get", vec![64, buffer], vec![0, 1]),
        ("args_sizes_get", vec![16, 24], vec![0, 1]),
        ("environ_sizes_get", vec![16, 24], vec![0, 1]),
        ("clock_res_get", vec![1, RESULT], vec![1]),
        ("clock_time_get", vec![0, 0, RESULT], vec![2]),
        ("fd_fdstat_get", vec![file, RESULT], vec![1]),
        ("fd_filestat_get", vec![file, RESULT], vec![1]),
        ("fd_prestat_get", vec![root, RESULT], vec![1]),
        ("fd_prestat_dir_name", vec![root, buffer, 1], vec![1]),
        ("fd_pread", vec![file, iovec, 1, 0, RESULT], vec![1, 4]),
        ("fd_pwrite", vec![file, iovec, 1, 0, RESULT], vec![1, 4]),
        ("fd_read", vec![file, iovec, 1, RESULT], vec![1, 3]),
        ("fd_write", vec![file, iovec, 1, RESULT], vec![1, 3]),
        ("fd_readdir", vec![root, buffer, 64, 0, RESULT], vec![1, 4]),
        ("fd_seek", vec![file, 0, 0, RESULT], vec![3]),
        ("fd_tell", vec![file, RESULT], vec![1]),
        ("path_filestat_get", vec![root, 0, 1024, 4, RESULT], vec![2, 4]),
        ("path_filestat_set_times", vec![root, 0, 1024, 4, 0, 0, 0], vec![2]),
        ("path_open", vec![root, 0, 1024, 4, 0, 0, 0, 0, RESULT], vec![2, 8]),
        ("path_readlink", vec![root, 1040, 4, buffer, 9, RESULT], vec![1, 3, 5]),
        ("poll_oneoff", vec![2048, 4096, 1, RESULT], vec![0, 1, 3]),
        ("random_get", vec![buffer, 8], vec![0]),
    ]
}

/// Prepares the memory that the arguments in [`good`] point to.
fn prepare(guest: &mut Guest) {
    guest.poke(1024, b"file");
    guest.poke(1040, b"link");
    guest.poke_words(IOVEC, &[BUFFER, 8]);
    // A clock that has already fired.
    guest.poke(2048, &[0; 48]);
    guest.poke_words(2048 + 16, &[1]);
    guest.poke_words(2048 + 40, &[1]);
}

#[test]
fn each_pointer_outside_memory_is_efault_and_changes_nothing() {
    let mut guest = guest();
    guest.symlink("file", ROOT, "link").expect("a link");
    for (name, arguments, pointers) in good() {
        let function = FUNCTIONS.iter().find(|function| function.name == name).expect("a function");
        prepare(&mut guest);
        assert_eq!(call(&mut guest, function, &arguments), 0, "{name} with good arguments");
        if name == "path_open" {
            let opened = guest_result(&mut guest);
            guest.close(opened).expect("closing");
        }
        for &pointer in &pointers {
            for bad in [END, END + 8, 0x7fff_fff8, 0x8000_0000, 0xffff_fff8] {
                prepare(&mut guest);
                let mut arguments = arguments.clone();
                arguments[pointer] = bad;
                assert_eq!(
                    call(&mut guest, function, &arguments),
                    e::FAULT,
                    "{name} argument {pointer} at {bad:#x}"
                );
            }
            // The last byte of memory is too short for anything longer.
            prepare(&mut guest);
            let mut arguments = arguments.clone();
            arguments[pointer] = END - 1;
            let errno = call(&mut guest, function, &arguments);
            assert!([0, e::FAULT, e::INVAL, e::NOENT].contains(&errno), "{name} argument {pointer}: {errno}");
        }
    }
    // No unexpected descriptor was opened.
    let next = guest.open(ROOT, "file", 0, 0).expect("opening");
    assert_eq!(next, 7, "the number after those that were open");
}

fn guest_result(guest: &mut Guest) -> u32 {
    guest.peek_u32(RESULT as u32)
}

#[test]
fn lengths_that_reach_out_of_memory_are_efault() {
    let mut guest = guest();
    prepare(&mut guest);
    for length in [i64::from(MEMORY_BYTES), 0x7fff_ffff, 0xffff_ffff] {
        let root = i64::from(ROOT);
        for (name, arguments) in [
            ("random_get", vec![8, length]),
            ("fd_readdir", vec![root, 8, length, 0, RESULT]),
            ("path_readlink", vec![root, 1040, 4, 8, length, RESULT]),
            ("path_create_directory", vec![root, 8, length]),
            ("path_open", vec![root, 0, 8, length, 0, 0, 0, 0, RESULT]),
            ("path_symlink", vec![8, length, root, 1024, 4]),
            ("path_rename", vec![root, 1024, 4, root, 8, length]),
        ] {
            let function = FUNCTIONS.iter().find(|function| function.name == name).expect("a function");
            assert_eq!(call(&mut guest, function, &arguments), e::FAULT, "{name} with length {length:#x}");
        }
    }
    // Counts of structures are refused before they are multiplied.
    for count in [1025, 0x0100_0000, 0x2000_0001, 0x7fff_ffff, 0xffff_ffff] {
        for name in ["fd_read", "fd_write"] {
            assert_eq!(
                guest.errno(name, &[5, IOVEC.into(), count, RESULT]),
                Err(e::INVAL),
                "{count} buffers"
            );
        }
        assert_eq!(guest.errno("poll_oneoff", &[2048, 4096, count, RESULT]), Err(e::INVAL), "{count} events");
    }
}

#[test]
fn buffers_may_overlap_and_add_up_to_more_than_there_is() {
    let mut guest = guest();
    guest.poke(BUFFER, b"abcdefgh");
    // The same bytes a thousand times.
    let list: Vec<u32> = (0..1000).flat_map(|_| [BUFFER, 8]).collect();
    guest.poke_words(4096, &list);
    guest.errno("fd_write", &[5, 4096, 1000, RESULT]).expect("writing");
    assert_eq!(guest_result(&mut guest), 8000);
    guest.seek(5, 0, 0).expect("seeking");
    // All of them to the same place: the last one remains.
    guest.errno("fd_read", &[5, 4096, 1000, RESULT]).expect("reading");
    assert_eq!(guest_result(&mut guest), 8000);
    assert_eq!(guest.peek(BUFFER, 8), b"abcdefgh");
    // The list is in the buffer that is being filled: it is checked before, and again while it is used.
    guest.poke_words(4096, &[4096, 64, BUFFER, 64, BUFFER, 64]);
    let outcome = guest.errno("fd_pread", &[5, 4096, 3, 0, RESULT]);
    assert!(matches!(outcome, Ok(()) | Err(e::FAULT | e::INVAL)), "{outcome:?}");
    // The result overlaps the list.
    guest.poke_words(4096, &[BUFFER, 8]);
    guest.errno("fd_pread", &[5, 4096, 1, 0, 4096]).expect("reading");
    assert_eq!(guest.peek_u32(4096), 8);
    // Sixteen gigabytes, consisting of the same megabyte: ended by the quota.
    let list: Vec<u32> = (0..1024).flat_map(|_| [0, MEMORY_BYTES]).collect();
    guest.poke_words(16384, &list);
    guest.errno("fd_write", &[5, 16384, 1024, RESULT]).expect("what fits");
    assert!(guest_result(&mut guest) < 256 << 10);
    assert_eq!(guest.errno("fd_write", &[5, 16384, 1024, RESULT]), Err(e::DQUOT));
}

#[test]
fn a_listing_into_all_of_memory_is_one_call() {
    let mut guest = guest();
    for number in 0..300 {
        guest.create(6, &format!("{number:03}"));
    }
    let room = MEMORY_BYTES - BUFFER;
    let arguments = [6, BUFFER.into(), room.into(), 0, RESULT];
    guest.errno("fd_readdir", &arguments).expect("listing");
    let used = guest_result(&mut guest);
    assert_eq!(used as usize, 302 * 24 + 3 + 300 * 3);
    assert_eq!(guest.errno("fd_readdir", &[6, BUFFER.into(), i64::from(room) + 1, 0, RESULT]), Err(e::FAULT));
    // A cookie that was never returned.
    for cookie in [7, 1 << 32, i64::MAX, -1, -2, -3] {
        guest
            .errno("fd_readdir", &[6, BUFFER.into(), room.into(), cookie, RESULT])
            .expect("an end or the rest");
    }
}
