@0x9d1f6b07c2a84e53;
# Devices on PCI buses, for processes that drive them.

using Memory = import "memory.capnp";

struct PciFunction {
  address @0 :UInt16;
  # Bus, device and function: 8, 5 and 3 bits.
  vendor @1 :UInt16;
  device @2 :UInt16;
  class @3 :UInt32;
  # Base class, subclass and programming interface: 8 bits each.
}

interface PciBus {
  # Holding a PciBus allows finding out which PCI devices the machine has, and opening those that nobody has open.
  # It does not allow taking a device from who has it.

  functions @0 () -> (functions :List(PciFunction));
  # Every function of every device, in the order of their addresses; at most 64.

  open @1 (address :UInt16) -> (device :PciDevice);
  # Gives out a function, to one holder at a time. It decodes its memory but is no bus master, and none of its
  # interrupts is on. When the last capability to it is gone, so is everything that it gave out: it is no bus master
  # any more, its interrupts are off, its registers are mapped nowhere; then it can be opened again.
  # Errors: `overloaded` when it is open; `failed` when there is none, or it is a part of the machine such as a bridge.
}

enum BarKind {
  none @0;
  memory @1;
  ports @2;
}

struct Bar {
  # A base address register. One of 64 bits counts once, and the next one is `none`.
  kind @0 :BarKind;
  address @1 :UInt64;
  # As the device and its bus know it.
  length @2 :UInt64;
  # In bytes.
}

interface PciDevice {
  # Holding a PciDevice allows driving one PCI function. What it can do to others is what the device can do: one that
  # is a bus master reads and writes any memory of the machine that its driver names to it, because no IOMMU is
  # programmed. Who holds this is trusted with that. It does not allow reaching other devices' registers, moving
  # this device's registers, or choosing the processor vectors that its interrupts arrive at.

  config @0 () -> (bytes :Data);
  # The first 256 bytes of its configuration space as they are now. Needs READ, the others WRITE.

  bars @1 () -> (bars :List(Bar));
  # Its six base address registers. Needs READ.

  registers @2 (bar :UInt8, offset :UInt64, length :UInt64) -> (memory :Memory.MemoryObject);
  # A part of its registers, to be mapped; uncached, never executable. Offset and length are multiples of the page size.
  # System calls do not take addresses in it. Errors: `failed` for a range that is not wholly memory of this device, or
  # that touches a page of the table of its message-signalled interrupts (MSI-X), which is the kernel's.

  interrupt @3 (entry :UInt16) -> (interrupt :Interrupt);
  # Directs an entry of its MSI-X table to the holder of the new Interrupt, one at a time. The first 16 entries can be used.
  # Errors: `overloaded` when it is taken or the machine's vectors are, `failed` when there is no such entry.

  allocateDma @4 (length :UInt64) -> (memory :Memory.MemoryObject, address :UInt64);
  # Zeroed memory in one piece at the physical address `address`, charged to the caller's budget. Frames that the
  # device may still know of, because it has been a bus master since they were given out, are not used again,
  # nor refunded, before `quiesced`. At most 16 MiB at once; 64 pieces and 64 MiB for a device.
  # Errors: `overloaded` when there is no such memory or a limit is reached.

  setBusMaster @5 (enabled :Bool) -> ();
  # Whether the device may read and write memory, and send interrupts.

  quiesced @6 () -> ();
  # The holder's word that the device has been reset and will not touch memory it was told of before. Errors: `failed`
  # while it is a bus master.
}

interface Interrupt {
  # Holding an Interrupt allows waiting for one interrupt of one device, and nothing else.

  wait @0 () -> (count :UInt64);
  # Returns when the interrupt has fired since the last `wait` returned, with how many times it did; at once if it already
  # has. Nothing is lost between two calls. Several that fire while nobody waits may count as fewer, never as none; one
  # more than fired may be reported when a device has been given up and opened again. Needs READ.
  # Errors: `disconnected` when the device has been given up.
}
