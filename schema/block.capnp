@0xe3c5b3e1f6a94d27;
# Block devices.

using Memory = import "memory.capnp";
using import "errno.capnp".Errno;

interface BlockDevice {
  # Holding a BlockDevice allows reading and overwriting everything on that one device, and seeing what passes through
  # its transfer buffer, which all holders share: it is meant for one holder, such as a file service. It does not allow
  # reaching any other device or the device's own registers.

  info @0 () -> (error :Errno, sectorBytes :UInt32, sectors :UInt64, readOnly :Bool, serial :Text);
  # `sectorBytes` is 512 or more, a power of two. `serial` is what the device says its serial number is.

  transferBuffer @1 () -> (error :Errno, memory :Memory.MemoryObject, bytes :UInt64);
  # The memory that `read` fills and `write` takes data from, to be mapped by the caller.

  read @2 (sector :UInt64, sectors :UInt32, bufferOffset :UInt64) -> (error :Errno);
  # Reads whole sectors into the transfer buffer. Returns when they are there.
  # Errors: `invalid` for a range outside the device or the buffer, `io` when the device fails.

  write @3 (sector :UInt64, sectors :UInt32, bufferOffset :UInt64) -> (error :Errno);
  # Writes whole sectors from the transfer buffer. Returns when the device has taken them; they may be lost, wholly or in
  # part, until `flush` has returned. Errors: as `read`, and `readOnly`.

  flush @4 () -> (error :Errno);
  # Returns when every write that returned before is on the medium.
}
