@0xe257930e143b392a;
# Consoles: byte streams that connect a running system with the user who started it.

interface Console {
  # Holding a Console allows writing bytes to both outputs of that one console, and reading bytes from it. It does not
  # allow reconfiguring the line, seeing the output of other holders, or reaching any other console. Rights: WRITE for
  # `write`, `writeLine`, `writeError` and `flush`, READ for `read`; `terminals` needs either.
  #
  # If a console has only one output, like a plain serial line, both outputs go there.

  write @0 (bytes :Data) -> ();
  # Writes all of `bytes`, unchanged, to standard output. Returns when the console has stored them; `flush` waits until
  # they have arrived. Later output, to either stream, arrives later. Errors: `overloaded` when more than
  # `maxWriteBytes` are given, `disconnected` when the output's reader is gone.

  writeLine @1 (line :Text) -> ();
  # Writes `line` followed by one line feed to standard output, never interleaved with another holder's write.

  read @2 (maxBytes :UInt32) -> (bytes :Data);
  # Waits until at least one byte of input is available and returns between 1 and `maxBytes` bytes
  # (at most `maxReadBytes`). Empty `bytes` mean end of input, now and for every later read. Errors: `failed`, now and for
  # every later read, when the rest of the input cannot be read.

  writeError @3 (bytes :Data) -> ();
  # Like `write`, to standard error.

  terminals @4 () -> (input :Terminal, output :Terminal, errors :Terminal);
  # The kinds of the three streams. A terminal's size may change during the run.

  flush @5 () -> ();
  # Returns when all earlier output has arrived.
}

struct Terminal {
  isTerminal @0 :Bool;
  # Connected to a terminal, rather than to a file or a pipe.
  columns @1 :UInt16;
  # The terminal's width in characters; 0 if unknown.
  rows @2 :UInt16;
  # Its height in lines; 0 if unknown.
}

const maxWriteBytes :UInt32 = 32768;
const maxReadBytes :UInt32 = 32768;
