//! Serves one object as the export "counter".

use ::template::Counter;
use ::template::counter_capnp::counter;
use capos_rt::GrantError;
use std::future::pending;

fn main() -> Result<(), GrantError> {
    let counter: counter::Client = capos_rt::serve(Counter::default());
    capos_rt::serve_export("counter", counter)?;
    capos_rt::block_on(pending())
}
