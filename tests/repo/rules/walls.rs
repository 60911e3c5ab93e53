//! The kernel's state is in parts, each with methods that keep what must hold: nothing but these methods changes it.

use capos_repo::sources;
use regex::Regex;

use crate::none;

/// The parts, and the records that they consist of.
const PARTS: [&str; 11] = [
    "System",
    "Scheduler",
    "Threads",
    "Thread",
    "Work",
    "Processes",
    "Process",
    "MemoryObjects",
    "MemoryObject",
    "Pci",
    "Function",
];

/// A field of a part may be visible in the folder of the part, but not to the whole kernel.
#[test]
fn fields_of_the_kernels_parts_stay_behind_walls() {
    let kernel = sources(".rs").unwrap().into_iter().filter(|source| source.path.starts_with("kernel/src/"));
    let structure = Regex::new(r"(?m)^(?:pub(?:\([^)]*\))? )?struct (\w+) \{$([^}]*)^\}").unwrap();
    let visible = Regex::new(r"(?m)^ +pub(?:\(crate\))? (\w+):").unwrap();
    let (mut problems, mut found) = (Vec::new(), Vec::new());
    for source in kernel {
        for captures in structure.captures_iter(&source.text) {
            let part = captures[1].to_owned();
            if PARTS.contains(&part.as_str()) {
                let fields = visible.captures_iter(&captures[2]).map(|field| field[1].to_owned());
                problems.extend(fields.map(|field| format!("{}: {part}.{field} is visible", source.path)));
                found.push(part);
            }
        }
    }
    problems.extend(PARTS.iter().filter(|part| !found.iter().any(|name| name == *part)).map(|part| {
        format!("the kernel has no part {part} any more: remove it from tests/repo/rules/walls.rs")
    }));
    none(&problems);
}
