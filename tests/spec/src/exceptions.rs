//! Directives that are expected to fail, each with the reason. One that is listed here and passes is a failure too, so that
//! the list stays true.

/// A kind of engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// wasmi.
    Interpreted,
    /// wasmtime's runtime, with code for the processor or for the portable interpreter.
    Compiled,
}

/// Directives that fail.
pub struct Exception {
    kind: Kind,
    script: &'static str,
    /// Their lines; none are listed if the whole script is about what is off.
    lines: &'static [usize],
    /// The reason.
    reason: &'static str,
}

use Kind::{Compiled, Interpreted};

const INDEX: &str = "several memories are on, so the byte that had to be zero is the index of a memory, in as many bytes as \
                     its module likes";
const SEVERAL: &str = "several memories are on, which this script expects to be refused";
const THREADS: &str = "threads are off: an instance runs in one thread, and a program with atomic instructions is rewritten \
                       to run without them";
const PAGES: &str = "custom page sizes are off: they are not in WebAssembly 3.0";

const fn exception(
    kind: Kind,
    script: &'static str,
    lines: &'static [usize],
    reason: &'static str,
) -> Exception {
    Exception { kind, script, lines, reason }
}

/// All exceptions.
pub const EXCEPTIONS: &[Exception] = &[
    exception(Interpreted, "wasm-v2/binary.wast", &[145, 165, 184, 203, 242, 261, 279, 297], INDEX),
    exception(Interpreted, "wasm-v2/imports.wast", &[487, 491, 495], SEVERAL),
    exception(Interpreted, "wasm-v2/memory.wast", &[10, 11], SEVERAL),
    exception(Compiled, "function-references/binary.wast", &[145, 165, 184, 203, 242, 261, 279, 297], INDEX),
    exception(Compiled, "memory64/binary.wast", &[876, 896, 915, 934, 973, 992, 1010, 1028], INDEX),
    exception(Compiled, "memory64/memory.wast", &[10, 11], SEVERAL),
    exception(Compiled, "memory64/memory64.wast", &[8, 9], SEVERAL),
    exception(Compiled, "threads/atomic.wast", &[], THREADS),
    exception(Compiled, "threads/exports.wast", &[172, 173, 174, 175, 176, 177], THREADS),
    exception(Compiled, "threads/imports.wast", &[499, 505], THREADS),
    exception(Compiled, "threads/imports.wast", &[309, 313, 317, 404, 408, 412], SEVERAL),
    exception(Compiled, "threads/memory.wast", &[9, 10], THREADS),
    exception(Compiled, "threads/memory.wast", &[14, 15], SEVERAL),
    exception(Compiled, "custom-page-sizes/custom-page-sizes-invalid.wast", &[], PAGES),
    exception(Compiled, "custom-page-sizes/custom-page-sizes.wast", &[], PAGES),
    exception(Compiled, "custom-page-sizes/memory_max.wast", &[], PAGES),
    exception(Compiled, "custom-page-sizes/memory_max_i64.wast", &[], PAGES),
];

impl Exception {
    /// Whether this is about a directive.
    pub(crate) fn covers(&self, kind: Kind, script: &str, line: usize) -> bool {
        self.is_about(kind, script) && (self.lines.is_empty() || self.lines.contains(&line))
    }

    /// Whether this is about a script.
    pub(crate) fn is_about(&self, kind: Kind, script: &str) -> bool {
        self.kind == kind && self.script == script
    }

    /// The lines that must fail.
    pub(crate) fn lines(&self) -> &'static [usize] {
        self.lines
    }

    /// A line about it, if it concerns a kind of engine.
    pub fn describe(&self, kind: Kind) -> Option<String> {
        let Self { script, lines, reason, .. } = self;
        let lines = match lines.len() {
            0 => "parts of it".to_owned(),
            _ => format!("lines {}", lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        (self.kind == kind).then(|| format!("exception: {script}, {lines}: {reason}"))
    }
}
