//! WebAssembly proposals that this engine does not have, by what its parser says of them.

/// Beginning of a component: the version of the format and the layer.
pub(super) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A part of the parser's message, and the proposal that it means. The first that fits counts.
const PROPOSALS: [(&str, &str); 11] = [
    ("shared-everything-threads", "shared-everything threads"),
    ("threads", "threads (atomic instructions or shared memory)"),
    ("legacy exceptions", "exception handling in its older form"),
    ("exceptions", "exception handling"),
    ("exception refs", "exception handling"),
    ("function references", "typed function references"),
    ("memory64", "64-bit memories or tables (memory64)"),
    ("stack switching", "stack switching"),
    ("memory control", "memory control"),
    ("custom page sizes", "custom page sizes"),
    ("gc", "garbage collection"),
];

/// Words of the messages that name a proposal.
const REFUSALS: [&str; 5] = ["not enabled", "must be enabled", "to be enabled", "require", "not supported"];

/// Says why a module that did not parse is refused: by the proposal that it needs, if it is that.
pub(super) fn explain(module: &[u8], error: &str) -> String {
    if module.starts_with(COMPONENT) {
        return "it is a component, which is not supported by this engine (wasmi): it takes modules".into();
    }
    let names_one = REFUSALS.iter().any(|words| error.contains(words));
    match PROPOSALS.iter().find(|(part, _)| names_one && error.contains(part)) {
        Some((_, proposal)) => format!("it uses {proposal}, not supported by this engine (wasmi): {error}"),
        None => format!("not a valid module: {error}"),
    }
}
