//! Which proposal a module needs that is off, from the message of an engine's parser.

/// Start of a component: the version of the format and the layer.
pub(super) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The engine that runs a module with a proposal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Elsewhere {
    /// Any, after rewriting, which is done for modules in the boot package; only other modules get here.
    Rewritten,
    /// The engine for generated code; the interpreter after rewriting.
    CompiledOrRewritten,
    /// The engine for generated code.
    Compiled,
    /// No engine.
    Nothing,
}

impl Elsewhere {
    fn text(self) -> &'static str {
        match self {
            Self::Rewritten => {
                "; modules in the boot package are rewritten to run without it, those that a process starts from bytes or a \
                 file of its own are not"
            }
            Self::CompiledOrRewritten => {
                "; modules in the boot package are rewritten to run without it, and `engine: \"compiler\"` runs it as it is"
            }
            Self::Compiled => "; `engine: \"compiler\"` (--engine=compiler) runs it",
            Self::Nothing => "; no engine here is to run it yet",
        }
    }
}

use Elsewhere::{Compiled, CompiledOrRewritten, Nothing, Rewritten};

const THREADS: &str = "threads (atomic instructions or shared memory)";

/// A part of the parser's message, the proposal that it refers to, and what runs that. The first match is
/// used.
const PROPOSALS: [(&str, &str, Elsewhere); 18] = [
    ("shared-everything-threads", "shared-everything threads", Nothing),
    ("unknown 0xfe subopcode", "acquire-release atomics", Nothing),
    ("threads", THREADS, Rewritten),
    ("legacy exceptions", "exception handling in its older form", Rewritten),
    ("exceptions", "exception handling", CompiledOrRewritten),
    ("exception refs", "exception handling", CompiledOrRewritten),
    ("function references", "typed function references", Compiled),
    ("memory64", "64-bit memories or tables (memory64)", Compiled),
    ("stack switching", "stack switching", Nothing),
    ("continuation types", "stack switching", Nothing),
    ("memory control", "memory control", Nothing),
    ("custom page sizes", "custom page sizes", Nothing),
    ("(0x4d) for type", "custom descriptors", Nothing),
    ("(0x4c) for type", "custom descriptors", Nothing),
    ("(0x20) for external kind", "custom descriptors", Nothing),
    ("(0x7f) for external kind", "compact imports", Nothing),
    ("(0x7e) for external kind", "compact imports", Nothing),
    ("gc", "garbage collection", Compiled),
];

/// Phrases of messages that name a proposal, or something that only a later proposal defines.
const REFUSALS: [&str; 8] = [
    "not enabled",
    "must be enabled",
    "to be enabled",
    "is disabled",
    "are disabled",
    "require",
    "not supported",
    "invalid leading byte",
];
/// A longer message is truncated before it is searched.
const MAX_ERROR_BYTES: usize = 2000;
const UNKNOWN_INSTRUCTION: &str = "unknown 0xfe subopcode";

/// The error for a module that could not be parsed: names the proposal that it needs, if that is the reason.
pub(super) fn explain(engine: &str, module: &[u8], error: &str) -> String {
    if module.starts_with(COMPONENT) {
        return format!(
            "it is a component, which is not supported by this engine ({engine}): it takes modules; a later release \
             is to run components"
        );
    }
    named(engine, error).unwrap_or_else(|error| format!("not a valid module: {error}"))
}

/// The error for a valid module for which there is no code: names the proposal that it needs, if that is the reason.
#[cfg(feature = "compiled-code")]
pub(super) fn explain_no_code(engine: &str, error: &str) -> String {
    named(engine, error).unwrap_or_else(str::to_owned)
}

/// The error with the proposal that it names; otherwise, as an error, the error itself.
fn named<'a>(engine: &str, error: &'a str) -> Result<String, &'a str> {
    // It can contain a name from the module, and is truncated when it is reported.
    let error = error.get(..error.floor_char_boundary(MAX_ERROR_BYTES)).unwrap_or(error);
    let names_one = error.contains(UNKNOWN_INSTRUCTION) || REFUSALS.iter().any(|words| error.contains(words));
    match PROPOSALS.iter().find(|(part, ..)| names_one && error.contains(part)) {
        Some((_, proposal, elsewhere)) => Ok(refusal(engine, proposal, *elsewhere, error)),
        None => Err(error),
    }
}

fn refusal(engine: &str, proposal: &str, elsewhere: Elsewhere, error: &str) -> String {
    format!("it uses {proposal}, not supported by this engine ({engine}){}: {error}", elsewhere.text())
}

/// The error for a module that imports a shared memory, as programs with threads do.
pub(super) fn imported_shared_memory(engine: &str, module: &str, name: &str) -> String {
    refusal(engine, THREADS, Rewritten, &format!("it imports the shared memory {name:?} of {module:?}"))
}
