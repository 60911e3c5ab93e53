//! The Cap'n Proto interfaces of `schema/wasm.capnp`, served.
