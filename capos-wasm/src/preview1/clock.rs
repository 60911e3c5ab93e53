//! `clock_*`: the monotonic clock of the Timer, the time of day of the WallClock.

use super::{Context, Errno, GuestMemory, Stop};
use crate::{account::Missing, resources::Clocks};

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
    /// The clocks of an instance that was granted a Timer.
    pub(super) fn timer(&self) -> Result<&Clocks, Errno> {
        self.clocks_with(self.clocks.has_timer(), Missing::Timer)
    }

    /// The clocks of an instance that was granted a WallClock.
    fn wall_clock(&self) -> Result<&Clocks, Errno> {
        self.clocks_with(self.clocks.has_wall_clock(), Missing::WallClock)
    }

    fn clocks_with(&self, granted: bool, missing: Missing) -> Result<&Clocks, Errno> {
        if !granted {
            self.refuse(missing);
            return Err(Errno::Nosys);
        }
        Ok(&self.clocks)
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
            let clocks = context.wall_clock()?;
            memory.check_u64(resolution)?;
            clocks.wall_clock_resolution_ns().await?
        }
        ClockId::CpuTime => return Err(Errno::Badf.into()),
    };
    Ok(memory.write_u64(resolution, nanoseconds)?)
}

/// `clock_time_get`: the value of a clock in nanoseconds. The requested precision is ignored.
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
    Ok(context.timer()?.monotonic_ns().await?)
}

/// Nanoseconds since 1970-01-01T00:00:00Z.
pub(super) async fn realtime_ns(context: &Context) -> Result<u64, Errno> {
    Ok(context.wall_clock()?.wall_clock_ns().await?)
}
