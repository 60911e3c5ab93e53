//! The cache, over several boots.

use capnp::{Error, Result};
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{file, namespace};

use crate::asking::{Asking, Settings};
use crate::modules;

/// Requests a module. If its code comes from the cache, the entry is damaged for the next boot.
pub(crate) async fn run(asking: &Asking) -> Result<()> {
    let code = asking.code(&modules::long(50, 40, 9), Settings::default()).await?;
    let rejected = asking.counters().await?.rejected;
    if !code.is_from_cache {
        println!("compiled; rejected entries: {rejected}");
        return Ok(());
    }
    println!("from the cache; rejected entries: {rejected}");
    damage(&capos_rt::grant("entries")?).await
}

/// Flips a bit in every file but the key.
async fn damage(folder: &namespace::Client) -> Result<()> {
    let mut request = folder.read_directory_request();
    request.get().set_max_bytes(4096);
    let response = request.send().promise.await?;
    for entry in response.get()?.get_entries()? {
        let name = entry.get_name()?.to_string()?;
        if name != "key" {
            flip(&open(folder, &name).await?, 5000).await?;
            println!("an entry is damaged");
        }
    }
    Ok(())
}

async fn open(folder: &namespace::Client, name: &str) -> Result<file::Client> {
    let mut request = folder.open_request();
    request.get().set_path(name.as_bytes());
    let mut flags = request.get().init_flags();
    flags.set_read(true);
    flags.set_write(true);
    request.send().promise.await?.get()?.get_file()
}

async fn flip(file: &file::Client, offset: u64) -> Result<()> {
    let mut request = file.read_request();
    request.get().set_offset(offset);
    request.get().set_length(1);
    let byte = request.send().promise.await?.get()?.get_data()?.first().copied();
    let byte = byte.ok_or_else(|| Error::failed("the entry is too short".into()))?;
    let mut request = file.write_request();
    request.get().set_offset(offset);
    request.get().set_data(&[byte ^ 1]);
    match request.send().promise.await?.get()?.get_error()? {
        Errno::Success => Ok(()),
        error => Err(Error::failed(format!("{error:?}"))),
    }
}
