//! Filling a directory until it is full, and emptying it again.

use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{MAX_DATA_BYTES, namespace};

use crate::access::{Open, ask, exists, open, read, store};

/// The byte that files are filled with.
const FILLER: u8 = 0x5a;
/// Maximum number of empty files.
const MOST_NAMES: u64 = 6000;

/// Fills a directory with data, then with names, and prints how each ends. Existing files are unchanged; overwriting,
/// syncing and removing still work; and afterwards there is as much space as before.
pub(crate) async fn fill(name: &str, data: &namespace::Client) -> capnp::Result<()> {
    let kept: Vec<u8> = (0..100_000_u32).map(|i| (i * 7) as u8).collect();
    write_all(data, "kept", &kept).await?;
    store(data).await?;

    let (first, error) = fill_with_data(data).await?;
    println!("{name}: full of data: {error:?}");
    write_all(data, "kept", &kept).await?;
    store(data).await?;
    unlink(data, "filler").await?;
    store(data).await?;
    let (second, _) = fill_with_data(data).await?;
    unlink(data, "filler").await?;
    // The volume's own overhead may change slightly.
    if second + second / 20 < first {
        return Err(capnp::Error::failed(format!("room for {first} bytes, and later for {second}")));
    }

    let (names, error) = fill_with_names(data).await?;
    println!("{name}: full of names: {error:?}");
    for name in 0..names {
        unlink(data, &format!("{name}")).await?;
    }
    store(data).await?;
    if read(data, "kept").await? != kept {
        return Err(capnp::Error::failed("what was there has changed".into()));
    }
    write_all(data, "new", &kept).await?;
    println!("{name}: emptied, and nothing is lost");
    Ok(())
}

/// Returns the number of bytes that fit, and the final error.
async fn fill_with_data(data: &namespace::Client) -> capnp::Result<(u64, Errno)> {
    let Open { file: Some(file), .. } = open(data, "filler", true).await? else {
        return Err(capnp::Error::failed("no file to fill".into()));
    };
    let piece = vec![FILLER; MAX_DATA_BYTES as usize];
    let mut written = 0;
    loop {
        let mut request = file.append_request();
        request.get().set_data(&piece);
        let (error, response) = ask!(request);
        if error != Errno::Success {
            return Ok((written, error));
        }
        written += u64::from(response.get()?.get_written());
    }
}

async fn fill_with_names(data: &namespace::Client) -> capnp::Result<(u64, Errno)> {
    for name in 0..MOST_NAMES {
        match open(data, &format!("{name}"), true).await?.error {
            Errno::Success => {}
            error => return Ok((name, error)),
        }
    }
    Ok((MOST_NAMES, Errno::Success))
}

async fn write_all(data: &namespace::Client, path: &str, bytes: &[u8]) -> capnp::Result<()> {
    let Open { file: Some(file), .. } = open(data, path, true).await? else {
        return Err(capnp::Error::failed(format!("{path} cannot be opened")));
    };
    let mut offset = 0;
    for piece in bytes.chunks(MAX_DATA_BYTES as usize) {
        let mut request = file.write_request();
        request.get().set_offset(offset);
        request.get().set_data(piece);
        let (error, response) = ask!(request);
        if error != Errno::Success || response.get()?.get_written() as usize != piece.len() {
            return Err(capnp::Error::failed(format!("writing {path}: {error:?}")));
        }
        offset += piece.len() as u64;
    }
    if exists(data, path).await? { Ok(()) } else { Err(capnp::Error::failed(format!("{path} is not there"))) }
}

async fn unlink(data: &namespace::Client, path: &str) -> capnp::Result<()> {
    let mut request = data.unlink_request();
    request.get().set_path(path.as_bytes());
    match ask!(request).0 {
        Errno::Success => Ok(()),
        error => Err(capnp::Error::failed(format!("removing {path}: {error:?}"))),
    }
}
