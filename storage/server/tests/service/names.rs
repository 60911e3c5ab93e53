//! Namespaces: reachable paths, listings, and moves between namespaces.

use capos_schema::errno_capnp::Errno;

use crate::support::*;

#[test]
fn a_namespace_ends_where_it_begins() {
    let volume = served();
    let root = grant(&volume, "", "rwm", false).unwrap();
    let inner = grant(&volume, "/a/b/", "rwm", true).unwrap();
    open_file(&inner, "mine", "wc").unwrap();
    open_file(&root, "secret", "wc").unwrap();
    for path in ["../secret", "/secret", "x/../../secret", "..", "../../secret"] {
        let expected = if path.starts_with('x') { Errno::NoEntry } else { Errno::NotPermitted };
        assert_eq!(open_any(&inner, path, "r").err(), Some(expected), "{path}");
    }
    assert_eq!(size(&root, "a/b/mine"), Ok(0));
    for (path, error) in
        [("\0", Errno::Invalid), ("", Errno::NoEntry), (&"x".repeat(5000), Errno::NameTooLong)]
    {
        assert_eq!(open_any(&inner, path, "r").err(), Some(error), "{path}");
    }
    let mut request = inner.open_request();
    request.get().set_path(b"\xff");
    assert_eq!(call!(request).err(), Some(Errno::IllegalByteSequence));
    assert_eq!(grant(&volume, "none", "r", false).err(), Some(Errno::NoEntry));
    assert_eq!(grant(&volume, "secret", "r", false).err(), Some(Errno::NotDirectory));
    assert_eq!(grant(&volume, "secret/below", "r", true).err(), Some(Errno::NotDirectory));
}

#[test]
fn a_sub_namespace_has_no_more_rights() {
    let volume = served();
    let root = grant(&volume, "", "rw", false).unwrap();
    mkdir(&grant(&volume, "", "rwm", false).unwrap(), "d").unwrap();
    assert_eq!(mkdir(&root, "e").err(), Some(Errno::NotCapable));
    let more = sub(&root, "d", "rwm").unwrap();
    assert_eq!(mkdir(&more, "e").err(), Some(Errno::NotCapable));
    let less = sub(&more, ".", "w").unwrap();
    assert_eq!(size(&less, "."), Err(Errno::NotCapable));
    assert_eq!(page(&less, 0, 1000).err(), Some(Errno::NotCapable));
    // An opened directory has the rights of the namespace through which it was opened.
    let opened = open_dir(&root, "d").unwrap();
    assert_eq!(mkdir(&opened, "e").err(), Some(Errno::NotCapable));
    assert_eq!(page(&opened, 0, 1000), Ok((Vec::new(), true)));
    assert_eq!(open_any(&root, "d", "rwd").err(), Some(Errno::IsDirectory));
}

#[test]
fn listings_come_in_pages() {
    let root = grant(&served(), "", "rwm", false).unwrap();
    let mut names: Vec<String> = (0..300).map(|i| format!("{i:0width$}", width = 3 + i % 200)).collect();
    for name in &names {
        open_file(&root, name, "c").unwrap();
    }
    for bytes in [0, 1, 300, 5_000, u32::MAX] {
        let (mut found, mut cookie) = (Vec::new(), 0);
        loop {
            let (page, end) = page(&root, cookie, bytes).unwrap();
            assert!(!page.is_empty() || end);
            cookie = page.last().map_or(cookie, |(_, cookie)| *cookie);
            found.extend(page.into_iter().map(|(name, _)| name));
            if end {
                break;
            }
        }
        found.sort();
        names.sort();
        assert_eq!(found, names, "{bytes}");
    }
    assert_eq!(page(&root, u64::MAX, 1000), Ok((Vec::new(), true)));
}

#[test]
fn names_move_between_namespaces_of_one_volume_only() {
    let (volume, other) = (served(), served());
    let (a, b) = (grant(&volume, "a", "rwm", true).unwrap(), grant(&volume, "b", "rwm", true).unwrap());
    let foreign = grant(&other, "", "rwm", false).unwrap();
    write(&open_file(&a, "x", "wc").unwrap(), 0, b"12").unwrap();
    rename(&a, "x", &b, "y").unwrap();
    assert_eq!((size(&a, "x"), size(&b, "y")), (Err(Errno::NoEntry), Ok(2)));
    rename(&b, "y", &promised(a.clone()), "z").unwrap();
    link(&a, "z", &b, "again").unwrap();
    assert_eq!((size(&a, "z"), size(&b, "again")), (Ok(2), Ok(2)));
    assert_eq!(rename(&a, "z", &foreign, "z"), Err(Errno::CrossDevice));
    assert_eq!(link(&a, "z", &foreign, "z"), Err(Errno::CrossDevice));
    let read_only = sub(&b, ".", "r").unwrap();
    assert_eq!(rename(&a, "z", &read_only, "z"), Err(Errno::NotCapable));
    // The link would allow more than the name does.
    assert_eq!(link(&sub(&a, ".", "rm").unwrap(), "z", &b, "more"), Err(Errno::NotCapable));
}

#[test]
fn links_are_made_read_and_followed() {
    let root = grant(&served(), "", "rwm", false).unwrap();
    write(&open_file(&root, "a", "wc").unwrap(), 0, b"12").unwrap();
    let symlink = |target: &[u8], path: &[u8]| {
        let mut request = root.create_symbolic_link_request();
        request.get().set_target(target);
        request.get().set_path(path);
        call!(request).map(drop)
    };
    symlink(b"a", b"l").unwrap();
    symlink(b"../out", b"m").unwrap();
    assert_eq!(symlink(b"/etc", b"n"), Err(Errno::NotPermitted));
    assert_eq!(read(&open_file(&root, "l", "r").unwrap(), 0, 9), Ok(b"12".to_vec()));
    assert_eq!(open_file(&root, "m", "r").err(), Some(Errno::NotPermitted));
    let mut request = root.read_link_request();
    request.get().set_path(b"m");
    assert_eq!(call!(request).unwrap().get().unwrap().get_target().unwrap(), b"../out");
}

#[test]
fn the_parent_of_a_namespace_is_itself() {
    let volume = served();
    let inner = grant(&volume, "a/b", "rwm", true).unwrap();
    mkdir(&inner, "c").unwrap();
    let inode = |namespace: &capos_schema::file_capnp::namespace::Client| {
        call!(object(namespace).stat_request()).unwrap().get().unwrap().get_attributes().unwrap().get_inode()
    };
    let parent = |namespace: &capos_schema::file_capnp::namespace::Client| {
        call!(namespace.parent_request()).unwrap().get().unwrap().get_attributes().unwrap().get_inode()
    };
    let c = open_dir(&inner, "c").unwrap();
    assert_eq!(parent(&c), inode(&inner));
    assert_eq!(parent(&inner), inode(&inner));
    assert_eq!(parent(&sub(&inner, "c", "r").unwrap()), inode(&c));
    // Moved out of the namespace by a holder of a wider one.
    let root = grant(&volume, "", "rwm", false).unwrap();
    rename(&root, "a/b/c", &root, "c").unwrap();
    assert_eq!(parent(&c), inode(&c));
}
