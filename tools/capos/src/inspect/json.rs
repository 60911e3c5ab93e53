//! The report as JSON.

use serde_json::{Value, json};

use super::{Component, Content, Inspected, Module, Section, State};

pub(super) fn value(inspected: &Inspected) -> Value {
    let sections = |list: &[Section]| -> Vec<Value> {
        list.iter().map(|section| json!({"name": section.name, "bytes": section.bytes})).collect()
    };
    let mut value = match &inspected.content {
        Content::Module(module) => of_module(module),
        Content::Component(Component { imports, exports }) => {
            json!({"kind": "component", "imports": imports, "exports": exports})
        }
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("bytes".to_owned(), json!(inspected.bytes));
        object.insert("invalid".to_owned(), json!(inspected.invalid));
        object.insert("sections".to_owned(), json!(sections(&inspected.sections.known)));
        object.insert("customSections".to_owned(), json!(sections(&inspected.sections.custom)));
    }
    value
}

fn of_module(module: &Module) -> Value {
    let imports = module.imports.iter().map(|import| {
        let grant = import.grant();
        json!({
            "module": import.module,
            "name": import.name,
            "kind": import.kind.word(),
            "type": import.kind.text(),
            "known": grant.is_some(),
            "needs": grant.map(|grant| grant.needs),
            "option": grant.map(|grant| grant.option),
            "manifest": grant.map(|grant| grant.manifest),
        })
    });
    let exports = module
        .exports
        .iter()
        .map(|export| json!({"name": export.name, "kind": export.kind.word(), "type": export.kind.text()}));
    let proposals = module.proposals.iter().map(|proposal| {
        let state = match proposal.state() {
            State::Runs => "runs",
            State::Rewritten => "rewritten",
            State::Compiled => "compiled",
            State::Missing => "missing",
        };
        json!({"name": proposal.name(), "state": state})
    });
    json!({
        "kind": "module",
        "role": module.role(),
        "imports": imports.collect::<Vec<_>>(),
        "exports": exports.collect::<Vec<_>>(),
        "memories": module.memories.iter().map(super::module::memory_text).collect::<Vec<_>>(),
        "tables": module.tables.iter().map(super::module::table_text).collect::<Vec<_>>(),
        "functions": module.functions,
        "globals": module.globals,
        "proposals": proposals.collect::<Vec<_>>(),
    })
}
