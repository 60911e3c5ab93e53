//! `clock_*`: the monotonic clock of the Timer, the time of day of the WallClock.

use super::{Context, Errno, GuestMemory, Stop, memory::place_u64};
use crate::{
    account::{Control, Missing},
    resources::{Clocks, FastClock},
};
use std::rc::Rc;

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

/// A monotonic clock that is read without a call, for calls that need no more: they are answered without the instance's task.
pub(super) struct PromptClock {
    clock: Option<FastClock>,
    control: Rc<Control>,
}

impl PromptClock {
    pub(super) fn of(context: &Context) -> Self {
        Self { clock: context.clocks.fast_clock(), control: context.control.clone() }
    }

    /// Does as [`time_get`] in the guest's `memory`. `None`, and nothing is done, if that needs more than the clock or fails.
    #[inline]
    pub(super) fn time_get(&self, memory: &mut [u8], id: u32, time: u32) -> Option<()> {
        let clock = self.clock.as_ref()?;
        // A call that succeeds counts when something was refused before.
        if ClockId::decode(id) != Ok(ClockId::Monotonic) || self.control.lacks_something() {
            return None;
        }
        *place_u64(memory, time)? = clock().to_le_bytes();
        Some(())
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
