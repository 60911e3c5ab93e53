@0xe257930e143b392a;
# Consoles: the byte streams that connect a running system with the person who started it.

interface Console {
  # Holding a Console allows writing bytes to both outputs of that one console, and reading bytes from it. It does not
  # allow reconfiguring the line, seeing what other holders wrote, or reaching any other console.
  # Rights: WRITE for `write`, `writeLine`, `writeError` and `flush`, READ for `read`; `terminals` needs one of them.
  #
  # Where a console has one output only, as a plain serial line has, both outputs are that one.

  write @0 (bytes :Data) -> ();
  # Writes all of `bytes`, unchanged, to standard output. Returns when the console holds them; `flush` says when they have
  # arrived. Output written later, to either output, arrives later.
  # Errors: `overloaded` when more than `maxWriteBytes` are given, `disconnected` when nobody takes the output any more.

  writeLine @1 (line :Text) -> ();
  # Writes `line` followed by one line feed to standard output, never interleaved with another holder's write.

  read @2 (maxBytes :UInt32) -> (bytes :Data);
  # Waits until at least one byte of input is there and returns between 1 and `maxBytes` bytes
  # (at most `maxReadBytes`). Empty `bytes` mean end of input, now and for every later read.

  writeError @3 (bytes :Data) -> ();
  # As `write`, to standard error.

  terminals @4 () -> (input :Terminal, output :Terminal, errors :Terminal);
  # What the three streams are connected to. A size may change during the run.

  flush @5 () -> ();
  # Returns when everything that was written before has arrived.
}

struct Terminal {
  isTerminal @0 :Bool;
  # A person is at the other end, rather than a file or a pipe.
  columns @1 :UInt16;
  # The terminal's width in characters; 0 when it is unknown.
  rows @2 :UInt16;
  # Its height in lines; 0 when it is unknown.
}

const maxWriteBytes :UInt32 = 32768;
const maxReadBytes :UInt32 = 32768;
