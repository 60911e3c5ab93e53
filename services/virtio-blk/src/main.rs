//! Serves the disk behind the grant "device" as the export "disk".

use capos_schema::block_capnp::block_device;
use std::process::ExitCode;
use virtio_blk::Disk;

async fn run() -> capnp::Result<()> {
    let device = capos_rt::grant(capos_schema::names::DEVICE_GRANT)?;
    let (disk, serving) = Disk::start(virtio_blk::take_charge(device).await?).await?;
    let disk: block_device::Client = capos_rt::serve(disk);
    capos_rt::serve_export(capos_schema::names::DISK_EXPORT, disk)?;
    Err(serving.await.into())
}

fn main() -> ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("virtio-blk: {error}");
            ExitCode::FAILURE
        }
    }
}
