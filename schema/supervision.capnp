@0xc3d87b6a1f90e245;
# Interfaces through which a supervisor uses services without knowing their own interfaces.

interface Grantor {
  # Holding a Grantor allows obtaining every capability that the service grants. It is for the supervisor; other processes
  # are given the capabilities obtained, not the Grantor.

  grant @0 (wanted :AnyPointer) -> (capability :AnyPointer);
  # Creates the capability that `wanted` describes. The description is a structure of the service's own, taken from the boot
  # package. Errors: `failed`, with a reason for the log.
}

interface Flushable {
  # Holding a Flushable allows making a service finish its accepted work, and nothing else.

  flush @0 () -> ();
  # Returns when all work accepted so far is complete and its results are stored. Errors: `failed`, with a reason for the log, if
  # any of it may be lost.
}
