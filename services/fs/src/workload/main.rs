//! Does file operations in the directory that it was granted as "data", for tests.
//!
//! ```text
//! fs-workload check SEED COUNT    does the first COUNT operations of a history, and compares what they lead to
//! fs-workload log                 reads "SEED START" and does operations from START on, one line for each, for ever
//! fs-workload list                prints what is there
//! ```

mod access;
mod walk;

use std::process::ExitCode;

use capos_history::{Op, Tree};
use capos_rt::block_on;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::namespace;

use access::apply;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> capnp::Result<()> {
    let data: namespace::Client = capos_rt::grant("data")?;
    match arguments {
        ["check", seed, count] => check(&data, number(seed)?, number(count)?).await,
        ["log"] => log(&data).await,
        ["list"] => {
            let tree = walk::tree(&data).await?;
            for directory in &tree.directories {
                println!("{directory}/");
            }
            for (path, bytes) in &tree.files {
                println!("{path} {} bytes: {}", bytes.len(), String::from_utf8_lossy(bytes).trim_end());
            }
            Ok(())
        }
        _ => Err(capnp::Error::failed(format!("no such work: {arguments:?}"))),
    }
}

fn number(text: &str) -> capnp::Result<u64> {
    text.parse().map_err(|_| capnp::Error::failed(format!("\"{text}\" is no number")))
}

async fn check(data: &namespace::Client, seed: u64, count: u64) -> capnp::Result<()> {
    let mut expected = Tree::default();
    for number in 0..count {
        let op = Op::number(seed, number);
        let (done, should) = (apply(data, number, &op).await?, expected.apply(number, &op));
        if (done == Errno::Success) != should {
            return Err(capnp::Error::failed(format!("operation {number}, {op:?}: {done:?}")));
        }
    }
    let found = walk::tree(data).await?;
    if found != expected {
        return Err(capnp::Error::failed(format!("after {count} operations the tree is another")));
    }
    println!(
        "{count} operations led to {} directories and {} files, as they should",
        found.directories.len(),
        found.files.len()
    );
    Ok(())
}

/// A line says that the operation with this number is done, and was a sync that succeeded if there is an `s` before it.
async fn log(data: &namespace::Client) -> capnp::Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let Some((seed, start)) = line.trim().split_once(' ') else {
        return Err(capnp::Error::failed(format!("\"{line}\" is no seed and start")));
    };
    let (seed, start) = (number(seed)?, number(start)?);
    for number in start.. {
        let op = Op::number(seed, number);
        let done = apply(data, number, &op).await?;
        println!("{}{number}", if done == Errno::Success && op == Op::Sync { "s" } else { "" });
    }
    Ok(())
}
