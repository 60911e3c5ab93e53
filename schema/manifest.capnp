@0xc7bc04e6d5bb4970;
# The boot package: the output of the host command `capos` for a CUE manifest.

using Launch = import "launch.capnp";
using Process = import "process.capnp";
using Grants = import "grants.capnp";

struct BootPackage {
  manifest @0 :Manifest;
  init @1 :Data;
  # The ELF64 program that the kernel starts, with every singleton capability.
  binaries @2 :List(Binary);
}

struct Binary {
  # The bytes of `image` begin at a multiple of 4096 from the start of the package, so that they can be
  # mapped in place. Padding objects between them ensure that.
  name @0 :Text;
  image @1 :Data;
}

struct Manifest {
  name @0 :Text;
  processes @1 :List(ProcessEntry);
  # Started in this order, but each after those whose exports it is granted.
  exitFrom @2 :Text;
  # The process or instance ("host/instance") whose exit status ends the system. Empty: the system ends
  # when every entry that is not a service has ended, with the first non-zero status in manifest order.
}

struct RestartPolicy {
  # The restart policy after an end.
  union {
    never @0 :Void;
    onFailure @1 :UInt32;
    # Restart after a non-zero status, a trap, a fault or an exceeded limit, at most this many
    # times.
    always @2 :Void;
  }
}

struct ProcessEntry {
  name @0 :Text;
  binary @1 :Text;
  # Names one of `BootPackage.binaries`.
  arguments @2 :List(Text);
  environment @3 :List(Launch.Variable);
  grants @4 :List(GrantEntry);
  limits @5 :Process.Limits;
  executable @6 :Bool;
  # May map sealed memory objects executable.
  exports @7 :List(Text);
  # Endpoints that this process serves, each granted to it under the export's name.
  wasmHost @8 :WasmHostEntry;
  # Set only for a wasm host.
  expectFault @9 :Bool;
  # The process is expected to end by a fault; that is then not a failure.
  restart @10 :RestartPolicy;
  group @11 :Text;
  # Entries with the same group are restarted together: if one has ended and is to be restarted, the others are killed and all
  # are started. Empty: a group of its own.
  isService @12 :Bool;
  # The system does not wait for its end, and its status does not count.
  flush @13 :FlushEntry;
  # Called before the system ends, in reverse start order.
}

struct FlushEntry {
  export @0 :Text;
  # The export of the same entry that serves Flushable; empty for none.
  timeoutNanoseconds @1 :UInt64;
  # Zero: unlimited.
}

struct GrantEntry {
  # A capability of a process or of an instance.
  name @0 :Text;
  # The name under which the holder finds it.
  interfaceId @1 :UInt64;
  # The Cap'n Proto type id of its interface; 0 if the manifest does not state it: then the interface that the holder
  # requests is assumed.
  source :union {
    # The source of the capability.
    wellKnown @2 :Grants.WellKnownGrant;
    export @3 :ExportRef;
    # An endpoint that another process of this manifest serves.
    device @4 :DeviceRef;
    # A PciDevice, for this holder alone.
    held @5 :Text;
    # Only for an instance: what its host process was granted under this name.
  }
  readOnly @6 :Bool;
  # The holder has the right to read and no other, where the source gives more.
}

struct DeviceRef {
  vendor @0 :UInt16;
  devices @1 :List(UInt16);
  # Alternatives; the device must have one of them.
  index @2 :UInt32;
  # Index among the devices with these numbers, counted from 0 in bus order.
}

struct ExportRef {
  process @0 :Text;
  export @1 :Text;
  wanted @2 :AnyPointer;
  # Null: the export itself. Otherwise the export serves Grantor, and this describes the capability to create.
}

struct WasmHostEntry {
  instances @0 :List(InstanceEntry);
  sequence @1 :Bool;
  # Start each instance only after the previous one has ended. Otherwise all run at once.
  exports @2 :Bool;
  # Serve a WasmHost to other processes, under the export name "wasm-host".
  engine @3 :Engine;
}

enum Engine {
  # How an instance's module is run.
  unset @0;
  # In an instance: as its host says.
  interpreter @1;
  compiler @2;
  # As machine code. An instance whose module cannot be compiled does not start.
  auto @3;
  # As machine code when there is some, and interpreted until then and otherwise.
}

struct InstanceEntry {
  name @0 :Text;
  module @1 :Text;
  # Names one of `BootPackage.binaries`.
  arguments @2 :List(Text);
  # Without the program's name, which is prepended.
  environment @3 :List(Launch.Variable);
  grants @4 :List(GrantEntry);
  # Each with the source `held`.
  limits @5 :InstanceLimits;
  preopens @6 :List(Preopen);
  # Descriptors from 3 on, in this order.
  stdin @7 :Stdio;
  stdout @8 :Stdio;
  stderr @9 :Stdio;
  trapUnknownImports @10 :Bool;
  # Unknown imported functions trap when called. Otherwise a module that imports one does not start.
  restart @11 :RestartPolicy;
  invoke @12 :Text;
  # The export that is called instead of `_start`, with the arguments, and whose results are written to standard output;
  # empty for a program.
  argv0 @13 :Text;
  # The program's name, its first argument; if empty, the instance's name.
  engine @14 :Engine;
}

struct Preopen {
  guest @0 :Text;
  # The directory's path as the program sees it.
  grant @1 :Text;
  # The host process's name for the Namespace.
}

struct Stdio {
  # The target of a standard stream.
  union {
    console @0 :Void;
    # The instance's console, if it is granted one; otherwise closed.
    closed @1 :Void;
    pipe @2 :Text;
    # One end of the pipe with this name, between two instances of one host.
    file @3 :StdioFile;
    stream @4 :Void;
    # The console as above, but not a terminal: programs neither prompt on it nor colour their output.
  }
}

struct StdioFile {
  grant @0 :Text;
  # The host process's name for the Namespace.
  path @1 :Text;
  # Path in that Namespace. Output creates the file if it does not exist.
  append @2 :Bool;
  # Append to the file; otherwise its content is replaced.
}

struct InstanceLimits {
  # Zero means the documented default.
  memoryBytes @0 :UInt64;
  # Linear memory, total over all memories of the instance. Default 64 MiB.
  fuel @1 :UInt64;
  # Units over the instance's life. Default: unlimited.
  wallTimeNanoseconds @2 :UInt64;
  # Default: unlimited.
  outputBytes @3 :UInt64;
  # Bytes written to the standard streams. Default: unlimited.
  tableElements @4 :UInt32;
  # Total over all tables. Default 65536.
  stackBytes @5 :UInt64;
  # Stack for nested calls, in bytes of a compiled program's native stack, independent of the engine. Default 512 KiB.
  descriptors @6 :UInt32;
  # Open at once. Default 1024.
}
