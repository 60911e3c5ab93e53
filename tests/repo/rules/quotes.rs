//! Pages that quote the source, and the glossary: quotes match the source, and terms exist.

use std::collections::BTreeSet;

use capos_repo::{read, root, sources};

use crate::documents::{pages, regex, spans};
use crate::none;

/// Pages whose code blocks are quotes from the files named in the preceding text.
const QUOTING: [&str; 1] = ["docs/adding-a-capability.md"];

/// Code blocks, each with its line and the path at the end of the preceding sentence.
fn quotes(text: &str) -> Vec<(usize, Option<String>, String)> {
    let path = regex(r"`([A-Za-z0-9_./-]+/[A-Za-z0-9_.-]+)`:$");
    let (mut found, mut before, mut block) = (Vec::new(), String::new(), None::<(usize, String)>);
    for (number, line) in (1..).zip(text.lines()) {
        match &mut block {
            Some((start, lines)) if line.starts_with("```") => {
                let named = path.captures(&before).map(|captures| captures[1].to_owned());
                found.push((*start, named, std::mem::take(lines)));
                block = None;
            }
            Some((_, lines)) => {
                lines.push_str(line);
                lines.push('\n');
            }
            None if line.starts_with("```") => block = Some((number, String::new())),
            None if line.is_empty() => {}
            None => line.clone_into(&mut before),
        }
    }
    found
}

#[test]
fn quoted_code_is_in_the_files() {
    let mut problems = Vec::new();
    for page in QUOTING {
        let quotes = quotes(&read(page).unwrap());
        assert!(!quotes.is_empty(), "{page}");
        for (line, path, block) in quotes {
            let Some(path) = path else {
                problems.push(format!("{page}:{line}: no path ends the sentence before this code"));
                continue;
            };
            if !root().join(&path).is_file() {
                problems.push(format!("{page}:{line}: {path} does not exist"));
            } else if !read(&path).unwrap().contains(&block) {
                problems.push(format!("{page}:{line}: {path} does not have this code"));
            }
        }
    }
    none(&problems);
}

/// The terms of the glossary's tables, with their lines.
fn words(glossary: &str) -> Vec<(usize, String)> {
    let row = regex(r"^\| ([a-z][^|]*) \|");
    let lines = (1..).zip(glossary.lines());
    let cells = lines.filter_map(|(line, text)| Some((line, row.captures(text)?[1].to_owned())));
    let each = cells
        .flat_map(|(line, cell)| cell.split(", ").map(|word| (line, word.to_owned())).collect::<Vec<_>>());
    each.filter(|(_, word)| word != "word").collect()
}

#[test]
fn the_glossary_has_words_that_are_used_once() {
    let glossary = read("docs/glossary.md").unwrap();
    let words = words(&glossary);
    assert!(words.len() > 20, "{words:?}");
    let texts: Vec<_> = pages().into_iter().filter(|page| page.path != "docs/glossary.md").collect();
    let (mut problems, mut seen) = (Vec::new(), BTreeSet::new());
    for (line, word) in &words {
        if !seen.insert(word) {
            problems.push(format!("docs/glossary.md:{line}: `{word}` is there twice"));
        }
        let used = regex(&format!(r"\b{}", regex::escape(word)));
        if !texts.iter().any(|page| used.is_match(&page.text.to_lowercase())) {
            problems.push(format!("docs/glossary.md:{line}: no other page uses the word `{word}`"));
        }
    }
    none(&problems);
}

#[test]
fn types_in_the_glossary_are_declared() {
    let glossary =
        pages().into_iter().find(|page| page.path == "docs/glossary.md").expect("the glossary is a page");
    let name = regex(r"^(?:[a-z_]+::)*([A-Z][A-Za-z0-9]+)$");
    let source: Vec<_> = [".rs", ".capnp"].into_iter().flat_map(|ending| sources(ending).unwrap()).collect();
    let mut problems = Vec::new();
    for (line, span) in spans(&glossary) {
        let Some(captures) = name.captures(&span) else { continue };
        let declared =
            regex(&format!(r"(?m)^\s*(?:pub )?(?:struct|enum|trait|interface) {}\b", &captures[1]));
        if !source.iter().any(|file| declared.is_match(&file.text)) {
            problems.push(format!("docs/glossary.md:{line}: `{span}` is declared nowhere"));
        }
    }
    none(&problems);
}
