//! Processing a submission, immediately if possible.

use super::{
    Caller, Ipc, Machine, ObjectCall, Operation, OperationId, ThreadOperations, call::Called, completion,
    finish::post, receive::Received,
};
use crate::ring::{EntryWords, Incoming, Operation as Parsed, parse, user_data};
use capos_abi::{CompletionEntry, ErrorCode, Handle, SubmissionFlags};

/// The work left to do after a submission.
#[derive(Debug)]
#[must_use]
pub enum Submitted {
    /// Nothing.
    Done,
    /// A kernel object is called; the binary serves it and then calls [`Ipc::reply`] or [`Ipc::suspend`].
    Object(ObjectCall),
    /// The submission takes an unbounded time: [`Ipc::thread_step`] continues it until it has completed. The thread
    /// submits nothing else meanwhile.
    Working,
    /// The submission has not been processed, but many other operations failed on the way: it must be submitted
    /// again after other threads have had a chance to run.
    Again,
}

/// A submitting thread.
#[derive(Clone, Copy, Debug)]
pub struct Submitter {
    pub(super) thread: u32,
    pub(super) process: u32,
    outstanding: u32,
}

impl Submitter {
    /// The number of the thread's operations without a completion when this value was created.
    #[must_use]
    #[inline]
    pub const fn outstanding(&self) -> u32 {
        self.outstanding
    }
}

impl Ipc {
    /// The thread, if it exists, for [`Self::submit`].
    #[must_use]
    #[inline]
    pub fn submitter(&self, thread: u32) -> Option<Submitter> {
        let &ThreadOperations { process, count, .. } = self.thread(thread)?;
        Some(Submitter { thread, process, outstanding: count })
    }

    /// Processes one submission of a thread that has not been closed meanwhile. The caller has ensured that there
    /// is space for its completion.
    #[inline(always)]
    pub fn submit<M: Machine>(
        &mut self,
        machine: &mut M,
        submitter: Submitter,
        entry: &impl EntryWords,
    ) -> Submitted {
        let Submitter { thread, process, .. } = submitter;
        let user_data = user_data(entry);
        let caller = |quiet, recv| Caller { thread, process, user_data, quiet, recv };
        let mut quiet = false;
        let result = match parse(entry) {
            Err(code) => Err(code),
            Ok((operation, flags)) => {
                quiet = flags.contains(SubmissionFlags::QUIET);
                match operation {
                    Parsed::Call { cap, interface, method, send, recv, deadline_ns } => {
                        let caller = caller(quiet, recv);
                        match self.call(machine, caller, cap, interface, method, send, deadline_ns) {
                            Ok(Called::Object(call)) => return Submitted::Object(call),
                            Ok(Called::Endpoint) => return Submitted::Done,
                            Ok(Called::Again) => return Submitted::Again,
                            Err(code) => Err(code),
                        }
                    }
                    Parsed::Recv { cap, recv, deadline_ns } => {
                        match self.receive(machine, caller(false, recv), cap, deadline_ns) {
                            Ok(Received::Done) => return Submitted::Done,
                            Ok(Received::Again) => return Submitted::Again,
                            Err(code) => Err(code),
                        }
                    }
                    Parsed::Nop => Ok(()),
                    Parsed::Return { token, send } => self.return_results(machine, process, token, send),
                    Parsed::Revoke { cap } => {
                        match self.begin_revocation(&caller(quiet, Incoming::default()), cap) {
                            Ok(()) => return Submitted::Working,
                            Err(code) => Err(code),
                        }
                    }
                    other => {
                        let caller = caller(quiet, Incoming::default());
                        match self.submit_simple(machine, &caller, &other) {
                            Ok(()) => return Submitted::Done,
                            Err(code) => Err(code),
                        }
                    }
                }
            }
        };
        match result {
            Ok(()) if quiet => {}
            result => post(machine, thread, user_data, result.err()),
        }
        Submitted::Done
    }

    /// The operations besides RETURN that complete at once. Posts the completion if there is no error.
    #[inline(never)]
    fn submit_simple<M: Machine>(
        &mut self,
        machine: &mut M,
        caller: &Caller,
        operation: &Parsed,
    ) -> Result<(), ErrorCode> {
        let process = caller.process;
        let (mut token, mut badge) = (0, 0);
        match *operation {
            Parsed::Throw { token, code, text_address, text_length } => {
                self.throw(machine, process, token, code, text_address, text_length)?;
            }
            Parsed::Release { cap } => self.release(machine, process, cap)?,
            Parsed::Cancel { user_data } => self.cancel(machine, caller.thread, user_data)?,
            Parsed::Derive { cap, rights } => token = self.caps.derive(process, cap, rights)?.0,
            Parsed::Mint { cap, rights, badge } => token = self.caps.mint(process, cap, rights, badge)?.0,
            Parsed::Identify { endpoint, client } => badge = self.caps.identify(process, endpoint, client)?,
            Parsed::Nop
            | Parsed::Revoke { .. }
            | Parsed::Call { .. }
            | Parsed::Recv { .. }
            | Parsed::Return { .. } => {}
        }
        if !caller.quiet {
            machine.complete(
                caller.thread,
                &CompletionEntry { token, badge, ..completion(caller.user_data, None) },
            );
        }
        Ok(())
    }

    /// Empties a slot. Pending calls through it continue.
    ///
    /// # Errors
    /// `BadCapability`.
    pub fn release<M: Machine>(
        &mut self,
        machine: &mut M,
        process: u32,
        cap: Handle,
    ) -> Result<(), ErrorCode> {
        let lost = self.caps.release(process, cap)?;
        self.after_loss(machine, lost);
        Ok(())
    }

    /// The first operation of a thread for which `wanted` holds.
    pub(super) fn find_operation(
        &self,
        thread: u32,
        wanted: impl Fn(&Operation) -> bool,
    ) -> Option<OperationId> {
        let places = self.thread(thread)?.places();
        let wanted = |place: &&u32| self.operations.at(**place).is_some_and(&wanted);
        self.operations.id_at(*places.iter().find(wanted)?)
    }

    fn cancel<M: Machine>(&mut self, machine: &mut M, thread: u32, user_data: u64) -> Result<(), ErrorCode> {
        let found = self.find_operation(thread, |operation| operation.caller.user_data == user_data);
        self.give_up(machine, found.ok_or(ErrorCode::NotFound)?, Some(ErrorCode::Cancelled));
        Ok(())
    }
}
