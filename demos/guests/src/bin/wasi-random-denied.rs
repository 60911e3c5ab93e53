//! Requests random bytes without a granted entropy source, and expects to be refused.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut bytes = [0u8; 16];
    match getrandom::fill(&mut bytes).map_err(|error| error.raw_os_error()) {
        Err(Some(errno)) if bytes == [0u8; 16] => {
            println!("random: refused with errno {errno}");
            ExitCode::SUCCESS
        }
        other => {
            println!("random: expected an errno and no bytes, got {other:?} and {bytes:?}");
            ExitCode::FAILURE
        }
    }
}
