//! A fair queue of writers that wait for room.

use std::collections::VecDeque;
use std::task::Waker;

/// The queue of waiting writers.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    waiting: VecDeque<(u64, Waker)>,
    next: u64,
}

impl Turns {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the writer `turn`, or one that is not queued yet, is first.
    pub(crate) fn is_first(&self, turn: Option<u64>) -> bool {
        self.waiting.front().is_none_or(|(first, _)| Some(*first) == turn)
    }

    /// Queues the writer. Returns its turn, which it keeps.
    pub(crate) fn wait(&mut self, turn: Option<u64>, waker: &Waker) -> u64 {
        let known = turn.and_then(|turn| self.waiting.iter_mut().find(|(known, _)| *known == turn));
        if let Some((turn, known)) = known {
            known.clone_from(waker);
            return *turn;
        }
        self.next += 1;
        self.waiting.push_back((self.next, waker.clone()));
        self.next
    }

    /// Removes a writer that is done, or has given up.
    pub(crate) fn leave(&mut self, turn: u64) {
        self.waiting.retain(|(known, _)| *known != turn);
        self.wake_first();
    }

    pub(crate) fn wake_first(&self) {
        if let Some((_, waker)) = self.waiting.front() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn wake_all(&self) {
        self.waiting.iter().for_each(|(_, waker)| waker.wake_by_ref());
    }
}
