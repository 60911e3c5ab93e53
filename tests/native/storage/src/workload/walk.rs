//! Everything below a directory.

use capos_history::Tree;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{Kind, namespace};

use crate::access::{ask, read};

/// Bytes of entries requested at once: few, so that listings have several parts.
const PAGE_BYTES: u32 = 300;

pub(crate) async fn tree(data: &namespace::Client) -> capnp::Result<Tree> {
    let mut tree = Tree::default();
    let mut waiting = vec![String::new()];
    while let Some(path) = waiting.pop() {
        for (name, kind) in list(data, &path).await? {
            let below = if path.is_empty() { name } else { format!("{path}/{name}") };
            if kind == Kind::Directory {
                tree.directories.insert(below.clone());
                waiting.push(below);
            } else {
                let bytes = read(data, &below).await?;
                tree.files.insert(below, bytes);
            }
        }
    }
    Ok(tree)
}

async fn list(data: &namespace::Client, path: &str) -> capnp::Result<Vec<(String, Kind)>> {
    let mut request = data.sub_request();
    request.get().set_path(if path.is_empty() { "." } else { path }.as_bytes());
    request.get().init_rights().set_read(true);
    let (error, response) = ask!(request);
    if error != Errno::Success {
        return Err(capnp::Error::failed(format!("{path}: {error:?}")));
    }
    let directory = response.get()?.get_directory()?;
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        let mut request = directory.read_directory_request();
        request.get().set_cookie(cookie);
        request.get().set_max_bytes(PAGE_BYTES);
        let (error, response) = ask!(request);
        if error != Errno::Success {
            return Err(capnp::Error::failed(format!("{path}: {error:?}")));
        }
        for entry in response.get()?.get_entries()? {
            names.push((entry.get_name()?.to_string()?, entry.get_kind()?));
            cookie = entry.get_cookie();
        }
        if response.get()?.get_end() {
            return Ok(names);
        }
    }
}
