//! Kernel work that processes make long.

use crate::{
    cases::Expected,
    judge,
    start::{Launcher, large_limits},
};

const CASES: [&str; 5] =
    ["end_of_a_tree", "revocation_of_a_tree", "end_of_badges", "end_of_an_endpoint", "ten_thousand_memories"];

/// Returns the number of failed checks.
pub(crate) async fn run() -> Result<usize, capnp::Error> {
    let launcher = Launcher::new().await?;
    let mut failures = 0;
    for name in CASES {
        let process = launcher.start(&[name], large_limits()).await?;
        failures += judge(name, &process, &Expected::Success).await?;
    }
    let problems = launcher.self_check().await?;
    for problem in &problems {
        println!("long-work: self-check: {problem}");
    }
    Ok(failures + problems.len())
}
