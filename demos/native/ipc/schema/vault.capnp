@0xf1c2d3b4a5968770;
# What the two processes of the demo say to each other.

interface Vault {
  # Holding a Vault allows opening doors of it and locking them all. It gives no access to doors that
  # others opened.

  open @0 (visitor :Text) -> (door :Door);
  # A door for `visitor`, until the vault is locked or the door is released.

  announce @1 (listener :Listener) -> ();
  # Tells `listener` how many doors are open. Returns when it has heard.

  lock @2 () -> ();
  # Takes every door back from whoever holds it.

  whose @3 (door :Door) -> (visitor :Text);
  # For whom a door of this vault was opened. Fails for any other door.

  meet @4 (listener :Listener) -> (listener :Listener);
  # Gives `listener` back.
}

interface Door {
  # Holding a Door allows knocking at it.

  knock @0 (times :UInt32) -> (answer :Text);
}

interface Listener {
  # Holding a Listener allows telling it things.

  hear @0 (news :Text) -> ();
}
