//! Random modules with exceptions and atomic instructions: rewriting handles all of them, and its output is valid.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use arbitrary::Unstructured;
use capos_lower::Kept;
use wasm_smith::{Config, Module};
use wasmparser_263::{Validator, WasmFeatures};

/// Proposals that the rewritten module may use: all except the rewritten ones.
fn features() -> WasmFeatures {
    WasmFeatures::all()
        .difference(WasmFeatures::EXCEPTIONS | WasmFeatures::LEGACY_EXCEPTIONS | WasmFeatures::THREADS)
}

fn random_bytes(random: &mut fastrand::Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.u8(..)).collect()
}

fn config() -> Config {
    Config {
        exceptions_enabled: true,
        threads_enabled: true,
        reference_types_enabled: true,
        tail_call_enabled: true,
        gc_enabled: false,
        max_tags: 8,
        min_tags: 1,
        min_funcs: 2,
        max_imports: 3,
        memory64_enabled: true,
        ..Config::default()
    }
}

#[test]
fn what_is_generated_stays_valid() {
    let mut random = fastrand::Rng::with_seed(8);
    let (mut lowered, mut refused) = (0, 0);
    for round in 0..400 {
        let seed = random_bytes(&mut random, 4096);
        let mut input = Unstructured::new(&seed);
        // Legacy exceptions are not generated; the cases have those.
        let Ok(module) = Module::new(config(), &mut input) else { continue };
        let bytes = module.to_bytes();
        match capos_lower::lower(&bytes, Kept::Nothing) {
            Ok(None) => {}
            Ok(Some(made)) => {
                lowered += 1;
                let valid = Validator::new_with_features(features()).validate_all(&made);
                valid.unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
            Err(error) => {
                let text = error.to_string();
                let known = ["imports the exception tag", "in a table", "cannot be null"];
                assert!(known.iter().any(|reason| text.contains(reason)), "round {round}: {text}");
                refused += 1;
            }
        }
    }
    assert!(lowered > 100, "{lowered} rewritten, {refused} refused");
}

#[test]
fn what_is_damaged_does_no_harm() {
    let text = include_str!("cases/references.wat");
    let legacy = include_str!("cases/legacy.wat");
    let atomics = include_str!("cases/atomics.wat");
    let mut random = fastrand::Rng::with_seed(9);
    for text in [text, legacy, atomics] {
        let module = wat::parse_str(text).unwrap();
        for _ in 0..2000 {
            let mut damaged = module.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(8..damaged.len());
                match random.u8(..3) {
                    0 => damaged[at] = random.u8(..),
                    1 => damaged.truncate(at),
                    _ => damaged.insert(at, random.u8(..)),
                }
                if damaged.len() <= 8 {
                    break;
                }
            }
            // Either a result or an error, but no crash.
            let _ = capos_lower::lower(&damaged, Kept::Nothing);
        }
    }
}
