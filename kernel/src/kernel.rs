//! The kernel's state, behind one lock.

use crate::{
    arch::{self, Lock},
    clock::Clock,
    console::Console,
    measure::{self, Entry, Stretches},
    objects::{self, Services},
    syscall,
    system::{System, process::ProcessId, thread::Enter},
};
use capos_abi::Syscall;
use capos_kernel_core::ipc::Ipc;

/// Number of CPUs that the kernel runs on.
pub const MAX_CPUS: usize = 1;

/// All state. The handler of a kernel entry has exclusive access.
pub struct Kernel {
    /// Capabilities and calls.
    pub(crate) ipc: Ipc,
    /// All state that calls operate on.
    pub(crate) system: System,
    /// The time-stamp counter when the first user instruction was about to run; 0 before.
    pub first_user_tsc: u64,
    /// The process whose end ends the system.
    pub(crate) init: Option<ProcessId>,
    /// Clocks.
    pub clock: Clock,
    /// The guest's console.
    pub console: Console,
    /// The longest times without a preemption point.
    pub(crate) stretches: Stretches,
    /// The state of the kernel's own objects.
    pub(crate) services: Services,
}

static KERNEL: Lock<Kernel> = Lock::new(Kernel::new());

impl Kernel {
    const fn new() -> Self {
        Self {
            ipc: Ipc::new(),
            system: System::new(),
            first_user_tsc: 0,
            init: None,
            clock: Clock::new(),
            console: Console::new(),
            stretches: Stretches::new(),
            services: Services::new(),
        }
    }

    /// Handles the console's interrupt.
    pub(crate) fn console_interrupt(&mut self) {
        let events = self.console.interrupt();
        objects::console::ready(self, events);
    }
}

/// Handles a kernel entry: takes the lock, runs `handle`, then chooses what runs next.
#[inline]
pub(crate) fn enter(handle: impl FnOnce(&mut Kernel)) -> arch::Resume {
    let mut kernel = KERNEL.lock();
    handle(&mut kernel);
    kernel.choose_next()
}

/// Executes the system call `number`. Nearly all are calls and replies that only need `exchange`.
#[inline(always)]
pub(crate) fn enter_system_call(number: u64, arguments: [u64; 3]) -> arch::Resume {
    let mut kernel = KERNEL.lock();
    let [submit, wait_for, deadline_ns] = arguments;
    if number == Syscall::CapEnter as u64
        && let Some(resume) = kernel.exchange(submit, wait_for, deadline_ns)
    {
        return resume;
    }
    syscall::dispatch(&mut kernel, number, arguments);
    kernel.choose_next()
}

/// Like [`enter`], and measures the time.
pub(crate) fn enter_measured(entry: Entry, handle: impl FnOnce(&mut Kernel)) -> arch::Resume {
    measure(entry, || enter(handle))
}

/// Runs a step of the current thread's work. If the rest of a `CapEnter` follows, `cap_enter` is called, which enters
/// anew.
pub(crate) fn enter_work(cap_enter: impl FnOnce(Enter) -> arch::Resume) -> arch::Resume {
    let mut kernel = KERNEL.lock();
    match kernel.work() {
        Some(rest) => {
            drop(kernel);
            cap_enter(rest)
        }
        None => kernel.choose_next(),
    }
}

/// Looks at the alarm of the current thread, which was just switched to. Usually that only means that the timer is set early
/// enough already.
pub(crate) fn enter_alarm() -> arch::Resume {
    let mut kernel = KERNEL.lock();
    if let Some(resume) = kernel.system.pass_alarm() {
        return resume;
    }
    kernel.attend_alarm();
    kernel.choose_next()
}

/// Measures the time of a kernel entry.
#[inline]
pub(crate) fn measure(entry: Entry, enter: impl FnOnce() -> arch::Resume) -> arch::Resume {
    measure::begin();
    let resume = enter();
    KERNEL.lock().stretches.note(entry);
    resume
}

/// Changes the state during start-up, before any thread runs.
pub(crate) fn setup(change: impl FnOnce(&mut Kernel)) {
    change(&mut KERNEL.lock());
}
