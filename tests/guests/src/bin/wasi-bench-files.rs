#![expect(unsafe_code, reason = "calls WASI itself, without the C library's own work around it")]
// Unsafe here: WASI functions take addresses.
//! Measures file operations from inside, in its preopened directory, with the monotonic clock, and prints
//! `name value unit`. The first argument is a prefix of the names; a second one, `no-sync`, leaves out operations that
//! wait for a device, whose time is not counted in instructions.
//!
//! Meant to run under QEMU's `-icount shift=0`, where a nanosecond is an instruction.

use std::io::Write;

const MONOTONIC: u32 = 1;
/// The first preopened directory.
const DIRECTORY: u32 = 3;
const CREATE: u16 = 1;
/// `fd_datasync`, `fd_read`, `fd_seek` and `fd_write`, among others.
const RIGHTS: u64 = 0x1ff;
const NAME: &[u8] = b"bench.bin";
/// Number of small files created in one directory, for a mean.
const SMALL_FILES: u32 = 3000;
const MIB: usize = 1 << 20;

/// A buffer in the layout of `fd_write` and `fd_read`.
#[repr(C)]
struct Buffer {
    address: *mut u8,
    len_bytes: usize,
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(id: u32, precision: u64, time: *mut u64) -> u32;
    fn fd_write(fd: u32, buffers: *const Buffer, count: usize, written: *mut usize) -> u32;
    fn fd_read(fd: u32, buffers: *const Buffer, count: usize, read: *mut usize) -> u32;
    fn fd_seek(fd: u32, offset: i64, whence: u32, position: *mut u64) -> u32;
    fn fd_sync(fd: u32) -> u32;
    fn fd_close(fd: u32) -> u32;
    fn path_unlink_file(directory: u32, path: *const u8, path_len: usize) -> u32;
    fn path_open(
        directory: u32,
        lookup: u32,
        path: *const u8,
        path_len: usize,
        flags: u32,
        rights: u64,
        inherited: u64,
        fd_flags: u32,
        fd: *mut u32,
    ) -> u32;
}

fn now_ns() -> u64 {
    let mut time = 0;
    // SAFETY: `time` is valid for the result.
    let errno = unsafe { clock_time_get(MONOTONIC, 1, &mut time) };
    assert_eq!(errno, 0, "the clock is granted");
    time
}

/// Mean cost of `run` in nanoseconds, including the loop around it. `prepare` is not counted. The result is the
/// lowest of three means: a wait of a service for its device, whose time is not instructions, would affect only one.
fn measure(runs: u32, mut prepare: impl FnMut(), mut run: impl FnMut()) -> u64 {
    prepare();
    for _ in 0..runs.min(16) {
        run();
    }
    let mean = |_| {
        prepare();
        let start = now_ns();
        for _ in 0..runs {
            run();
        }
        (now_ns() - start) / u64::from(runs)
    };
    (0..3).map(mean).min().unwrap_or_default()
}

fn open(name: &[u8]) -> u32 {
    let mut fd = 0;
    // SAFETY: the path is `name`, and `fd` is valid for the result.
    let errno =
        unsafe { path_open(DIRECTORY, 0, name.as_ptr(), name.len(), CREATE.into(), RIGHTS, 0, 0, &mut fd) };
    assert_eq!(errno, 0, "a file can be made in the directory");
    fd
}

fn close(fd: u32) {
    // SAFETY: no addresses.
    assert_eq!(unsafe { fd_close(fd) }, 0, "the file is open");
}

fn rewind(fd: u32) {
    let mut position = 0;
    // SAFETY: `position` is valid for the result.
    assert_eq!(unsafe { fd_seek(fd, 0, 0, &mut position) }, 0, "the file is open");
}

/// Mean cost of creating a file, writing to it and closing it, in nanoseconds, and of removing it again. Includes
/// storing the data as far as the volume does that by itself meanwhile.
fn small_files(buffer: &Buffer) -> (u64, u64) {
    let names: Vec<_> = (0..SMALL_FILES).map(|number| format!("small-{number}")).collect();
    let begun = now_ns();
    for name in &names {
        let (fd, mut done) = (open(name.as_bytes()), 0);
        // SAFETY: `buffer` describes memory, and `done` is valid for the result.
        assert_eq!((unsafe { fd_write(fd, buffer, 1, &mut done) }, done), (0, buffer.len_bytes));
        close(fd);
    }
    let made = now_ns();
    for name in &names {
        // SAFETY: the path is `name`.
        assert_eq!(unsafe { path_unlink_file(DIRECTORY, name.as_ptr(), name.len()) }, 0, "it is there");
    }
    let mean = |from, to| (to - from) / u64::from(SMALL_FILES);
    (mean(begun, made), mean(made, now_ns()))
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let medium = arguments.next().unwrap_or_default();
    let syncs = arguments.next().as_deref() != Some("no-sync");
    let mut results = Vec::new();
    let mut result = |name: &str, value: u64| results.push((name.to_owned(), value));
    let mut data = vec![b'x'; MIB];
    let fd = open(NAME);
    for (name, length, runs) in [("64", 64, 256), ("4k", 4096, 64), ("1m", MIB, 4)] {
        let buffer = Buffer { address: data.as_mut_ptr(), len_bytes: length };
        let mut done = 0;
        // SAFETY: `buffer` describes the beginning of `data`, and `done` is valid for the result.
        let mut write = || assert_eq!((unsafe { fd_write(fd, &buffer, 1, &mut done) }, done), (0, length));
        // Large pieces stay at one position: more of them than the volume's cache holds would measure the
        // device.
        let place = || {
            if length == MIB {
                rewind(fd);
            }
        };
        result(
            &format!("fd_write_{name}"),
            measure(
                runs,
                || rewind(fd),
                || {
                    place();
                    write();
                },
            ),
        );
        // The data read must exist, however often the warm-up reads.
        write();
        let mut done = 0;
        let read = || {
            place();
            // SAFETY: as above.
            assert_eq!((unsafe { fd_read(fd, &buffer, 1, &mut done) }, done), (0, length));
        };
        result(&format!("fd_read_{name}"), measure(runs.div_ceil(2), || rewind(fd), read));
        rewind(fd);
    }
    let buffer = Buffer { address: data.as_mut_ptr(), len_bytes: 64 };
    let sync = || {
        let mut done = 0;
        // SAFETY: as above.
        assert_eq!(unsafe { (fd_write(fd, &buffer, 1, &mut done), fd_sync(fd)) }, (0, 0));
    };
    if syncs {
        result("fd_write_64_fd_sync", measure(8, || rewind(fd), sync));
    }
    close(fd);
    result("path_open_fd_close", measure(64, || (), || close(open(NAME))));
    if syncs {
        let (made, removed) = small_files(&buffer);
        result("create_write_64_close", made);
        result("unlink", removed);
    }
    let mut stdout = std::io::stdout().lock();
    for (name, value) in results {
        writeln!(stdout, "{medium}_{name} {value} instructions")?;
    }
    Ok(())
}
