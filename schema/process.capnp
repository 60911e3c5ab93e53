@0xb00c884cf9768f2e;
# Processes and threads.

using Memory = import "memory.capnp";

struct Limits {
  # Resource limits of a process. Zero means the documented default.
  frames @0 :UInt32;
  # 4 KiB frames, page tables included. Default 16384 (64 MiB).
  capabilitySlots @1 :UInt32;
  # Default 256.
  threads @2 :UInt32;
  # Default 16.
  priority @3 :UInt8;
  # 1 (lowest) to 31 (highest); at most the spawner's own priority. Default 8.
}

struct Grant {
  # One capability that the new process starts with. Its name and interface travel in
  # `launchParameters`, in the same order; the kernel does not read them.
  capability @0 :AnyPointer;
  rights @1 :UInt32;
  # Bits of `capos_abi::Rights`; the new capability has these, limited to the original's.
}

interface ProcessSpawner {
  # Holding a ProcessSpawner allows starting processes with capabilities that the holder has. It
  # does not allow reaching processes that the holder did not start.

  spawn @0 (image :Memory.MemoryObject, imageOffset :UInt64, imageLength :UInt64,
            name :Text, launchParameters :Data, grants :List(Grant), limits :Limits,
            executable :Bool) -> (process :Process);
  # Starts a static ELF64 program found in `image`. `launchParameters` is a `LaunchParameters` message that
  # appears read-only in the new process. Every process also gets, in addition to the grants, its own
  # VirtualMemory (with EXECUTE only if `executable` is set and the spawner may grant it), ThreadSpawner and
  # EndpointFactory. `image` must be sealed, and its capability have READ and EXECUTE; code is mapped in place from
  # it. Errors: `failed` with the reason for a bad image or grant, `overloaded` for an exhausted budget.
}

struct ExitCause {
  union {
    exited @0 :Int32;
    # The program exited with this status.
    killed @1 :Void;
    # A holder of the Process called `kill`.
    fault @2 :Fault;
    # A processor fault without a handler.
    outOfMemory @3 :Fault;
    # A page was touched and no frame was available: `usedUp` says whose limit was reached.
  }
  usedUp @4 :UsedUp;
}

enum UsedUp {
  budget @0;
  # The frame budget of the process.
  machine @1;
  # The memory of the machine; the process was within its budget.
}

struct Fault {
  vector @0 :UInt8;
  # The x86 exception number.
  errorCode @1 :UInt32;
  address @2 :UInt64;
  # The address that was accessed (page faults), otherwise 0.
  instructionPointer @3 :UInt64;
}

struct ResourceUse {
  frames @0 :UInt32;
  framesPeak @1 :UInt32;
  capabilitySlots @2 :UInt32;
  threads @3 :UInt32;
  cpuNanoseconds @4 :UInt64;
}

interface Process {
  # Holding a Process allows waiting for its end, reading its resource use, and ending it. It gives
  # no access to its memory or its capabilities.

  wait @0 () -> (cause :ExitCause);
  # Returns when the process has ended; at once if it already has.

  kill @1 () -> ();
  # Ends the process. The cause becomes `killed` unless it had already ended.

  resourceUse @2 () -> (use :ResourceUse);
}

interface ThreadSpawner {
  # Holding a ThreadSpawner allows creating threads in the one process it belongs to, within its
  # budget, and setting that process's fault handler.

  spawn @0 (entry :UInt64, stack :UInt64, argument :UInt64, threadPointer :UInt64,
            priority :UInt8) -> (threadId :UInt32, ring :UInt64);
  # Starts a thread at `entry` with RSP = `stack`, FS base = `threadPointer`, RDI = the address of
  # its own new ring and RSI = `argument`. `priority` 0 means the caller's.

  setFaultHandler @1 (entry :UInt64) -> ();
  # Faults of this process's threads enter at `entry` (see docs/abi.md). 0 removes the handler.

  setFaultStack @2 (stack :UInt64, length :UInt64) -> ();
  # The stack on which the calling thread's faults are handled. Without one, the handler runs on the
  # faulting thread's own stack below its red zone.
}
