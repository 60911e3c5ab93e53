@0xb79b79fc26c9601e;
# Randomness for cryptographic use.

interface EntropySource {
  # Holding an EntropySource allows drawing unpredictable bytes. It does not allow seeding the
  # generator or learning anything about the bytes that other holders draw.

  fill @0 (length :UInt32) -> (bytes :Data);
  # Exactly `length` bytes (at most `maxFillBytes`) from a ChaCha20 generator.
  # Errors: `overloaded` when `length` is over the limit or the generator has not been seeded yet.
}

const maxFillBytes :UInt32 = 2048;
