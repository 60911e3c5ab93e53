//! Files and handles that outlive the server of a volume.

use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{MAX_DATA_BYTES, namespace};

use crate::access::{Open, exists, open, read, replace, store};

const KEPT: &str = "kept";

/// Syncs a file, and then writes until the server has ended, which its limits must cause; that is a failure. When
/// restarted, on the volume as served by another server, it finds the file, and the volume accepts another.
pub(crate) async fn survive(data: &namespace::Client) -> capnp::Result<()> {
    let content: Vec<u8> = (0..MAX_DATA_BYTES).map(|i| (i * 11) as u8).collect();
    if !exists(data, KEPT).await? {
        replace(data, KEPT, &content).await?;
        store(data).await?;
        println!("synced");
        return flood(data).await;
    }
    if read(data, KEPT).await? != content {
        return Err(capnp::Error::failed("what was synced is not as it was".into()));
    }
    println!("what was synced is there");
    replace(data, "new", b"new").await?;
    store(data).await?;
    println!("and the volume takes more");
    Ok(())
}

async fn flood(data: &namespace::Client) -> capnp::Result<()> {
    let Open { file: Some(file), .. } = open(data, "flood", true).await? else {
        return Err(capnp::Error::failed("no file to write".into()));
    };
    let piece = vec![0x5a; MAX_DATA_BYTES as usize];
    loop {
        let mut request = file.append_request();
        request.get().set_data(&piece);
        match request.send().promise.await {
            Ok(response) => {
                let error = response.get()?.get_error()?;
                if error != Errno::Success {
                    return Err(capnp::Error::failed(format!("the server does not end: {error:?}")));
                }
            }
            Err(error) if error.kind == capnp::ErrorKind::Disconnected => {
                return Err(capnp::Error::failed("the server has ended".into()));
            }
            Err(error) => return Err(error),
        }
    }
}
