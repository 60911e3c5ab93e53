//! The name section, extended by the added functions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use wasm_encoder::{NameMap, NameSection};
use wasmparser_263::{Name, NameSectionReader};

use crate::helpers::{ENTRY_PREFIX, HELPER_PREFIX, Helper};
use crate::lowered::Lowered;
use crate::runtime::Runtime;

/// Names of functions, those of the module first. Other names are left out, since backtraces show only functions.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    module: Option<&'a str>,
    functions: BTreeMap<u32, &'a str>,
}

impl<'a> Names<'a> {
    /// Reads as far as the section is valid: it does not affect the module's behaviour.
    pub(crate) fn read(&mut self, section: NameSectionReader<'a>) {
        for subsection in section.into_iter().map_while(Result::ok) {
            match subsection {
                Name::Module { name, .. } => self.module = Some(name),
                Name::Function(map) => {
                    let names = map.into_iter().map_while(Result::ok);
                    self.functions.extend(names.map(|naming| (naming.index, naming.name)));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn section(&self, runtime: &Runtime) -> Lowered<NameSection> {
        let mut section = NameSection::new();
        if let Some(name) = self.module {
            section.module(name);
        }
        let own = runtime.facts.function_count();
        let mut names = NameMap::new();
        for (index, name) in self.functions.range(..own) {
            names.append(*index, name);
        }
        for (index, helper) in (own..).zip(&runtime.helpers) {
            match helper {
                Helper::Entry(function) => {
                    let name = self.functions.get(function).map(|name| Cow::Borrowed(*name));
                    let name = name.unwrap_or_else(|| Cow::Owned(format!("function {function}")));
                    names.append(index, &format!("{HELPER_PREFIX}{ENTRY_PREFIX}{name}"));
                }
                _ => names.append(index, &helper.name()),
            }
        }
        section.functions(&names);
        Ok(section)
    }
}
