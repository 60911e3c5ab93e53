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

/// The host's side, the program's if it is given, and whether it is for reading only.
fn split(text: &str) -> Result<(&str, Option<&str>, bool), String> {
    let (text, read_only) = match text.strip_suffix(":ro") {
        Some(text) => (text, true),
        // What it is without it.
        None => (text.strip_suffix(":rw").unwrap_or(text), false),
    };
    // Paths may have a colon in them. One that was meant to protect a folder must not become a part of its name.
    if let Some((_, mode)) = text.rsplit_once(':')
        && (mode.eq_ignore_ascii_case("ro") || mode.eq_ignore_ascii_case("rw"))
    {
        return Err(format!("a path ends with `:ro`, `:rw` or neither, and not with `:{mode}`"));
    }
    match text.split_once("::") {
        Some((host, guest)) => Ok((host, Some(guest), read_only)),
        None => Ok((text, None, read_only)),
    }
}

impl FromStr for Dir {
    type Err = String;

    /// As wasmtime reads it: a folder alone has the same name for the program.
    fn from_str(text: &str) -> Result<Self, String> {
        let (host, guest, read_only) = split(text)?;
        let guest = guest.unwrap_or(host);
        if host.is_empty() || guest.is_empty() {
            return Err(
                "not of the form HOST, HOST::GUEST or HOST::GUEST:ro, such as ./site::/data:ro".to_owned()
            );
        }
        Ok(Self { host: host.into(), guest: guest.to_owned(), read_only })
    }
}

impl FromStr for VolumeFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match split(text)? {
            (file, Some(guest), read_only) if !file.is_empty() && !guest.is_empty() => {
                Ok(Self { file: file.into(), guest: guest.to_owned(), read_only })
            }
            _ => Err("not of the form FILE::GUEST or FILE::GUEST:ro, such as disk.img::/disk".to_owned()),
        }
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
        assert_eq!(".".parse(), dir(".", ".", false));
        assert_eq!("..".parse(), dir("..", "..", false));
        assert_eq!("/srv/site".parse(), dir("/srv/site", "/srv/site", false));
        assert_eq!("site/:ro".parse(), dir("site/", "site/", true));
        assert_eq!("a:b".parse(), dir("a:b", "a:b", false));
        for bad in ["", "::", "a::", "::b", ":ro", "a:::ro", "a::/b:RO", "a:Rw", "a::/b:ro:ro"] {
            let parsed: Result<Dir, _> = bad.parse();
            assert!(parsed.is_err(), "{bad}: {parsed:?}");
        }
        for bad in ["", "disk.img", "disk.img:ro", "disk.img::", "::/d"] {
            let parsed: Result<VolumeFile, _> = bad.parse();
            assert!(parsed.is_err(), "{bad}: {parsed:?}");
        }
    }
}
