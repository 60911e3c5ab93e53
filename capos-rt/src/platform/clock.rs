//! Clocks: monotonic time through "timer", the time of day through "wall-clock".

use super::errno::{fail, from_code};
use super::memory;
use crate::arch;
use crate::bootstrap;
use crate::methods::{TIMER_NOW, TIMER_TIME_PAGE, WALL_CLOCK_NOW};
use crate::ring::SyncBuffer;
use capos_abi::{ErrorCode, Handle, PAGE_SIZE, TimePage};
use capos_schema::grants::{self, WellKnown};
use capos_schema::timer_capnp::{timer, wall_clock};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use hermit_abi::{CLOCK_MONOTONIC, CLOCK_REALTIME, errno, timespec};

const NANOSECONDS: u64 = 1_000_000_000;

static TIME_PAGE: AtomicPtr<TimePage> = AtomicPtr::new(ptr::null_mut());

fn granted(grant: &WellKnown) -> Result<Handle, ErrorCode> {
    match bootstrap::get().and_then(|bootstrap| bootstrap.find(grant.name)) {
        Some((handle, found)) if found == grant.interface_id => Ok(handle),
        _ => Err(ErrorCode::MissingRights),
    }
}

/// Nanoseconds since the kernel started.
///
/// # Errors
/// [`ErrorCode::MissingRights`] without the grant "timer".
pub(crate) fn monotonic_ns() -> Result<u64, ErrorCode> {
    let page = TIME_PAGE.load(Ordering::Acquire);
    if page.is_null() {
        return first_monotonic_ns();
    }
    // SAFETY: the pointer is set once, to the mapped time page, whose holder may read the counter.
    Ok(unsafe { (*page).nanoseconds(|| arch::read_time_stamp()) })
}

#[cold]
fn first_monotonic_ns() -> Result<u64, ErrorCode> {
    let timer = granted(&grants::TIMER)?;
    if let Ok(reply) = SyncBuffer::<8, 16>::new().call(timer, TIMER_TIME_PAGE, None, |root| {
        root.init_as::<timer::time_page_params::Builder<'_>>();
    }) {
        let address = memory::map_read_only(reply.capability, PAGE_SIZE as usize)?;
        let page: *mut TimePage = ptr::with_exposed_provenance_mut(address);
        // SAFETY: the page is mapped and holds a `TimePage`; its version field tells whether the layout
        // matches.
        if unsafe { (*page).version.load(Ordering::Relaxed) } == TimePage::VERSION {
            TIME_PAGE.store(page, Ordering::Release);
            return monotonic_ns();
        }
    }
    let mut buffer = SyncBuffer::<8, 16>::new();
    let reply = buffer.call(timer, TIMER_NOW, None, |root| {
        root.init_as::<timer::now_params::Builder<'_>>();
    })?;
    reply
        .read(|root| Ok(root.get_as::<timer::now_results::Reader<'_>>()?.get_nanoseconds()))
        .ok_or(ErrorCode::BadMessage)
}

fn wall_clock() -> Result<timespec, ErrorCode> {
    let clock = granted(&grants::WALL_CLOCK)?;
    let mut buffer = SyncBuffer::<8, 16>::new();
    let reply = buffer.call(clock, WALL_CLOCK_NOW, None, |root| {
        root.init_as::<wall_clock::now_params::Builder<'_>>();
    })?;
    reply
        .read(|root| {
            let now = root.get_as::<wall_clock::now_results::Reader<'_>>()?;
            Ok(timespec {
                tv_sec: i64::try_from(now.get_seconds()).unwrap_or(i64::MAX),
                tv_nsec: i32::try_from(now.get_nanoseconds()).unwrap_or(0),
            })
        })
        .ok_or(ErrorCode::BadMessage)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_clock_gettime(clock: i32, time: *mut timespec) -> i32 {
    let now = match clock {
        CLOCK_MONOTONIC => monotonic_ns()
            .map(|now| timespec { tv_sec: (now / NANOSECONDS) as i64, tv_nsec: (now % NANOSECONDS) as i32 }),
        CLOCK_REALTIME => wall_clock(),
        _ => return fail(errno::EINVAL),
    };
    match now {
        Ok(now) => {
            // SAFETY: the caller passes space for a timespec.
            unsafe { time.write(now) };
            0
        }
        Err(code) => fail(from_code(code)),
    }
}
