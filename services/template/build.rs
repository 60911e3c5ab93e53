//! Compiles the service's interface.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=schema");
    capnpc::CompilerCommand::new().src_prefix("schema").file("schema/counter.capnp").run()?;
    Ok(())
}
