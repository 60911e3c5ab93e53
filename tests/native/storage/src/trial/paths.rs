//! Paths of every illegal shape.

use capos_schema::errno_capnp::Errno;

use crate::expect;
use crate::files::{ask, open, size};
use crate::server::Spawner;

/// Paths and the errors that opening and examining them must return.
pub(crate) async fn illegal(spawner: &Spawner) -> capnp::Result<()> {
    let server = spawner.in_memory().await?;
    let outside = server.root().await?;
    expect("a file outside", open(&outside, b"secret").await?.is_ok(), true)?;
    let inside =
        server.namespace("a/b").await?.map_err(|error| capnp::Error::failed(format!("{error:?}")))?;
    let links: [(&[u8], &[u8]); 4] =
        [(b"loop", b"loop"), (b"one", b"two"), (b"two", b"one"), (b"out", b"../../secret")];
    for (path, target) in links {
        let mut request = inside.create_symbolic_link_request();
        request.get().set_path(path);
        request.get().set_target(target);
        expect("a link", ask!(request).0, Errno::Success)?;
    }
    let long_name = vec![b'n'; 256];
    let long_path = b"./".repeat(2049);
    let cases: [(&[u8], Errno); 20] = [
        (b"", Errno::NoEntry),
        (b"/", Errno::NotPermitted),
        (b"/secret", Errno::NotPermitted),
        (b"..", Errno::NotPermitted),
        (b"../secret", Errno::NotPermitted),
        (b"./../secret", Errno::NotPermitted),
        (b"../../secret", Errno::NotPermitted),
        (b"x/../../secret", Errno::NoEntry),
        (b"none/file", Errno::NoEntry),
        (b"\0", Errno::Invalid),
        (b"a\0b", Errno::Invalid),
        (b"\xff", Errno::IllegalByteSequence),
        (b"\xc0\xaf", Errno::IllegalByteSequence),
        (b"\xed\xa0\x80", Errno::IllegalByteSequence),
        (&long_name, Errno::NameTooLong),
        (&long_path, Errno::NameTooLong),
        (b"loop/x", Errno::Loop),
        (b"one/x", Errno::Loop),
        (b"out", Errno::NotPermitted),
        (b"out/x", Errno::NotPermitted),
    ];
    for (path, wanted) in cases {
        let shown = String::from_utf8_lossy(path.get(..path.len().min(20)).unwrap_or_default()).into_owned();
        let mut request = inside.open_request();
        request.get().set_path(path);
        request.get().set_follow(true);
        request.get().init_flags().set_read(true);
        expect(&format!("opening {shown:?}"), ask!(request).0, wanted)?;
        if path != b"out" {
            expect(&format!("looking at {shown:?}"), size(&inside, path).await?, Err(wanted))?;
        }
    }
    server.kill().await?;
    println!("{} illegal paths: each has its error", cases.len());
    Ok(())
}
