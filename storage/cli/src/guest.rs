//! Paths in a volume, as a command has them: what the volume says of one, with the rule that it breaks.

use anyhow::anyhow;
use capos_volume::{Error, MAX_LINKS_FOLLOWED, MAX_NAME_BYTES, MAX_PATH_BYTES};

/// An error about a path in the volume, in words.
pub(crate) fn rule(error: Error) -> anyhow::Error {
    match error {
        Error::NotFound => {
            anyhow!("there is no such file or directory in the volume; `capos volume ls` shows what there is")
        }
        Error::NotDirectory => anyhow!("the volume has a file where this path needs a directory"),
        Error::NotPermitted => anyhow!(
            "leads out of the volume, by `..` or by a symbolic link; a path begins at the volume's root and stays below it"
        ),
        Error::Loop => anyhow!("leads through more than {MAX_LINKS_FOLLOWED} symbolic links of the volume"),
        Error::NameTooLong => {
            anyhow!("too long: a name has at most {MAX_NAME_BYTES} bytes, and a path {MAX_PATH_BYTES}")
        }
        other => other.into(),
    }
}
