//! The end of a process, as text and as an exit status.

use capos_schema::process_capnp::{UsedUp, exit_cause, process};

/// The status of a process that could not be started.
pub(crate) const NOT_STARTED: u8 = 126;
const KILLED: u8 = 137;
const FAULT: u8 = 139;

/// Waits for the end. An exit status is reduced to its low byte, as in every shell; a non-zero status is never
/// reduced to zero.
pub(crate) async fn of(process: &process::Client, expect_fault: bool) -> capnp::Result<(String, u8)> {
    let response = process.wait_request().send().promise.await?;
    let cause = response.get()?.get_cause()?;
    Ok(match cause.which()? {
        exit_cause::Exited(status) => {
            let low = u8::try_from(status & 0xff).unwrap_or(1);
            (format!("exited with status {status}"), if status != 0 && low == 0 { 1 } else { low })
        }
        exit_cause::Killed(()) => ("killed".to_owned(), KILLED),
        exit_cause::OutOfMemory(fault) => {
            let fault = fault?;
            let what = match cause.get_used_up()? {
                UsedUp::Budget => "out of memory",
                UsedUp::Machine => "the machine is out of memory,",
            };
            let text = format!(
                "{what} at address {:#x}, instruction {:#x}",
                fault.get_address(),
                fault.get_instruction_pointer()
            );
            (text, KILLED)
        }
        exit_cause::Fault(fault) => {
            let fault = fault?;
            let text = format!(
                "exception {} (error code {:#x}) at address {:#x}, instruction {:#x}",
                fault.get_vector(),
                fault.get_error_code(),
                fault.get_address(),
                fault.get_instruction_pointer()
            );
            (text, if expect_fault { 0 } else { FAULT })
        }
    })
}
