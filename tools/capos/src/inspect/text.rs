//! The report on a file, in columns.

use std::fmt::Write as _;

use super::module::{memory_text, table_text};
use super::{Component, Content, Inspected, Module, Section, State};

/// Custom sections beyond these are summarised.
const CUSTOM_SHOWN: usize = 8;

pub(super) fn render(inspected: &Inspected, name: &str) -> String {
    let mut to = String::new();
    let bytes = inspected.bytes;
    match &inspected.content {
        Content::Module(module) => {
            line(&mut to, &format!("{name}: WebAssembly module, {bytes} bytes; {}", module.role()));
            invalid(&mut to, inspected);
            of_module(&mut to, module);
        }
        Content::Component(component) => {
            line(
                &mut to,
                &format!("{name}: WebAssembly component, {bytes} bytes; components cannot be run yet"),
            );
            invalid(&mut to, inspected);
            of_component(&mut to, component);
        }
    }
    sizes(&mut to, "Sections", &inspected.sections.known, bytes, usize::MAX);
    sizes(&mut to, "Custom sections", &inspected.sections.custom, bytes, CUSTOM_SHOWN);
    to
}

/// Writing to a string cannot fail.
fn line(to: &mut String, text: &str) {
    let _ = writeln!(to, "{}", text.trim_end());
}

fn invalid(to: &mut String, inspected: &Inspected) {
    if let Some(reason) = &inspected.invalid {
        line(to, &format!("Invalid: {reason}. The rest is shown as far as it can be read."));
    }
}

/// A name from the file, without control characters, which could affect a terminal.
fn plain(name: &str) -> String {
    name.escape_debug().to_string()
}

/// A heading and rows, each column as wide as its widest cell.
fn table(to: &mut String, heading: &str, rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    line(to, "");
    line(to, heading);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width));
        line(to, &format!("  {}", cells.collect::<Vec<_>>().join("  ")));
    }
}

fn of_module(to: &mut String, module: &Module) {
    let imports = module.imports.iter().map(|import| {
        let (needs, by) = match import.grant() {
            Some(grant) if grant.needs == "none" => ("nothing".to_owned(), String::new()),
            Some(grant) if grant.option.is_empty() => {
                (grant.needs.to_owned(), "cannot be granted yet".to_owned())
            }
            Some(grant) => (grant.needs.to_owned(), format!("{} ({})", grant.option, grant.manifest)),
            None if import.kind.word() == "function" => {
                ("UNKNOWN".to_owned(), "--unknown-imports=trap turns it into a trap".to_owned())
            }
            None => ("UNKNOWN".to_owned(), "not provided by any host".to_owned()),
        };
        vec![
            plain(&import.module),
            plain(&import.name),
            import.kind.word().to_owned(),
            import.kind.text(),
            needs,
            by,
        ]
    });
    let mut rows: Vec<_> = imports.collect();
    if !rows.is_empty() {
        let head = ["from", "name", "kind", "type", "needs", "granted by (in a manifest by)"];
        rows.insert(0, head.map(str::to_owned).to_vec());
    }
    table(to, "Imports", &rows);
    let exports = module.exports.iter();
    let exports =
        exports.map(|export| vec![plain(&export.name), export.kind.word().to_owned(), export.kind.text()]);
    table(to, "Exports", &exports.collect::<Vec<_>>());
    let numbered = |list: Vec<String>| -> Vec<Vec<String>> {
        (0..).zip(list).map(|(index, text): (usize, String)| vec![index.to_string(), text]).collect()
    };
    table(to, "Memories", &numbered(module.memories.iter().map(memory_text).collect()));
    table(to, "Tables", &numbered(module.tables.iter().map(table_text).collect()));
    let counts = [("functions", module.functions), ("globals", module.globals)];
    let counts = counts.map(|(what, count)| vec![what.to_owned(), count.to_string()]);
    table(to, "Defined", &counts);
    let proposals = module.proposals.iter().map(|proposal| {
        let state = match proposal.state() {
            State::Runs => "runs",
            State::Rewritten => "rewritten when the boot package is built",
            State::Compiled => "runs with `engine: \"compiler\"` (--engine=compiler)",
            State::Missing => "CANNOT RUN: no engine here is to run it yet",
        };
        vec![proposal.name().to_owned(), state.to_owned()]
    });
    table(to, "Proposals used", &proposals.collect::<Vec<_>>());
}

fn of_component(to: &mut String, component: &Component) {
    let rows = |names: &[String]| names.iter().map(|name| vec![plain(name)]).collect::<Vec<_>>();
    table(to, "Imports", &rows(&component.imports));
    table(to, "Exports", &rows(&component.exports));
}

fn sizes(to: &mut String, heading: &str, sections: &[Section], total: u64, shown: usize) {
    let row = |name: String, bytes: u64| {
        let percent = bytes.saturating_mul(100).checked_div(total).unwrap_or(0);
        vec![name, format!("{bytes:>10} bytes"), format!("{percent:>3} %")]
    };
    let (first, rest) = sections.split_at(shown.min(sections.len()));
    let mut rows: Vec<_> = first.iter().map(|section| row(plain(&section.name), section.bytes)).collect();
    if !rest.is_empty() {
        let bytes = rest.iter().map(|section| section.bytes).sum();
        rows.push(row(format!("{} more", rest.len()), bytes));
    }
    table(to, heading, &rows);
}
