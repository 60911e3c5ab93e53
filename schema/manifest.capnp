@0xc7bc04e6d5bb4970;
# The boot package: what the host command `capos` makes of a CUE manifest.

using Launch = import "launch.capnp";
using Process = import "process.capnp";
using File = import "file.capnp";
using Grants = import "grants.capnp";

struct BootPackage {
  manifest @0 :Manifest;
  init @1 :Data;
  # The ELF64 program that the kernel starts, with every singleton capability.
  binaries @2 :List(Binary);
}

struct Binary {
  # The bytes of `image` begin at a multiple of 4096 from the start of the package, so that they can be
  # mapped where they lie. Padding objects between them make it so.
  name @0 :Text;
  image @1 :Data;
}

struct Manifest {
  name @0 :Text;
  processes @1 :List(ProcessEntry);
  # Started in this order.
  exitFrom @2 :Text;
  # The process or instance ("host/instance") whose exit status ends the system. Empty: the system ends
  # when every entry has ended, with the first non-zero status in manifest order.
  volumes @3 :List(VolumeEntry);
  # Each served by a process of its own, started before the others.
  console @4 :ConsoleLine;
}

enum ConsoleLine {
  # What the consoles that processes and instances are granted are connected to.
  serial @0;
  # The first serial port, as it is: one output, and a byte that ends the input. The kernel's own Console.
  virtio @1;
  # The first virtio console. The host command is at its other end, and the streams are apart.
  framedSerial @2;
  # The first serial port, with the host command at its other end, and the streams apart.
}

struct VolumeEntry {
  name @0 :Text;
  union {
    ram @1 :UInt64;
    # Empty at the start, this many bytes at most, gone at the end.
    packed @2 :Text;
    # Names one of `BootPackage.binaries`: a volume image, which is not changed.
    disk @3 :UInt32;
    # The virtio disk with this number, counted from 0 in bus order.
  }
  readOnly @4 :Bool;
  limits @5 :Process.Limits;
  # Of the process that serves the volume.
  restart @6 :RestartPolicy;
  # What follows when that process, or the driver of its disk, has ended: both are started again.
}

struct NamespaceRef {
  # A directory of a volume, as a grant.
  volume @0 :Text;
  path @1 :Text;
  rights @2 :File.Rights;
  create @3 :Bool;
  # Make the directory, and those above it, if it is not there.
  quota @4 :File.Quota;
}

struct RestartPolicy {
  # What follows when something has ended.
  union {
    never @0 :Void;
    onFailure @1 :UInt32;
    # Start it again when it did not end with status 0, at most this many times.
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
  # May make pages executable.
  exports @7 :List(Text);
  # Endpoints that this process serves, each granted to it under its name.
  wasmHost @8 :WasmHostEntry;
  # Set only for a wasm host.
  expectFault @9 :Bool;
  # The process is meant to end by a fault; that is then not a failure.
  restart @10 :RestartPolicy;
}

struct GrantEntry {
  # A capability of a process or of an instance.
  name @0 :Text;
  # The name the holder asks for.
  interfaceId @1 :UInt64;
  # The Cap'n Proto type id of the interface it serves; 0 where the manifest does not say: the holder's word is taken.
  source :union {
    # Where it comes from.
    wellKnown @2 :Grants.WellKnownGrant;
    export @3 :ExportRef;
    # An endpoint that another process of this manifest serves.
    directory @4 :NamespaceRef;
    # A Namespace.
    disk @5 :UInt32;
    # The virtio disk with this number, counted from 0 in bus order, as a BlockDevice that a driver process serves.
    device @6 :DeviceRef;
    # A PciDevice, for this holder alone.
    held @7 :Text;
    # Only for an instance: what its host process was granted under this name.
  }
}

struct DeviceRef {
  vendor @0 :UInt16;
  devices @1 :List(UInt16);
  # Any of which the device may have.
  index @2 :UInt32;
  # Its place among the devices with these numbers, counted from 0 in bus order.
}

struct ExportRef {
  process @0 :Text;
  export @1 :Text;
}

struct WasmHostEntry {
  instances @0 :List(InstanceEntry);
  sequence @1 :Bool;
  # Start an instance only when the one before it has ended. Otherwise all run at once.
  exports @2 :Bool;
  # Serve a WasmHost to other processes, under the export name "wasm-host".
}

struct InstanceEntry {
  name @0 :Text;
  module @1 :Text;
  # Names one of `BootPackage.binaries`.
  arguments @2 :List(Text);
  # Without the program's name, which is put first.
  environment @3 :List(Launch.Variable);
  grants @4 :List(GrantEntry);
  # Each of the source `held`.
  limits @5 :InstanceLimits;
  preopens @6 :List(Preopen);
  # Descriptors from 3 on, in this order.
  stdin @7 :Stdio;
  stdout @8 :Stdio;
  stderr @9 :Stdio;
  trapUnknownImports @10 :Bool;
  # Functions that the host does not know trap when called. Otherwise a module that imports one does not start.
  restart @11 :RestartPolicy;
  invoke @12 :Text;
  # The export that is called in place of `_start`, with the arguments, and whose results are written to standard output;
  # empty for a program.
  argv0 @13 :Text;
  # The program's name, its first argument; the instance's when there is none.
}

struct Preopen {
  guest @0 :Text;
  # The path under which the program knows it.
  grant @1 :Text;
  # The name under which the host process was granted the Namespace.
}

struct Stdio {
  # What a standard stream is.
  union {
    console @0 :Void;
    # The instance's console, if it is granted one; otherwise closed.
    closed @1 :Void;
    pipe @2 :Text;
    # One end of the pipe with this name, between two instances of one host.
    file @3 :StdioFile;
    stream @4 :Void;
    # The console as above, but no terminal: programs neither prompt on it nor colour what they write.
  }
}

struct StdioFile {
  grant @0 :Text;
  # The name under which the host process was granted a Namespace.
  path @1 :Text;
  # In that Namespace. Output makes the file if there is none.
  append @2 :Bool;
  # Output goes after what the file holds; otherwise it replaces that.
}

struct InstanceLimits {
  # Zero means the documented default.
  memoryBytes @0 :UInt64;
  # Linear memory, all memories of the instance together. Default 64 MiB.
  fuel @1 :UInt64;
  # Units over the instance's life. Default: unlimited.
  wallTimeNanoseconds @2 :UInt64;
  # Default: unlimited.
  outputBytes @3 :UInt64;
  # Bytes written to the standard streams. Default: unlimited.
  tableElements @4 :UInt32;
  # All tables together. Default 65536.
  stackBytes @5 :UInt64;
  # Room for nested calls, in bytes of the stack that a compiled program would have, whatever the engine. Default 512 KiB.
  descriptors @6 :UInt32;
  # Open at once. Default 1024.
}
