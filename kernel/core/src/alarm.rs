//! A thread's alarm: a time at which it is to be taken out of its program, once.

use capos_abi::NO_DEADLINE;

/// The requirement of an alarm when its thread is about to run, or runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Demand {
    /// Nothing: it is off.
    Nothing,
    /// The timer must interrupt at this time.
    Timer(u64),
    /// It has to be delivered: the time has come.
    Delivery,
}

/// The alarm of a thread. It is examined only when its thread runs or is about to, so it needs no place in a queue.
#[derive(Clone, Copy, Debug)]
pub struct Alarm {
    /// [`NO_DEADLINE`] while it is off.
    deadline_ns: u64,
}

impl Alarm {
    /// No alarm.
    pub const OFF: Self = Self { deadline_ns: NO_DEADLINE };

    /// An alarm at a time; with [`NO_DEADLINE`] none.
    #[must_use]
    #[inline]
    pub const fn at(deadline_ns: u64) -> Self {
        Self { deadline_ns }
    }

    /// Its time; [`NO_DEADLINE`] while it is off.
    #[must_use]
    #[inline]
    pub const fn deadline_ns(self) -> u64 {
        self.deadline_ns
    }

    /// Whether it is set.
    #[must_use]
    #[inline]
    pub const fn is_set(self) -> bool {
        self.deadline_ns != NO_DEADLINE
    }

    /// Returns its requirement. The clock is read only if it is set.
    #[inline]
    pub fn demand(self, now_ns: impl FnOnce() -> u64) -> Demand {
        match self.deadline_ns {
            NO_DEADLINE => Demand::Nothing,
            deadline_ns if deadline_ns <= now_ns() => Demand::Delivery,
            deadline_ns => Demand::Timer(deadline_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_due_from_its_deadline_on() {
        assert_eq!(Alarm::at(100).demand(|| 99), Demand::Timer(100));
        assert_eq!(Alarm::at(100).demand(|| 100), Demand::Delivery);
        assert_eq!(Alarm::at(0).demand(|| 0), Demand::Delivery);
        assert_eq!(Alarm::at(u64::MAX - 1).demand(|| 100), Demand::Timer(u64::MAX - 1));
    }

    #[test]
    fn no_deadline_is_no_alarm() {
        assert!(!Alarm::OFF.is_set() && !Alarm::at(NO_DEADLINE).is_set() && Alarm::at(0).is_set());
        assert_eq!(Alarm::OFF.demand(|| unreachable!("the clock is not needed")), Demand::Nothing);
    }
}
