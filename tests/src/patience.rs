//! Time limits that are robust on a busy host: time spent waiting for a processor does not count.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Even on a very busy host, a limit is reached after this many times its length.
const LONGEST: u32 = 50;

/// The time limit of a process group.
#[derive(Debug)]
pub struct Patience {
    group: u32,
    limit: Duration,
    begun: Instant,
    /// The time that each thread has spent waiting for a processor.
    seen: HashMap<u32, Duration>,
    waited: Duration,
}

impl Patience {
    /// A limit for all processes of `group`, starting now.
    pub fn new(group: u32, limit: Duration) -> Self {
        Self { group, limit, begun: Instant::now(), seen: HashMap::new(), waited: Duration::ZERO }
    }

    /// Whether the time is over. Threads that start and end between two calls are missed, so call this several times
    /// a second.
    pub fn is_over(&mut self) -> bool {
        let threads = threads(self.group);
        for &(thread, waited) in &threads {
            let before = self.seen.get(&thread).copied().unwrap_or_default();
            self.waited += waited.saturating_sub(before);
        }
        self.seen = threads.into_iter().collect();
        counted(self.begun.elapsed(), self.waited) >= self.limit
    }
}

/// The part of a time span that counts. Several threads may have waited concurrently, and so longer in total
/// than the span.
fn counted(elapsed: Duration, waited: Duration) -> Duration {
    elapsed.saturating_sub(waited).max(elapsed / LONGEST)
}

/// The threads of all processes in the group, and how long each has waited for a processor since it started. A process
/// that ends meanwhile, or a kernel without this information, adds nothing.
fn threads(group: u32) -> Vec<(u32, Duration)> {
    let members = numbers("/proc").filter(|&process| process_group(process) == Some(group));
    let tasks = members.flat_map(|process| numbers(format!("/proc/{process}/task")));
    tasks.filter_map(|thread| Some((thread, waited(thread)?))).collect()
}

/// The entries of a folder whose names are numbers.
fn numbers(folder: impl AsRef<Path>) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn process_group(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name is in parentheses and may contain anything; state, parent and group follow it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}

/// The second of three numbers: nanoseconds in a run queue.
fn waited(thread: u32) -> Option<Duration> {
    let statistics = fs::read_to_string(format!("/proc/{thread}/schedstat")).ok()?;
    Some(Duration::from_nanos(statistics.split_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn waiting_for_a_processor_does_not_count() {
        assert_eq!(counted(seconds(10), seconds(0)), seconds(10));
        assert_eq!(counted(seconds(10), seconds(7)), seconds(3));
    }

    #[test]
    fn a_limit_is_always_reached() {
        assert_eq!(counted(seconds(500), seconds(900)), seconds(10));
    }

    #[test]
    fn all_of_a_group_is_looked_at() {
        let mut command = Command::new("sh");
        let mut leader = command.args(["-c", "sleep 1000 & sleep 1000"]).process_group(0).spawn().unwrap();
        // The shell and the programs started by it.
        while threads(leader.id()).len() < 3 {
            std::thread::yield_now();
        }
        assert_eq!(process_group(leader.id()), Some(leader.id()));
        let group = rustix::process::Pid::from_child(&leader);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        leader.wait().unwrap();
    }
}
