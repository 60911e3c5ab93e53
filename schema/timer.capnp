@0x82a66dab8bbaa1ba;
# Time: the monotonic clock, waiting on it, and the time of day.

using Memory = import "memory.capnp";

interface Timer {
  # Holding a Timer allows reading the monotonic clock and sleeping. It does not reveal the time of
  # day. A process that never held a Timer cannot read the processor's time-stamp counter either.

  now @0 () -> (nanoseconds :UInt64);
  # Nanoseconds since the kernel started. Never decreases.

  sleepUntil @1 (nanoseconds :UInt64) -> ();
  # Returns once `now` has reached `nanoseconds`; at once if it already has.

  timePage @2 () -> (page :Memory.MemoryObject);
  # A read-only page from which `now` can be computed without a call (layout: `capos_abi::TimePage`).
  # Also lets the calling process execute RDTSC.
}

interface WallClock {
  # Holding a WallClock allows reading the time of day. It does not allow setting it or waiting on it.

  now @0 () -> (seconds :UInt64, nanoseconds :UInt32);
  # Seconds since 1970-01-01T00:00:00Z and nanoseconds within the second (0 to 999 999 999).

  resolution @1 () -> (nanoseconds :UInt64);
  # The resolution of `now`.
}
