//! Threads on the process's own ThreadSpawner.

use super::memory::{self, Access, whole_pages};
use super::tls;
use crate::arch::{self, Port};
use crate::bootstrap;
use crate::local::{self, Local};
use crate::methods::THREAD_SPAWN;
use crate::ring::{Ring, SyncBuffer};
use capos_abi::{ErrorCode, NO_DEADLINE, PAGE_SIZE};
use capos_schema::process_capnp::thread_spawner;
use core::arch::naked_asm;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, Ordering};
use hermit_abi::Tid;
use std::sync::{Mutex, MutexGuard, PoisonError};

const MIN_STACK_BYTES: usize = 64 * 1024;
/// Number of stacks of ended threads that are kept for reuse.
const SPARE_STACKS: usize = 4;

/// The record on top of a new thread's stack; this part of it persists.
struct Thread {
    /// 1 until the thread has executed its last instruction.
    running: AtomicU32,
    function: extern "C" fn(usize),
    argument: usize,
    stack: Stack,
}

/// Guard page, stack, thread-local block and [`Thread`], upwards in one reservation.
#[derive(Clone, Copy)]
struct Stack {
    address: usize,
    length: usize,
}

struct Live {
    thread: &'static Thread,
    id: Tid,
    /// Another thread waits for it and frees its stack.
    joined: bool,
}

/// Each stack or thread record is used by one thread at a time, as decided under the lock below.
#[derive(Default)]
struct Threads {
    live: Vec<Live>,
    spare: Vec<Stack>,
    last_id: u32,
}

static THREADS: Mutex<Option<Threads>> = Mutex::new(None);

fn threads() -> MutexGuard<'static, Option<Threads>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Threads {
    /// Reclaims the stacks of threads that have ended.
    fn reap(&mut self) {
        let mut index = 0;
        while let Some(live) = self.live.get(index) {
            if !live.joined && live.thread.running.load(Ordering::Acquire) == 0 {
                self.take_back(index);
            } else {
                index += 1;
            }
        }
    }

    /// Removes the ended thread at `index`; its stack becomes available.
    fn take_back(&mut self, index: usize) {
        let stack = self.live.swap_remove(index).thread.stack;
        if self.spare.len() < SPARE_STACKS {
            self.spare.push(stack);
        } else {
            let _ = memory::unmap(stack.address, stack.length);
        }
    }

    fn stack(&mut self, length: usize) -> Result<Stack, ErrorCode> {
        if let Some(index) = self.spare.iter().position(|spare| spare.length == length) {
            return Ok(self.spare.swap_remove(index));
        }
        let address = memory::reserve(length, Access::ReadWrite)?;
        if let Err(code) = memory::protect(address, PAGE_SIZE as usize, Access::None) {
            let _ = memory::unmap(address, length);
            return Err(code);
        }
        Ok(Stack { address, length })
    }
}

fn spawn(function: extern "C" fn(usize), argument: usize, stack_bytes: usize) -> Result<Tid, ErrorCode> {
    let template = tls::template();
    let top_bytes = (template.reserve_bytes() + size_of::<Thread>()).next_multiple_of(64);
    let length = whole_pages(stack_bytes.max(MIN_STACK_BYTES) + top_bytes) + PAGE_SIZE as usize;
    let mut guard = threads();
    let threads = guard.get_or_insert_default();
    threads.reap();
    let stack = threads.stack(length)?;
    threads.last_id = threads.last_id.wrapping_add(1).max(1);
    let id = threads.last_id;

    let end = stack.address + stack.length;
    let record = (end - size_of::<Thread>()) & !15;
    let block = end - top_bytes;
    let record: *mut Thread = ptr::with_exposed_provenance_mut(record);
    // SAFETY: the stack is mapped and not used by any thread; record and block are disjoint in its top part.
    let (thread, thread_pointer) = unsafe {
        record.write(Thread { running: AtomicU32::new(1), function, argument, stack });
        let block = ptr::with_exposed_provenance_mut(block & !15);
        (&*record, template.lay_out(block))
    };
    let stack_top = (block & !15) - 16;
    let spawner = bootstrap::get().ok_or(ErrorCode::BadCapability)?.thread_spawner();
    // Before the thread can run: from now on this thread may be woken by another one.
    crate::runtime::OTHER_THREADS.fetch_add(1, Ordering::Relaxed);
    let started = SyncBuffer::<16, 32>::new()
        .call(spawner, THREAD_SPAWN, None, |root| {
            let mut params = root.init_as::<thread_spawner::spawn_params::Builder<'_>>();
            params.set_entry(enter as *const () as u64);
            params.set_stack(stack_top as u64);
            params.set_argument(record as u64);
            params.set_thread_pointer(thread_pointer);
        })
        .map(drop);
    if let Err(code) = started {
        threads.spare.push(stack);
        return Err(code);
    }
    threads.live.push(Live { thread, id, joined: false });
    Ok(id)
}

/// A thread's first instruction: RDI is its ring, RSI its [`Thread`].
#[unsafe(naked)]
unsafe extern "C" fn enter() -> ! {
    naked_asm!("xor ebp, ebp", "and rsp, -16", "call {run}", "ud2", run = sym run)
}

unsafe extern "C" fn run(ring: NonNull<u8>, thread: &'static Thread) -> ! {
    {
        // SAFETY: the kernel passes this thread's own ring.
        let local = Local::new(unsafe { Ring::new(ring, Port) });
        let state: *const Local = &raw const local;
        // SAFETY: dropping it in place, at the end of this block, clears the thread's pointer to it.
        local::enter(unsafe { &*state });
        (thread.function)(thread.argument);
    }
    super::heap::flush();
    arch::thread_exit(&thread.running)
}

#[unsafe(no_mangle)]
extern "C" fn sys_spawn2(
    function: extern "C" fn(usize),
    argument: usize,
    _priority: u8,
    stack_bytes: usize,
    _core: isize,
) -> Tid {
    spawn(function, argument, stack_bytes).unwrap_or(0)
}

/// Waits for the thread to end. An unknown thread has ended.
#[unsafe(no_mangle)]
extern "C" fn sys_join(id: Tid) -> i32 {
    let mut guard = threads();
    let Some(live) = guard.as_mut().and_then(|threads| threads.live.iter_mut().find(|live| live.id == id))
    else {
        return 0;
    };
    live.joined = true;
    let thread = live.thread;
    drop(guard);
    while thread.running.load(Ordering::Acquire) != 0 {
        arch::futex_wait(&thread.running, 1, NO_DEADLINE);
    }
    if let Some(threads) = threads().as_mut()
        && let Some(index) = threads.live.iter().position(|live| live.id == id)
    {
        threads.take_back(index);
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn sys_available_parallelism() -> usize {
    1
}
