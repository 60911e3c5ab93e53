//! Telling work from waiting. While nothing runs, virtual time jumps to whatever comes next; so here something always
//! runs, and counts itself.
// Unsafe here: the time-stamp counter has no safe form.

use capos_rt::thread_spawner;
use core::sync::atomic::{AtomicU64, Ordering};

/// Instructions of the thread that runs when nothing else does.
static SPENT: AtomicU64 = AtomicU64::new(0);
/// Two readings of the counter are nearer to each other than this, unless something else ran between them.
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
    // As a function finds it, which has been called.
    thread.set_stack(top as u64 - 8);
    thread.set_priority(LOWEST);
    request.send().promise.await.map(drop)
}

/// Instructions that were spent on nothing so far.
pub(crate) fn spent() -> u64 {
    SPENT.load(Ordering::Relaxed)
}

/// Uses neither thread-local data nor the ring: it has none.
#[expect(unsafe_code, reason = "RDTSC has no safe form")]
extern "C" fn spin() -> ! {
    let mut last = 0;
    let mut spent = 0;
    loop {
        // SAFETY: the process asked for the time page before it started this thread, and may execute RDTSC since.
        let now = unsafe { core::arch::x86_64::_rdtsc() };
        let since = now.wrapping_sub(last);
        if since < NEAR {
            spent += since;
            SPENT.store(spent, Ordering::Relaxed);
        }
        last = now;
    }
}
