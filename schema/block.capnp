@0xe3c5b3e1f6a94d27;
# Block devices.

using Memory = import "memory.capnp";
using import "errno.capnp".Errno;

interface BlockDevice {
  # Holding a BlockDevice allows reading and overwriting everything on that one device, and seeing the data that passes
  # through its transfer buffer, which all holders share: it is meant for a single holder, such as a file service. It
  # does not allow reaching any other device or the device's registers.

  info @0 () -> (error :Errno, sectorBytes :UInt32, sectors :UInt64, readOnly :Bool, serial :Text);
  # `sectorBytes` is a power of two, 512 or more. `serial` is the serial number that the device reports.

  transferBuffer @1 () -> (error :Errno, memory :Memory.MemoryObject, bytes :UInt64);
  # The memory that `read` fills and `write` takes data from; the caller maps it.

  read @2 (sector :UInt64, sectors :UInt32, bufferOffset :UInt64) -> (error :Errno);
  # Reads whole sectors into the transfer buffer. Returns when they have arrived. Errors: `invalid`
  # for a range outside the device or the buffer, `io` when the device fails.

  write @3 (sector :UInt64, sectors :UInt32, bufferOffset :UInt64) -> (error :Errno);
  # Writes whole sectors from the transfer buffer. Returns when the device has accepted them; they may still be lost,
  # wholly or in part, until `flush` has returned. Errors: as `read`, and `readOnly`.

  flush @4 () -> (error :Errno);
  # Returns when every write that returned earlier is on the medium.
}
