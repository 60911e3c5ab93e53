//! Reading, writing, and rights of open files.

use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::MAX_DATA_BYTES;

use crate::support::*;

#[test]
fn what_is_written_is_read() {
    let root = grant(&served(), "", "rwm", false).unwrap();
    let file = open_file(&root, "a", "rwc").unwrap();
    assert_eq!(write(&file, 0, b"hello"), Ok(5));
    assert_eq!(write(&file, 10_000, b"far"), Ok(3));
    assert_eq!(read(&file, 0, 7), Ok(b"hello\0\0".to_vec()));
    assert_eq!(read(&file, 9_999, 100), Ok(b"\0far".to_vec()));
    assert_eq!(read(&file, 10_003, 1), Ok(Vec::new()));
    assert_eq!(read(&file, u64::MAX, u32::MAX), Ok(Vec::new()));
    assert_eq!(write(&file, u64::MAX, b"x"), Err(Errno::FileTooLarge));

    let mut request = file.append_request();
    request.get().set_data(b"!");
    let response = call!(request).unwrap();
    assert_eq!((response.get().unwrap().get_written(), response.get().unwrap().get_end()), (1, 10_004));
    let mut request = file.set_size_request();
    request.get().set_size(4);
    call!(request).unwrap();
    assert_eq!(read(&file, 0, 100), Ok(b"hell".to_vec()));
    let mut request = file.allocate_request();
    request.get().set_offset(8);
    request.get().set_length(8);
    call!(request).unwrap();
    assert_eq!(size(&root, "a"), Ok(16));
}

#[test]
fn a_message_moves_so_much_and_no_more() {
    let root = grant(&served(), "/", "rwm", false).unwrap();
    let file = open_file(&root, "big", "rwc").unwrap();
    let data: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
    let most = MAX_DATA_BYTES as usize;
    assert_eq!(write(&file, 1, &data), Ok(MAX_DATA_BYTES));
    assert_eq!(
        write(&file, 1 + u64::from(MAX_DATA_BYTES), &data[most..]),
        Ok(data.len() as u32 - MAX_DATA_BYTES)
    );
    assert_eq!(read(&file, 1, u32::MAX).unwrap(), data[..most]);
    assert_eq!(read(&file, 1 + u64::from(MAX_DATA_BYTES), u32::MAX).unwrap(), data[most..]);
}

#[test]
fn a_file_does_what_it_was_opened_for() {
    let volume = served();
    let root = grant(&volume, "", "rwm", false).unwrap();
    write(&open_file(&root, "a", "rwcx").unwrap(), 0, b"abc").unwrap();
    let reader = open_file(&root, "a", "r").unwrap();
    assert_eq!(write(&reader, 0, b"x"), Err(Errno::NotCapable));
    let writer = open_file(&root, "a", "w").unwrap();
    assert_eq!(read(&writer, 0, 1), Err(Errno::NotCapable));
    call!(object(&writer).stat_request()).unwrap();
    let neither = open_file(&root, "a", "").unwrap();
    assert_eq!(read(&neither, 0, 1), Err(Errno::NotCapable));
    assert_eq!(write(&neither, 0, b""), Err(Errno::NotCapable));
    call!(object(&neither).stat_request()).unwrap();
    assert_eq!(call!(neither.set_size_request()).err(), Some(Errno::NotCapable));

    // Through a namespace without read access, a file that was not opened for writing shows nothing.
    let drop_box = grant(&volume, "", "w", false).unwrap();
    let blind = open_file(&drop_box, "a", "").unwrap();
    assert_eq!(call!(object(&blind).stat_request()).err(), Some(Errno::NotCapable));
    assert_eq!(open_file(&drop_box, "a", "r").err(), Some(Errno::NotCapable));
    assert_eq!(open_file(&drop_box, "new", "wc").err(), Some(Errno::NotCapable));
    assert_eq!(write(&open_file(&drop_box, "a", "w").unwrap(), 0, b"xyz"), Ok(3));
}

#[test]
fn a_file_lives_as_long_as_it_is_held() {
    let volume = served();
    let root = grant(&volume, "", "rwm", false).unwrap();
    let file = open_file(&root, "a", "rwc").unwrap();
    write(&file, 0, b"still here").unwrap();
    unlink(&root, "a").unwrap();
    assert_eq!(open_file(&root, "a", "r").err(), Some(Errno::NoEntry));
    assert_eq!(read(&file, 0, 100), Ok(b"still here".to_vec()));
    assert_eq!(inodes(&volume), 2);
    drop(file);
    assert_eq!(inodes(&volume), 1);
}

#[test]
fn times_are_kept_set_and_stamped() {
    let root = grant(&served(), "", "rwm", false).unwrap();
    let file = open_file(&root, "a", "rwc").unwrap();
    let mut request = object(&file).set_times_request();
    request.get().init_accessed().set_to(5);
    request.get().init_modified().set_to(6);
    call!(request).unwrap();
    let mut request = root.set_times_path_request();
    request.get().set_path(b"a");
    request.get().init_accessed().set_to(9);
    request.get().init_modified().set_keep(());
    call!(request).unwrap();
    let response = call!(object(&file).stat_request()).unwrap();
    let found = response.get().unwrap().get_attributes().unwrap();
    assert_eq!((found.get_accessed(), found.get_modified(), found.get_device()), (9, 6, 7));
}
