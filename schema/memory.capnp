@0xbc99a67f326e3ef0;
# Memory: objects that hold pages, and the address space that maps them.

interface MemoryObject {
  # Holding a MemoryObject allows mapping its pages (through a VirtualMemory) within the capability's
  # rights: READ, WRITE, EXECUTE. It does not allow resizing it. An object is writable until it is sealed, and
  # only a sealed object may be mapped executable, so no page is ever writable anywhere while it is executable
  # somewhere, and code does not change once it can run.

  size @0 () -> (bytes :UInt64, sealed :Bool);
  # Length in bytes, a multiple of the page size; and whether the object is sealed. The contents of a sealed
  # object never change.

  seal @1 () -> ();
  # Seals the object, for ever: the WRITE right of every capability to it is void from then on. Needs WRITE, since
  # it takes the right from every other holder too. `failed` while any process has a writable mapping of it, and for
  # memory that a device may write. Sealing a sealed object does nothing.
}

struct Protection {
  # Permitted accesses to pages. `write` together with `execute` is always refused (W^X), and `execute` of anything
  # but a sealed MemoryObject.
  read @0 :Bool;
  write @1 :Bool;
  execute @2 :Bool;
}

interface VirtualMemory {
  # Holding a VirtualMemory allows managing the address space of the one process it belongs to,
  # within that process's frame budget. Mapping a sealed MemoryObject executable also needs the EXECUTE right on
  # this capability. It gives no access to any other process's memory. Addresses and lengths are in
  # bytes and must be multiples of the page size (4096). Errors, here and below: `failed` with the
  # reason for a bad range or protection, `overloaded` when the process's budget is exhausted.

  reserve @0 (address :UInt64, length :UInt64, protection :Protection) -> (address :UInt64);
  # Reserves a range without using any memory but that for its record; a page gets a zeroed frame when it is first touched.
  # With `address` 0 the kernel chooses. With no protection bit set the range is a guard: touching
  # it is a fault until `protect` permits access.

  protect @1 (address :UInt64, length :UInt64, protection :Protection) -> ();
  # Changes the protection of reserved or mapped pages. Contents are kept. `failed` if pages of a sealed object would
  # become writable, or other pages executable (see MemoryObject). A long range is changed in pieces: those before the
  # one that failed stay changed.

  unmap @2 (address :UInt64, length :UInt64) -> ();
  # Unmaps every page in the range; its frames return to the budget.

  discard @3 (address :UInt64, length :UInt64) -> ();
  # Frees the process's own frames in the range, which stays reserved: anonymous pages read as zero afterwards, and
  # pages of private mappings as the object's.

  createObject @4 (length :UInt64) -> (object :MemoryObject);
  # A new zeroed object, charged to this process's budget, with all rights but EXECUTE.

  mapObject @5 (object :MemoryObject, offset :UInt64, length :UInt64, address :UInt64,
                protection :Protection) -> (address :UInt64);
  # Maps part of an object, shared with every other mapping of it. `protection` may not exceed the rights
  # of the object's capability. With `address` 0 the kernel chooses. `failed` if `protection` has `write` and the
  # object is sealed, or `execute` and it is not (see MemoryObject).

  mapPrivate @6 (object :MemoryObject, offset :UInt64, length :UInt64, address :UInt64,
                 protection :Protection) -> (address :UInt64);
  # Maps part of an object copy on write: a page is shared with the object until the process writes to it, which gives
  # the process a copy of its own, charged to its budget. Needs READ on the object, and allows writing without WRITE;
  # never executable. Until a page is copied, changes of an object that is not sealed are visible in it. With `address` 0
  # the kernel chooses. `failed` for memory of a device.
}

interface CodeFactory {
  # Holding a CodeFactory allows creating code: memory objects that may be mapped executable once they are sealed. It
  # does not allow mapping them executable, which needs a VirtualMemory with the EXECUTE right. A process with both can
  # generate code and run it; with only a CodeFactory it can generate code for others; with only that right it runs what
  # others generated.

  create @0 (length :UInt64) -> (object :MemoryObject);
  # A new zeroed object like that of `VirtualMemory.createObject`, charged to the caller's budget, with the EXECUTE
  # right as well. The same errors.
}
