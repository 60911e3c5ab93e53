//! `path_open`.

use super::{
    Context, Errno, GuestMemory, Stop,
    descriptor::{Descriptor, Object},
    directory::Directory,
    errno::outcome,
    fd::decode_flags,
    file::OpenFile,
    path,
    refusal::Missing,
    rights::{Requested, Rights},
};

const O_CREAT: u32 = 1;
const O_DIRECTORY: u32 = 2;
const O_EXCL: u32 = 4;
const O_TRUNC: u32 = 8;

/// `path_open`: opens what a path names, with the lowest number that is free.
///
/// Reading and writing are what the base rights ask for; a directory cannot be opened for writing. See
/// [`Requested`] for the other rights.
#[expect(clippy::too_many_arguments, reason = "the function has so many")]
pub(super) async fn open(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    lookup: u32,
    path: u32,
    path_len: u32,
    open_flags: u32,
    base: u64,
    inheriting: u64,
    fd_flags: u32,
    opened: u32,
) -> Result<(), Stop> {
    let descriptor = context.descriptor(fd)?;
    let directory = match &descriptor.object {
        Object::Directory(directory) => &directory.client,
        Object::File(_) => return Err(Errno::Notdir.into()),
        Object::Input(_) | Object::Output(_) => return Err(Errno::Badf.into()),
    };
    let follow = path::follow(lookup)?;
    let flag = |flag| open_flags & flag != 0;
    if open_flags & !(O_CREAT | O_DIRECTORY | O_EXCL | O_TRUNC) != 0 {
        return Err(Errno::Inval.into());
    }
    let fd_flags = decode_flags(fd_flags)?;
    descriptor.need(needed(open_flags))?;
    let requested = Requested::new(base, inheriting, descriptor.inheriting)?;
    memory.check_u32(opened)?;
    let path = path::claim(memory, path, path_len)?;
    if flag(O_DIRECTORY) && (flag(O_CREAT) || flag(O_EXCL) || flag(O_TRUNC)) {
        return Err(Errno::Inval.into());
    }

    let mut request = directory.open_request();
    let mut params = request.get();
    params.set_follow(follow);
    let mut flags = params.reborrow().init_flags();
    flags.set_read(requested.reads());
    flags.set_write(requested.writes());
    flags.set_create(flag(O_CREAT));
    flags.set_exclusive(flag(O_EXCL));
    flags.set_truncate(flag(O_TRUNC));
    flags.set_directory(flag(O_DIRECTORY));
    flags.set_times(requested.sets_times());
    path::copy(memory, path, params.init_path(path.len_bytes))?;
    context.descriptors.check_room().inspect_err(|_| context.refuse(Missing::Descriptor))?;
    let response = request.send().promise.await.map_err(Errno::from_opening)?;
    let results = response.get().map_err(Errno::from_file_capability)?;
    outcome(results.get_error()).inspect_err(|errno| {
        // The limit of the instance has been looked at.
        if *errno == Errno::Mfile {
            context.refuse(Missing::OpenObject);
        }
    })?;
    let opened_as = match (results.has_file(), results.has_directory()) {
        (true, _) => {
            let client = results.get_file().map_err(Errno::from_opening)?;
            let file = OpenFile::new(client, requested.reads(), requested.writes());
            Descriptor {
                object: Object::File(file),
                base: requested.of_file(),
                inheriting: Rights::empty(),
                flags: fd_flags,
            }
        }
        (false, true) => {
            let client = results.get_directory().map_err(Errno::from_opening)?;
            let (base, inheriting) = requested.of_directory();
            let object = Object::Directory(Directory::new(client));
            Descriptor { object, base, inheriting, flags: 0 }
        }
        (false, false) => return Err(Errno::Io.into()),
    };
    let number = context.descriptors.open(opened_as)?;
    if requested.writes() || flag(O_CREAT) || flag(O_TRUNC) {
        context.control.changed_a_directory();
    }
    Ok(memory.write_u32(opened, number)?)
}

/// The rights that the directory's descriptor must have.
fn needed(open_flags: u32) -> Rights {
    let mut rights = Rights::PATH_OPEN;
    rights.set(Rights::PATH_CREATE_FILE, open_flags & O_CREAT != 0);
    rights.set(Rights::PATH_FILESTAT_SET_SIZE, open_flags & O_TRUNC != 0);
    rights
}
