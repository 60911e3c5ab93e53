//! `Diagnostics.selfCheck`, executed by the calling thread part by part. A part is aborted and restarted whenever
//! another thread is ready to run.

use super::{message::long_results, reply_later};
use crate::{arch::apic, budget::Budget, check::Problems, kernel::Kernel, measure, system::thread::Job};
use capos_abi::ErrorCode;
use capos_kernel_core::{
    ipc::{Caller, Reply},
    walk::{Flaw, Walk},
};
use capos_schema::diagnostics_capnp::diagnostics;

/// How often a part is started before the check is given up.
const MOST_ATTEMPTS: u32 = 1000;

/// A check and its progress.
pub(crate) struct Check {
    caller: Caller,
    part: u32,
    attempts: u32,
}

/// Starts a check, which the calling thread carries out.
pub(super) fn begin(kernel: &mut Kernel, caller: Caller) {
    kernel.system.give_current(Job::Check(Check { caller, part: 0, attempts: 0 }));
}

/// Continues as far as the budget allows, and answers at the end. Returns the remaining work.
pub(crate) fn go_on(kernel: &mut Kernel, mut check: Check, budget: &Budget) -> Option<Check> {
    let mut problems = Problems::new();
    while check.part < Kernel::CHECKS && problems.iter().len() == 0 {
        if budget.is_spent() {
            return Some(check);
        }
        match kernel.check_part(check.part, &mut problems, &mut Walk::new(&may_go_on)) {
            Ok(()) => (check.part, check.attempts) = (check.part + 1, 0),
            Err(Flaw::Found(text)) => problems.push(format_args!("{text}")),
            Err(Flaw::BrokenOff) if check.attempts < MOST_ATTEMPTS => {
                check.attempts += 1;
                return Some(check);
            }
            Err(Flaw::BrokenOff) => {
                let reply = Reply::Exception(ErrorCode::Overloaded, "the system is too busy for a check");
                kernel.ipc.reply(&mut kernel.system, &check.caller, reply);
                return None;
            }
        }
    }
    answer(kernel, &check.caller, &problems);
    None
}

/// Whether no other thread is ready to run. Only an interrupt could change that, and the kernel takes none
/// meanwhile.
fn may_go_on() -> bool {
    measure::looked();
    !apic::has_pending()
}

fn answer(kernel: &mut Kernel, caller: &Caller, problems: &Problems) {
    let room = 64 + problems.iter().map(|problem| problem.len() + 32).sum::<usize>();
    reply_later(kernel, caller, |_, buffer| {
        long_results::<diagnostics::self_check_results::Owned>(buffer, room, |results| {
            let mut list = results.init_problems(problems.iter().len() as u32);
            for (position, problem) in (0..).zip(problems.iter()) {
                list.set(position, problem);
            }
            Ok(())
        })
    });
}
