//! Ends with an exit status of its own, which reaches the shell that started the run.

fn main() {
    std::process::exit(42);
}
