//! Performs file operations in the directory granted as "data" (or, to fill, under other names), for tests.
//!
//! ```text
//! fs-workload check SEED COUNT    does the first COUNT operations of a history, and compares what they lead to
//! fs-workload resume SEED COUNT   finds what earlier runs have done, compares, and does COUNT operations more
//! fs-workload log                 reads "SEED START END" and does operations from START until END, one line for each
//! fs-workload fill NAME...        fills directories with data and with names, and empties them
//! fs-workload survive             syncs, and writes until the volume's server ends; started again, finds what was synced
//! fs-workload list                prints what is there
//! ```
//!
//! # What `log` prints
//!
//! It is designed to be killed at any moment. The operations are those of `capos_history::Op::number(SEED, n)`, and their
//! result is that of `capos_history::Tree`, starting from an empty directory and operation 0. An operation is complete
//! when the volume has answered, and is then printed as a line with its number: `17`, or `s17` if it was a successful
//! sync. When operation END is reached, everything is synced and a last line says `end`.
//!
//! So, if the machine is killed after the line of operation n (or before any), the volume's content is the result of the
//! operations up to some m, where m is at least the operation of the last line with an `s`, and at most n + 1, whose line
//! may not have been printed, plus the number of lines lost between guest and reader. To continue after a kill, start
//! again with START m + 1. An operation that fails as expected, for example because its file does not exist, changes
//! nothing and is printed like any other. If an operation fails in another way, the program says so and exits with status
//! 1.

mod access;
mod fill;
mod survive;
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
    if let ["fill", names @ ..] = arguments {
        for name in names {
            fill::fill(name, &capos_rt::grant(name)?).await?;
        }
        return Ok(());
    }
    let data: namespace::Client = capos_rt::grant("data")?;
    match arguments {
        ["check", seed, count] => check(&data, number(seed)?, number(count)?).await,
        ["resume", seed, count] => resume(&data, number(seed)?, number(count)?).await,
        ["log"] => log(&data).await,
        ["survive"] => survive::survive(&data).await,
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
    operate(data, seed, 0..count, &mut expected).await?;
    compare(data, &expected).await?;
    println!(
        "{count} operations led to {} directories and {} files, as they should",
        expected.directories.len(),
        expected.files.len()
    );
    Ok(())
}

/// The file in which `resume` keeps the number of completed operations. No operation touches it.
const PROGRESS: &str = "progress";

async fn resume(data: &namespace::Client, seed: u64, count: u64) -> capnp::Result<()> {
    let mut expected = Tree::default();
    let found = access::exists(data, PROGRESS).await?;
    let done =
        if found { number(&String::from_utf8_lossy(&access::read(data, PROGRESS).await?))? } else { 0 };
    for number in 0..done {
        expected.apply(number, &Op::number(seed, number));
    }
    if found {
        expected.files.insert(PROGRESS.to_owned(), done.to_string().into_bytes());
    }
    compare(data, &expected).await?;
    println!("{done} operations were done before, and their work is there");
    operate(data, seed, done..done + count, &mut expected).await?;
    let progress = (done + count).to_string().into_bytes();
    access::replace(data, PROGRESS, &progress).await?;
    expected.files.insert(PROGRESS.to_owned(), progress);
    compare(data, &expected).await?;
    println!("{count} more are done");
    Ok(())
}

/// Performs operations, on the volume and in the model.
async fn operate(
    data: &namespace::Client,
    seed: u64,
    numbers: std::ops::Range<u64>,
    expected: &mut Tree,
) -> capnp::Result<()> {
    for number in numbers {
        let op = Op::number(seed, number);
        let (done, should) = (apply(data, number, &op).await?, expected.apply(number, &op));
        if (done == Errno::Success) != should {
            return Err(capnp::Error::failed(format!("operation {number}, {op:?}: {done:?}")));
        }
    }
    Ok(())
}

async fn compare(data: &namespace::Client, expected: &Tree) -> capnp::Result<()> {
    let found = walk::tree(data).await?;
    if found != *expected {
        return Err(capnp::Error::failed("the tree is not what the operations lead to".into()));
    }
    Ok(())
}

async fn log(data: &namespace::Client) -> capnp::Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let [seed, start, end] = *line.split_whitespace().collect::<Vec<_>>() else {
        return Err(capnp::Error::failed(format!("\"{line}\" is no seed, start and end")));
    };
    let (seed, start, end) = (number(seed)?, number(start)?, number(end)?);
    for number in start..end {
        let op = Op::number(seed, number);
        let done = apply(data, number, &op).await?;
        println!("{}{number}", if done == Errno::Success && op == Op::Sync { "s" } else { "" });
    }
    apply(data, end, &Op::Sync).await?;
    println!("end");
    Ok(())
}
