@0xb32761fd5f82a1b0;
# The parameters with which a program is started.

struct LaunchParameters {
  # The same structure for native processes (found in the bootstrap page) and wasm instances.
  arguments @0 :List(Text);
  # The first is the program's name.
  environment @1 :List(Variable);
  grants @2 :List(NamedGrant);
  # In the order of the capabilities passed at the start.
}

struct Variable {
  name @0 :Text;
  value @1 :Text;
}

struct NamedGrant {
  name @0 :Text;
  # The grant's name in the manifest, e.g. "console".
  interfaceId @1 :UInt64;
  # The Cap'n Proto type id of its interface.
}
