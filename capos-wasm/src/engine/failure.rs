//! The text of a trap: its reason and the functions of the program.

use super::names::printable;
use crate::Trap;

/// Begins the names of functions that exist to end the program: the rest of the name says why. Whatever rewrote the
/// module added them, for traps that the engine does not have.
const REASON_PREFIX: &str = "trap: ";

/// Begins the names of other functions that whatever rewrote the module added: no code of the program's.
const HELPER_PREFIX: &str = "rewriting: ";
/// Behind that, begins the name of a function that is called in place of another, whose name follows.
const ENTRY_PREFIX: &str = "entry of ";

/// A trap with the reason that its innermost function is named for, if it is, and the functions of the program alone.
pub(super) fn explained(message: String, backtrace: Vec<String>) -> Trap {
    let mut reason = None;
    let mut own: Vec<String> = Vec::new();
    for (index, name) in backtrace.into_iter().enumerate() {
        let helper = name.strip_prefix(HELPER_PREFIX).map(|helper| helper.strip_prefix(ENTRY_PREFIX));
        match (helper, name.strip_prefix(REASON_PREFIX)) {
            // An exception that leaves a function ends the program in its entry alone.
            (Some(Some(entered)), _) => {
                let entered = printable(entered);
                if own.last() != Some(&entered) {
                    own.push(entered);
                }
            }
            (Some(None), _) => {}
            (None, Some(text)) if index == 0 => reason = Some(text.to_owned()),
            (None, _) => own.push(name),
        }
    }
    Trap { message: reason.unwrap_or(message), backtrace: own }
}

#[cfg(test)]
mod tests {
    use super::explained;

    #[test]
    fn functions_that_rewriting_added_are_not_told() {
        for (backtrace, message, told) in [
            (&["f", "main"][..], "unreachable", &["f", "main"][..]),
            (&["trap: no room", "rewriting: throw", "f", "rewriting: entry of f"], "no room", &["f"]),
            (&["trap: uncaught exception", "rewriting: entry of f"], "uncaught exception", &["f"]),
            (&["rewriting: catch", "g", "f", "rewriting: entry of f"], "unreachable", &["g", "f"]),
            (&["f", "trap: odd"], "unreachable", &["f", "trap: odd"]),
            (
                &["trap: x", "rewriting: entry of _RNvCsj7tOLqQT1xd_10wasi_stack6deeper"],
                "x",
                &["wasi_stack::deeper"],
            ),
        ] {
            let trap = explained("unreachable".into(), backtrace.iter().map(|&name| name.into()).collect());
            assert_eq!(
                (trap.message.as_str(), &trap.backtrace[..]),
                (message, &told.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()[..])
            );
        }
    }
}
