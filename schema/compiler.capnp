@0xe6c3a90b47d1f285;
# Compiling WebAssembly to machine code.

using Memory = import "memory.capnp";
using Supervision = import "supervision.capnp";

interface CompilerService extends(Supervision.Grantor, Supervision.Flushable) {
  # Holding a CompilerService allows making clients of a compiler: `grant` takes a `CompilerGrant` and returns a Compiler.
  # It is for the supervisor. `flush` returns when all code that was compiled is in the cache.
}

struct CompilerGrant {
  # A client of the compiler as a manifest grants it. Each has limits of its own.
  holder @0 :Text;
  # The holder's name in messages.
}

interface Compiler {
  # Holding a Compiler allows having WebAssembly modules and components compiled, at the expense of the compiler's memory
  # and time, within the limits of each client. It gives no access to the modules of other clients. That an equal module
  # was compiled before, by anyone, shows in the time it takes.

  compile @0 (module :Memory.MemoryObject, length :UInt64, settings :CodeSettings) -> (compilation :Compilation);
  # Requests the code of the module or component in the first `length` bytes of `module`, which needs the right READ.
  # The bytes are read before this returns, so a later change of the object does not matter. Equal requests under way
  # are compiled once. Errors: `failed` for a bad length, `overloaded` if this client has too many unfinished requests.
  # Problems of the module itself are reported by `Compilation.code`.
}

interface Compilation {
  # Holding a Compilation allows waiting for the result of one request. Releasing it cancels the request.

  code @0 () -> (code :Memory.MemoryObject, length :UInt64, lease :CodeLease, fromCache :Bool);
  # Returns when the module has been compiled. `code` is sealed and has the rights READ and EXECUTE; its first `length`
  # bytes are an artifact that a wasmtime of the same version and settings loads. `fromCache`: it was not compiled for
  # this request or one joined with it. Errors: `failed` with the reason: the module is invalid, or the compiler ran out
  # of its memory or processor time, panicked, or faulted.

  progress @1 () -> (functions :UInt32, compiled :UInt32);
  # The number of functions of the module, and of those compiled so far; both 0 until known.
}

interface CodeLease {
  # Holding a CodeLease keeps code available for equal requests without compiling or reading it again. It gives no
  # access to the code. The service drops its copy with the last lease; mapped code stays mapped.
}

struct CodeSettings {
  # The options of code generation that the holder of the code must know.
  fuel @0 :Bool;
  # The code counts fuel.
  kind @1 :Kind;
  portable @2 :Bool;
  # Bytecode for wasmtime's portable interpreter (Pulley) instead of machine code.
  lowPriority @3 :Bool;
  # Compile after requests without this flag. It does not affect the code.

  enum Kind {
    module @0;
    component @1;
  }
}

interface CompilerStatus {
  # Holding a CompilerStatus allows reading the counters of a compiler, and nothing else.

  counters @0 () -> (counters :CompilerCounters);
}

struct CompilerCounters {
  # All since the service started, except where stated.
  compiled @0 :UInt64;
  # Requests, joined ones counted once, that a worker compiled.
  fromCache @1 :UInt64;
  # Those answered from the cache.
  shared @2 :UInt64;
  # Those answered with code that somebody held a lease of, or joined with one under way.
  failed @3 :UInt64;
  # Those that ended with an error.
  cancelled @4 :UInt64;
  # Those released before they were done.
  rejectedEntries @5 :UInt64;
  # Entries of the cache that were damaged, cut, stale or not written with this key, and were removed.
  evictedEntries @6 :UInt64;
  # Entries removed to make room.
  cacheErrors @7 :UInt64;
  # Failed operations of the cache's volume.
  cacheEntries @8 :UInt64;
  cacheBytes @9 :UInt64;
  # Present size of the cache.
  codeBytes @10 :UInt64;
  # Present size of code held for leases.
  waiting @11 :UInt32;
  # Requests waiting for a worker at present.
  workers @12 :UInt32;
  # Workers running at present.
}

interface CompilerJob {
  # Holding a CompilerJob allows delivering the result of one compilation, as its worker does. It gives no access to
  # code that may be executed: what the worker delivers is checked and sealed after the worker has ended.

  allocate @0 (length :UInt64) -> (object :Memory.MemoryObject);
  # The object for the artifact, with the rights READ and WRITE. Can be called once. `failed` if `length` is 0 or over
  # the limit.

  progress @1 (functions :UInt32, compiled :UInt32) -> ();

  finished @2 (length :UInt64) -> ();
  # The artifact is complete in the first `length` bytes of the object. The worker is ended.

  failed @3 (reason :Text) -> ();
  # There will be no artifact. The worker is ended.
}
