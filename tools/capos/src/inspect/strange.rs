//! Files that are given as modules and are something else, by how they begin.

/// Enough of a file to tell what it is.
pub(crate) const MOST_LOOKED_AT: usize = 256;

/// The kind of a file with this beginning that is not a module of version 1, with advice; `None` if it is unknown.
pub(crate) fn strange(start: &[u8]) -> Option<String> {
    if let [0, b'a', b's', b'm', version @ ..] = start {
        return match version {
            [1, 0, 0, 0, ..] | [_, _, 1, 0, ..] => None,
            [a, b, 0, 0, ..] => Some(format!(
                "a WebAssembly module of version {}, and 1 is the only one there is",
                u16::from_le_bytes([*a, *b])
            )),
            [_, _, _, _, ..] => Some("a WebAssembly file of an unknown layer".to_owned()),
            _ => Some("cut off within the header of a WebAssembly module".to_owned()),
        };
    }
    let text = start.trim_ascii_start().to_ascii_lowercase();
    let known = match start {
        [0x1f, 0x8b, ..] => "compressed (gzip): `gunzip` unpacks it",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "compressed (Zstandard): `unzstd` unpacks it",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive: `unzip` unpacks it",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "compressed (xz): `unxz` unpacks it",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "text in UTF-16; WebAssembly text is UTF-8",
        _ if text.starts_with(b"version https://git-lfs") => {
            "a pointer of Git LFS, and not the file: `git lfs pull` fetches it"
        }
        _ if text.starts_with(b"<!doctype") || text.starts_with(b"<html") => {
            "a web page (HTML), perhaps of a download that failed"
        }
        _ if text.starts_with(b"(component") => {
            "the text of a WebAssembly component; only core modules can run"
        }
        _ if text.starts_with(b"(module") => {
            "WebAssembly text; in a file whose name ends with .wat it is read"
        }
        _ => return None,
    };
    Some(known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_for_a_module_is_named() {
        for (start, wanted) in [
            (&b"\x1f\x8b\x08\0"[..], "gunzip"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "git lfs pull"),
            (b"\n<!DOCTYPE html><html>", "web page"),
            (b"<HTML>", "web page"),
            (b"\0asm\x02\0\0\0", "of version 2"),
            (b"\0asm\xff\xff\xff\xff", "unknown layer"),
            (b"\0asm\x01", "cut off"),
            (b"\0asm", "cut off"),
            (b" (component)", "only core modules"),
            (b"(module)", ".wat"),
            (b"\xff\xfe(\0", "UTF-16"),
        ] {
            let said = strange(start).unwrap_or_default();
            assert!(said.contains(wanted), "{said}");
        }
        for start in [&b"\0asm\x01\0\0\0"[..], b"\0asm\x0d\0\x01\0", b"", b"\0as", b"hello"] {
            assert_eq!(strange(start), None);
        }
    }
}
