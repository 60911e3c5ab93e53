//! `clock_*`: the monotonic clock of the Timer, the time of day of the WallClock.

use super::{Context, Errno, GuestMemory, Stop, refusal::Missing};
use capos_schema::timer_capnp::{timer, wall_clock};

/// The clocks of Preview 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockId {
    Realtime,
    Monotonic,
    /// Processor time of the process or the thread: no capability grants it.
    CpuTime,
}

impl ClockId {
    pub(super) fn decode(id: u32) -> Result<Self, Errno> {
        match id {
            0 => Ok(Self::Realtime),
            1 => Ok(Self::Monotonic),
            2 | 3 => Ok(Self::CpuTime),
            _ => Err(Errno::Inval),
        }
    }
}

impl Context {
    /// The Timer, if it was granted.
    pub(super) fn timer(&self) -> Result<&timer::Client, Errno> {
        self.timer.as_ref().ok_or_else(|| {
            self.refuse(Missing::Timer);
            Errno::Nosys
        })
    }

    fn wall_clock(&self) -> Result<&wall_clock::Client, Errno> {
        self.wall_clock.as_ref().ok_or_else(|| {
            self.refuse(Missing::WallClock);
            Errno::Nosys
        })
    }
}

/// `clock_res_get`: the resolution of a clock in nanoseconds.
pub(super) async fn res_get(
    context: &mut Context,
    memory: &GuestMemory,
    id: u32,
    resolution: u32,
) -> Result<(), Stop> {
    let nanoseconds = match ClockId::decode(id)? {
        // The Timer's unit.
        ClockId::Monotonic => context.timer().map(|_timer| 1)?,
        ClockId::Realtime => {
            let clock = context.wall_clock()?;
            memory.check_u64(resolution)?;
            let response = clock.resolution_request().send().promise.await;
            let response = response.map_err(Errno::from_capability)?;
            response.get().map_err(Errno::from_capability)?.get_nanoseconds()
        }
        ClockId::CpuTime => return Err(Errno::Badf.into()),
    };
    Ok(memory.write_u64(resolution, nanoseconds)?)
}

/// `clock_time_get`: the value of a clock in nanoseconds. The precision asked for changes nothing.
pub(super) async fn time_get(
    context: &mut Context,
    memory: &GuestMemory,
    id: u32,
    _precision: u64,
    time: u32,
) -> Result<(), Stop> {
    let nanoseconds = match ClockId::decode(id)? {
        ClockId::Monotonic => monotonic_ns(context).await?,
        ClockId::Realtime => realtime_ns(context).await?,
        ClockId::CpuTime => return Err(Errno::Badf.into()),
    };
    Ok(memory.write_u64(time, nanoseconds)?)
}

/// Nanoseconds since the system started.
pub(super) async fn monotonic_ns(context: &Context) -> Result<u64, Errno> {
    if let Some(clock) = &context.fast_clock {
        return Ok(clock());
    }
    let timer = context.timer()?;
    let response = timer.now_request().send().promise.await;
    let response = response.map_err(Errno::from_capability)?;
    Ok(response.get().map_err(Errno::from_capability)?.get_nanoseconds())
}

/// Nanoseconds since 1970-01-01T00:00:00Z.
pub(super) async fn realtime_ns(context: &Context) -> Result<u64, Errno> {
    let clock = context.wall_clock()?;
    let response = clock.now_request().send().promise.await;
    let response = response.map_err(Errno::from_capability)?;
    let now = response.get().map_err(Errno::from_capability)?;
    let whole = now.get_seconds().checked_mul(1_000_000_000);
    let time = whole.and_then(|whole| whole.checked_add(now.get_nanoseconds().into()));
    time.ok_or(Errno::Overflow)
}
