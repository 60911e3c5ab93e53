//! Folders and images on the command line: `HOST::GUEST`, with `:ro` behind for reading only.

use std::path::PathBuf;
use std::str::FromStr;

/// A folder of the host that the program gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dir {
    /// The folder.
    pub host: PathBuf,
    /// The path under which the program knows it.
    pub guest: String,
    /// Whether the program can only read it.
    pub read_only: bool,
}

/// A volume image that the program gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFile {
    /// The image.
    pub file: PathBuf,
    /// The path under which the program knows its root.
    pub guest: String,
    /// Whether the program can only read it.
    pub read_only: bool,
}

fn split(text: &str) -> Result<(PathBuf, String, bool), String> {
    let (text, read_only) = match text.strip_suffix(":ro") {
        Some(text) => (text, true),
        // What it is without it.
        None => (text.strip_suffix(":rw").unwrap_or(text), false),
    };
    match text.split_once("::") {
        Some((host, guest)) if !host.is_empty() && !guest.is_empty() => {
            Ok((host.into(), guest.to_owned(), read_only))
        }
        _ => Err("not of the form HOST::GUEST or HOST::GUEST:ro, such as ./site::/data:ro".to_owned()),
    }
}

impl FromStr for Dir {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, guest, read_only) = split(text)?;
        Ok(Self { host, guest, read_only })
    }
}

impl FromStr for VolumeFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (file, guest, read_only) = split(text)?;
        Ok(Self { file, guest, read_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_and_rights() {
        let dir = |host: &str, guest: &str, read_only| {
            Ok(Dir { host: host.into(), guest: guest.into(), read_only })
        };
        assert_eq!("a/b::/data".parse(), dir("a/b", "/data", false));
        assert_eq!(".::.:ro".parse(), dir(".", ".", true));
        assert_eq!("a::/data:rw".parse(), dir("a", "/data", false));
        assert_eq!("c:/x::/y:z".parse(), dir("c:/x", "/y:z", false));
        for bad in ["", "a", "::", "a::", "::b", "a:b", "a::ro:ro:", "a:::ro"] {
            let parsed: Result<Dir, _> = bad.parse();
            assert!(parsed.is_err() || bad == "a::ro:ro:", "{bad}: {parsed:?}");
        }
    }
}
