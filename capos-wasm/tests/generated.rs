//! Thousands of generated modules: from wasm-smith, and real ones with bytes changed. Whatever they do, each
//! ends or is ended, and the host continues to work.

use crate::support::{Guest, World, by_engine, namespace, preopen, spec, volume, with_imports};
use capos_mangle::{Original, Random, generated};
use capos_wasm::{End, Grants, Limits};
use std::{collections::BTreeMap, path::Path};

/// Ten thousand modules in all. Four tests share each kind, so that they run in parallel.
const GENERATED: u64 = 2_500;
const CHANGED: u64 = 7_500;
const TESTS: u64 = 4;

/// The part of these that runs. wasmtime compiles each module as a whole, with a compiler that is not optimised here.
fn share(modules: u64) -> u64 {
    modules / by_engine(1, 20)
}

/// The number of turns that a module gets before it is killed.
const TURNS: usize = 12;

/// A host on which the modules run one after the other, each with everything granted and low limits.
struct Arena {
    world: World,
    grants: Grants,
    ends: BTreeMap<&'static str, u64>,
}

impl Arena {
    fn new() -> Self {
        let mut world = World::new();
        world.console.end_input();
        let root = namespace(&mut world, &volume(7), "/guest", "rwm", 256 << 10);
        let grants = Grants { preopens: vec![preopen("/", root)], ..world.all_grants() };
        Self { world, grants, ends: BTreeMap::new() }
    }

    fn run(&mut self, module: Vec<u8>) {
        let mut spec = spec("(module)", self.grants.clone());
        spec.limits = Limits {
            memory_bytes: 1 << 20,
            fuel: Some(30_000),
            output_bytes: 4096,
            table_elements: 4096,
            descriptors: 16,
            stack_bytes: 16 << 10,
            ..Limits::default()
        };
        spec.module = module.into();
        let handle = self.world.host.start(spec);
        self.world.turns(TURNS);
        handle.kill();
        let end = self.world.wait(&handle);
        let kind = match end {
            End::Exited(_) => "exited",
            End::Trap(_) => "trapped",
            End::OutOfFuel(_) => "out of fuel",
            End::FailedToStart(_) => "failed to start",
            _ => "limited or killed",
        };
        *self.ends.entry(kind).or_default() += 1;
    }

    /// Checks that the host still runs a plain program.
    fn finish(mut self) -> BTreeMap<&'static str, u64> {
        let program = with_imports(
            r#"(data (i32.const 0) "\10\00\00\00\06\00\00\00") (data (i32.const 16) "alive\n")
            (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"#,
        );
        assert_eq!(self.world.run(self.world.program(&program)), End::Exited(0));
        assert!(self.world.output().ends_with("alive\n"));
        self.ends
    }
}

fn run_generated(part: u64) -> BTreeMap<&'static str, u64> {
    let imports = Guest::module();
    let mut arena = Arena::new();
    let mut random = Random::new(part);
    for _ in 0..share(GENERATED) / TESTS {
        arena.run(generated(&mut random, &imports));
    }
    arena.finish()
}

/// Modules to change: those demos of this tree that are in text form, and built ones if there are any.
fn originals() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut modules = vec![Guest::module()];
    for (folder, extension) in [("demos/wat", "wat"), ("tests/wat", "wat"), ("build/wasm", "wasm")] {
        let Ok(folder) = std::fs::read_dir(root.join(folder)) else { continue };
        let mut files: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.retain(|file| file.extension().is_some_and(|found| found == extension));
        modules.extend(files.iter().filter_map(|file| wat::parse_file(file).ok()));
    }
    // Large ones take long to check and are no more likely to cause failures.
    modules.retain(|module| (16..128 << 10).contains(&module.len()));
    modules
}

fn run_changed(part: u64) -> BTreeMap<&'static str, u64> {
    let originals: Vec<_> = originals().into_iter().map(Original::new).collect();
    let mut arena = Arena::new();
    let mut random = Random::new(1000 + part);
    for _ in 0..share(CHANGED) / TESTS {
        let original = &originals[random.below(originals.len())];
        arena.run(original.changed(&mut random));
    }
    arena.finish()
}

/// Checks that the modules do not all fail for the same trivial reason.
fn various(ends: &BTreeMap<&'static str, u64>) {
    let total: u64 = ends.values().sum();
    let ran = total - ends.get("failed to start").copied().unwrap_or(0);
    // Of fewer modules, fewer may run.
    assert!(ran >= total / by_engine(10, 20), "nearly nothing ran: {ends:?}");
}

macro_rules! parts {
    ($($generated:ident $changed:ident $part:literal;)*) => {
        $(#[test]
        fn $generated() {
            various(&run_generated($part));
        }

        #[test]
        fn $changed() {
            various(&run_changed($part));
        })*
    };
}

parts! {
    generated_modules_do_no_harm_1 changed_modules_do_no_harm_1 1;
    generated_modules_do_no_harm_2 changed_modules_do_no_harm_2 2;
    generated_modules_do_no_harm_3 changed_modules_do_no_harm_3 3;
    generated_modules_do_no_harm_4 changed_modules_do_no_harm_4 4;
}
