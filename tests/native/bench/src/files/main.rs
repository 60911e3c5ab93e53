//! Measures the cost of files for the native process that uses them: the calls, the file service's work, and the disk
//! driver's if there is a disk; excluding the time in which all wait for it. Directories are granted as "ram" and
//! "disk".

#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../bench/counter.rs"]
mod counter;

mod busy;
mod requests;

use busy::Busy;
use capos_schema::file_capnp::namespace;
use requests::{append, open, read, remove, sync, write};

/// The length of the large reads and writes.
const LARGE: usize = 1 << 20;

fn main() -> std::process::ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-files: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run() -> capnp::Result<()> {
    let busy = Busy::new().await?;
    for volume in ["ram", "disk"] {
        let directory: namespace::Client = capos_rt::grant(volume).map_err(counter::failed)?;
        files(&busy, &directory, volume).await?;
    }
    Ok(())
}

async fn files(busy: &Busy, directory: &namespace::Client, volume: &str) -> capnp::Result<()> {
    let file = open(directory, "file").await?;
    let bytes: Vec<u8> = (0..LARGE).map(|i| ((i * i) >> 7) as u8).collect();
    write(&file, &bytes).await?;
    sync(&file).await?;
    busy.measure(&format!("native_open_close_{volume}"), || async {
        open(directory, "file").await.map(drop)
    })
    .await?;
    for (name, length) in [("64", 64), ("4k", 4096), ("1m", LARGE)] {
        let bytes = bytes.get(..length).unwrap_or_default();
        busy.measure(&format!("native_read_{name}_{volume}"), || async {
            let found = read(&file, length).await?;
            if found == length { Ok(()) } else { Err(counter::failed("the file is too short")) }
        })
        .await?;
        busy.measure(&format!("native_write_{name}_{volume}"), || write(&file, bytes)).await?;
        // Dirty blocks of one measurement must not affect the next.
        sync(&file).await?;
    }
    busy.measure(&format!("native_append_64_sync_{volume}"), || async {
        append(&file, bytes.get(..64).unwrap_or_default()).await?;
        sync(&file).await
    })
    .await?;
    busy.measure(&format!("native_sync_nothing_{volume}"), || sync(&file)).await?;
    remove(directory, "file").await
}
