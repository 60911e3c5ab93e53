@0xe257930e143b392a;
# Consoles: the byte streams that connect a running system with the person who started it.

interface Console {
  # Holding a Console allows writing bytes to, and reading bytes from, that one console. It does not
  # allow reconfiguring the line, seeing what other holders wrote, or reaching any other console.
  # Rights: WRITE for `write` and `writeLine`, READ for `read`.

  write @0 (bytes :Data) -> ();
  # Writes all of `bytes`, unchanged. Returns when the device has taken them.
  # Errors: `overloaded` when more than `maxWriteBytes` are given.

  writeLine @1 (line :Text) -> ();
  # Writes `line` followed by one line feed, never interleaved with another holder's write.

  read @2 (maxBytes :UInt32) -> (bytes :Data);
  # Waits until at least one byte of input is there and returns between 1 and `maxBytes` bytes
  # (at most `maxReadBytes`). Empty `bytes` mean end of input, now and for every later read.
}

const maxWriteBytes :UInt32 = 32768;
const maxReadBytes :UInt32 = 4096;
