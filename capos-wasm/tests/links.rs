//! Hard and symbolic links.

use crate::support::{ROOT, e, guest, o, right};

#[test]
fn a_hard_link_is_the_same_file() {
    let mut guest = guest();
    guest.create(ROOT, "file");
    guest.mkdir(ROOT, "sub").expect("making");
    let sub = guest.open(ROOT, "sub", o::DIRECTORY, 0).expect("opening");
    guest.link(ROOT, false, "file", sub, "link").expect("linking");
    let (file, link) = (guest.stat(ROOT, false, "file"), guest.stat(sub, false, "link"));
    assert_eq!(file, link);
    assert_eq!(file.expect("stat").links, 2);
    let (file, link) = (guest.open(ROOT, "file", 0, right::READ), guest.open(sub, "link", 0, right::READ));
    assert_eq!(guest.fdstat(file.expect("opening")), guest.fdstat(link.expect("opening")));
    assert_eq!(guest.link(ROOT, false, "file", sub, "link"), Err(e::EXIST));
    assert_eq!(guest.link(ROOT, false, "file", ROOT, "file"), Err(e::EXIST));
    assert_eq!(guest.link(ROOT, false, "file", ROOT, "sub"), Err(e::EXIST));
    assert_eq!(guest.link(ROOT, false, "sub", ROOT, "dir"), Err(e::PERM));
    assert_eq!(guest.link(ROOT, false, "file", ROOT, "link/"), Err(e::NOENT));
    assert_eq!(guest.link(ROOT, false, "missing", ROOT, "link"), Err(e::NOENT));
    guest.unlink(ROOT, "file").expect("unlinking");
    assert_eq!(guest.stat(sub, false, "link").expect("stat").links, 1);
}

#[test]
fn symbolic_links_are_linked_and_not_followed() {
    let mut guest = guest();
    guest.symlink("target", ROOT, "symlink").expect("linking");
    guest.link(ROOT, false, "symlink", ROOT, "link").expect("a link to a dangling link");
    assert_eq!(guest.readlink(ROOT, "link", 99), Ok(b"target".to_vec()));
    assert_eq!(guest.link(ROOT, true, "symlink", ROOT, "other"), Err(e::INVAL));
    guest.create(ROOT, "file");
    assert_eq!(guest.link(ROOT, false, "file", ROOT, "symlink"), Err(e::EXIST));
}

#[test]
fn opening_without_following_is_eloop() {
    let mut guest = guest();
    guest.mkdir(ROOT, "dir").expect("making");
    guest.create(ROOT, "dir/file");
    guest.symlink("dir", ROOT, "to-dir").expect("linking");
    guest.symlink("dir/file", ROOT, "to-file").expect("linking");
    guest.symlink("missing", ROOT, "dangling").expect("linking");
    guest.symlink("loop", ROOT, "loop").expect("linking");
    for name in ["to-dir", "to-file", "dangling", "loop"] {
        assert_eq!(guest.open(ROOT, name, 0, 0), Err(e::LOOP), "{name}");
        assert_eq!(guest.open(ROOT, name, o::DIRECTORY, 0), Err(e::NOTDIR), "{name}");
        assert_eq!(guest.stat(ROOT, false, name).expect("stat").file_type, 7);
    }
    let follow = |guest: &mut crate::support::Guest, name: &str, flags: u32| {
        guest.open_with(ROOT, true, name, flags, (0, 0), 0).map(drop)
    };
    assert_eq!(follow(&mut guest, "to-dir", o::DIRECTORY), Ok(()));
    assert_eq!(follow(&mut guest, "to-file", 0), Ok(()));
    assert_eq!(follow(&mut guest, "to-file", o::DIRECTORY), Err(e::NOTDIR));
    assert_eq!(follow(&mut guest, "dangling", 0), Err(e::NOENT));
    assert_eq!(follow(&mut guest, "loop", 0), Err(e::LOOP));
    assert_eq!(guest.open(ROOT, "to-dir/file", 0, 0).map(drop), Ok(()), "on the way they are followed");
    assert_eq!(guest.stat(ROOT, true, "to-file").expect("stat").file_type, 4);
    assert_eq!(guest.stat(ROOT, true, "to-dir").expect("stat").file_type, 3);
    assert_eq!(guest.errno("path_open", &[3, 2, 1024, 4, 0, 0, 0, 0, 16]), Err(e::INVAL), "unknown flag");
}

#[test]
fn links_out_of_the_directory_lead_nowhere() {
    let mut guest = guest();
    guest.mkdir(ROOT, "dir").expect("making");
    guest.create(ROOT, "outside");
    let dir = guest.open(ROOT, "dir", o::DIRECTORY, 0).expect("opening");
    guest.symlink("../outside", dir, "escape").expect("linking");
    assert_eq!(guest.open_with(dir, true, "escape", 0, (0, 0), 0), Err(e::PERM));
    assert_eq!(guest.stat(dir, true, "escape"), Err(e::PERM));
    assert_eq!(
        guest.open_with(ROOT, true, "dir/escape", 0, (0, 0), 0).map(drop),
        Ok(()),
        "from above it is inside"
    );
    assert_eq!(guest.symlink("/etc/passwd", ROOT, "absolute"), Err(e::PERM));
    assert_eq!(guest.symlink("", ROOT, "empty"), Err(e::NOENT));
}

#[test]
fn a_link_is_read_as_far_as_there_is_room() {
    let mut guest = guest();
    guest.symlink("target", ROOT, "symlink").expect("linking");
    assert_eq!(guest.readlink(ROOT, "symlink", 10), Ok(b"target".to_vec()));
    assert_eq!(guest.readlink(ROOT, "symlink", 4), Ok(b"targ".to_vec()));
    assert_eq!(guest.readlink(ROOT, "symlink", 0), Ok(vec![]));
    guest.create(ROOT, "file");
    assert_eq!(guest.readlink(ROOT, "file", 10), Err(e::INVAL));
    assert_eq!(guest.readlink(ROOT, "missing", 10), Err(e::NOENT));
}

#[test]
fn a_link_where_something_is_is_refused() {
    let mut guest = guest();
    assert_eq!(guest.symlink("source", ROOT, "target/"), Err(e::NOENT));
    guest.mkdir(ROOT, "dir").expect("making");
    assert_eq!(guest.symlink("source", ROOT, "dir/"), Err(e::EXIST));
    assert_eq!(guest.symlink("source", ROOT, "dir"), Err(e::EXIST));
    guest.create(ROOT, "file");
    assert_eq!(guest.symlink("source", ROOT, "file"), Err(e::EXIST));
    assert_eq!(guest.symlink("source", ROOT, "file/"), Err(e::NOTDIR));
    assert_eq!(guest.link(ROOT, false, "file", ROOT, "file/"), Err(e::NOTDIR));
    assert_eq!(guest.symlink("", ROOT, "file"), Err(e::NOENT), "what is linked to comes first");
}

#[test]
fn times_of_a_link_are_its_own() {
    let mut guest = guest();
    guest.create(ROOT, "file");
    guest.symlink("file", ROOT, "symlink").expect("linking");
    let file = guest.stat(ROOT, false, "file").expect("stat");
    guest.set_times(ROOT, false, "symlink", [0, 1234], 4).expect("setting");
    assert_eq!(guest.stat(ROOT, false, "symlink").expect("stat").modified, 1234);
    assert_eq!(guest.stat(ROOT, true, "symlink").expect("stat").modified, file.modified);
    guest.set_times(ROOT, true, "symlink", [0, 5678], 4).expect("setting");
    assert_eq!(guest.stat(ROOT, false, "file").expect("stat").modified, 5678);
    assert_eq!(guest.stat(ROOT, false, "symlink").expect("stat").modified, 1234);
}
