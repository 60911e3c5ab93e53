@0xc3d87b6a1f90e245;
# The interfaces through which a supervisor deals with services without knowing them.

interface Grantor {
  # Holding a Grantor allows getting every capability that the service behind it can be asked for. It is for the supervisor,
  # which hands out what it gets; others are given that, and not the Grantor.

  grant @0 (wanted :AnyPointer) -> (capability :AnyPointer);
  # Makes the capability that `wanted` describes. The description is a structure of the service's own, written by what made
  # the boot package. Errors: `failed`, with the reason in words for the log.
}

interface Flushable {
  # Holding a Flushable allows having a service finish what it has accepted. It does not allow anything else.

  flush @0 () -> ();
  # Returns when everything that was accepted before is where it is to stay. Errors: `failed`, with the reason in words for the
  # log, when something of it may be lost.
}
