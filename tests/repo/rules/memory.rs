//! Running out of memory must not end the kernel: allocations that a process can cause are fallible.

use crate::none;
use capos_repo::{Source, sources};
use regex::Regex;

/// Code that runs before there is a process, or on the host.
const BEFORE_PROCESSES: [&str; 2] = ["kernel/src/arch/", "kernel/src/boot/"];

fn kernel() -> Vec<Source> {
    let is_kernel = |path: &str| path.starts_with("kernel/src/") || path.starts_with("kernel/core/src/");
    let is_exempt =
        |path: &str| BEFORE_PROCESSES.iter().any(|place| path.starts_with(place)) || path.contains("/tests");
    let all = sources(".rs").unwrap().into_iter();
    all.filter(|source| is_kernel(&source.path) && !is_exempt(&source.path)).collect()
}

/// An infallible allocation needs a reason: it uses the reserved memory (`with_scratch`), or no process runs yet (a
/// comment that begins with `At the start:` on the line before).
#[test]
fn the_kernel_allocates_fallibly() {
    let infallible = Regex::new(
        r"\b(vec|format)!|Box::(new|default|pin)\(|\.to_(vec|owned|string)\(\)|String::from\(|with_capacity\(|\.collect\(|allocate_zeroed_vec\(|BTreeMap|HashMap|Rc::new\(|Arc::new\(",
    )
    .unwrap();
    let mut problems = Vec::new();
    for source in kernel() {
        let mut before = "";
        for (number, line) in (1..).zip(source.text.lines()) {
            let excused = line.contains("with_scratch(") || before.contains("// At the start:");
            if infallible.is_match(line) && !line.trim_start().starts_with("//") && !excused {
                problems.push(format!("{}:{number}: allocates infallibly: {}", source.path, line.trim()));
            }
            before = line;
        }
    }
    none(&problems);
}

/// The allocator itself, whose blocks have sizes too.
const ALLOCATOR: &str = "kernel/src/mm/heap/";

/// A file that grows vectors must reserve capacity first.
#[test]
fn vectors_grow_into_reserved_room() {
    let grows =
        Regex::new(r"\.(resize|resize_with|extend|insert_str|push_str|append)\(|\bVec<[^>]*>.*\.push\(")
            .unwrap();
    let reserves = Regex::new(r"reserve").unwrap();
    let mut problems = Vec::new();
    for source in kernel().into_iter().filter(|source| !source.path.starts_with(ALLOCATOR)) {
        let grown =
            source.text.lines().any(|line| grows.is_match(line) && !line.trim_start().starts_with("//"));
        if grown && !reserves.is_match(&source.text) {
            problems.push(format!("{}: makes a vector longer, but reserves nothing", source.path));
        }
    }
    none(&problems);
}
