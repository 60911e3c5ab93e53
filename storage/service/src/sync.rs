//! Periodic syncs, so that a power cut loses only seconds of work.

use std::time::Duration;

use capos_fs::FileService;

/// Delay from the first use since a sync to the next sync.
const EVERY: Duration = Duration::from_secs(3);

/// Serves and syncs until the process is ended.
pub(crate) async fn keep(service: FileService) {
    let mut failing = false;
    loop {
        // An unused service never wakes up.
        service.used().await;
        capos_rt::sleep(EVERY).await;
        match service.sync().await {
            Ok(()) => failing = false,
            Err(error) => {
                if !failing {
                    eprintln!("fs: cannot write back changes: {error}");
                }
                failing = true;
            }
        }
    }
}
