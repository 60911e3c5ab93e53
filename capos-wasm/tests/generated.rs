//! Thousands of modules that nobody wrote: made by wasm-smith, and real ones with bytes changed. Whatever they do, each
//! ends or is ended, and the host goes on.

use crate::support::{Guest, World, namespace, preopen, spec, volume, with_imports};
use arbitrary::Unstructured;
use capos_wasm::{End, Grants, Limits};
use std::{collections::BTreeMap, path::Path};
use wasm_smith::{Config, MemoryOffsetChoices, Module};
use wasmparser::{Parser, Payload};

/// Ten thousand modules. Four tests share each kind, so that they run side by side.
const GENERATED: u64 = 2_500;
const MUTATED: u64 = 7_500;
const TESTS: u64 = 4;

/// Turns that one module gets before it is killed.
const TURNS: usize = 12;

/// A small generator with a seed, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(count).collect()
    }
}

/// A host on which one module after the other runs, each with everything granted and little of it allowed.
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
            stack_depth: 100,
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

    /// The host that ran all this runs a plain program as if nothing had been.
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

/// What generated modules import and export.
fn config(shape: &mut Random) -> Config {
    let exports = r#"(module (func (export "_start")) (memory (export "memory") 1))"#;
    Config {
        available_imports: Some(Guest::module()),
        exports: Some(wat::parse_str(exports).expect("text")),
        max_memories: 2,
        max_tables: 3,
        max_memory32_bytes: 2 << 20,
        max_table_elements: 8192,
        max_funcs: 20,
        max_instructions: 200,
        min_data_segments: 1,
        // Now and then what this host does not run; that must fail to start and nothing more.
        simd_enabled: shape.below(16) == 0,
        threads_enabled: shape.below(16) == 0,
        gc_enabled: shape.below(16) == 0,
        exceptions_enabled: shape.below(16) == 0,
        memory64_enabled: shape.below(16) == 0,
        relaxed_simd_enabled: false,
        compact_imports_enabled: false,
        wide_arithmetic_enabled: false,
        custom_page_sizes_enabled: false,
        memory_offset_choices: MemoryOffsetChoices(90, 9, 1),
        ..Config::default()
    }
}

fn generated(part: u64) -> BTreeMap<&'static str, u64> {
    let mut arena = Arena::new();
    let mut random = Random(part);
    let mut made = 0;
    while made < GENERATED / TESTS {
        let length = 512 + random.below(2048);
        let bytes = random.bytes(length);
        // Not every string of bytes describes a module.
        let Ok(module) = Module::new(config(&mut random), &mut Unstructured::new(&bytes)) else { continue };
        arena.run(module.to_bytes());
        made += 1;
    }
    arena.finish()
}

/// Modules to change: of this tree's demos those in text form, and those that were built, if they were.
fn originals() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut modules = vec![Guest::module()];
    for (folder, extension) in [("demos/wat", "wat"), ("build/wasm", "wasm")] {
        let Ok(folder) = std::fs::read_dir(root.join(folder)) else { continue };
        let mut files: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.retain(|file| file.extension().is_some_and(|found| found == extension));
        modules.extend(files.iter().filter_map(|file| wat::parse_file(file).ok()));
    }
    // Large ones take long to check and are no more likely to break something.
    modules.retain(|module| (16..128 << 10).contains(&module.len()));
    modules
}

/// Where a module's bytes can mostly change without it becoming invalid: constants in code, and data.
fn soft_spots(module: &[u8]) -> Vec<usize> {
    let mut spots = Vec::new();
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        match payload {
            Payload::CodeSectionEntry(body) => {
                let Ok(reader) = body.get_operators_reader() else { continue };
                let operators: Vec<_> =
                    reader.into_iter_with_offsets().map_while(Result::ok).map(|(_, at)| at).collect();
                for pair in operators.windows(2) {
                    let constant = matches!(module[pair[0]], 0x41 | 0x42);
                    // Bits of a number, not the one that says whether it goes on.
                    if constant {
                        spots.extend(pair[0] + 1..pair[1]);
                    }
                }
            }
            Payload::DataSection(section) => {
                for data in section.into_iter().map_while(Result::ok) {
                    spots.extend(data.range.end - data.data.len()..data.range.end);
                }
            }
            _ => {}
        }
    }
    spots
}

/// Operators that take and give the same.
const ALIKE: &[&[u8]] = &[
    &[0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78],
    &[0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f],
    &[0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85],
];

/// Where operators begin that others can stand for.
fn operators(module: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        let Payload::CodeSectionEntry(body) = payload else { continue };
        let Ok(reader) = body.get_operators_reader() else { continue };
        let places = reader.into_iter_with_offsets().map_while(Result::ok).map(|(_, at)| at);
        found.extend(places.filter(|&at| ALIKE.iter().any(|group| group.contains(&module[at]))));
    }
    found
}

/// A module to change, and where it can be changed and stay valid.
struct Original {
    module: Vec<u8>,
    spots: Vec<usize>,
    operators: Vec<usize>,
}

impl Original {
    fn new(module: Vec<u8>) -> Self {
        let (spots, operators) = (soft_spots(&module), operators(&module));
        Self { module, spots, operators }
    }

    /// Mostly the same program with other numbers and operators; now and then just other bytes.
    fn mutate(&self, random: &mut Random) -> Vec<u8> {
        let mut module = self.module.clone();
        if random.below(4) == 0 {
            for _ in 0..=random.below(3) {
                let at = 8 + random.below(module.len() - 8);
                match random.below(4) {
                    0 => drop(module.remove(at)),
                    1 => module.insert(at, random.next() as u8),
                    _ => module[at] ^= 1 << random.below(8),
                }
            }
            return module;
        }
        for _ in 0..=random.below(24) {
            if let Some(&at) = self.spots.get(random.below(self.spots.len())) {
                module[at] = module[at] & 0x80 | random.next() as u8 & 0x7f;
            }
            if let Some(&at) = self.operators.get(random.below(self.operators.len())) {
                let group = ALIKE.iter().find(|group| group.contains(&module[at]));
                module[at] = group.map_or(module[at], |group| group[random.below(group.len())]);
            }
        }
        module
    }
}

fn mutated(part: u64) -> BTreeMap<&'static str, u64> {
    let originals: Vec<_> = originals().into_iter().map(Original::new).collect();
    let mut arena = Arena::new();
    let mut random = Random(1000 + part);
    for _ in 0..MUTATED / TESTS {
        let original = &originals[random.below(originals.len())];
        arena.run(original.mutate(&mut random));
    }
    arena.finish()
}

/// The modules must not all fail for the same dull reason.
fn various(ends: &BTreeMap<&'static str, u64>) {
    let total: u64 = ends.values().sum();
    let ran = total - ends.get("failed to start").copied().unwrap_or(0);
    assert!(ran >= total / 10, "nearly nothing ran: {ends:?}");
}

macro_rules! parts {
    ($($generated:ident $mutated:ident $part:literal;)*) => {
        $(#[test]
        fn $generated() {
            various(&generated($part));
        }

        #[test]
        fn $mutated() {
            various(&mutated($part));
        })*
    };
}

parts! {
    generated_modules_do_no_harm_1 mutated_modules_do_no_harm_1 1;
    generated_modules_do_no_harm_2 mutated_modules_do_no_harm_2 2;
    generated_modules_do_no_harm_3 mutated_modules_do_no_harm_3 3;
    generated_modules_do_no_harm_4 mutated_modules_do_no_harm_4 4;
}
