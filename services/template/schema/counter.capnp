@0xd3a6a1f0b7c94e21;
# A counter.

interface Counter {
  # Holding a Counter allows adding to one number and reading it. It does not allow setting it back.

  add @0 (amount :UInt32) -> (total :UInt64);
  # Adds `amount` and returns the new total. Errors: `failed` if the total would overflow; it is
  # then unchanged.
}
