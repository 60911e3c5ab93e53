//! Paths: what they resolve to, and that they never leave their namespace.

use std::sync::Arc;

use capos_volume::{Error, Kind, Last, MemDevice, Namespace, OpenFlags, Options, ROOT, Rights, Volume};

use crate::ops::image;

/// `/secret`, and `/box` with a file, a directory and various links; and a namespace of the box.
fn boxed(rights: Rights) -> (Volume, Namespace) {
    let device = Arc::new(MemDevice::from_image(&image(8 << 20, None)));
    let mut volume = Volume::open(device, Options::default()).unwrap();
    volume.create_file(ROOT, "secret").unwrap();
    let inside = volume.create_dir(ROOT, "box").unwrap();
    volume.create_file(inside, "file").unwrap();
    let dir = volume.create_dir(inside, "dir").unwrap();
    volume.create_file(dir, "deep").unwrap();
    for (name, target) in [
        ("out", "../secret"),
        ("out-dir", ".."),
        ("absolute", "/secret"),
        ("self", "self"),
        ("ping", "pong"),
        ("pong", "ping"),
        ("to-file", "file"),
        ("to-dir", "dir"),
        ("to-dir-slash", "dir/"),
        ("dangling", "new"),
        ("round", "dir/../to-dir/deep"),
        ("to-file-slash", "file/"),
    ] {
        volume.create_symlink(inside, name, target).unwrap();
    }
    let root = Namespace::root(&mut volume).unwrap();
    let space = root.sub(&mut volume, b"box", rights).unwrap();
    (volume, space)
}

#[test]
fn no_path_leaves_the_namespace() {
    let (mut volume, space) = boxed(Rights::all());
    for path in [
        "..",
        "../secret",
        "/",
        "/secret",
        "dir/../../secret",
        "out",
        "out-dir",
        "out-dir/secret",
        "absolute",
        "./../box/file",
        "dir/../..",
        "out-dir/box/file",
    ] {
        let path = path.as_bytes();
        let refused = Error::NotPermitted;
        let shown = String::from_utf8_lossy(path);
        assert_eq!(space.stat(&mut volume, path, Last::Follow), Err(refused), "{shown}");
        assert_eq!(space.open(&mut volume, path, Last::Follow, OpenFlags::READ), Err(refused), "{shown}");
        if !matches!(&*shown, "out" | "out-dir" | "absolute") {
            assert_eq!(space.unlink(&mut volume, path), Err(refused), "{shown}");
            assert_eq!(space.create_dir(&mut volume, path).unwrap_err(), refused, "{shown}");
            assert_eq!(space.rename(&mut volume, path, &space, b"x"), Err(refused), "{shown}");
            assert_eq!(space.rename(&mut volume, b"file", &space, path), Err(refused), "{shown}");
        }
        assert!(space.sub(&mut volume, path, Rights::all()).is_err(), "{shown}");
    }
    assert_eq!(space.create_symlink(&mut volume, b"/etc", b"new"), Err(Error::NotPermitted));
    assert!(volume.lookup(ROOT, "secret").is_ok());
}

#[test]
fn paths_of_illegal_shape_have_their_errors() {
    let (mut volume, space) = boxed(Rights::all());
    let long = [b"dir/../".repeat(600), b"file".to_vec()].concat();
    let cases: [(&[u8], Error); 12] = [
        (b"", Error::NotFound),
        (b"fi\0le", Error::Invalid),
        (b"file\0", Error::Invalid),
        (b"fi\xffle", Error::NotUtf8),
        (&long, Error::NameTooLong),
        (&[b'x'; 256], Error::NameTooLong),
        (b"self", Error::Loop),
        (b"ping/x", Error::Loop),
        (b"file/x", Error::NotDirectory),
        (b"file/", Error::NotDirectory),
        (b"to-file-slash", Error::NotDirectory),
        (b"none/x", Error::NotFound),
    ];
    for (path, error) in cases {
        let shown = String::from_utf8_lossy(path).chars().take(20).collect::<String>();
        assert_eq!(space.stat(&mut volume, path, Last::Follow), Err(error), "{shown}");
        assert_eq!(space.open(&mut volume, path, Last::Follow, OpenFlags::READ), Err(error), "{shown}");
    }
    assert!(space.stat(&mut volume, &long[long.len() - 584 * 7 - 4..], Last::Follow).is_ok());
}

#[test]
fn links_are_followed_within() {
    let (mut volume, space) = boxed(Rights::all());
    let kind =
        |volume: &mut Volume, path: &str, last| space.stat(volume, path.as_bytes(), last).map(|s| s.kind);
    assert_eq!(kind(&mut volume, "to-file", Last::Follow), Ok(Kind::File));
    assert_eq!(kind(&mut volume, "to-file", Last::Stay), Ok(Kind::Symlink));
    assert_eq!(kind(&mut volume, "to-dir/", Last::Stay), Ok(Kind::Directory));
    assert_eq!(kind(&mut volume, "to-dir/deep", Last::Stay), Ok(Kind::File));
    assert_eq!(kind(&mut volume, "to-dir-slash/deep", Last::Stay), Ok(Kind::File));
    assert_eq!(kind(&mut volume, "round", Last::Follow), Ok(Kind::File));
    assert_eq!(kind(&mut volume, "dir/.", Last::Stay), Ok(Kind::Directory));
    assert_eq!(kind(&mut volume, "dangling", Last::Follow), Err(Error::NotFound));
    assert_eq!(space.read_link(&mut volume, b"round").unwrap(), "dir/../to-dir/deep");
    assert_eq!(space.read_link(&mut volume, b"file"), Err(Error::Invalid));
    // Forty links are followed, but not more.
    for i in 0..41 {
        let target = if i == 0 { "file".to_owned() } else { format!("chain{}", i - 1) };
        space.create_symlink(&mut volume, target.as_bytes(), format!("chain{i}").as_bytes()).unwrap();
    }
    assert_eq!(kind(&mut volume, "chain39", Last::Follow), Ok(Kind::File));
    assert_eq!(kind(&mut volume, "chain40", Last::Follow), Err(Error::Loop));
}

#[test]
fn opening_obeys_its_flags() {
    let (mut volume, space) = boxed(Rights::all());
    let mut open = |path: &str, last, flags| {
        space.open(&mut volume, path.as_bytes(), last, flags).map(|opened| opened.kind)
    };
    let (read, write, create) = (OpenFlags::READ, OpenFlags::WRITE, OpenFlags::CREATE);
    assert_eq!(open("file", Last::Follow, read | OpenFlags::DIRECTORY), Err(Error::NotDirectory));
    assert_eq!(open("dir", Last::Follow, read | OpenFlags::DIRECTORY), Ok(Kind::Directory));
    assert_eq!(open("dir", Last::Follow, write), Err(Error::IsDirectory));
    assert_eq!(open(".", Last::Follow, read), Ok(Kind::Directory));
    assert_eq!(open("to-file", Last::Stay, read), Err(Error::Loop));
    assert_eq!(open("to-file", Last::Follow, write), Ok(Kind::File));
    assert_eq!(open("file", Last::Follow, create | OpenFlags::EXCLUSIVE), Err(Error::Exists));
    assert_eq!(open("dangling", Last::Follow, create | OpenFlags::EXCLUSIVE), Err(Error::Exists));
    assert_eq!(open("dangling", Last::Follow, create | write), Ok(Kind::File));
    assert_eq!(open("new", Last::Stay, read), Ok(Kind::File));
    assert_eq!(open("made/", Last::Follow, create), Err(Error::IsDirectory));
    assert_eq!(open("dir", Last::Follow, OpenFlags::TRUNCATE), Err(Error::IsDirectory));
    assert_eq!(open("none", Last::Follow, read), Err(Error::NotFound));
}

#[test]
fn names_with_slashes_and_dots_at_the_end() {
    let (mut volume, space) = boxed(Rights::all());
    let v = &mut volume;
    space.create_dir(v, b"made/").unwrap();
    assert_eq!(space.create_dir(v, b"made"), Err(Error::Exists));
    assert_eq!(space.create_dir(v, b"made/."), Err(Error::Exists));
    assert_eq!(space.unlink(v, b"file/"), Err(Error::NotDirectory));
    assert_eq!(space.unlink(v, b"made"), Err(Error::IsDirectory));
    assert_eq!(space.unlink(v, b"."), Err(Error::IsDirectory));
    assert_eq!(space.remove_dir(v, b"file"), Err(Error::NotDirectory));
    assert_eq!(space.remove_dir(v, b"to-dir/"), Err(Error::NotDirectory));
    assert_eq!(space.remove_dir(v, b"."), Err(Error::Invalid));
    assert_eq!(space.remove_dir(v, b"made/."), Err(Error::Invalid));
    assert_eq!(space.remove_dir(v, b"dir"), Err(Error::NotEmpty));
    assert_eq!(space.rename(v, b"file", &space, b"x/"), Err(Error::NotDirectory));
    assert_eq!(space.rename(v, b"made/", &space, b"moved/"), Ok(()));
    assert_eq!(space.rename(v, b".", &space, b"x"), Err(Error::Busy));
    assert_eq!(space.remove_dir(v, b"moved/"), Ok(()));
    assert_eq!(space.create_symlink(v, b"file", b"s/"), Err(Error::NotFound));
    assert_eq!(space.link(v, b"file", Last::Stay, &space, b"l/"), Err(Error::NotFound));
}

#[test]
fn rights_only_shrink() {
    let (mut volume, reader) = boxed(Rights::READ);
    let v = &mut volume;
    assert_eq!(reader.open(v, b"file", Last::Follow, OpenFlags::WRITE), Err(Error::NotCapable));
    assert_eq!(reader.open(v, b"file", Last::Follow, OpenFlags::TRUNCATE), Err(Error::NotCapable));
    assert_eq!(reader.open(v, b"new", Last::Follow, OpenFlags::CREATE), Err(Error::NotCapable));
    assert!(reader.open(v, b"file", Last::Follow, OpenFlags::READ | OpenFlags::CREATE).is_ok());
    for refused in [
        reader.unlink(v, b"file"),
        reader.create_dir(v, b"new").map(|_| ()),
        reader.rename(v, b"file", &reader, b"x"),
        reader.create_symlink(v, b"a", b"b").map(|_| ()),
        reader.set_times(v, b"file", Last::Follow, Default::default(), Default::default()),
    ] {
        assert_eq!(refused, Err(Error::NotCapable));
    }
    let sub = reader.sub(v, b"to-dir", Rights::all()).unwrap();
    assert_eq!(sub.rights(), Rights::READ);
    assert!(sub.stat(v, b"deep", Last::Follow).is_ok());
    // A file that is read-only here must not become writable by a link from elsewhere.
    let root = Namespace::root(v).unwrap();
    assert_eq!(reader.link(v, b"file", Last::Stay, &root, b"mine"), Err(Error::NotCapable));
    assert_eq!(sub.close(v), Ok(()));
    // Nor may a file that can only be named here become readable or writable by a rename to elsewhere.
    let box_of = |v: &mut Volume, rights| root.sub(v, b"box", rights).unwrap();
    for rights in [Rights::MODIFY, Rights::MODIFY | Rights::READ, Rights::MODIFY | Rights::WRITE] {
        let namer = box_of(v, rights);
        assert_eq!(namer.rename(v, b"file", &root, b"mine"), Err(Error::NotCapable));
        assert_eq!(namer.rename(v, b"file", &namer, b"other"), Ok(()));
        assert_eq!(namer.rename(v, b"other", &namer, b"file"), Ok(()));
    }
    let all = box_of(v, Rights::all());
    let namer = box_of(v, Rights::MODIFY);
    assert_eq!(all.rename(v, b"file", &namer, b"other"), Ok(()));
}
