//! REVOKE, in steps: first the capabilities are removed, then the pending operations through them fail.

use super::{Caller, Ipc, Machine, OperationId, completion};
use crate::{
    NONE,
    arena::Id,
    caps::{Move, Revocation},
    work::Work,
};
use capos_abi::{ErrorCode, Handle};

/// A revocation in progress.
pub(super) struct Running {
    revocation: Revocation,
    stage: Stage,
    caller: Caller,
    /// The next one whose thread has ended.
    next: u32,
}

/// Identifies a revocation in progress.
pub(super) type RunningId = Id<Running>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Removes capabilities.
    Capabilities,
    /// Fails operations of the threads starting at this one.
    Operations(u32),
    /// Frees the records of the capabilities.
    Records,
    Done,
}

impl Ipc {
    /// Starts to revoke everything derived from a capability; [`Self::thread_step`] continues.
    #[cold]
    pub(super) fn begin_revocation(&mut self, caller: &Caller, cap: Handle) -> Result<(), ErrorCode> {
        self.revocations.reserve(1).map_err(|_| ErrorCode::BudgetExceeded)?;
        let revocation = self.caps.revoke(caller.process, cap)?;
        let running = Running { revocation, stage: Stage::Capabilities, caller: *caller, next: NONE };
        let id = self.revocations.insert(running).map_err(|_| ErrorCode::BudgetExceeded)?;
        if let Some(Some(thread)) = self.threads.get_mut(caller.thread as usize) {
            thread.revocation = Some(id);
        }
        Ok(())
    }

    /// Continues a thread's last submission, and posts its completion at the end. Returns whether there is more to do.
    pub fn thread_step<M: Machine>(&mut self, machine: &mut M, thread: u32, work: &mut Work) -> bool {
        let Some(id) = self.thread(thread).and_then(|thread| thread.revocation) else { return false };
        if self.revocation_step(machine, id, work) {
            return true;
        }
        let ended = self.revocations.remove(id);
        if let Some(Some(thread)) = self.threads.get_mut(thread as usize) {
            thread.revocation = None;
        }
        if let Some(Running { caller, .. }) = ended
            && !caller.quiet
        {
            machine.complete(caller.thread, &completion(caller.user_data, None));
        }
        false
    }

    /// Leaves the revocation of a thread that is ending to [`Self::work_step`].
    pub(super) fn orphan_revocation(&mut self, thread: u32) {
        let Some(Some(thread)) = self.threads.get_mut(thread as usize) else { return };
        if let Some(id) = thread.revocation.take()
            && let Some(running) = self.revocations.get_mut(id)
        {
            running.next = core::mem::replace(&mut self.orphans, id.index());
        }
    }

    /// Continues a revocation whose thread has ended.
    pub(super) fn orphan_step<M: Machine>(&mut self, machine: &mut M, work: &mut Work) {
        while let Some(id) = self.revocations.id_at(self.orphans).filter(|_| work.is_left()) {
            if self.revocation_step(machine, id, work) {
                return;
            }
            self.orphans = self.revocations.remove(id).map_or(NONE, |running| running.next);
        }
    }

    /// Returns whether there is more to do.
    fn revocation_step<M: Machine>(&mut self, machine: &mut M, id: RunningId, work: &mut Work) -> bool {
        while work.is_left() {
            let Some(running) = self.revocations.get_mut(id) else { return false };
            let revocation = &mut running.revocation;
            match running.stage {
                Stage::Capabilities => {
                    work.spend(1);
                    match self.caps.revoke_step(revocation) {
                        Move::Went => {}
                        Move::Removed(lost) => self.after_loss(machine, lost),
                        Move::Finished => running.stage = Stage::Operations(0),
                    }
                }
                Stage::Operations(thread) if thread as usize >= self.threads.len() => {
                    running.stage = Stage::Records;
                }
                Stage::Operations(thread) => {
                    running.stage = Stage::Operations(thread + 1);
                    let process = match self.threads.get(thread as usize) {
                        Some(Some(record)) if record.count > 0 => record.process,
                        _ => NONE,
                    };
                    work.spend(1);
                    if self.caps.is_reached(revocation, process) {
                        self.fail_revoked(machine, thread, work);
                    }
                }
                Stage::Records => {
                    work.spend(1);
                    if !self.caps.end_revocation_step(revocation) {
                        running.stage = Stage::Done;
                    }
                }
                Stage::Done => return false,
            }
        }
        true
    }

    /// Fails the pending operations of a thread through revoked capabilities.
    fn fail_revoked<M: Machine>(&mut self, machine: &mut M, thread: u32, work: &mut Work) {
        // One at a time from the start, because failing one may remove others from the list. There are at most
        // 64.
        while let Some(id) = self.revoked_operation(thread) {
            work.spend(1);
            self.give_up(machine, id, Some(ErrorCode::Revoked));
        }
    }

    fn revoked_operation(&self, thread: u32) -> Option<OperationId> {
        self.find_operation(thread, |operation| self.caps.is_revoked(operation.node))
    }
}
