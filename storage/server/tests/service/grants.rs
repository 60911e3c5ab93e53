//! The volume as its supervisor holds it: directories by description, hostile descriptions, and the flush before the end.

use capnp::any_pointer;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{directory_grant, namespace, volume};
use capos_schema::supervision_capnp::{flushable, grantor};
use futures::executor::block_on;

use crate::support::{open_file, served};

/// The same capability, as its supervisor knows it.
fn as_grantor(volume: &volume::Client) -> grantor::Client {
    grantor::Client { client: capnp::capability::Client::new(volume.client.hook.add_ref()) }
}

/// Asks for what `describe` writes.
fn ask(
    volume: &volume::Client,
    describe: impl FnOnce(any_pointer::Builder<'_>),
) -> capnp::Result<namespace::Client> {
    let mut request = as_grantor(volume).grant_request();
    describe(request.get().init_wanted());
    block_on(request.send().promise)?.get()?.get_capability().get_as_capability()
}

fn directory(
    volume: &volume::Client,
    path: &str,
    rights: &str,
    create: bool,
) -> capnp::Result<namespace::Client> {
    ask(volume, |wanted| {
        let mut wanted: directory_grant::Builder<'_> = wanted.init_as();
        wanted.set_path(path);
        wanted.set_create(create);
        let mut set = wanted.init_rights();
        set.set_read(rights.contains('r'));
        set.set_write(rights.contains('w'));
        set.set_modify(rights.contains('m'));
    })
}

fn refusal(granted: capnp::Result<namespace::Client>) -> String {
    granted.err().map(|error| error.extra).unwrap_or_default()
}

#[test]
fn a_description_makes_a_directory_with_its_rights() {
    let volume = served();
    let all = directory(&volume, "a/b", "rwm", true).unwrap();
    open_file(&all, "x", "wc").unwrap();
    let reader = directory(&volume, "/a", "r", false).unwrap();
    open_file(&reader, "b/x", "r").unwrap();
    assert_eq!(open_file(&reader, "b/x", "w").err(), Some(Errno::NotCapable));
    assert_eq!(open_file(&reader, "../a/b/x", "r").err(), Some(Errno::NotPermitted));
}

#[test]
fn a_refusal_says_why() {
    let volume = served();
    for (path, wanted) in [
        ("none", "directory \"none\": it does not exist; set `create: true` in the manifest to create it"),
        ("../x", "directory \"../x\": it is outside the volume"),
    ] {
        assert_eq!(refusal(directory(&volume, path, "r", false)), wanted);
    }
    let file = directory(&volume, ".", "rwm", false).unwrap();
    open_file(&file, "f", "wc").unwrap();
    assert!(refusal(directory(&volume, "f", "r", false)).ends_with("is not a directory"));
    assert!(refusal(directory(&volume, "f/g", "r", true)).ends_with("is not a directory"));
    // However long the path is, there is a reason that a message holds.
    let long = refusal(directory(&volume, &"é".repeat(30_000), "r", true));
    assert!(long.len() < 2000 && long.starts_with("directory \"éé"), "{long}");
}

#[test]
fn other_descriptions_are_refused_or_allow_nothing() {
    let volume = served();
    // Nothing, and an empty structure: the root with no right at all.
    let empty = ask(&volume, |wanted| _ = wanted.init_as::<directory_grant::Builder<'_>>());
    for nothing in [ask(&volume, |_| {}), empty].into_iter().flatten() {
        assert_eq!(open_file(&nothing, "x", "r").err(), Some(Errno::NotCapable));
        assert_eq!(open_file(&nothing, "x", "wc").err(), Some(Errno::NotCapable));
    }
    // A list, a text, a capability where a structure belongs.
    ask(&volume, |wanted| _ = wanted.initn_as::<capnp::text_list::Builder<'_>>(3)).err().unwrap();
    ask(&volume, |mut wanted| wanted.set_as::<capnp::text::Owned>("a").unwrap()).err().unwrap();
    ask(&volume, |mut wanted| wanted.set_as_capability(volume.client.hook.add_ref())).err().unwrap();
}

#[test]
fn a_flush_is_a_sync() {
    let volume = served();
    let flushable =
        flushable::Client { client: capnp::capability::Client::new(volume.client.hook.add_ref()) };
    block_on(flushable.flush_request().send().promise).unwrap();
}
