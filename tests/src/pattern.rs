//! Expected text with variable parts.
//!
//! Placeholders stand for unpredictable parts: `{number}` for decimal digits, `{hex}` for a hexadecimal
//! number with its `0x`, `{text}` for anything within a line, and `{lines}` for anything at all. Everything
//! else is literal.

use anyhow::{Context as _, Result};
use regex::Regex;

/// Text with placeholders.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    whole: Regex,
    within: Regex,
}

const PLACEHOLDERS: [(&str, &str); 4] =
    [("{number}", "[0-9]+"), ("{hex}", "0x[0-9a-f]+"), ("{text}", "[^\n]*"), ("{lines}", "(?s:.*)")];

impl Pattern {
    /// Parses `source`.
    pub fn new(source: &str) -> Result<Self> {
        let mut expression = regex::escape(source);
        for (placeholder, meaning) in PLACEHOLDERS {
            expression = expression.replace(&regex::escape(placeholder), meaning);
        }
        let compile = |expression: &str| Regex::new(expression).with_context(|| source.to_owned());
        Ok(Self {
            source: source.to_owned(),
            whole: compile(&format!(r"\A(?:{expression})\z"))?,
            within: compile(&expression)?,
        })
    }

    /// Whether all of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// Whether a part of `text` matches.
    pub fn is_in(&self, text: &str) -> bool {
        self.within.is_match(text)
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(text)
    }

    #[test]
    fn plain_text_stands_for_itself() {
        assert!(matches("a.b (c)\n", "a.b (c)\n"));
        assert!(!matches("a.b", "axb"));
        assert!(!matches("a", "ab"));
        assert!(!matches("a\n", "a"));
    }

    #[test]
    fn placeholders_stand_for_what_they_name() {
        assert!(matches("used {number} units at {hex}", "used 17 units at 0x1f"));
        assert!(!matches("used {number} units", "used x units"));
        assert!(!matches("used {number} units", "used  units"));
        assert!(matches("a {text}!\n", "a b c!\n"));
        assert!(!matches("a {text}!\n", "a b\nc!\n"));
        assert!(matches("a{lines}", "a\nb\nc"));
    }

    #[test]
    fn a_part_of_a_text_can_match() {
        let pattern = Pattern::new("[wasm] exited {number}").unwrap();
        assert!(pattern.is_in("log: [wasm] exited 3 (done)"));
        assert!(!pattern.is_in("log: [wasm] exited"));
    }
}
