//! A lock for data shared by CPUs. The kernel runs with interrupts off, so a CPU that finds a lock taken waits
//! for another CPU, never for itself; taking a lock twice is a bug that panics.

use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicU32, Ordering},
};

const FREE: u32 = u32::MAX;

/// A value accessible to one CPU at a time.
pub struct Lock<T> {
    owner: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: `owner` gives one CPU at a time access to the value, and the value may move between CPUs.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// An unlocked lock around `value`.
    pub const fn new(value: T) -> Self {
        Self { owner: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Waits until no other CPU holds the lock and takes it.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Guard<'_, T> {
        let me = super::cpu_index();
        while let Err(owner) = self.owner.compare_exchange(FREE, me, Ordering::Acquire, Ordering::Relaxed) {
            assert!(owner != me, "a CPU takes a lock that it holds");
            core::hint::spin_loop();
        }
        Guard { lock: self }
    }

    /// Like [`Self::lock`], but returns `None` if this CPU holds the lock: for reports of a failed kernel.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        let is_mine = self.owner.load(Ordering::Relaxed) == super::cpu_index();
        if is_mine { None } else { Some(self.lock()) }
    }
}

/// Access to the value of a [`Lock`]; dropping it releases the lock.
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard's CPU owns the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard's CPU owns the lock, and the guard is borrowed uniquely.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.owner.store(FREE, Ordering::Release);
    }
}
