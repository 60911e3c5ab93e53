//! A guest that only makes calls: every function of Preview 1 as an export, so that a test can call them
//! one by one and inspect the guest's memory in between.

use super::World;
use capos_wasm::{
    Grants, InstanceHandle, InstanceSpec, Launch, Limits, Options, Value, ValueType,
    preview1::{FUNCTIONS, MODULE},
};
use std::borrow::Cow;

/// Size of the guest's memory in bytes.
pub const MEMORY_BYTES: u32 = 16 * 65536;

pub struct Guest {
    pub world: World,
    pub handle: InstanceHandle,
}

/// An errno that is not success.
pub type Fails<T = ()> = Result<T, i32>;

fn module_bytes() -> Vec<u8> {
    let types = |types: &[ValueType]| types.iter().map(ValueType::to_string).collect::<Vec<_>>().join(" ");
    let mut imports = String::new();
    let mut exports = String::new();
    for function in FUNCTIONS {
        let (name, params, results) = (function.name, types(function.params), types(function.results));
        imports +=
            &format!(r#"(import "{MODULE}" "{name}" (func ${name} (param {params}) (result {results})))"#);
        let arguments: String =
            (0..function.params.len()).map(|index| format!("(local.get {index})")).collect();
        exports += &format!(
            r#"(func (export "{name}") (param {params}) (result {results}) (call ${name} {arguments}))"#
        );
    }
    let pages = MEMORY_BYTES / 65536;
    let text = format!(
        r#"(module {imports} (memory (export "memory") {pages}) {exports}
        (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
        (func (export "peek64") (param i32) (result i64) (i64.load (local.get 0)))
        (func (export "fill") (param i32 i32 i32)
            (memory.fill (local.get 0) (local.get 1) (local.get 2)))
        (func (export "poke") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
        (func (export "poke64") (param i32 i64) (i64.store (local.get 0) (local.get 1))))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

impl Guest {
    /// The module that a guest runs: it imports every function.
    pub fn module() -> Vec<u8> {
        module_bytes()
    }

    pub fn new(world: World, grants: Grants, limits: Limits) -> Self {
        let spec = InstanceSpec {
            module: Cow::Owned(module_bytes()),
            module_name: "caller".into(),
            name: "caller".into(),
            launch: Launch::new(["caller"], []).expect("plain arguments"),
            grants,
            named: Vec::new(),
            limits,
            run: false,
            options: Options::default(),
        };
        let handle = world.host.start(spec);
        Self { world, handle }
    }

    pub fn call(&mut self, name: &str, arguments: &[i64]) -> Vec<Value> {
        let function = FUNCTIONS.iter().find(|function| function.name == name);
        let types = function.map_or_else(
            || match name {
                "poke64" => &[ValueType::I32, ValueType::I64][..],
                _ => &[ValueType::I32; 3][..arguments.len()],
            },
            |function| function.params,
        );
        assert_eq!(types.len(), arguments.len(), "{name}");
        let values: Vec<Value> = types
            .iter()
            .zip(arguments)
            .map(|(ty, &argument)| match ty {
                ValueType::I64 => Value::I64(argument),
                _ => Value::I32(argument as i32),
            })
            .collect();
        let handle = self.handle.clone();
        self.world.block_on(handle.call(name, &values)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Calls a function of Preview 1.
    pub fn errno(&mut self, name: &str, arguments: &[i64]) -> Fails {
        match self.call(name, arguments)[..] {
            [Value::I32(0)] => Ok(()),
            [Value::I32(errno)] => Err(errno),
            ref other => panic!("{name} returned {other:?}"),
        }
    }

    pub fn poke(&mut self, at: u32, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for (at, word) in (at..).step_by(8).zip(words) {
            self.call("poke64", &[at.into(), i64::from_le_bytes(*word)]);
        }
        for (at, byte) in (at + 8 * words.len() as u32..).zip(rest) {
            self.call("poke", &[at.into(), (*byte).into()]);
        }
    }

    pub fn poke_words(&mut self, at: u32, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.poke(at, &bytes);
    }

    pub fn peek(&mut self, at: u32, length: u32) -> Vec<u8> {
        (at..at + length)
            .map(|at| match self.call("peek", &[at.into()])[..] {
                [Value::I32(byte)] => byte as u8,
                ref other => panic!("{other:?}"),
            })
            .collect()
    }

    pub fn peek_u64(&mut self, at: u32) -> u64 {
        match self.call("peek64", &[at.into()])[..] {
            [Value::I64(value)] => value as u64,
            ref other => panic!("{other:?}"),
        }
    }

    pub fn peek_u32(&mut self, at: u32) -> u32 {
        self.peek_u64(at) as u32
    }
}
