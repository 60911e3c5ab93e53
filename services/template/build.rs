//! Compiles the service's interface; no schema compiler needs to be installed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=schema");
    let request =
        capnpc_embedded::CompileCommand::new().src_prefix("schema").file("schema/counter.capnp").compile()?;
    capnpc::codegen::CodeGenerationCommand::new()
        .output_directory(std::env::var("OUT_DIR")?)
        .run(&request[..])?;
    Ok(())
}
