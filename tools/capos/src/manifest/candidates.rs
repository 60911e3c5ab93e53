//! Suggestions for unknown names.

use std::fs;
use std::path::Path;

/// Maximum number of names listed.
const MOST_LISTED: usize = 8;
/// Minimum similarity, of 1, for a suggestion.
const ALIKE: f64 = 0.66;

/// The error for an unknown name `wanted`, with the name that was probably meant and, if they are few, all names.
pub fn not_found(kind: &str, wanted: &str, there: impl IntoIterator<Item: AsRef<str>>) -> String {
    format!("no {kind} is called {wanted:?}{}", suggestion(wanted, there))
}

/// The part of [`not_found`] after the name: the suggestion among `there`, and the existing names.
pub fn suggestion(wanted: &str, there: impl IntoIterator<Item: AsRef<str>>) -> String {
    let there: Vec<_> = there.into_iter().collect();
    let mut there: Vec<&str> = there.iter().map(AsRef::as_ref).collect();
    there.sort_unstable();
    there.dedup();
    let close = closest(wanted, &there);
    match (close, there.as_slice()) {
        (_, []) => "; there is none".to_owned(),
        (Some(close), [_]) => format!("; did you mean {close:?}?"),
        (Some(close), _) if there.len() > MOST_LISTED => format!("; did you mean {close:?}?"),
        (Some(close), all) => format!("; did you mean {close:?}? There are: {}", all.join(", ")),
        (None, all) if all.len() > MOST_LISTED => {
            let first = all.get(..MOST_LISTED).unwrap_or(all).join(", ");
            format!("; there are: {first} and {} more", all.len() - MOST_LISTED)
        }
        (None, all) => format!("; there are: {}", all.join(", ")),
    }
}

/// The existing file or folder beside the missing `path` that was probably meant; empty if none.
pub fn meant_beside(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // Ties must not depend on the order of the file system.
    names.sort_unstable();
    match closest(&name, &names) {
        Some(meant) => format!("; did you mean {}?", path.with_file_name(meant).display()),
        None => String::new(),
    }
}

/// The name among `there` that was probably meant by `wanted`: equal except for case, equal to the part after its last
/// slash, or similarly spelt.
pub fn closest<'a>(wanted: &str, there: &'a [impl AsRef<str>]) -> Option<&'a str> {
    let likeness = |name: &str| {
        let last = name.rsplit('/').next().unwrap_or(name);
        let lower = |text: &str| text.to_lowercase();
        let whole = strsim::normalized_damerau_levenshtein(&lower(wanted), &lower(name));
        // A name without its first component is nearly certain, but an equal one is better.
        let part = 0.99 * strsim::normalized_damerau_levenshtein(&lower(wanted), &lower(last));
        whole.max(part)
    };
    let best = there
        .iter()
        .map(AsRef::as_ref)
        .map(|name| (likeness(name), name))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let said = not_found("volume", "scrach", ["scratch", "data"]);
        assert_eq!(
            said,
            "no volume is called \"scrach\"; did you mean \"scratch\"? There are: data, scratch"
        );
        assert_eq!(
            not_found("volume", "Data", ["data"]),
            "no volume is called \"Data\"; did you mean \"data\"?"
        );
    }

    #[test]
    fn the_last_part_of_a_name_leads_to_the_whole() {
        let said = not_found("process or instance", "upper", ["wasm/upper", "wasm/lower"]);
        assert!(said.contains("did you mean \"wasm/upper\"?"), "{said}");
        // A process with that very name would be found; a similar one comes before a less similar instance.
        assert!(suggestion("uper", ["upper", "wasm/uber"]).contains("did you mean \"upper\"?"));
    }

    #[test]
    fn without_a_likely_one_all_are_listed() {
        assert_eq!(not_found("volume", "x", ["scratch"]), "no volume is called \"x\"; there are: scratch");
        assert_eq!(not_found("volume", "x", [""; 0]), "no volume is called \"x\"; there is none");
        let many: Vec<String> = (0..20).map(|number| format!("volume-{number:02}")).collect();
        let said = suggestion("x", many.iter().map(String::as_str));
        assert!(said.ends_with("volume-07 and 12 more"), "{said}");
    }
}
