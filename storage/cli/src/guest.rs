//! Paths in a volume on the command line, and error messages that name the rule broken.

use anyhow::anyhow;
use capos_volume::{Error, MAX_LINKS_FOLLOWED, MAX_NAME_BYTES, MAX_PATH_BYTES};

/// The message for an error about a path in the volume.
pub(crate) fn rule(error: Error) -> anyhow::Error {
    match error {
        Error::NotFound => {
            anyhow!("no such file or directory in the volume; `capos volume ls` lists the volume")
        }
        Error::NotDirectory => anyhow!("a component of this path is a file, not a directory"),
        Error::NotPermitted => anyhow!(
            "leads out of the volume, by `..` or by a symbolic link; paths start at the volume's root and must stay below it"
        ),
        Error::Loop => anyhow!("follows more than {MAX_LINKS_FOLLOWED} symbolic links"),
        Error::NameTooLong => {
            anyhow!("too long: a name has at most {MAX_NAME_BYTES} bytes, and a path {MAX_PATH_BYTES}")
        }
        other => other.into(),
    }
}
