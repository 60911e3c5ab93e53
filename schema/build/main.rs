//! Compiles every `.capnp` file of the crate, and generates what capnpc does not: method numbers, well-known grants,
//! names.

mod generate;
mod words;

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=.");
    let here = env::current_dir()?;
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let request = out.join("request.bin");
    let mut command = capnpc::CompilerCommand::new();
    command.src_prefix(&here).raw_code_generator_request_path(&request);
    let mut files: Vec<_> =
        fs::read_dir(&here)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "capnp"));
    files.sort();
    for file in &files {
        command.file(file);
    }
    command.run()?;
    for file in &files {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).ok_or("schema name")?;
        name_alloc_types(&out.join(format!("{stem}_capnp.rs")))?;
    }
    generate::write(&fs::read(request)?, out)
}

/// capnpc 0.27 takes `Box` and `ToString` from the standard prelude in the code for interfaces. The kernel
/// has no `std`, so this names their paths in `alloc`.
fn name_alloc_types(path: &Path) -> Result<(), Box<dyn Error>> {
    let generated = fs::read_to_string(path)?;
    let generated =
        generated.replace(" Box<", " ::alloc::boxed::Box<").replace("\".to_string()", "\".into()");
    fs::write(path, generated)?;
    Ok(())
}
