@0x95e57cb456286d50;
# The end of the run.

interface Power {
  # Holding a Power allows ending the whole system. It does not allow anything else.

  powerOff @0 (status :UInt8) -> ();
  # Flushes the consoles and powers off; `status` becomes the host command's exit status.
  # Does not return.
}
