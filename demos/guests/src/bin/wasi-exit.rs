//! Exits with a status that reaches the shell that started the run.

fn main() {
    std::process::exit(42);
}
