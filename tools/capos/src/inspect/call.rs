//! Checks that a requested call is possible, before anything boots.

use std::fmt;
use std::path::Path;

use anyhow::{Result, anyhow};
use wasmparser_263::{FuncType, ValType};

use super::file::module_bytes;
use super::module::{Kind, Module};
use crate::manifest::candidates::suggestion;

/// A reason why a call is not possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadCall {
    /// The function, or the number of its arguments.
    Function(String),
    /// The argument at this index.
    Argument(usize, String),
}

impl fmt::Display for BadCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(reason) => write!(f, "{reason}"),
            Self::Argument(index, reason) => write!(f, "argument {}: {reason}", index + 1),
        }
    }
}

/// Checks that the module exports a function with this name, that it takes this many arguments, of types that can be
/// given as text, and that each argument is valid for its type.
///
/// # Errors
/// For an unknown name, with the existing ones, and for invalid arguments.
pub fn check_call(path: &Path, function: &str, arguments: &[String]) -> Result<()> {
    let module = Module::interface(&module_bytes(path)?);
    call(&module, function, arguments).map_err(|bad| anyhow!("--invoke {function}: {bad}"))
}

/// The same for a module that has been read.
pub(crate) fn call(module: &Module, function: &str, arguments: &[String]) -> Result<(), BadCall> {
    let ty = exported(module, function).map_err(BadCall::Function)?;
    let shown = Kind::Function(Some(ty.clone())).text();
    let (takes, given) = (ty.params().len(), arguments.len());
    if takes != given {
        let (arguments, were) =
            (if takes == 1 { "argument" } else { "arguments" }, if given == 1 { "was" } else { "were" });
        return Err(BadCall::Function(format!(
            "it takes {takes} {arguments} {shown}, and {given} {were} given"
        )));
    }
    for (index, (ty, text)) in ty.params().iter().zip(arguments).enumerate() {
        number(*ty, text).map_err(|reason| BadCall::Argument(index, reason))?;
    }
    Ok(())
}

/// The type of an exported function that can be called with numbers.
fn exported<'a>(module: &'a Module, function: &str) -> Result<&'a FuncType, String> {
    let Some(ty) = module.exported_function(function) else {
        let functions = module.exports.iter().filter(|export| matches!(export.kind, Kind::Function(_)));
        let names: Vec<String> = functions.map(|export| export.name.escape_debug().to_string()).collect();
        let there = suggestion(function, &names);
        return Err(format!("the program exports no function of that name{there}"));
    };
    let number = |ty: &&ValType| matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64);
    match ty.params().iter().find(|ty| !number(ty)) {
        Some(other) => {
            Err(format!("it takes {} {other}, which cannot be given as text", article(&other.to_string())))
        }
        None => Ok(ty),
    }
}

/// The indefinite article of a type.
fn article(name: &str) -> &'static str {
    if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The error for an invalid number, in the host's words.
fn number(ty: ValType, text: &str) -> Result<(), String> {
    let wrong = |reason: &dyn fmt::Display| Err(format!("{text:?} is no {ty}: {reason}"));
    let fits = match ty {
        ValType::F32 => return text.parse::<f32>().map(drop).or_else(|error| wrong(&error)),
        ValType::F64 => return text.parse::<f64>().map(drop).or_else(|error| wrong(&error)),
        ValType::I64 => integer(text, 64),
        _ => integer(text, 32),
    };
    match fits {
        Some(true) => Ok(()),
        Some(false) => {
            wrong(&format_args!("it does not fit in {} bits", if ty == ValType::I64 { 64 } else { 32 }))
        }
        None => wrong(&"an integer in decimal or, after 0x, hexadecimal was expected"),
    }
}

/// Whether an integer is between the least signed and the greatest unsigned one of this many bits; `None` if it is not
/// an integer.
fn integer(text: &str, bits: u32) -> Option<bool> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let Ok(magnitude) = u64::from_str_radix(digits, radix) else { return Some(false) };
    let value = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
    Some((-(1i128 << (bits - 1))..1i128 << bits).contains(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::inspect::Export;

    fn module() -> Module {
        let export = |name: &str, ty| Export { name: name.to_owned(), kind: Kind::Function(Some(ty)) };
        Module {
            exports: vec![
                export("fib", FuncType::new([ValType::I32], [ValType::I64])),
                export("far", FuncType::new([ValType::I64, ValType::F64], [])),
                export("vector", FuncType::new([ValType::V128], [])),
                export("object", FuncType::new([ValType::EXTERNREF], [])),
            ],
            ..Module::default()
        }
    }

    fn error(function: &str, arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        call(&module(), function, &arguments).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn only_calls_that_can_be_made_are_tried() {
        assert_eq!(error("fib", &["10"]), "");
        assert_eq!(error("fib", &[]), "it takes 1 argument (i32) -> (i64), and 0 were given");
        assert!(error("fob", &["10"]).contains("did you mean \"fib\"?"));
        assert!(error("vector", &["1"]).contains("it takes a v128, "));
        assert!(error("object", &["1"]).contains("it takes an externref, "));
    }

    #[test]
    fn arguments_are_numbers_of_their_types() {
        for good in ["5", "+5", "-5", "010", "0x10", "-0X10", "4294967295", "-2147483648"] {
            assert_eq!(error("fib", &[good]), "", "{good}");
        }
        for (bad, wanted) in [
            ("", "an integer in decimal or, after 0x, hexadecimal was expected"),
            ("x", "argument 1: \"x\" is no i32: an integer"),
            ("1.5", "an integer"),
            ("0x", "an integer"),
            ("+-5", "an integer"),
            ("4294967296", "it does not fit in 32 bits"),
            ("-2147483649", "it does not fit in 32 bits"),
        ] {
            assert!(error("fib", &[bad]).contains(wanted), "{bad}: {}", error("fib", &[bad]));
        }
        assert_eq!(error("far", &["18446744073709551615", "nan"]), "");
        assert!(error("far", &["18446744073709551616", "1"]).contains("does not fit in 64 bits"));
        assert!(error("far", &["1", "one"]).starts_with("argument 2: \"one\" is no f64: "));
    }
}
