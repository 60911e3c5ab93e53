//! Volumes, directories of them, standard streams, and what follows an end.

use std::path::PathBuf;

use capos_volume_tool::Links;

use super::{Grant, Process, ProcessLimits};

/// A directory tree, served by a process of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Where the manifest says so.
    pub at: String,
    /// Its unique name.
    pub name: String,
    /// Where its content is.
    pub source: VolumeSource,
    /// The limits of the process that serves it.
    pub limits: ProcessLimits,
    /// The consequence when that process, or the driver of its disk, has ended.
    pub restart: Restart,
}

/// Where a volume's content is. Paths are as the manifest writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// In memory, of this many bytes: empty at the start, gone at the end.
    Ram(u64),
    /// In the boot package: the files of a folder of the host, never changed.
    Files(Folder),
    /// In a disk image.
    Disk(DiskImage),
}

/// A folder of the host that a volume is filled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// The treatment of symbolic links in it that lead out of it.
    pub links: Links,
}

/// A file that becomes a disk of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskImage {
    /// The image.
    pub file: PathBuf,
    /// How large to make it if it does not exist; not made without.
    pub size: Option<u64>,
    /// The folder whose content a volume made on it begins with.
    pub from: Option<Folder>,
    /// Whether it is protected from changes.
    pub read_only: bool,
}

/// A directory of a volume, as it is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where the manifest grants it.
    pub at: String,
    /// The volume's name.
    pub volume: String,
    /// The path in the volume, without `..` and a `/` at its beginning; `.` for the volume's root.
    pub path: String,
    /// The access that its holder has.
    pub access: Access,
    /// Whether it is made if it is not there.
    pub create: bool,
    /// The amount that may be kept in it.
    pub quota: Quota,
}

impl Directory {
    /// Whether both are the same grant, wherever the manifest has them.
    pub fn same_grant(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.access, one.create, one.quota);
        self.volume == other.volume && self.path == other.path && key(self) == key(other)
    }
}

/// The access that the holder of a directory has to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// See names, attributes and content.
    Read,
    /// Also change content, and make, remove, link and rename.
    ReadWrite,
}

/// Limits on a directory and all below it; `None` is no limit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of file data.
    pub bytes: Option<u64>,
    /// Files, directories and links.
    pub inodes: Option<u64>,
}

/// A directory that a WebAssembly program finds open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preopen {
    /// The path under which the program knows it.
    pub guest: String,
    /// The name under which its host is granted it.
    pub grant: String,
    /// The directory.
    pub directory: Directory,
}

/// The end of a standard stream of an instance.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Stdio {
    /// The console if that is granted, and otherwise closed.
    #[default]
    Console,
    /// The same, but not for a terminal.
    Stream,
    /// Nothing.
    Closed,
    /// One end of the pipe of that name.
    Pipe(String),
    /// A file.
    File(StdioFile),
}

/// A file as a standard stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StdioFile {
    /// The name under which the host is granted its directory.
    pub grant: String,
    /// The directory it is in.
    pub directory: Directory,
    /// Its name there.
    pub name: String,
    /// Add to what it holds rather than replace that.
    pub append: bool,
}

/// The consequence of an end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Nothing.
    #[default]
    Never,
    /// It is started again if it has failed, at most this many times.
    OnFailure(u32),
    /// It is started again.
    Always,
}

impl Process {
    /// Every directory that the manifest names in this entry, for itself or for an instance.
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

/// The memory that the server of a volume in memory may need beside the volume.
const SERVER_OVERHEAD: u64 = 32 << 20;

/// Places for capabilities of the server of a volume: one for each object that it lets be open, and its own.
const SERVER_SLOTS: u32 = 32_768 + 256;

impl Volume {
    /// Whether nothing on it can be changed.
    pub fn is_read_only(&self) -> bool {
        match &self.source {
            VolumeSource::Ram(_) => false,
            VolumeSource::Files(_) => true,
            VolumeSource::Disk(disk) => disk.read_only,
        }
    }

    /// The name in the package of the image of a packed volume. No program's name has a slash.
    pub fn image_name(&self) -> String {
        format!("volume/{}", self.name)
    }

    /// The limits of its server.
    pub fn server_limits(&self) -> ProcessLimits {
        let capability_slots = self.limits.capability_slots.or(Some(SERVER_SLOTS));
        ProcessLimits { memory_bytes: self.memory_bytes(), capability_slots, ..self.limits.clone() }
    }

    /// The memory limit of its server; `None` leaves it to the documented default. A volume in memory gets
    /// room for all of it.
    fn memory_bytes(&self) -> Option<u64> {
        self.limits.memory_bytes.or(match self.source {
            VolumeSource::Ram(bytes) => Some(bytes.saturating_add(SERVER_OVERHEAD)),
            _ => None,
        })
    }
}
