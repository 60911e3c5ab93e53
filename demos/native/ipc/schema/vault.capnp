@0xf1c2d3b4a5968770;
# The interfaces between the two processes of the demo.

interface Vault {
  # Holding a Vault allows opening doors of it and locking them all. It gives no access to doors that
  # others opened.

  open @0 (visitor :Text) -> (door :Door);
  # A door for `visitor`, until the vault is locked or the door is released.

  announce @1 (listener :Listener) -> ();
  # Tells `listener` the number of open doors. Returns when it has received the news.

  lock @2 () -> ();
  # Revokes every door.

  whose @3 (door :Door) -> (visitor :Text);
  # The visitor for whom a door of this vault was opened. Fails for any other door.

  meet @4 (listener :Listener) -> (listener :Listener);
  # Returns `listener`.
}

interface Door {
  # Holding a Door allows knocking at it.

  knock @0 (times :UInt32) -> (answer :Text);
}

interface Listener {
  # Holding a Listener allows sending it news.

  hear @0 (news :Text) -> ();
}
