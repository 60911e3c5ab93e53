@0xc4355e4c4d686b45;
# Looking into the kernel, for tests and benchmarks.

interface Diagnostics {
  # Holding a Diagnostics allows counting what the kernel holds and asking it to check itself. With the right WRITE it
  # allows making single allocations of the kernel fail, which anybody's call may meet; nothing else changes. It does not
  # allow seeing any process's data.

  selfCheck @0 () -> (problems :List(Text));
  # Walks capability tables, derivation trees, queues, page tables and frame counts. Empty: all consistent.

  counters @1 () -> (framesFree :UInt64, framesTotal :UInt64, processes :UInt32, threads :UInt32,
                     capabilities :UInt32, endpoints :UInt32, kernelHeapBytes :UInt64, kernelEntryTsc :UInt64,
                     firstUserTsc :UInt64, idleTsc :UInt64);
  # `kernelEntryTsc` and `firstUserTsc`: time-stamp counter when the kernel was entered and when the first user
  # instruction ran. `idleTsc`: how far it advanced while no thread was ready.

  longestStretch @2 () -> (nanoseconds :UInt64, what :Text);
  # The longest time, since this was last asked, that the kernel was busy without looking for something else to
  # run, and in words what it did. The first call turns on the measuring of system calls, which makes each
  # of them a little slower.

  failAllocations @3 (number :UInt64, count :UInt32) -> (pending :Bool);
  # Needs WRITE. Makes `count` of the kernel's allocations fail, from the one that comes as number `number` from now on, as
  # if memory were used up: blocks of its heap and frames count alike, whoever caused them. 0: none. `pending`: the first of
  # those that were to fail before had not come yet.

  clocks @4 () -> (monotonicNanoseconds :UInt64, referenceNanoseconds :UInt64, corrections :UInt32);
  # Two clocks read at the same moment: the monotonic clock, and one that does not depend on the time-stamp counter (the
  # ACPI timer, else the interval timer), counted from some moment during the start of the kernel. `corrections`: how
  # often the monotonic clock was found wrong and put right. `failed` on a machine with no second clock.
}
