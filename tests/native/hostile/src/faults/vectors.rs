//! Vector registers, which must be each thread's own, however the processor saves them.

use crate::cases::{Expected, UNDEFINED};
use crate::start::{self, Launcher};
use crate::{judge, judge_pairs};

/// Pairs of processes: the first leaves values in registers that the second must not find.
const PAIRS: &[(&str, &str)] =
    &[("leave_values", "find_values"), ("leave_upper_halves", "find_upper_halves")];

/// Cases that compute while they are interrupted. Upper halves are left out on processors without them.
const CASES: &[&str] = &[
    "alarm_keeps_registers",
    "alarm_keeps_registers_on_its_stack",
    "upper_halves_through_alarms",
    "upper_halves_through_faults",
    "upper_halves_of_threads",
];

/// Number of cases: these, and one whose end depends on the processor.
pub(crate) const CASE_COUNT: usize = PAIRS.len() + CASES.len() + 1;

/// Runs every case. Returns the number of failed checks.
pub(crate) async fn check(launcher: &Launcher) -> Result<usize, capnp::Error> {
    let mut failures = judge_pairs(launcher, PAIRS).await?;
    for name in CASES {
        let process = launcher.start(&[name], start::small_limits()).await?;
        failures += judge(name, &process, &Expected::Success).await?;
    }
    let process = launcher.start(&["vector_extension"], start::small_limits()).await?;
    let expected = if has_upper_halves() { Expected::Success } else { Expected::Fault(UNDEFINED, None) };
    Ok(failures + judge("vector_extension", &process, &expected).await?)
}

fn has_upper_halves() -> bool {
    std::is_x86_feature_detected!("avx")
}

/// Runs the cases alone, and says which registers there are. Returns the number of failed checks.
pub(crate) async fn run() -> Result<usize, capnp::Error> {
    println!("faults: upper halves: {}", if has_upper_halves() { "yes" } else { "no" });
    check(&Launcher::new().await?).await
}
