//! `docs/programs.md` explains all options of a program, and names no unknown ones.

use std::collections::BTreeSet;

use clap::CommandFactory as _;

use super::Cli;

const PAGE: &str = include_str!("../../../../docs/programs.md");

/// Options as the page writes them: `--name`, without a preceding letter.
fn on_the_page() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut before = ' ';
    for (at, c) in PAGE.char_indices() {
        if PAGE.get(at..).is_some_and(|rest| rest.starts_with("--"))
            && !before.is_alphanumeric()
            && before != '-'
        {
            let name = PAGE.get(at + 2..).unwrap_or_default();
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let end = name.find(|c: char| !is_name(c)).unwrap_or(name.len());
            found.insert(name.get(..end).unwrap_or_default().to_owned());
        }
        before = c;
    }
    // Table rules are not options.
    found.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

#[test]
fn the_page_on_programs_names_every_option_and_no_other() {
    let mut command = Cli::command();
    command.build();
    let run = command.find_subcommand("run");
    let arguments: Vec<_> = run.into_iter().flat_map(clap::Command::get_arguments).collect();
    let everywhere = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let options: BTreeSet<_> = everywhere.filter_map(|arg| arg.get_long()).collect();
    let page = on_the_page();
    let unknown: Vec<_> = page.iter().filter(|name| !options.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "docs/programs.md names unknown options: {unknown:?}");
    let for_programs = arguments
        .iter()
        .filter(|arg| arg.get_help_heading().is_some_and(|heading| heading.contains("WebAssembly program")));
    let missing: Vec<_> =
        for_programs.filter_map(|arg| arg.get_long()).filter(|name| !page.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/programs.md does not name {missing:?}");
}
