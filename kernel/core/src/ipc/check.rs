//! Consistency check of lists, operations and timers.

use super::{Ipc, List, Operation, State};
use crate::{
    NONE,
    walk::{Flaw, Walk},
};

impl Ipc {
    /// The number of records of capabilities, objects and badges, endpoints, operations, queues, deadlines and
    /// revocations. All are 0 when there are no processes left.
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

    /// The first inconsistency, if any. Visits everything.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub fn check(&self) -> Result<(), &'static str> {
        let walk = &mut Walk::new(&|| true);
        (0..Self::CHECKS).try_for_each(|part| self.check_part(part, walk)).map_err(Flaw::text)
    }

    /// The number of parts of the check, which can be done at different times.
    pub const CHECKS: u32 = 6;

    /// The first inconsistency in one part of [`Self::check`], if the part exists and there is one.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub fn check_part(&self, part: u32, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        match part {
            0 => self.caps.check_tables(walk),
            1 => self.caps.check_tree(walk),
            2 => self.caps.check_objects(walk),
            3 => self.caps.check_badges(walk),
            4 => self.check_operations(walk),
            5 => self.timers.check(walk),
            _ => Ok(()),
        }
    }

    /// Whether operations are in the lists for their states, and threads refer to their operations.
    fn check_operations(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let mut listed = 0;
        for endpoint in self.endpoints.every() {
            walk.look()?;
            let Some((id, endpoint)) = endpoint else { continue };
            let of_endpoint = |wanted: State| {
                move |operation: &Operation| operation.endpoint == Some(id) && operation.state == wanted
            };
            listed += self.listed(endpoint.callers, walk, of_endpoint(State::Queued))?;
            listed += self.listed(endpoint.receivers, walk, of_endpoint(State::Receiving))?;
            if endpoint.callers != List::EMPTY && endpoint.receivers != List::EMPTY {
                return Err("callers and receivers wait at the same endpoint".into());
            }
            listed += self.listed(endpoint.deaf_receivers, walk, of_endpoint(State::Receiving))?;
            listed += self.listed(endpoint.abandoned, walk, |operation: &Operation| {
                operation.endpoint == Some(id) && matches!(operation.state, State::Abandoned(_))
            })?;
            if endpoint.receivers != List::EMPTY && !self.caps.has_receivers(endpoint.object) {
                return Err("a receiver waits at an endpoint from which nobody may receive".into());
            }
            let waits = endpoint.callers != List::EMPTY || endpoint.abandoned != List::EMPTY;
            if waits && endpoint.deaf.is_none() && !self.caps.has_receivers(endpoint.object) {
                return Err("a caller waits at an endpoint from which nobody may receive".into());
            }
        }
        for queue in self.queues.every() {
            walk.look()?;
            let Some((id, queue)) = queue else { continue };
            let state = State::Pending(super::QueueId(id));
            listed += self.listed(queue.calls, walk, |operation| operation.state == state)?;
        }
        let is_listed = |state| !matches!(state, State::Open(_) | State::Unlisted);
        let mut unlisted = 0;
        let mut expected = 0;
        walk.over(self.operations.every(), |operation| {
            if let Some((_, operation)) = operation {
                unlisted += usize::from(!is_listed(operation.state));
                expected += usize::from(!matches!(operation.state, State::Abandoned(_)));
            }
            Ok(())
        })?;
        if listed + unlisted != self.operations.len() as usize {
            return Err("an operation is not in the list for its state".into());
        }
        self.check_threads(expected, walk)
    }

    /// The number of operations in a list.
    fn listed(
        &self,
        list: List,
        walk: &mut Walk<'_>,
        belongs: impl Fn(&Operation) -> bool,
    ) -> Result<usize, Flaw> {
        let (mut previous, mut index, mut count) = (NONE, list.first, 0);
        while let Some(operation) = self.operations.at(index) {
            walk.look()?;
            if operation.place.previous != previous || !belongs(operation) {
                return Err("an operation is in a wrong list, or its links are wrong".into());
            }
            count += 1;
            if count > self.operations.len() as usize {
                return Err("a list of operations forms a cycle".into());
            }
            (previous, index) = (index, operation.place.next);
        }
        if index == NONE && list.last == previous {
            Ok(count)
        } else {
            Err("a list of operations has no end".into())
        }
    }

    /// Whether threads and their operations refer to each other; there are `expected` of these.
    fn check_threads(&self, expected: usize, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let mut owned = 0;
        for (index, thread) in self.threads.iter().enumerate() {
            walk.look()?;
            let Some(thread) = thread else { continue };
            for (position, &place) in thread.places().iter().enumerate() {
                walk.look()?;
                let belongs = |operation: &Operation| {
                    operation.caller.thread as usize == index && operation.position as usize == position
                };
                if !self.operations.at(place).is_some_and(belongs) {
                    return Err("a thread and its operations do not refer to each other".into());
                }
            }
            owned += thread.places().len();
        }
        if owned == expected { Ok(()) } else { Err("an operation is not in its thread's list".into()) }
    }
}
