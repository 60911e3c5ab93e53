//! The end of threads and processes, and the consequences of the end of capabilities and objects.

use super::{Endpoint, Ipc, List, Machine, State};
use crate::{
    NONE,
    arena::Id,
    caps::{Lost, ObjectKind, TableStep},
    work::Work,
};
use capos_abi::ErrorCode;

impl Ipc {
    /// Ends a thread's operations (there are at most 64) without completions; servers that are serving them are
    /// notified.
    pub fn close_thread<M: Machine>(&mut self, machine: &mut M, thread: u32) {
        self.orphan_revocation(thread);
        while let Some(id) = self.find_operation(thread, |_| true) {
            self.give_up(machine, id, None);
        }
        if let Some(entry) = self.threads.get_mut(thread as usize) {
            *entry = None;
        }
    }

    /// Continues the end of a process whose threads are closed: the calls it was serving fail, and its capabilities are
    /// dropped.
    /// After the first step nothing is inserted into its table, and its number must not be reused before the last one.
    /// Returns whether there is more to do.
    pub fn close_process_step<M: Machine>(&mut self, machine: &mut M, process: u32, work: &mut Work) -> bool {
        self.caps.begin_close(process);
        if self.caps.serves(process) && self.disconnect_step(machine, process, work) {
            return true;
        }
        loop {
            match self.caps.close_table_step(process, work) {
                TableStep::Lost(lost) => self.after_loss(machine, lost),
                TableStep::More => return true,
                TableStep::Closed => break,
            }
        }
        if let Some(place) = self.closing.get_mut(process as usize) {
            *place = 0;
        }
        false
    }

    /// Fails the calls that a process was serving. Returns whether there may be more.
    fn disconnect_step<M: Machine>(&mut self, machine: &mut M, process: u32, work: &mut Work) -> bool {
        let Some(mut place) = self.closing.get(process as usize).copied() else { return false };
        while place < self.operations.places() && work.take() {
            if let Some((id, operation)) = self.operations.entry_at(place) {
                let state = operation.state;
                if state == State::Open(process) {
                    self.finish(machine, id, Some(ErrorCode::Disconnected));
                } else if state == State::Abandoned(process) {
                    self.remove(id);
                }
            }
            place += 1;
        }
        if let Some(reached) = self.closing.get_mut(process as usize) {
            *reached = place;
        }
        place < self.operations.places()
    }

    /// Handles what ended with a capability; work that may take long is left to [`Self::work_step`].
    pub fn after_loss<M: Machine>(&mut self, machine: &mut M, lost: Lost) {
        if let Some(endpoint) = lost.deaf_endpoint {
            self.silence_endpoint(Id::unpack(endpoint));
        }
        if let Some(endpoint) = lost.badge_on {
            self.deliver_dropped_badges(machine, Id::unpack(endpoint));
        }
        match lost.object {
            Some((ObjectKind::Endpoint, endpoint)) => self.remove_endpoint(Id::unpack(endpoint)),
            Some((kind, payload)) => {
                machine.object_lost(kind, payload);
                while let Some(queue) = machine.take_dead_queue() {
                    self.remove_queue(queue);
                }
            }
            None => {}
        }
    }

    /// An endpoint can no longer receive.
    fn silence_endpoint(&mut self, id: Id<Endpoint>) {
        let Some(endpoint) = self.endpoints.get_mut(id).filter(|endpoint| endpoint.deaf.is_none()) else {
            return;
        };
        if [endpoint.callers, endpoint.receivers, endpoint.abandoned] == [List::EMPTY; 3] {
            return;
        }
        // No call is passed to these any more.
        endpoint.deaf_receivers = core::mem::replace(&mut endpoint.receivers, List::EMPTY);
        endpoint.deaf = Some(core::mem::replace(&mut self.deaf_endpoints, id.index()));
    }

    /// The object of an endpoint is gone.
    fn remove_endpoint(&mut self, id: Id<Endpoint>) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        endpoint.gone = true;
        if endpoint.deaf.is_none() {
            self.endpoints.remove(id);
        }
    }

    /// Whether [`Self::work_step`] has anything to do.
    #[must_use]
    #[inline]
    pub const fn has_work(&self) -> bool {
        // Checked in every `CapEnter`: a single comparison, since `NONE` has all bits set.
        self.orphans & self.deaf_endpoints & self.dead_queues & self.caps.first_forgotten_badge() != NONE
    }

    /// Does work that no thread waits for: failing callers of endpoints that are no longer served and calls to
    /// objects that are gone, freeing badges whose server is gone, and revocations whose thread has ended. Each
    /// gets its share of `work`. Returns whether there is more to do.
    pub fn work_step<M: Machine>(&mut self, machine: &mut M, work: &mut Work) -> bool {
        while self.has_work() && work.is_left() {
            for part in [Self::orphan_step::<M>, Self::deaf_step::<M>, Self::dead_step::<M>] {
                let mut share = Work::of(Work::STEP / 4);
                part(self, machine, &mut share);
                work.spend(share.spent());
            }
            let mut share = Work::of(Work::STEP / 4);
            self.caps.forget_badges_step(&mut share);
            work.spend(share.spent());
        }
        self.has_work()
    }

    /// Does all work that no thread waits for.
    pub fn finish_work<M: Machine>(&mut self, machine: &mut M) {
        while self.work_step(machine, &mut Work::step()) {}
    }

    /// Fails what waits at endpoints that are no longer served.
    fn deaf_step<M: Machine>(&mut self, machine: &mut M, work: &mut Work) {
        while let Some((id, endpoint)) = self.endpoints.entry_at(self.deaf_endpoints) {
            if !work.take() {
                return;
            }
            let lists = [endpoint.callers, endpoint.deaf_receivers, endpoint.abandoned];
            if let Some(list) = lists.iter().find(|list| **list != List::EMPTY) {
                let Some((operation, record)) = self.operations.entry_at(list.first) else { return };
                if matches!(record.state, State::Abandoned(_)) {
                    self.remove(operation);
                } else {
                    self.finish(machine, operation, Some(ErrorCode::Disconnected));
                }
                continue;
            }
            let Some(endpoint) = self.endpoints.get_mut(id) else { return };
            self.deaf_endpoints = endpoint.deaf.take().unwrap_or(NONE);
            if endpoint.gone {
                self.endpoints.remove(id);
            }
        }
    }

    /// Fails the calls to objects that are gone.
    fn dead_step<M: Machine>(&mut self, machine: &mut M, work: &mut Work) {
        while let Some((id, queue)) = self.queues.entry_at(self.dead_queues) {
            if !work.take() {
                return;
            }
            if let Some(operation) = self.operations.id_at(queue.calls.first) {
                self.finish(machine, operation, Some(ErrorCode::Disconnected));
            } else {
                self.dead_queues = self.queues.remove(id).and_then(|queue| queue.dead).unwrap_or(NONE);
            }
        }
    }
}
