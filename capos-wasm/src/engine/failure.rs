//! The text of a trap: its reason and the program's functions.

use super::names::printable;
use crate::Trap;

/// Prefix of the names of functions that exist to end the program; the rest of the name is the reason. They were
/// added by the rewriting of the module, for traps that the engine does not have.
const REASON_PREFIX: &str = "trap: ";

/// Prefix of the names of other functions that the rewriting added; they contain no code of the program.
const HELPER_PREFIX: &str = "rewriting: ";
/// After [`HELPER_PREFIX`], the prefix of a function that is called in place of another one, whose name
/// follows.
const ENTRY_PREFIX: &str = "entry of ";

/// A trap whose reason is taken from the name of its innermost function, if that has one, with only the program's
/// functions.
pub(super) fn explained(message: String, backtrace: Vec<String>) -> Trap {
    let mut reason = None;
    let mut own: Vec<String> = Vec::new();
    for (index, name) in backtrace.into_iter().enumerate() {
        let helper = name.strip_prefix(HELPER_PREFIX).map(|helper| helper.strip_prefix(ENTRY_PREFIX));
        match (helper, name.strip_prefix(REASON_PREFIX)) {
            // An exception that propagates out of a function ends the program only in the entry function.
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
