//! Volumes, directories of them, standard streams, and restart policies.

use std::path::PathBuf;

use capos_volume_tool::Links;

use super::{Grant, Process, ProcessLimits};

/// A directory tree, served by a separate process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its place in the manifest.
    pub at: String,
    /// Its unique name.
    pub name: String,
    /// The source of its content.
    pub source: VolumeSource,
    /// The limits of the process that serves it.
    pub limits: ProcessLimits,
    /// The restart policy of that process and the driver of its disk.
    pub restart: Restart,
}

/// The source of a volume's content. Paths are as written in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// In memory, with this many bytes: empty at the start, discarded at the end.
    Ram(u64),
    /// In the boot package: the files of a host folder, read-only.
    Files(Folder),
    /// In a disk image.
    Disk(DiskImage),
}

/// A host folder from which a volume is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// The treatment of symbolic links that lead out of it.
    pub links: Links,
}

/// A file that becomes a disk of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskImage {
    /// The image.
    pub file: PathBuf,
    /// The size with which to create it if it does not exist; without it, it is not created.
    pub size: Option<u64>,
    /// The folder whose content is copied into a newly created volume.
    pub from: Option<Folder>,
    /// Whether it is protected from changes.
    pub read_only: bool,
}

/// A directory of a volume, as it is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Its place in the manifest.
    pub at: String,
    /// The volume's name.
    pub volume: String,
    /// The path in the volume, without `..` and a `/` at its beginning; `.` for the volume's root.
    pub path: String,
    /// The holder's access.
    pub access: Access,
    /// Whether it is created if it does not exist.
    pub create: bool,
    /// Limits on its content.
    pub quota: Quota,
}

impl Directory {
    /// Whether both are the same grant, regardless of their places in the manifest.
    pub fn same_grant(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.access, one.create, one.quota);
        self.volume == other.volume && self.path == other.path && key(self) == key(other)
    }
}

/// The access of a directory's holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read names, attributes and content.
    Read,
    /// Also change content, and create, remove, link and rename.
    ReadWrite,
}

/// Limits on a directory and everything below it; `None` is unlimited.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of file data.
    pub bytes: Option<u64>,
    /// Files, directories and links.
    pub inodes: Option<u64>,
}

/// A directory that is open when a WebAssembly program starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preopen {
    /// The directory's path as the program sees it.
    pub guest: String,
    /// The host's name for the grant.
    pub grant: String,
    /// The directory.
    pub directory: Directory,
}

/// The target of a standard stream of an instance.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Stdio {
    /// The console if that is granted, otherwise closed.
    #[default]
    Console,
    /// The same, but never a terminal.
    Stream,
    /// Closed.
    Closed,
    /// One end of the pipe of that name.
    Pipe(String),
    /// A file.
    File(StdioFile),
}

/// A file as a standard stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StdioFile {
    /// The host's name for its directory.
    pub grant: String,
    /// Its directory.
    pub directory: Directory,
    /// Its name there.
    pub name: String,
    /// Append to the file rather than replace its content.
    pub append: bool,
}

/// A restart policy.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Never restarted.
    #[default]
    Never,
    /// Restarted after a failure, at most this many times.
    OnFailure(u32),
    /// Restarted after every end.
    Always,
}

impl Process {
    /// The directories that the manifest has in this entry as such: grants and preopens.
    pub fn listed_directories(&self) -> impl Iterator<Item = &Directory> {
        let instances = self.wasm_host.iter().flat_map(|host| &host.instances);
        let preopens = instances.flat_map(|instance| &instance.preopens);
        let preopens = preopens.map(|preopen| &preopen.directory);
        self.written_grants().filter_map(Grant::directory).chain(preopens)
    }

    /// Every directory in this manifest entry, for the process itself or for an instance.
    pub fn directories(&self) -> Vec<&Directory> {
        let instances = self.wasm_host.iter().flat_map(|host| &host.instances).flat_map(|instance| {
            let streams =
                [&instance.stdin, &instance.stdout, &instance.stderr].into_iter().filter_map(|stdio| {
                    let Stdio::File(file) = stdio else { return None };
                    Some(&file.directory)
                });
            instance.preopens.iter().map(|preopen| &preopen.directory).chain(streams)
        });
        self.written_grants().filter_map(Grant::directory).chain(instances).collect()
    }
}

/// Memory of a volume's server besides a volume in memory.
const SERVER_OVERHEAD: u64 = 32 << 20;

/// Capability slots of a volume's server: one for each object that it may have open, and its own.
const SERVER_SLOTS: u32 = 32_768 + 256;

impl Volume {
    /// Whether it is read-only.
    pub fn is_read_only(&self) -> bool {
        match &self.source {
            VolumeSource::Ram(_) => false,
            VolumeSource::Files(_) => true,
            VolumeSource::Disk(disk) => disk.read_only,
        }
    }

    /// The package name of a packed volume's image. No program's name has a slash.
    pub fn image_name(&self) -> String {
        format!("volume/{}", self.name)
    }

    /// The limits of its server.
    pub fn server_limits(&self) -> ProcessLimits {
        let capability_slots = self.limits.capability_slots.or(Some(SERVER_SLOTS));
        ProcessLimits { memory_bytes: self.memory_bytes(), capability_slots, ..self.limits.clone() }
    }

    /// The memory limit of its server; `None` selects the documented default. For a volume in memory, it
    /// includes the volume.
    fn memory_bytes(&self) -> Option<u64> {
        self.limits.memory_bytes.or(match self.source {
            VolumeSource::Ram(bytes) => Some(bytes.saturating_add(SERVER_OVERHEAD)),
            _ => None,
        })
    }
}
