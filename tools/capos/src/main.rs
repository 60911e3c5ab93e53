//! The command `capos`; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    capos_host::cli::main()
}
