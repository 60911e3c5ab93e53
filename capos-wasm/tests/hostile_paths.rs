//! Invalid paths of every kind, in every function that takes one: none gives access outside the directory or damages
//! it, and each returns a specific errno.

use crate::support::{Fails, Guest, ROOT, World, e, namespace, o, preopen, right, volume};
use capos_wasm::{Grants, Limits};

/// A guest in the directory `/inside` of a volume that also contains `/outside/secret`, with a second
/// descriptor for the root directory.
fn guest() -> Guest {
    let mut world = World::new();
    let volume = volume(7);
    let inside = namespace(&mut world, &volume, "/inside", "rwm", 0);
    let top = namespace(&mut world, &volume, "/", "rwm", 0);
    let grants = Grants { preopens: vec![preopen("/", inside), preopen("/top", top)], ..world.all_grants() };
    let mut guest = Guest::new(world, grants, Limits::default());
    guest.mkdir(TOP, "outside").expect("a directory");
    guest.create(TOP, "outside/secret");
    guest.mkdir(ROOT, "dir").expect("a directory");
    guest.create(ROOT, "dir/file");
    // Links that lead outside, in a circle, or nowhere. Created from above, where they do not lead outside.
    guest.symlink("../outside", ROOT, "out").expect("a link");
    guest.symlink("../outside/secret", ROOT, "out-file").expect("a link");
    guest.symlink("..", ROOT, "up").expect("a link");
    guest.symlink("dir/../../outside/secret", ROOT, "winding").expect("a link");
    guest.symlink("loop-b", ROOT, "loop-a").expect("a link");
    guest.symlink("loop-a", ROOT, "loop-b").expect("a link");
    guest.symlink("loop-a/dir", ROOT, "loop-c").expect("a link");
    guest
}

/// The descriptor of the directory above.
const TOP: u32 = 4;

/// Calls every function that takes a path, with this one as each of its path arguments.
fn all(guest: &mut Guest, path: &[u8]) -> Vec<(&'static str, Fails)> {
    let root = i64::from(ROOT);
    let [at, length] = guest.path(path);
    guest.poke(20_000, b"dir/file");
    guest.poke(20_100, b"dir/new");
    let (file, new) = ([20_000i64, 8], [20_100i64, 7]);
    let calls: Vec<(&'static str, Vec<i64>)> = vec![
        ("path_create_directory", vec![root, at, length]),
        ("path_filestat_get", vec![root, 0, at, length, 16]),
        ("path_filestat_get", vec![root, 1, at, length, 16]),
        ("path_filestat_set_times", vec![root, 1, at, length, 0, 0, 5]),
        ("path_link", vec![root, 0, at, length, root, new[0], new[1]]),
        ("path_link", vec![root, 0, file[0], file[1], root, at, length]),
        ("path_open", vec![root, 0, at, length, 0, 0, 0, 0, 16]),
        ("path_open", vec![root, 1, at, length, 0, right::READ as i64, 0, 0, 16]),
        ("path_open", vec![root, 1, at, length, o::CREAT.into(), right::WRITE as i64, 0, 0, 16]),
        ("path_open", vec![root, 1, at, length, o::TRUNC.into(), right::WRITE as i64, 0, 0, 16]),
        ("path_open", vec![root, 1, at, length, o::DIRECTORY.into(), 0, 0, 0, 16]),
        ("path_readlink", vec![root, at, length, 30_000, 64, 16]),
        ("path_remove_directory", vec![root, at, length]),
        ("path_rename", vec![root, at, length, root, new[0], new[1]]),
        ("path_rename", vec![root, file[0], file[1], root, at, length]),
        ("path_symlink", vec![new[0], new[1], root, at, length]),
        ("path_unlink_file", vec![root, at, length]),
    ];
    calls.iter().map(|(name, arguments)| (*name, guest.errno(name, arguments))).collect()
}

/// Everything that exists, above and below.
fn everything(guest: &mut Guest) -> Vec<String> {
    let mut names = Vec::new();
    for directory in [".", "outside", "inside", "inside/dir"] {
        let fd = guest.open(TOP, directory, o::DIRECTORY, 0).expect("a directory");
        names.extend(guest.list(fd, 4096).expect("a listing").into_iter().map(|entry| entry.name));
        guest.close(fd).expect("closing");
    }
    names
}

/// Checks that every function returns one of `errnos` for each of `paths`, and changes nothing.
fn refused(paths: &[&[u8]], errnos: &[i32]) {
    let mut guest = guest();
    let before = everything(&mut guest);
    let secret = guest.stat(TOP, false, "outside/secret");
    for &path in paths {
        for (function, outcome) in all(&mut guest, path) {
            let shown = path.get(..40).unwrap_or(path).escape_ascii();
            assert!(
                outcome.is_err_and(|errno| errnos.contains(&errno)),
                "{function} of \"{shown}\" gave {outcome:?}"
            );
        }
    }
    assert_eq!(everything(&mut guest), before);
    assert_eq!(guest.stat(TOP, false, "outside/secret"), secret);
}

#[test]
fn nothing_leads_out() {
    refused(
        &[
            b"..",
            b"../",
            b"../outside",
            b"../outside/secret",
            b"dir/../../outside/secret",
            b"a/../../b",
            b"dir/../..",
            b"./../inside/dir/file",
            b"../inside/dir/file",
            b"/",
            b"//",
            b"/dir/file",
            b"/outside/secret",
            b"///outside/secret",
            b"dir/./../.././outside",
        ],
        &[e::PERM, e::NOENT],
    );
}

#[test]
fn no_link_leads_out() {
    refused(
        &[b"out/secret", b"out/new", b"up/outside/secret", b"up/outside/new", b"dir/../out/secret", b"up/.."],
        &[e::PERM],
    );
    // In the last component a link can be named, read and unlinked, but not followed.
    let mut guest = guest();
    for name in ["out", "up", "out-file", "winding"] {
        for flags in [0, o::CREAT, o::TRUNC, o::DIRECTORY] {
            let rights = if flags == o::DIRECTORY { 0 } else { right::WRITE };
            let opened = guest.open_with(ROOT, true, name, flags, (rights, 0), 0);
            assert_eq!(opened, Err(e::PERM), "{name} with {flags}");
        }
        assert_eq!(guest.stat(ROOT, true, name), Err(e::PERM));
        assert_eq!(guest.set_times(ROOT, true, name, [0, 0], 5), Err(e::PERM));
        assert_eq!(guest.stat(ROOT, false, name).expect("the link itself").file_type, 7);
    }
    // A link created elsewhere is checked when it is followed.
    guest.symlink("../outside/secret", TOP, "inside/dir/other").expect("a link");
    assert_eq!(
        guest.open_with(ROOT, true, "dir/other", 0, (0, 0), 0),
        Err(e::NOENT),
        "that is inside/outside"
    );
    guest.rename(TOP, "inside/dir/other", TOP, "inside/other").expect("moving");
    assert_eq!(guest.open_with(ROOT, true, "other", 0, (0, 0), 0), Err(e::PERM));
    assert_eq!(guest.open_with(TOP, true, "inside/other", 0, (0, 0), 0).map(drop), Ok(()));
}

#[test]
fn loops_end() {
    refused(&[b"loop-a/x", b"loop-c/x", b"dir/../loop-b/x/y"], &[e::LOOP]);
    let mut guest = guest();
    for name in ["loop-a", "loop-b", "loop-c"] {
        assert_eq!(guest.open_with(ROOT, true, name, 0, (0, 0), 0), Err(e::LOOP));
        assert_eq!(guest.open_with(ROOT, true, name, o::CREAT, (0, 0), 0), Err(e::LOOP));
        assert_eq!(guest.stat(ROOT, true, name), Err(e::LOOP));
    }
    // Each doubles the previous one: following all of them would take forever.
    guest.symlink("dir", ROOT, "l0").expect("a link");
    for number in 1..64 {
        let before = number - 1;
        let target = format!("l{before}/../l{before}/../l{before}");
        guest.symlink(&target, ROOT, &format!("l{number}")).expect("a link");
    }
    assert_eq!(guest.open_with(ROOT, true, "l1/file", 0, (0, 0), 0).map(drop), Ok(()));
    assert_eq!(guest.open_with(ROOT, true, "l63/file", 0, (0, 0), 0), Err(e::LOOP));
}

#[test]
fn what_is_no_text_is_refused() {
    refused(&[b"\0", b"dir\0", b"\0dir", b"dir/file\0", b"dir/\0/file", b"dir/file\0.txt"], &[e::INVAL]);
    refused(
        &[
            b"\xff",
            b"\xc0\xaf",
            b"dir/\xed\xa0\x80",
            b"\xe2\x82",
            b"dir\x80",
            b"..\xc0\xafoutside",
            b"\xf4\x90\x80\x80",
        ],
        &[e::ILSEQ],
    );
}

#[test]
fn what_is_too_long_or_nothing_is_refused() {
    refused(
        &[
            &[b'a'; 4097],
            &[b'/'; 5000],
            &[b'a'; 256],
            &b"./".repeat(3000),
            &[b'a'; 16000],
            &[&b"dir/"[..], &[b'x'; 300]].concat(),
        ],
        &[e::NAMETOOLONG],
    );
    refused(&[b""], &[e::NOENT, e::INVAL]);
    // As long as a path may be, with no component too long.
    let mut guest = guest();
    let longest = [b"./".repeat(2044), b"dir/file".to_vec()].concat();
    assert_eq!(longest.len(), 4096);
    let longest = String::from_utf8(longest).expect("text");
    assert_eq!(guest.open(ROOT, &longest, 0, 0).map(drop), Ok(()));
    assert_eq!(guest.mkdir(ROOT, &"n".repeat(255)), Ok(()));
}

#[test]
fn dots_name_nothing_to_make_move_or_remove() {
    let mut guest = guest();
    let before = everything(&mut guest);
    for path in [".", "./", "dir/.", "dir/..", "dir/../.", "./."] {
        for function in ["path_create_directory", "path_remove_directory", "path_unlink_file"] {
            assert!(guest.by_path(function, ROOT, path).is_err(), "{function} of {path}");
        }
        assert!(guest.rename(ROOT, path, ROOT, "new").is_err(), "moving {path}");
        assert!(guest.rename(ROOT, "dir/file", ROOT, path).is_err(), "moving to {path}");
        assert!(guest.symlink("dir", ROOT, path).is_err(), "linking at {path}");
        assert!(guest.link(ROOT, false, "dir/file", ROOT, path).is_err(), "linking at {path}");
        assert!(guest.open(ROOT, path, o::CREAT | o::EXCL, right::WRITE).is_err(), "making {path}");
        assert_eq!(guest.open(ROOT, path, 0, 0).map(drop), Ok(()), "opening {path}");
    }
    assert_eq!(everything(&mut guest), before);
}

#[test]
fn deep_trees_are_only_as_deep_as_paths_are_long() {
    let mut guest = guest();
    let mut fds = vec![ROOT];
    for _ in 0..200 {
        let above = fds[fds.len() - 1];
        guest.mkdir(above, "deeper").expect("a directory");
        fds.push(guest.open(above, "deeper", o::DIRECTORY, 0).expect("its descriptor"));
    }
    let deepest = fds[fds.len() - 1];
    assert_eq!(guest.open(deepest, "..", 0, 0), Err(e::PERM), "each is the top of its own paths");
    guest.create(deepest, "file");
    assert_eq!(guest.open(ROOT, &format!("{}file", "deeper/".repeat(200)), 0, 0).map(drop), Ok(()));
    assert_eq!(guest.open(ROOT, &"deeper/".repeat(600), 0, 0), Err(e::NAMETOOLONG));
}
