//! Prints the arguments and the environment of its manifest entry.

fn main() {
    for (index, argument) in std::env::args().enumerate() {
        println!("argument {index}: {argument}");
    }
    let mut variables: Vec<_> = std::env::vars().collect();
    variables.sort();
    for (name, value) in variables {
        println!("environment {name}={value}");
    }
}
