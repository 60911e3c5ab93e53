@0x9e0b7d415fc8a263;
# Names shared by several programs of the system. Each becomes a constant of the same name in Rust.

const consoleServer :Text = "capos-console";
# The program that multiplexes the console's streams.
const volumeServer :Text = "fs";
# The program that serves a volume.
const diskDriver :Text = "virtio-blk";
# The program that drives virtio disks.
const wasmHost :Text = "capos-wasm";
# The program that hosts WebAssembly instances.
const compiledWasmHost :Text = "capos-wasm-compiled";
# The program that hosts WebAssembly instances and runs code that the compiler service made.
const compilerService :Text = "compiler";
# The compiler service.
const compilerWorker :Text = "compiler-worker";
# The program that compiles one module for the compiler service.

const deviceGrant :Text = "device";
# The PciDevice of a driver.
const lineGrant :Text = "line";
# The plain Console over which the console server multiplexes streams.
const diskGrant :Text = "disk";
# The BlockDevice of a volume server.

const consoleExport :Text = "console";
# The Console of the console server.
const flushExport :Text = "flush";
# The Flushable of the console server.
const volumeExport :Text = "volume";
# The Volume of a volume server.
const diskExport :Text = "disk";
# The BlockDevice of a disk driver.
const wasmHostExport :Text = "wasm-host";
# The WasmHost of a WebAssembly host.
const compilerExport :Text = "compiler";
# The Compiler of the compiler service, and the name of the grant with which a WebAssembly host uses it.
const compilerStatusExport :Text = "compiler-status";
# The CompilerStatus of the compiler service.
