//! Separates work from waiting. When no thread runs, virtual time jumps to the next event; so here a thread always
//! runs, and counts its own instructions.
// Unsafe here: the time-stamp counter has no safe form.

use capos_rt::thread_spawner;
use core::sync::atomic::{AtomicU64, Ordering};

/// Instructions of the idle thread.
static SPENT: AtomicU64 = AtomicU64::new(0);
/// Two consecutive readings of the counter are closer than this, unless another thread ran in between.
const NEAR: u64 = 40;
const STACK_BYTES: usize = 4096;
const LOWEST: u8 = 1;

/// Starts the thread.
pub(crate) async fn fill() -> capnp::Result<()> {
    let stack: &'static mut [u128] = vec![0; STACK_BYTES / size_of::<u128>()].leak();
    let top = stack.as_mut_ptr_range().end;
    let mut request = thread_spawner().spawn_request();
    let mut thread = request.get();
    thread.set_entry(spin as *const () as u64);
    // The stack alignment at a function's entry.
    thread.set_stack(top as u64 - 8);
    thread.set_priority(LOWEST);
    request.send().promise.await.map(drop)
}

/// Instructions spent idle so far.
pub(crate) fn spent() -> u64 {
    SPENT.load(Ordering::Relaxed)
}

/// Uses neither thread-local data nor the ring: the thread has no runtime state.
#[expect(unsafe_code, reason = "RDTSC has no safe form")]
extern "C" fn spin() -> ! {
    let mut last = 0;
    let mut spent = 0;
    loop {
        // SAFETY: the process requested the time page before it started this thread, so it may execute RDTSC.
        let now = unsafe { core::arch::x86_64::_rdtsc() };
        let since = now.wrapping_sub(last);
        if since < NEAR {
            spent += since;
            SPENT.store(spent, Ordering::Relaxed);
        }
        last = now;
    }
}
