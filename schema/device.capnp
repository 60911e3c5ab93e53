@0x9d1f6b07c2a84e53;
# Devices on PCI buses, for processes that drive them.

using Memory = import "memory.capnp";

interface PciBus {
  # Holding a PciBus allows reading which PCI devices the machine has, and opening those that are not open. It does not
  # allow taking a device from its holder.

  header @0 (address :UInt16) -> (bytes :Data);
  # The first 64 bytes of the configuration space of the function at an address: bus, device and function in 8, 5 and 3
  # bits. Empty if there is none. Needs READ. `libs/pci` finds all functions with it.

  open @1 (address :UInt16) -> (device :PciDevice);
  # Opens a function, for one holder at a time. It decodes its memory, is not a bus master, and has no interrupt
  # enabled. When the last capability to it is gone, everything obtained from it is gone too: bus mastering and
  # interrupts are disabled and its registers are unmapped everywhere; then it can be opened again. Errors:
  # `overloaded` if it is open; `failed` if it does not exist, or is a part of the machine such as a bridge.
}

interface PciDevice {
  # Holding a PciDevice allows driving one PCI function. Its power over others is that of the device: a bus master
  # reads and writes any memory of the machine whose address its driver gives it, because no IOMMU is programmed. A
  # holder is trusted with that. It does not allow accessing other devices' registers, relocating this device's
  # registers, or choosing the processor vectors of its interrupts.

  config @0 () -> (bytes :Data, masks :List(UInt32));
  # The first 256 bytes of its configuration space, current values; and what its six base address registers read after
  # all ones were written to them, which tells their lengths. Needs READ; the other methods need WRITE.

  registers @1 (bar :UInt8, offset :UInt64, length :UInt64) -> (memory :Memory.MemoryObject);
  # A range of its registers, for mapping; uncached, never executable. Offset and length are multiples of the page size.
  # System calls refuse addresses in it. Errors: `failed` for a range that is not entirely memory of this device, or
  # that touches a page of the table of its message-signalled interrupts (MSI-X), which the kernel manages.

  interrupt @2 (entry :UInt16) -> (interrupt :Interrupt);
  # Routes an entry of its MSI-X table to the new Interrupt, which has one holder at a time. The first 16 entries can be
  # used. Errors: `overloaded` if the entry or all of the machine's vectors are in use, `failed` if there is no such
  # entry.

  allocateDma @3 (length :UInt64) -> (memory :Memory.MemoryObject, address :UInt64);
  # Contiguous zeroed memory at the physical address `address`, charged to the caller's budget. Frames that the
  # device may still access, because it has been a bus master since they were allocated, are neither reused nor
  # refunded before `quiesced`. At most 16 MiB per allocation; 64 allocations and 64 MiB per device. Errors:
  # `overloaded` if no such memory is free or a limit is reached.

  setBusMaster @4 (enabled :Bool) -> ();
  # Whether the device may read and write memory, and send interrupts.

  quiesced @5 () -> ();
  # The holder's assertion that the device has been reset and will not access memory that it was given before. Errors:
  # `failed` while it is a bus master.
}

interface Interrupt {
  # Holding an Interrupt allows waiting for one interrupt of one device, and nothing else.

  wait @0 () -> (count :UInt64);
  # Returns when the interrupt has fired since the last `wait` returned, with the number of times; at once if it already
  # has. Interrupts between two calls are not lost. Several that fire without a waiter may be counted as fewer, but
  # never as none; one too many may be reported after a device has been closed and reopened. Needs READ. Errors:
  # `disconnected` if the device has been closed.
}
