//! Watches groups of processes and restarts them according to their policies.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use capos_restart::Backoff;
use capos_rt::{JoinHandle, spawn_local};
use capos_schema::process_capnp::process;

use crate::board::State;
use crate::{INIT_FAILED, Setup, log, start, status};

/// Entries that are started and restarted together.
pub(crate) struct Group {
    /// In start order.
    members: Vec<usize>,
    running: Vec<Running>,
    /// When the first of them was started.
    begun_ns: u64,
}

/// A process of a group.
struct Running {
    index: usize,
    process: process::Client,
    end: JoinHandle<(String, u8)>,
}

/// A member that has ended, and how.
struct EndedMember {
    index: usize,
    how: String,
    status: u8,
}

impl Group {
    pub(crate) fn new(members: Vec<usize>) -> Self {
        Self { members, running: Vec::new(), begun_ns: 0 }
    }

    pub(crate) fn has(&self, index: usize) -> bool {
        self.members.contains(&index)
    }

    /// Adds the process that was started for a member. Returns whether all members are now running.
    pub(crate) fn add(&mut self, setup: &Setup, index: usize, process: process::Client) -> bool {
        if self.running.is_empty() {
            self.begun_ns = capos_rt::now_ns();
        }
        let expects_fault =
            setup.entries.list.get(index).is_some_and(|entry| entry.reader.get_expect_fault());
        let watched = process.clone();
        let end = spawn_local(async move {
            let end = status::of(&watched, expects_fault).await;
            end.unwrap_or_else(|error| (format!("cannot be watched: {error}"), INIT_FAILED))
        });
        self.running.push(Running { index, process, end });
        self.running.len() == self.members.len()
    }

    /// Waits for the next process to end, and removes it. Returns `None` if none is left.
    async fn next_end(&mut self) -> Option<EndedMember> {
        poll_fn(|context| {
            if self.running.is_empty() {
                return Poll::Ready(None);
            }
            let found = self.running.iter_mut().enumerate().find_map(|(place, running)| {
                match Pin::new(&mut running.end).poll(context) {
                    Poll::Ready((how, status)) => {
                        Some((place, EndedMember { index: running.index, how, status }))
                    }
                    Poll::Pending => None,
                }
            });
            match found {
                Some((place, ended)) => {
                    self.running.remove(place);
                    Poll::Ready(Some(ended))
                }
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Kills the members that still run, and logs their ends.
    async fn end(&mut self, setup: &Setup) -> Vec<(usize, u8)> {
        for running in &self.running {
            running.process.kill_request().send().promise.await.ok();
        }
        let mut statuses = Vec::new();
        while let Some(EndedMember { index, how, status }) = self.next_end().await {
            say(setup, index, &how).await;
            statuses.push((index, status));
        }
        statuses
    }

    /// Restarts all members, none of which runs. The error lists the statuses of those that ended again.
    async fn start_again(&mut self, setup: &Setup) -> Result<(), Vec<(usize, u8)>> {
        for index in self.members.clone() {
            match start::start(setup, index).await {
                Ok(process) => _ = self.add(setup, index, process),
                Err(error) => {
                    let status = not_started(setup, index, &error).await;
                    let mut statuses = self.end(setup).await;
                    statuses.push((index, status));
                    return Err(statuses);
                }
            }
        }
        Ok(())
    }
}

/// Logs why a process did not start. Returns the status that this counts as.
pub(crate) async fn not_started(setup: &Setup, index: usize, error: &capnp::Error) -> u8 {
    say(setup, index, &format!("did not start: {error}")).await;
    status::NOT_STARTED
}

/// Writes a line about a process to the log.
async fn say(setup: &Setup, index: usize, what: &str) {
    let name = setup.entries.list.get(index).map_or("", |entry| entry.name);
    log(&setup.singletons.log, &format!("init: {name}: {what}")).await;
}

/// Watches a group whose members run, in a separate task. Each end is logged, and recorded on the board if no restart
/// follows.
pub(crate) fn watch(setup: &'static Setup, group: Group) {
    for &index in &group.members {
        setup.board.set(index, State::Watched);
    }
    drop(spawn_local(supervise(setup, group)));
}

async fn supervise(setup: &'static Setup, mut group: Group) {
    let mut backoff = Backoff::new();
    let mut restarts = 0u32;
    while let Some(EndedMember { index, how, status }) = group.next_end().await {
        let policy = setup.entries.list.get(index).map(|entry| entry.restart).unwrap_or_default();
        if !policy.follows(status != 0, restarts) {
            say(setup, index, &how).await;
            setup.board.set(index, State::Ended(status));
            continue;
        }
        restarts = restarts.saturating_add(1);
        say(setup, index, &format!("{how}; restart {restarts}")).await;
        // Holders of its exports must not reach the next process, which has no state for them.
        let renewed = group.members.iter().try_for_each(|member| match setup.entries.list.get(*member) {
            Some(entry) => setup.exports.renew(entry.name),
            None => Ok(()),
        });
        for &member in &group.members {
            setup.board.set(member, State::Watched);
        }
        // The other members hold capabilities of the ended one, so they cannot continue.
        let mut statuses = group.end(setup).await;
        let ended = capos_rt::now_ns();
        let again = match renewed {
            Ok(()) => {
                let pause = backoff.pause_ns(ended.saturating_sub(group.begun_ns));
                capos_rt::sleep_until_ns(ended.saturating_add(pause)).await;
                group.start_again(setup).await
            }
            Err(error) => {
                statuses.push((index, not_started(setup, index, &error).await));
                Err(statuses)
            }
        };
        if let Err(statuses) = again {
            for &member in &group.members {
                let status = statuses.iter().find(|(index, _)| *index == member);
                setup
                    .board
                    .set(member, State::Ended(status.map_or(status::NOT_STARTED, |(_, status)| *status)));
                setup.exports.hand_over(setup.entries.list.get(member).map_or("", |entry| entry.name));
            }
        }
    }
}
