//! Limits of open objects, quotas, and invalid messages.

use capos_fs::{ObjectLimits, Options};
use capos_schema::errno_capnp::Errno;

use crate::support::*;

#[test]
fn one_grant_does_not_use_up_what_others_need() {
    let limits = ObjectLimits { objects_per_grant: 10, objects: 1000 };
    let service = service(Options { limits, ..Options::default() });
    let volume = service.client();
    let (a, b) = (grant(&volume, "", "rwm", false).unwrap(), grant(&volume, "", "rwm", false).unwrap());
    let mut held: Vec<_> = (0..9).map(|_| open_file(&a, "x", "rc").unwrap()).collect();
    assert_eq!(open_file(&a, "x", "r").err(), Some(Errno::TooManyFiles));
    assert_eq!(open_file(&a, "new", "wc").err(), Some(Errno::TooManyFiles));
    assert_eq!(size(&a, "new"), Err(Errno::NoEntry));
    assert_eq!(sub(&a, ".", "r").err(), Some(Errno::TooManyFiles));
    open_file(&b, "x", "r").unwrap();
    held.pop();
    open_file(&a, "x", "r").unwrap();
}

#[test]
fn one_grant_may_have_as_many_files_open_as_large_programs_do() {
    let volume = served();
    let root = grant(&volume, "", "rwm", false).unwrap();
    let held: Vec<_> = (0..16_383).map(|_| open_file(&root, "x", "rc").unwrap()).collect();
    assert_eq!(open_file(&root, "x", "r").err(), Some(Errno::TooManyFiles));
    // Other namespaces still have space.
    open_file(&grant(&volume, "", "rwm", false).unwrap(), "x", "r").unwrap();
    drop(held);
}

#[test]
fn a_quota_is_set_with_the_namespace() {
    let volume = served();
    let mut request = volume.namespace_request();
    request.get().set_path(b"small");
    request.get().set_create(true);
    let mut rights = request.get().init_rights();
    rights.set_read(true);
    rights.set_write(true);
    rights.set_modify(true);
    request.get().init_quota().set_bytes(64 << 10);
    let small = call!(request).unwrap().get().unwrap().get_directory().unwrap();
    let file = open_file(&small, "a", "wc").unwrap();
    let data = vec![1; 50_000];
    assert_eq!(write(&file, 0, &data), Ok(50_000));
    assert_eq!(write(&file, 50_000, &data), Ok(65_536 - 50_000));
    assert_eq!(write(&file, 65_536, &data), Err(Errno::Quota));
}

#[test]
fn missing_parts_of_a_message_are_errors() {
    let root = grant(&served(), "", "rwm", false).unwrap();
    open_file(&root, "a", "c").unwrap();
    // No `to` at all.
    let mut request = root.rename_request();
    request.get().set_path(b"a");
    request.get().set_new_path(b"b");
    let outcome = futures::executor::block_on(request.send().promise);
    let refused = outcome.and_then(|response| Ok(response.get()?.get_error()? != Errno::Success));
    assert!(refused.unwrap_or(true));
    assert_eq!(size(&root, "a"), Ok(0));
    // Every other field has a default, which names nothing.
    assert_eq!(call!(root.open_request()).err(), Some(Errno::NoEntry));
    assert_eq!(call!(root.unlink_request()).err(), Some(Errno::NoEntry));
}
