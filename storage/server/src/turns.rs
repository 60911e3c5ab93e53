//! The order of operations: one after the other, in the order of their calls, even if calls arrive while an operation waits
//! for the device.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use capos_volume::Ino;

/// The files whose content an operation may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    Nothing,
    File(Ino),
    /// The content of any file.
    Any,
}

impl Changes {
    fn touches(self, ino: Ino) -> bool {
        match self {
            Self::Nothing => false,
            Self::File(changed) => changed == ino,
            Self::Any => true,
        }
    }
}

/// The operation in progress and the queue of those that wait for their turn.
#[derive(Default)]
pub(crate) struct Turns {
    /// The operation in progress.
    current: Cell<Option<Changes>>,
    waiting: RefCell<VecDeque<Waiting>>,
    next: Cell<u64>,
}

struct Waiting {
    number: u64,
    changes: Changes,
    waker: Waker,
}

impl Turns {
    /// Whether an operation is in progress.
    pub(crate) fn is_taken(&self) -> bool {
        self.current.get().is_some()
    }

    /// Whether no unfinished operation may change the content of a file.
    pub(crate) fn leave_alone(&self, ino: Ino) -> bool {
        let touches = |changes: Changes| changes.touches(ino);
        !self.current.get().is_some_and(touches)
            && !self.waiting.borrow().iter().any(|waiting| touches(waiting.changes))
    }

    /// Begins an operation if none is in progress or waiting.
    #[inline]
    pub(crate) fn begin_alone(&self, changes: Changes) -> bool {
        self.waiting.borrow().is_empty() && self.begin(changes)
    }

    /// Begins an operation that no client called, ahead of waiting ones, if none is in progress.
    pub(crate) fn begin(&self, changes: Changes) -> bool {
        let is_free = !self.is_taken();
        if is_free {
            self.current.set(Some(changes));
        }
        is_free
    }

    /// Ends the operation in progress and wakes the first one that waits.
    pub(crate) fn end(&self) {
        self.current.set(None);
        self.wake_first();
    }

    fn wake_first(&self) {
        if !self.is_taken()
            && let Some(first) = self.waiting.borrow().front()
        {
            first.waker.wake_by_ref();
        }
    }
}

/// Resolves when an operation may begin: after all earlier ones.
pub(crate) struct Wait {
    turns: Rc<Turns>,
    changes: Changes,
    /// Its number in the queue, once it has been queued.
    number: Option<u64>,
}

impl Wait {
    pub(crate) fn new(turns: Rc<Turns>, changes: Changes) -> Self {
        Self { turns, changes, number: None }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let turns = self.turns.clone();
        let mut waiting = turns.waiting.borrow_mut();
        let first = waiting.front().map(|first| first.number);
        if !turns.is_taken() && first == self.number {
            waiting.pop_front();
            self.number = None;
            turns.current.set(Some(self.changes));
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        match self.number.and_then(|number| waiting.iter_mut().find(|waiting| waiting.number == number)) {
            Some(place) => place.waker = waker,
            None => {
                let number = turns.next.get();
                turns.next.set(number.wrapping_add(1));
                self.number = Some(number);
                waiting.push_back(Waiting { number, changes: self.changes, waker });
            }
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // The call was cancelled while it waited.
        if let Some(number) = self.number {
            self.turns.waiting.borrow_mut().retain(|waiting| waiting.number != number);
            self.turns.wake_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::task::noop_waker_ref;

    fn poll(wait: &mut Wait) -> bool {
        Pin::new(wait).poll(&mut Context::from_waker(noop_waker_ref())).is_ready()
    }

    #[test]
    fn turns_are_taken_in_the_order_of_calls() {
        let turns = Rc::new(Turns::default());
        let wait = |changes| Wait::new(turns.clone(), changes);
        let (mut a, mut b, mut c) = (wait(Changes::Nothing), wait(Changes::File(3)), wait(Changes::Nothing));
        assert!(poll(&mut a) && !poll(&mut b) && !poll(&mut c));
        assert!(turns.is_taken() && !turns.begin(Changes::Any));
        assert!(turns.leave_alone(4) && !turns.leave_alone(3));
        turns.end();
        // A new operation does not overtake waiting ones, nor do these overtake each other.
        let mut d = wait(Changes::Any);
        assert!(!poll(&mut d) && !poll(&mut c) && poll(&mut b));
        assert!(!turns.leave_alone(4));
        drop(d);
        assert!(turns.leave_alone(4) && !turns.leave_alone(3));
        turns.end();
        assert!(turns.leave_alone(3) && poll(&mut c));
        turns.end();
        assert!(!turns.is_taken() && turns.begin(Changes::Any));
    }

    #[test]
    fn a_cancelled_call_does_not_delay_others() {
        let turns = Rc::new(Turns::default());
        let wait = || Wait::new(turns.clone(), Changes::Any);
        let (mut a, mut b, mut c) = (wait(), wait(), wait());
        assert!(poll(&mut a) && !poll(&mut b) && !poll(&mut c));
        turns.end();
        drop(b);
        assert!(poll(&mut c));
        // The wait is over, so dropping the future does not end the turn.
        drop((a, c));
        assert!(turns.is_taken());
    }
}
