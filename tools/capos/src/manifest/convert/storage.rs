//! Directories of volumes, standard streams and restart policies as Cap'n Proto.

use capos_schema::file_capnp::{directory_grant, rights};
use capos_schema::manifest_capnp::{instance_entry, restart_policy, stdio};

use super::super::model::*;
use super::{TooLong, counted, length};

pub(super) fn convert_directory(from: &Directory, mut to: directory_grant::Builder<'_>) {
    to.set_path(&from.path);
    to.set_create(from.create);
    let mut quota = to.reborrow().init_quota();
    quota.set_bytes(from.quota.bytes.unwrap_or(0));
    quota.set_inodes(from.quota.inodes.unwrap_or(0));
    convert_access(from.access, to.init_rights());
}

fn convert_access(from: Access, mut to: rights::Builder<'_>) {
    let all = from == Access::ReadWrite;
    to.set_read(true);
    to.set_write(all);
    to.set_modify(all);
}

pub(super) fn convert_streams(from: &Instance, mut to: instance_entry::Builder<'_>) -> Result<(), TooLong> {
    let mut preopens = to.reborrow().init_preopens(length(&from.preopens)?);
    for (index, preopen) in counted(&from.preopens) {
        let mut entry = preopens.reborrow().get(index);
        entry.set_guest(&preopen.guest);
        entry.set_grant(&preopen.grant);
    }
    convert_stdio(&from.stdin, to.reborrow().init_stdin());
    convert_stdio(&from.stdout, to.reborrow().init_stdout());
    convert_stdio(&from.stderr, to.reborrow().init_stderr());
    Ok(())
}

fn convert_stdio(from: &Stdio, mut to: stdio::Builder<'_>) {
    match from {
        Stdio::Console => to.set_console(()),
        Stdio::Stream => to.set_stream(()),
        Stdio::Closed => to.set_closed(()),
        Stdio::Pipe(name) => to.set_pipe(name),
        Stdio::File(file) => {
            let mut entry = to.init_file();
            entry.set_grant(&file.grant);
            entry.set_path(&file.name);
            entry.set_append(file.append);
        }
    }
}

pub(super) fn convert_restart(from: Restart, mut to: restart_policy::Builder<'_>) {
    match from {
        Restart::Never => to.set_never(()),
        Restart::OnFailure(times) => to.set_on_failure(times),
        Restart::Always => to.set_always(()),
    }
}
