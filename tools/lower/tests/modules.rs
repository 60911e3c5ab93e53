//! Whole modules: which are rewritten, which are refused, and that the cost is linear in their size.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use capos_lower::{Kept, lower};
use wasmi::{Engine, Module};
use wasmparser_263::{Parser, Payload, Validator, WasmFeatures};

fn lowered(text: &str) -> Vec<u8> {
    lower(&wat::parse_str(text).unwrap(), Kept::Nothing).unwrap().unwrap()
}

/// The proposals that the engine supports.
fn engine_features() -> WasmFeatures {
    WasmFeatures::default().difference(
        WasmFeatures::EXCEPTIONS
            | WasmFeatures::THREADS
            | WasmFeatures::FUNCTION_REFERENCES
            | WasmFeatures::GC,
    )
}

#[test]
fn what_needs_no_rewriting_is_left_alone() {
    let plain = wat::parse_str("(module (memory 1) (func (export \"f\")))").unwrap();
    assert!(lower(&plain, Kept::Nothing).unwrap().is_none());
    assert!(lower(b"no module", Kept::Nothing).unwrap().is_none());
    assert!(lower(&[], Kept::Nothing).unwrap().is_none());
    // Errors unrelated to exceptions are reported by the engine.
    assert!(lower(&plain[..plain.len() - 3], Kept::Nothing).unwrap().is_none());
}

#[test]
fn every_part_of_exceptions_is_noticed() {
    let parts = [
        "(module (tag))",
        "(module (tag (export \"t\")))",
        "(module (func (param exnref)))",
        "(module (func (local exnref)))",
        "(module (global exnref (ref.null exn)))",
        "(module (func (throw_ref (ref.null exn))))",
        "(module (func (try_table)))",
        "(module (func try end))",
        "(module (memory 1 1 shared))",
        "(module (func (atomic.fence)))",
        "(module (memory 1) (func (drop (memory.atomic.notify (i32.const 0) (i32.const 0)))))",
    ];
    for text in parts {
        let module = lowered(text);
        Validator::new_with_features(engine_features())
            .validate_all(&module)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        Module::new(&Engine::default(), &module[..]).unwrap();
    }
}

#[test]
fn what_cannot_be_rewritten_is_refused_by_name() {
    for (text, reason) in [
        ("(module (import \"env\" \"__cpp_exception\" (tag (param i32))))", "\"__cpp_exception\" of \"env\""),
        ("(module (tag) (table 1 exnref))", "in a table"),
        ("(module (tag) (func (result (ref func)) (throw 0)))", "cannot be null"),
    ] {
        let error = lower(&wat::parse_str(text).unwrap(), Kept::Nothing).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn an_invalid_module_stays_one() {
    // `wat` does not check types.
    let module =
        wat::parse_str("(module (tag) (func (result i32) (throw 0) (drop (f32.add (i32.const 1)))))")
            .unwrap();
    let error = lower(&module, Kept::Nothing).unwrap_err().to_string();
    assert!(error.contains("not a valid module"), "{error}");
}

#[test]
fn names_and_other_custom_sections_stay() {
    let module = lowered(
        "(module $m (@custom \"first\" (before first) \"1\") (tag) (func $thrower (export \"f\") (throw 0))
         (@custom \"last\" (after last) \"2\") (@custom \".debug_line\" (after last) \"3\"))",
    );
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(&module) {
        if let Payload::CustomSection(section) = payload.unwrap() {
            names.push(section.name().to_owned());
        }
    }
    assert_eq!(names, ["first", "name", "last"], "and what describes code that is no longer there goes");
    let text = String::from_utf8_lossy(&module);
    assert!(text.contains("thrower") && text.contains("uncaught exception"));
}

/// A function with `n` of each of several constructs, nested and sequential.
fn module_of_size(n: usize) -> Vec<u8> {
    use wasm_encoder::{
        BlockType, Catch, CodeSection, Function, FunctionSection, TagKind, TagSection, TagType, TypeSection,
    };
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut tags = TagSection::new();
    tags.tag(TagType { kind: TagKind::Exception, func_type_idx: 0 });
    let mut function = Function::new([]);
    let mut code = function.instructions();
    let depth = u32::try_from(n).unwrap();
    for _ in 0..n {
        code.block(BlockType::Empty);
    }
    for _ in 0..n {
        // From within all blocks, so that a linear search for labels would show.
        code.try_table(
            BlockType::Empty,
            [Catch::One { tag: 0, label: depth - 1 }, Catch::All { label: depth - 1 }],
        );
        code.call(0).call(0).end();
    }
    for _ in 0..n {
        code.try_table(BlockType::Empty, []);
    }
    for _ in 0..n {
        code.call(0).end();
    }
    for _ in 0..n {
        code.i32_const(0).br_if(0);
    }
    for _ in 0..n {
        code.end();
    }
    code.end();
    let mut body = CodeSection::new();
    body.function(&function);
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&functions).section(&tags).section(&body);
    module.finish()
}

#[test]
fn the_output_is_linear_in_the_input() {
    let (small, large) = (module_of_size(500), module_of_size(5000));
    let growth =
        |module: &[u8]| lower(module, Kept::Nothing).unwrap().unwrap().len() as f64 / module.len() as f64;
    let (few, many) = (growth(&small), growth(&large));
    assert!(many < few * 1.5, "{few} times as long at first, {many} times later");
    assert!(many < 8.0, "{many} times as long");
}

#[test]
fn an_engine_with_exceptions_gets_all_but_the_older_form_as_it_is() {
    for (text, is_kept) in [
        ("(module (tag $t) (func (throw $t)))", true),
        ("(module (func (block $l (try_table (catch_all $l)))))", true),
        ("(module (func (param exnref)))", true),
        ("(module (func try end))", false),
        ("(module (tag $t) (func try throw $t catch_all rethrow 0 end))", false),
        ("(module (tag $t) (memory 1 1 shared) (func (throw $t)))", false),
    ] {
        let lowered = lower(&wat::parse_str(text).unwrap(), Kept::Exceptions).unwrap();
        assert_eq!(lowered.is_none(), is_kept, "{text}");
    }
}
