//! Twenty thousand generated modules on all engines: the same results, traps, globals and memories. Two tests share them, so
//! that they run in parallel.

use capos_codegen::Settings;
use capos_differential::{Generated, Interpreted, Observed, Runner, generated};

const MODULES: u64 = 20_000;
const TESTS: u64 = 2;
/// Compiled code runs on the test's own stack.
const STACK_BYTES: usize = 64 << 20;

fn engines() -> Vec<Box<dyn Runner>> {
    let code = |counts_fuel, is_portable| Box::new(Generated::new(Settings { counts_fuel, is_portable }));
    vec![Box::new(Interpreted), code(true, true), code(false, false), code(true, false)]
}

fn compare(part: u64) {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || compare_here(part));
    if let Err(panic) = thread.expect("there is a thread").join() {
        std::panic::resume_unwind(panic);
    }
}

fn compare_here(part: u64) {
    let engines = engines();
    let (mut returned, mut trapped) = (0, 0);
    for seed in (part..MODULES).step_by(TESTS as usize) {
        let module = generated(seed);
        let mut expected: Option<(&str, Observed)> = None;
        for engine in &engines {
            let observed = engine.run(&module, seed);
            match &expected {
                None => expected = Some((engine.name(), observed)),
                Some((name, expected)) => {
                    assert_eq!(expected, &observed, "module {seed}: {name} and {}", engine.name());
                }
            }
        }
        if let Some((_, Observed::Called { calls, .. })) = expected {
            let failed = calls.iter().filter(|call| call.outcome.is_err()).count();
            trapped += failed;
            returned += calls.len() - failed;
        }
    }
    // Otherwise nothing was compared.
    assert!(returned > 1_000 && trapped > 1_000, "{returned} calls returned, {trapped} trapped");
}

#[test]
fn even_modules() {
    compare(0);
}

#[test]
fn odd_modules() {
    compare(1);
}
