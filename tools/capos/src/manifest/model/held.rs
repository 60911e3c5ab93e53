//! The grants that a wasm host holds: its own, and those of its instances.

use capos_schema::grants::{WellKnown, WellKnownGrant};

use super::{Directory, Grant, Source, Stdio, WasmHost};

/// A host's own grants: for time limits and fair scheduling, the log, and the modules.
const OWN: [WellKnownGrant; 3] = [WellKnownGrant::Log, WellKnownGrant::Timer, WellKnownGrant::BootPackage];

/// Prefix of a host's names for the grants of its instances.
const PREFIX: &str = "grant/";

impl WasmHost {
    /// The grants of the host, each once: its own, those of its instances, and the directories of their preopens. Writes
    /// the name of each into the entries that refer to it.
    pub(in crate::manifest) fn collect_grants(&mut self) -> Vec<Grant> {
        let mut found: Vec<Grant> = OWN.map(Grant::implied).to_vec();
        for instance in &mut self.instances {
            let name = &instance.name;
            for grant in &mut instance.grants {
                grant.held_as = match grant.source {
                    Source::WellKnown(known) => {
                        share(&mut found, &grant.at, &grant.source, || WellKnown::of(known).name.to_owned())
                    }
                    _ => {
                        let new = || format!("{PREFIX}{name}/{}", grant.name);
                        share(&mut found, &grant.at, &grant.source, new)
                    }
                };
            }
        }
        for instance in &mut self.instances {
            let name = &instance.name;
            for (index, preopen) in instance.preopens.iter_mut().enumerate() {
                preopen.grant =
                    share_directory(&mut found, &preopen.directory, || format!("preopen/{name}/{index}"));
            }
            let streams = [
                ("stdin", &mut instance.stdin),
                ("stdout", &mut instance.stdout),
                ("stderr", &mut instance.stderr),
            ];
            for (stream, stdio) in streams {
                if let Stdio::File(file) = stdio {
                    file.grant = share_directory(&mut found, &file.directory, || format!("{stream}/{name}"));
                }
            }
        }
        found.sort_by_key(|grant| match grant.source {
            Source::WellKnown(known) => known as u16,
            _ => u16::MAX,
        });
        found
    }
}

/// The name of the grant of `source`, which is added to `found` if it is not there yet.
fn share(found: &mut Vec<Grant>, at: &str, source: &Source, new: impl FnOnce() -> String) -> String {
    if let Some(known) = found.iter().find(|known| known.source.is_shared_with(source)) {
        return known.name.clone();
    }
    let name = new();
    let (at, source) = (at.to_owned(), source.clone());
    found.push(Grant { at, name: name.clone(), source, read_only: false, held_as: String::new() });
    name
}

fn share_directory(found: &mut Vec<Grant>, directory: &Directory, new: impl FnOnce() -> String) -> String {
    share(found, &directory.at, &Source::Directory(directory.clone()), new)
}

/// The name of a grant of an instance as people write it, without what its host puts before it.
pub(in crate::manifest) fn shown(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}
