@0x9553b5278614f18a;
# Running WebAssembly programs.

using Launch = import "launch.capnp";
using Manifest = import "manifest.capnp";
using Console = import "console.capnp";
using File = import "file.capnp";

interface WasmHost {
  # Holding a WasmHost allows starting WebAssembly instances with capabilities that the caller passes.
  # It gives no access to instances that others started, nor to any capability of the host itself.

  start @0 (spec :InstanceSpec) -> (instance :WasmInstance);
  # Compiles and instantiates a module. Errors: `failed`, with the module and the import, grant or limit at fault.
  # A module identical to one that was started before is not compiled again.
}

struct InstanceSpec {
  module :union {
    bytes @0 :Data;
    # The module itself.
    named @1 :Text;
    # A module of the boot package, by name.
    file @2 :ModuleFile;
    # A module in a file. Exceptions and atomic instructions are rewritten only in modules of the boot package: a module
    # given here or in `bytes` that has any does not start.
  }
  name @3 :Text;
  # The instance's name in messages.
  launch @4 :Launch.LaunchParameters;
  # Arguments and environment.
  grants @5 :InstanceGrants;
  limits @6 :Manifest.InstanceLimits;
  run @7 :Bool;
  # Call the `_start` export at once and end when it returns. Otherwise the instance waits for `call` until it is killed
  # or released.
  options @8 :InstanceOptions;
}

struct ModuleFile {
  directory @0 :File.Namespace;
  # Only used to read the module.
  path @1 :Data;
}

struct InstanceOptions {
  restart @0 :Manifest.RestartPolicy;
  # With `run`: the restart policy after its end. The limits apply to each run.
  trapUnknownImports @1 :Bool;
  # Unknown imported functions trap when called. Otherwise a module that imports one does not start.
  engine @2 :Manifest.Engine;
  # How the module is run; if unset, as the host's entry says. A host that was not started for compiled code refuses
  # `compiler`, and interprets with `auto`.
}

struct InstanceGrants {
  stdin @0 :Console.Console;
  stdout @1 :Console.Console;
  stderr @2 :Console.Console;
  # Null streams are closed.
  grants @3 :List(HeldGrant);
  # The instance's capabilities by name. WASI's clocks and randomness are those named "timer", "wall-clock" and
  # "entropy". A capability that the instance's imports cannot express is held for it until it ends.
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
  # Unique within an instance.
  interfaceId @1 :UInt64;
  # The Cap'n Proto type id of its interface; 0 if the granter does not know it.
  capability @2 :AnyPointer;
}

struct Preopen {
  path @0 :Text;
  # The directory's path as the program sees it.
  directory @1 :File.Namespace;
}

interface WasmInstance {
  # Holding a WasmInstance allows calling its exports, observing it, and ending it. It gives no
  # access to the capabilities that the instance holds. Releasing the last WasmInstance of an
  # instance that has not ended kills it.

  call @0 (function :Text, arguments :List(Value)) -> (results :List(Value));
  # Calls an exported function. Calls on one instance are serialised. Errors: `failed` for an
  # unknown export or wrong argument types; `disconnected`, with the reason, if the instance has
  # ended or ends during the call.

  wait @1 () -> (end :InstanceEnd);
  # Returns when the instance has ended; at once if it already has.

  kill @2 () -> ();

  use @3 () -> (fuel :UInt64, memoryBytes :UInt64, outputBytes :UInt64);
  # Fuel used, linear memory in use, bytes written to the standard streams: by the present or last run.

  restarts @4 () -> (count :UInt32, causes :List(InstanceEnd));
  # The number of restarts and their causes: the last 16 of them, oldest first.

  refusals @5 () -> (refusals :List(Refusal));
  # The calls that lacked a grant, as far as that may be why the instance failed.

  grants @6 () -> (grants :List(Launch.NamedGrant));
  # The capabilities it holds, by name. After its end there are none.
}

struct Refusal {
  import @0 :Text;
  # The called function.
  capability @1 :Text;
  # The capability it needs.
  message @2 :Text;
  # Both, with the way to grant it, in one line.
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
    # `memory.grow` exceeded `memoryBytes`, or the host could not provide the memory.
    outOfTime @4 :Void;
    outOfOutput @5 :Void;
    killed @6 :Void;
    failedToStart @7 :Text;
  }
}

struct Trap {
  message @0 :Text;
  backtrace @1 :List(Text);
  # Innermost first; a frame is a function's name, or its index if the module has no names.
}
