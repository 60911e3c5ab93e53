@0xd8a3be5cf0517a92;
# The grants whose source is the system itself. Their names, their fields in manifests and their interfaces are
# generated from this list for the kernel, init, the runtime, the WebAssembly host and the host command.

annotation serves @0xe1c79b0482d63f15 (enumerant) :Text;
# The name of the capability's interface.

enum WellKnownGrant {
  # The field that grants it in a manifest. Its holder finds it under the same words joined by "-": `wallClock` is
  # "wall-clock".

  console @0 $serves("Console");
  # The console that the manifest's `console` selects: input and both outputs.
  log @1 $serves("Console");
  # A write-only Console whose output goes to the system log.
  timer @2 $serves("Timer");
  wallClock @3 $serves("WallClock");
  entropy @4 $serves("EntropySource");
  processSpawner @5 $serves("ProcessSpawner");
  power @6 $serves("Power");
  bootPackage @7 $serves("MemoryObject");
  # The boot package as a read-only, executable MemoryObject.
  diagnostics @8 $serves("Diagnostics");
  pciBus @9 $serves("PciBus");
  codeFactory @10 $serves("CodeFactory");
}
