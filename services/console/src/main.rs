//! Serves the exports "console" and "flush" over the virtio console behind the grant "device", or over the serial line behind the
//! grant "line", as selected by the argument "virtio" or "serial".

use std::process::ExitCode;

async fn run() -> capnp::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("virtio") => {
            capos_console::over_virtio(capos_rt::grant(capos_schema::names::DEVICE_GRANT)?).await
        }
        Some("serial") => capos_console::over_serial(capos_rt::grant(capos_schema::names::LINE_GRANT)?).await,
        _ => Err(capnp::Error::failed("invalid argument: expected `virtio` or `serial`".into())),
    }
}

fn main() -> ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("console: {error}");
            ExitCode::FAILURE
        }
    }
}
