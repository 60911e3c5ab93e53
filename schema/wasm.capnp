@0x9553b5278614f18a;
# Running WebAssembly programs.

using Launch = import "launch.capnp";
using Manifest = import "manifest.capnp";
using Console = import "console.capnp";
using File = import "file.capnp";

interface WasmHost {
  # Holding a WasmHost allows starting WebAssembly instances that hold capabilities which the caller
  # passes. It gives no access to instances that others started, nor any capability of the host's own.

  start @0 (spec :InstanceSpec) -> (instance :WasmInstance);
  # Compiles and instantiates a module. Errors: `failed`, naming the module and the import, the grant or the limit.
  # A module that is equal to one that was started before is not compiled again.
}

struct InstanceSpec {
  module :union {
    bytes @0 :Data;
    # The module itself.
    named @1 :Text;
    # One that the boot package holds under this name.
    file @2 :ModuleFile;
    # One in a file. Exceptions and atomic instructions are not rewritten here, nor in `bytes`, as they are in modules of
    # the boot package: a module that has any does not start.
  }
  name @3 :Text;
  # The instance's name in messages.
  launch @4 :Launch.LaunchParameters;
  # Arguments and environment.
  grants @5 :InstanceGrants;
  limits @6 :Manifest.InstanceLimits;
  run @7 :Bool;
  # Call the `_start` export at once and end when that returns. Otherwise the instance waits for `call` until it is killed or
  # released.
  options @8 :InstanceOptions;
}

struct ModuleFile {
  directory @0 :File.Namespace;
  # Only used to read the module.
  path @1 :Data;
}

struct InstanceOptions {
  restart @0 :Manifest.RestartPolicy;
  # With `run`: what follows when it has ended. The limits hold for each run of it.
  trapUnknownImports @1 :Bool;
  # Functions that the host does not know trap when called. Otherwise a module that imports one does not start.
}

struct InstanceGrants {
  stdin @0 :Console.Console;
  stdout @1 :Console.Console;
  stderr @2 :Console.Console;
  # Null streams are closed.
  grants @3 :List(HeldGrant);
  # What the instance holds by name. WASI's clocks and randomness are those that are called "timer", "wall-clock" and
  # "entropy"; what the instance's imports have no words for is held for it all the same, until it ends.
  preopens @4 :List(Preopen);
  # Descriptors from 3 on, in this order.
  stdinFile @5 :File.File;
  # Read from its beginning, if `stdin` is null.
  stdoutFile @6 :File.File;
  # Written at its end, if `stdout` is null.
  stderrFile @7 :File.File;
  # Written at its end, if `stderr` is null.
}

struct HeldGrant {
  name @0 :Text;
  # No two of an instance are the same.
  interfaceId @1 :UInt64;
  # The Cap'n Proto type id of the interface it serves; 0 when its giver does not know.
  capability @2 :AnyPointer;
}

struct Preopen {
  path @0 :Text;
  # The path under which the program knows it.
  directory @1 :File.Namespace;
}

interface WasmInstance {
  # Holding a WasmInstance allows calling its exports, watching it, and ending it. It gives no
  # access to the capabilities that the instance holds.
  # Releasing the last WasmInstance of an instance that has not ended kills it.

  call @0 (function :Text, arguments :List(Value)) -> (results :List(Value));
  # Calls an exported function. Calls on one instance run one after the other.
  # Errors: `failed` for an unknown export or wrong argument types; `disconnected`, with the reason,
  # when the instance has ended or ends during the call.

  wait @1 () -> (end :InstanceEnd);
  # Returns when the instance has ended; at once if it already has.

  kill @2 () -> ();

  use @3 () -> (fuel :UInt64, memoryBytes :UInt64, outputBytes :UInt64);
  # Fuel burnt, linear memory in use, bytes written to the standard streams: by the present or last run.

  restarts @4 () -> (count :UInt32, causes :List(InstanceEnd));
  # How often it was started again, and the ends that were the reason: the last 16 of them, oldest first.

  refusals @5 () -> (refusals :List(Refusal));
  # What it called and lacked a grant for, as far as that may be why it failed.

  grants @6 () -> (grants :List(Launch.NamedGrant));
  # What it holds by name. When it has ended it holds nothing.
}

struct Refusal {
  import @0 :Text;
  # The function.
  capability @1 :Text;
  # What it needs.
  message @2 :Text;
  # Both, and how to grant it, in one line.
}

struct Value {
  union {
    i32 @0 :Int32;
    i64 @1 :Int64;
    f32 @2 :Float32;
    f64 @3 :Float64;
  }
}

struct InstanceEnd {
  union {
    exited @0 :Int32;
    # `proc_exit` with this status, or 0 when `_start` returned.
    trap @1 :Trap;
    outOfFuel @2 :Void;
    outOfMemory @3 :Void;
    # Growth past `memoryBytes`, or the host could not provide the memory.
    outOfTime @4 :Void;
    outOfOutput @5 :Void;
    killed @6 :Void;
    failedToStart @7 :Text;
  }
}

struct Trap {
  message @0 :Text;
  backtrace @1 :List(Text);
  # Innermost first; a frame is a function's name, or its index where the module names none.
}
