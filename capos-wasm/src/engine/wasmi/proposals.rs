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

/// Proposals without which a module of the boot package can do, as it is rewritten: only others come here with them.
const REWRITTEN: [&str; 2] = ["threads", "exception handling"];
const NOT_REWRITTEN: &str = "; modules in the boot package are rewritten to run without it, those that a process starts from bytes or a file of its own are not";

/// Words of the messages that name a proposal.
const REFUSALS: [&str; 5] = ["not enabled", "must be enabled", "to be enabled", "require", "not supported"];

/// Says why a module that did not parse is refused: by the proposal that it needs, if it is that.
pub(super) fn explain(module: &[u8], error: &str) -> String {
    if module.starts_with(COMPONENT) {
        return "it is a component, which is not supported by this engine (wasmi): it takes modules".into();
    }
    let names_one = REFUSALS.iter().any(|words| error.contains(words));
    match PROPOSALS.iter().find(|(part, _)| names_one && error.contains(part)) {
        Some((_, proposal)) => {
            let rewritten = REWRITTEN.iter().any(|words| proposal.starts_with(words));
            let where_not = if rewritten { NOT_REWRITTEN } else { "" };
            format!("it uses {proposal}, not supported by this engine (wasmi){where_not}: {error}")
        }
        None => format!("not a valid module: {error}"),
    }
}
