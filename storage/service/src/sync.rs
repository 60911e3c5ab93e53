//! Syncing without being asked, so that a power cut costs seconds and not everything.

use std::time::Duration;

use capos_fs::FileService;

/// From the first use since a sync until the next.
const EVERY: Duration = Duration::from_secs(3);

/// Serves, and syncs now and then, until the process is ended.
pub(crate) async fn keep(service: FileService) {
    let mut failing = false;
    loop {
        // A service that nobody uses never wakes up.
        service.used().await;
        capos_rt::sleep(EVERY).await;
        match service.sync() {
            Ok(()) => failing = false,
            Err(error) => {
                if !failing {
                    eprintln!("fs: cannot store what was written: {error}");
                }
                failing = true;
            }
        }
    }
}
