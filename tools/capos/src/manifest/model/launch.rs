//! The size of what a program is started with.

/// Overhead of each string, in any encoding.
const STRING_BYTES: usize = 16;

/// The size of arguments and environment.
pub(in crate::manifest) fn launch_bytes<'a>(
    args: impl IntoIterator<Item = &'a String>,
    env: &'a [(String, String)],
) -> usize {
    let names_and_values = env.iter().flat_map(|(name, value)| [name, value]);
    args.into_iter().chain(names_and_values).map(|text| text.len() + STRING_BYTES).sum()
}
