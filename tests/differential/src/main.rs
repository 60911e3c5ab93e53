//! A sample of the comparison inside capOS: the interpreter against code of the compiler service.

#[cfg(target_os = "hermit")]
mod sample;

#[cfg(target_os = "hermit")]
fn main() {
    sample::main();
}

#[cfg(not(target_os = "hermit"))]
fn main() {
    eprintln!("differential runs on capOS only; elsewhere its tests compare all modules");
    std::process::exit(1);
}
