//! Cases of this program itself: requests to the kernel that need more capabilities than the hostile program
//! has.

mod device;
mod image;

use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::process_capnp::exit_cause;

/// Their names.
pub(crate) const NAMES: [&str; 5] =
    ["self_checks", "large_programs", "device_memory", "device_registers", "kernel_lines"];

/// Number of repetitions of each.
const TIMES: u32 = 5;
/// Number of processes that each end with a line in the kernel's log.
const LINES: u32 = 100;

/// Runs a case.
pub(crate) async fn run(name: &str) -> capnp::Result<()> {
    match name {
        "self_checks" => self_checks().await,
        "large_programs" => large_programs().await,
        "device_memory" => device::memory(TIMES).await,
        "device_registers" => device::registers().await,
        "kernel_lines" => kernel_lines().await,
        _ => Err(capnp::Error::failed(format!("there is no case {name}"))),
    }
}

/// Runs the kernel's self-check.
async fn self_checks() -> capnp::Result<()> {
    let diagnostics: diagnostics::Client = capos_rt::grant(capos_schema::grants::DIAGNOSTICS)?;
    for _ in 0..TIMES {
        let response = diagnostics.self_check_request().send().promise.await?;
        if let Some(problem) = response.get()?.get_problems()?.iter().next() {
            return Err(capnp::Error::failed(problem?.to_string()?));
        }
    }
    Ok(())
}

/// Starts programs with much data.
async fn large_programs() -> capnp::Result<()> {
    for _ in 0..TIMES {
        expect_end(&image::Image::new(image::Size::Large, 0).await?, 0).await?;
    }
    Ok(())
}

/// Makes the kernel write lines to its log.
async fn kernel_lines() -> capnp::Result<()> {
    let image = image::Image::new(image::Size::Small, 3).await?;
    for _ in 0..LINES {
        expect_end(&image, 3).await?;
    }
    Ok(())
}

async fn expect_end(image: &image::Image, status: i32) -> capnp::Result<()> {
    let process = image.start().await?;
    let response = process.wait_request().send().promise.await?;
    match response.get()?.get_cause()?.which()? {
        exit_cause::Exited(found) if found == status => Ok(()),
        exit_cause::Exited(found) => Err(capnp::Error::failed(format!("exited with {found}"))),
        _ => Err(capnp::Error::failed("ended otherwise than by itself".to_owned())),
    }
}
