//! Time stamps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use capos_rt::now_ns;
use capos_volume::Clock;

/// Interval between queries of the time of day; in between it is computed from the monotonic clock, which costs
/// no call.
const RECKON_NS: u64 = 1_000_000_000;

/// Nanoseconds since 1970, never decreasing; 0 without the grant "wall-clock".
pub(crate) fn clock() -> Clock {
    if capos_rt::grant::<capos_schema::timer_capnp::wall_clock::Client>(capos_schema::grants::WALL_CLOCK)
        .is_err()
    {
        return Arc::new(|| 0);
    }
    let asked_at = AtomicU64::new(0);
    // Difference between the two clocks.
    let offset = AtomicU64::new(0);
    let latest = AtomicU64::new(0);
    Arc::new(move || {
        let now = now_ns();
        if offset.load(Ordering::Relaxed) == 0 || now - asked_at.load(Ordering::Relaxed) > RECKON_NS {
            let day = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
            offset.store(u64::try_from(day).unwrap_or(u64::MAX).saturating_sub(now), Ordering::Relaxed);
            asked_at.store(now, Ordering::Relaxed);
        }
        let time = offset.load(Ordering::Relaxed).saturating_add(now);
        latest.fetch_max(time, Ordering::Relaxed).max(time)
    })
}
