@0xb32761fd5f82a1b0;
# What a program is started with.

struct LaunchParameters {
  # The same structure for native processes (found in the bootstrap page) and wasm instances.
  arguments @0 :List(Text);
  # The first is the program's name.
  environment @1 :List(Variable);
  grants @2 :List(NamedGrant);
  # In the order of the capabilities that came with the start.
}

struct Variable {
  name @0 :Text;
  value @1 :Text;
}

struct NamedGrant {
  name @0 :Text;
  # The name that the manifest gives it, e.g. "console".
  interfaceId @1 :UInt64;
  # The Cap'n Proto type id of the interface it serves.
}
