//! Whether a call on the command line can be made, before anything boots for it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use wasmparser_263::ValType;

use super::module::{Kind, Module};
use crate::manifest::candidates::suggestion;

/// Checks that the module exports a function of this name, which takes as many arguments as there are, of types that can
/// be given.
///
/// # Errors
/// For another name, with those that there are, and for other arguments.
pub fn check_call(path: &Path, function: &str, arguments: &[String]) -> Result<()> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    check(&Module::read(&bytes), function, arguments).with_context(|| format!("--invoke {function}"))
}

fn check(module: &Module, function: &str, arguments: &[String]) -> Result<()> {
    let Some(ty) = module.exported_function(function) else {
        let functions = module.exports.iter().filter(|export| matches!(export.kind, Kind::Function(_)));
        let names: Vec<String> = functions.map(|export| export.name.escape_debug().to_string()).collect();
        bail!("the program exports no function of that name{}", suggestion(function, &names));
    };
    let shown = Kind::Function(Some(ty.clone())).text();
    let (takes, given) = (ty.params().len(), arguments.len());
    ensure!(takes == given, "it takes {takes} arguments {shown}, and {given} were given");
    let number = |ty: &&ValType| matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64);
    if let Some(other) = ty.params().iter().find(|ty| !number(ty)) {
        bail!("it takes a {other}, which cannot be given on the command line");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser_263::FuncType;

    use crate::inspect::Export;

    fn module() -> Module {
        let export = |name: &str, ty| Export { name: name.to_owned(), kind: Kind::Function(Some(ty)) };
        Module {
            exports: vec![
                export("fib", FuncType::new([ValType::I32], [ValType::I64])),
                export("vector", FuncType::new([ValType::V128], [])),
            ],
            ..Module::default()
        }
    }

    fn error(function: &str, arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        check(&module(), function, &arguments).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn only_calls_that_can_be_made_are_tried() {
        assert_eq!(error("fib", &["10"]), "");
        assert_eq!(error("fib", &[]), "it takes 1 arguments (i32) -> (i64), and 0 were given");
        assert!(error("fob", &["10"]).contains("did you mean \"fib\"?"));
        assert!(error("vector", &["1"]).contains("v128"));
    }
}
