//! The states of entries, which several tasks wait for.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// The state of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It, or another of its group, has not been started yet.
    Starting,
    /// It runs or is being restarted.
    Watched,
    /// It has ended, is not restarted, and counts as this status.
    Ended(u8),
}

/// The states of entries, by number.
pub(crate) struct Board {
    states: RefCell<Vec<State>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Board {
    pub(crate) fn new(entries: usize) -> Self {
        Self { states: RefCell::new(vec![State::Starting; entries]), waiting: RefCell::default() }
    }

    pub(crate) fn set(&self, index: usize, state: State) {
        if let Some(place) = self.states.borrow_mut().get_mut(index) {
            *place = state;
        }
        self.changed();
    }

    pub(crate) fn get(&self, index: usize) -> State {
        self.states.borrow().get(index).copied().unwrap_or(State::Starting)
    }

    /// Wakes all waiting tasks.
    pub(crate) fn changed(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until `look` returns a value; it is called again after each change.
    pub(crate) async fn wait_for<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        poll_fn(|context| match look() {
            Some(found) => Poll::Ready(found),
            None => {
                self.waiting.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Waits until all of `awaited` have ended. Returns their first status other than zero, or zero.
    pub(crate) async fn all_ended(&self, awaited: &[usize]) -> u8 {
        let status = |index: &usize| match self.get(*index) {
            State::Ended(status) => Some(status),
            State::Starting | State::Watched => None,
        };
        let statuses = self.wait_for(|| awaited.iter().map(status).collect::<Option<Vec<u8>>>()).await;
        statuses.into_iter().find(|status| *status != 0).unwrap_or(0)
    }
}
