//! Misdeeds with a device that end the process.
// Unsafe here: registers are touched through an address that may lead nowhere.
#![expect(unsafe_code, reason = "registers are touched through an address that may lead nowhere")]

use crate::world::{failed, map, registers};
use capnp::Result;
use capos_schema::device_capnp::pci_device;
use std::process::ExitCode;

/// So often does everybody else get a turn before the device must be gone.
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

/// Maps registers, gives the device up, and reads them: those that were there ("touch-again") or one that was never
/// touched before ("touch-late").
async fn touch(misdeed: &str) -> Result<()> {
    const PAGE: u64 = 4096;
    let device: pci_device::Client = capos_rt::take_grant(capos_schema::names::DEVICE_GRANT)?.into_client();
    let memory = registers(&device, 4, 0, PAGE).await?;
    let address = map(&memory, PAGE, "r").await?;
    let read = || {
        // SAFETY: the range is mapped for reading. When what is behind it is gone, the load faults and the process ends.
        unsafe { (address as *const u32).read_volatile() }
    };
    match misdeed {
        "touch-again" => drop(read()),
        "touch-late" => {}
        _ => return Err(failed("no such misdeed")),
    }
    drop(device);
    // The memory object itself is still held, and can even be mapped once more.
    let again = map(&memory, PAGE, "r").await?;
    // Whoever started this process gives up its own copy of the device when it runs next.
    for _ in 0..YIELDS {
        let _ = (read(), again);
        std::thread::yield_now();
    }
    Ok(())
}
