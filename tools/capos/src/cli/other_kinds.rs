//! capOS files that are neither a program nor a manifest, each with the command that takes it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::iso;

/// Magic number of a volume image.
const VOLUME: &[u8] = b"capOSvol";
/// Padding unit of boot packages.
const PAGE_BYTES: u64 = 4096;
const WORD_BYTES: u64 = 8;

/// Identifies a file, and the command that takes it, if it is one of the kinds that capOS creates or uses.
pub(super) fn other_kind(file: &Path) -> Option<String> {
    let shown = file.display();
    let mut start = [0; 8];
    let opened = File::open(file).ok()?;
    opened.read_exact_at(&mut start, 0).ok()?;
    if start == VOLUME {
        return Some(format!(
            "{shown} is a volume image; `capos volume ls {shown}` lists its content, and \
             `capos run --volume {shown}::/data PROGRAM.wasm` gives it to a program"
        ));
    }
    if iso::is_disc(file).unwrap_or(false) {
        return Some(format!("{shown} is a disc image; `capos run --iso {shown}` boots it"));
    }
    let bytes = opened.metadata().ok()?.len();
    is_package(start, bytes)
        .then(|| format!("{shown} looks like a boot package, which `capos image` builds from a manifest"))
}

/// Whether a file with these first bytes and this length can be a boot package: a message of one segment, in whole
/// pages.
fn is_package(start: [u8; 8], bytes: u64) -> bool {
    let [a, b, c, d, words @ ..] = start;
    let message = u64::from(u32::from_le_bytes(words)).saturating_mul(WORD_BYTES);
    [a, b, c, d] == [0; 4] && message > 0 && message + WORD_BYTES <= bytes && bytes.is_multiple_of(PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_capos_makes_is_told_with_the_command_that_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let mut disc = vec![0; 34 << 10];
        disc[32 << 10..][..7].copy_from_slice(b"\x01CD001\x01");
        let mut package = vec![0; 8192];
        package[4] = 2;
        let volume = b"capOSvol and more".to_vec();
        for (content, wanted) in [
            (volume, Some("is a volume image; `capos volume ls")),
            (disc, Some("is a disc image; `capos run --iso")),
            (package.clone(), Some("looks like a boot package")),
            (package[..100].to_vec(), None),
            (vec![0; 4096], None),
            (b"short".to_vec(), None),
        ] {
            fs::write(&file, content).unwrap();
            let said = other_kind(&file);
            assert_eq!(said.is_some(), wanted.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().contains(wanted.unwrap_or_default()));
        }
    }
}
