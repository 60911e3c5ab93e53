//! Misuse of a device that ends the process.
// Unsafe here: registers are accessed through addresses that may be unmapped.
#![expect(unsafe_code, reason = "registers are touched through an address that may lead nowhere")]

use crate::device_test::{failed, map, registers};
use capnp::Result;
use capos_schema::device_capnp::pci_device;
use std::process::ExitCode;

/// Number of yields to other processes until the device must be gone.
const YIELDS: u32 = 10_000;

pub(crate) fn run(misdeed: &str) -> ExitCode {
    match capos_rt::block_on(touch(misdeed)) {
        Ok(()) => ExitCode::from(2),
        Err(error) => {
            eprintln!("devices: {error}");
            ExitCode::from(3)
        }
    }
}

/// Maps registers, releases the device, and reads them: previously mapped ones ("touch-again") or one that was
/// never accessed before ("touch-late").
async fn touch(misdeed: &str) -> Result<()> {
    const PAGE: u64 = 4096;
    let device: pci_device::Client = capos_rt::take_grant(capos_schema::names::DEVICE_GRANT)?.into_client();
    let memory = registers(&device, 4, 0, PAGE).await?;
    let address = map(&memory, PAGE, "r").await?;
    let read = || {
        // SAFETY: the range is mapped for reading. Once the device is gone, the load faults and the process ends.
        unsafe { (address as *const u32).read_volatile() }
    };
    match misdeed {
        "touch-again" => drop(read()),
        "touch-late" => {}
        _ => return Err(failed("no such misdeed")),
    }
    drop(device);
    // The memory object itself is still held, and can even be mapped again.
    let again = map(&memory, PAGE, "r").await?;
    // The parent of this process releases its own copy of the device when it runs next.
    for _ in 0..YIELDS {
        let _ = (read(), again);
        std::thread::yield_now();
    }
    Ok(())
}
