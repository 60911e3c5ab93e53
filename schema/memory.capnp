@0xbc99a67f326e3ef0;
# Memory: objects that hold pages, and the address space that maps them.

interface MemoryObject {
  # Holding a MemoryObject allows mapping its pages (through a VirtualMemory) within the capability's
  # rights: READ, WRITE, EXECUTE. It does not allow resizing it. At any time an object may have writable
  # mappings or executable mappings, in any processes, but never both: a mapping or `protect` that would
  # cause both is refused with `failed`, and succeeds once the conflicting mapping is removed or protected.
  # Only mappings count here, not rights.

  size @0 () -> (bytes :UInt64);
  # Length in bytes, a multiple of the page size.
}

struct Protection {
  # Permitted accesses to pages. `write` together with `execute` is always refused (W^X).
  read @0 :Bool;
  write @1 :Bool;
  execute @2 :Bool;
}

interface VirtualMemory {
  # Holding a VirtualMemory allows managing the address space of the one process it belongs to,
  # within that process's frame budget. Making a page executable also needs the EXECUTE right on
  # this capability. It gives no access to any other process's memory. Addresses and lengths are in
  # bytes and must be multiples of the page size (4096). Errors, here and below: `failed` with the
  # reason for a bad range or protection, `overloaded` when the process's budget is exhausted.

  reserve @0 (address :UInt64, length :UInt64, protection :Protection) -> (address :UInt64);
  # Reserves a range without using any memory; a page gets a zeroed frame when it is first touched.
  # With `address` 0 the kernel chooses. With no protection bit set the range is a guard: touching
  # it is a fault until `protect` permits access.

  protect @1 (address :UInt64, length :UInt64, protection :Protection) -> ();
  # Changes the protection of reserved or mapped pages. Contents are kept. `failed`, without any change, if
  # a mapped object would become writable and executable at once (see MemoryObject).

  unmap @2 (address :UInt64, length :UInt64) -> ();
  # Unmaps every page in the range; its frames return to the budget.

  discard @3 (address :UInt64, length :UInt64) -> ();
  # Frees the frames of anonymous pages in the range, which read as zero afterwards; the range stays
  # reserved.

  createObject @4 (length :UInt64) -> (object :MemoryObject);
  # A new zeroed object, charged to this process's budget, with all rights but EXECUTE (which it has
  # only if this VirtualMemory has it).

  mapObject @5 (object :MemoryObject, offset :UInt64, length :UInt64, address :UInt64,
                protection :Protection) -> (address :UInt64);
  # Maps part of an object, shared with every other mapping of it. `protection` may not exceed the rights
  # of the object's capability. With `address` 0 the kernel chooses. `failed` if the object would become
  # writable and executable at once (see MemoryObject).
}
