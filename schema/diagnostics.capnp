@0xc4355e4c4d686b45;
# Kernel introspection, for tests and benchmarks.

interface Diagnostics {
  # Holding a Diagnostics allows reading the kernel's counters and running its self-check. With the right WRITE it
  # allows making single kernel allocations fail, which can affect any process's call; nothing else changes. It does not
  # allow seeing any process's data.

  selfCheck @0 () -> (problems :List(Text));
  # Walks capability tables, derivation trees, queues, page tables and frame counts. Empty: all consistent.

  counters @1 () -> (framesFree :UInt64, framesTotal :UInt64, processes :UInt32, threads :UInt32,
                     capabilities :UInt32, endpoints :UInt32, kernelHeapBytes :UInt64, kernelEntryTsc :UInt64,
                     firstUserTsc :UInt64, idleTsc :UInt64);
  # `kernelEntryTsc` and `firstUserTsc`: time-stamp counter at kernel entry and at the first user instruction.
  # `idleTsc`: its advance while no thread was ready.

  longestStretch @2 () -> (nanoseconds :UInt64, what :Text);
  # The longest time since the last query for which the kernel ran without a preemption point, and a
  # description of what it did. The first call enables the measurement of system calls, which makes each of
  # them slightly slower.

  failAllocations @3 (number :UInt64, count :UInt32) -> (pending :Bool);
  # Needs WRITE. Makes `count` kernel allocations fail, starting with allocation number `number` from now, as if memory
  # were exhausted: heap blocks and frames both count, whichever process causes them. 0: none. `pending`: the first
  # allocation of the previous request had not happened yet.

  clocks @4 () -> (monotonicNanoseconds :UInt64, referenceNanoseconds :UInt64, corrections :UInt32);
  # Two clocks read at the same moment: the monotonic clock, and one that does not depend on the time-stamp counter (the
  # ACPI timer, or else the interval timer), counted from some moment during the kernel's start. `corrections`: how
  # often the monotonic clock was found wrong and corrected. `failed` on a machine without a second clock.
}
