//! Whether lists, operations and timers agree with each other.

use super::{Ipc, List, Operation, State};
use crate::NONE;

impl Ipc {
    /// How many records there are of capabilities, objects and badges, endpoints, operations, queues, deadlines and
    /// revocations. All are 0 when nobody is left.
    #[must_use]
    pub fn leftovers(&self) -> [u32; 7] {
        [
            self.caps.record_count(),
            self.endpoints.len(),
            self.operations.len(),
            self.queues.len(),
            self.timers.len() as u32,
            self.revocations.len(),
            u32::from(self.has_work()),
        ]
    }

    /// The first disagreement found, if any. Walks everything.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check(&self) -> Result<(), &'static str> {
        self.caps.check()?;
        let mut listed = 0;
        for (id, endpoint) in self.endpoints.iter() {
            let of_endpoint = |wanted: State| {
                move |operation: &Operation| operation.endpoint == Some(id) && operation.state == wanted
            };
            listed += self.walk(endpoint.callers, of_endpoint(State::Queued))?;
            listed += self.walk(endpoint.receivers, of_endpoint(State::Receiving))?;
            if endpoint.callers != List::EMPTY && endpoint.receivers != List::EMPTY {
                return Err("callers and receivers wait at the same endpoint");
            }
            listed += self.walk(endpoint.deaf_receivers, of_endpoint(State::Receiving))?;
            listed += self.walk(endpoint.abandoned, |operation: &Operation| {
                operation.endpoint == Some(id) && matches!(operation.state, State::Abandoned(_))
            })?;
            if endpoint.receivers != List::EMPTY && !self.caps.has_receivers(endpoint.object) {
                return Err("a receiver waits at an endpoint from which nobody may receive");
            }
            let waits = endpoint.callers != List::EMPTY || endpoint.abandoned != List::EMPTY;
            if waits && endpoint.deaf.is_none() && !self.caps.has_receivers(endpoint.object) {
                return Err("a caller waits at an endpoint from which nobody may receive");
            }
        }
        for (id, queue) in self.queues.iter() {
            let state = State::Pending(super::QueueId(id));
            listed += self.walk(queue.calls, |operation| operation.state == state)?;
        }
        let is_listed = |state| !matches!(state, State::Open(_) | State::Unlisted);
        let unlisted = self.operations.iter().filter(|(_, operation)| !is_listed(operation.state)).count();
        if listed + unlisted != self.operations.len() as usize {
            return Err("an operation is not on the list that its state names");
        }
        self.check_threads()?;
        if self.timers.is_consistent() { Ok(()) } else { Err("the deadlines of operations are not in order") }
    }

    fn walk(&self, list: List, belongs: impl Fn(&Operation) -> bool) -> Result<usize, &'static str> {
        let (mut previous, mut index, mut count) = (NONE, list.first, 0);
        while let Some(operation) = self.operations.at(index) {
            if operation.place.previous != previous || !belongs(operation) {
                return Err("an operation is on a wrong list, or its links are wrong");
            }
            count += 1;
            if count > self.operations.len() as usize {
                return Err("a list of operations forms a circle");
            }
            (previous, index) = (index, operation.place.next);
        }
        if index == NONE && list.last == previous {
            Ok(count)
        } else {
            Err("a list of operations ends nowhere")
        }
    }

    fn check_threads(&self) -> Result<(), &'static str> {
        let mut owned = 0;
        for (index, thread) in self.threads.iter().enumerate() {
            let Some(thread) = thread else { continue };
            for (position, &place) in thread.places().iter().enumerate() {
                let belongs = |operation: &Operation| {
                    operation.caller.thread as usize == index && operation.position as usize == position
                };
                if !self.operations.at(place).is_some_and(belongs) {
                    return Err("a thread and its operations do not name each other");
                }
            }
            owned += thread.places().len();
        }
        let abandoned = |operation: &Operation| matches!(operation.state, State::Abandoned(_));
        let expected = self.operations.iter().filter(|(_, operation)| !abandoned(operation)).count();
        if owned == expected { Ok(()) } else { Err("an operation is not on its thread's list") }
    }
}
