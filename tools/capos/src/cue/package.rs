//! Checks the `package` clause. A manifest without one would be evaluated alone in one place and together with
//! the definitions in another.

use crate::problem::Problem;

/// The package of `manifests/schema.cue` and of manifests.
const PACKAGE: &str = "capos";

/// Checks that the file `text` begins with the clause `package capos`, after comments and attributes.
pub(super) fn check(text: &str) -> Result<(), Problem> {
    let wrong = |line: usize, reason: String| Problem {
        position: Some(format!("{line}:1")),
        ..Problem::new("", reason)
    };
    // Editors on some systems begin files with a byte order mark, which CUE takes as well.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
    let mut lines =
        lines.filter(|(line, _)| !line.is_empty() && !line.starts_with("//") && !line.starts_with('@'));
    let (first, number) = lines.next().unwrap_or(("", 1));
    let mut words = first.split_whitespace();
    let clause = (words.next() == Some("package")).then(|| words.next().unwrap_or_default());
    match clause.map(|name| name.trim_end_matches(';')) {
        Some(PACKAGE) => Ok(()),
        Some(other) => Err(wrong(
            number,
            format!("the package is {other:?}; a manifest begins with `package {PACKAGE}`"),
        )),
        None => Err(wrong(
            number,
            format!("no package clause; a manifest begins with the line `package {PACKAGE}`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clause_may_follow_comments_and_attributes() {
        for text in [
            "package capos\n",
            "\u{feff}package capos\n",
            "// A manifest.\n\n@experiment(x)\n  package capos // so\nname: 1\n",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn another_package_or_none_is_a_problem() {
        let reason = |text| check(text).map_err(|problem| (problem.position, problem.reason));
        let (position, said) = reason("// x\nname: \"a\"\n").expect_err("no clause");
        assert_eq!(position.as_deref(), Some("2:1"));
        assert!(said.contains("`package capos`"), "{said}");
        assert!(reason("package other\n").expect_err("another").1.contains("\"other\""));
        assert!(reason("").is_err());
    }
}
