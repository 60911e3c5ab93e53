//! Converts names to the forms used in Rust and in manifests.

/// `wallClock` or `WallClock` as `wall-clock`, with `between` in place of the hyphen.
pub(crate) fn joined(name: &str, between: char) -> String {
    let mut joined = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            joined.push(between);
        }
        joined.extend(letter.to_lowercase());
    }
    joined
}

/// `wallClock` as `WALL_CLOCK`.
pub(crate) fn constant(name: &str) -> String {
    joined(name, '_').to_uppercase()
}

/// `wallClock` as `WallClock`.
pub(crate) fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
