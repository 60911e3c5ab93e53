//! Decodes volumes, directories of them, standard streams and restart policies.

use std::path::PathBuf;

use capos_volume_tool::Links;

use super::super::json::{Node, Object};
use super::super::model::*;
use super::{check_name, name, process_limits};

/// Maximum length of a path in a volume, and of a component.
const MOST_PATH_BYTES: usize = 4096;
const MOST_NAME_BYTES: usize = 255;
/// The allowed sizes of a volume.
const VOLUME_BYTES: std::ops::RangeInclusive<u64> = 4 << 20..=16 << 40;

pub(super) fn volumes(object: &Object<'_>) -> Vec<Volume> {
    let entries = object.get("volumes").map(|node| node.entries("NAME: ram: SIZE")).unwrap_or_default();
    entries.iter().filter_map(|(name, node)| volume(name, node)).collect()
}

fn volume(name: &str, node: &Node<'_>) -> Option<Volume> {
    check_name(node, name);
    let object =
        node.object(&["ram", "files", "disk", "size", "from", "readOnly", "links", "limits", "restart"]);
    if !node.is_object() {
        return None;
    }
    let (ram, files, disk) = (object.get("ram"), object.get("files"), object.get("disk"));
    if [&ram, &files, &disk].into_iter().flatten().count() != 1 {
        node.problem("a volume must have exactly one of ram, files and disk");
        return None;
    }
    for field in ["size", "from", "readOnly"] {
        if let (Some(field), None) = (object.get(field), &disk) {
            field.problem("only allowed for a disk");
        }
    }
    if let (Some(field), None, None) = (object.get("links"), &files, object.get("from")) {
        field.problem("only allowed for a volume with `files` or `from`");
    }
    let links = object.get("links").and_then(|node| links(&node)).unwrap_or_default();
    let folder = |node: &Node<'_>| Some(Folder { path: host_path(node)?, links });
    let source = if let Some(node) = ram {
        VolumeSource::Ram(volume_bytes(&node)?)
    } else if let Some(node) = files {
        VolumeSource::Files(folder(&node)?)
    } else {
        let size = object.get("size").map(|node| volume_bytes(&node));
        VolumeSource::Disk(DiskImage {
            file: host_path(&disk?)?,
            size: size.flatten(),
            from: object.get("from").as_ref().and_then(folder),
            read_only: object.flag("readOnly"),
        })
    };
    let limits = object.get("limits").map(|node| process_limits(&node)).unwrap_or_default();
    let restart = restart(&object);
    Some(Volume { at: node.path().to_owned(), name: name.to_owned(), source, limits, restart })
}

fn links(node: &Node<'_>) -> Option<Links> {
    match node.string()? {
        "inside" => Some(Links::Inside),
        "keep" => Some(Links::Keep),
        other => {
            node.problem(format!("{other:?} is neither \"inside\" nor \"keep\""));
            None
        }
    }
}

fn volume_bytes(node: &Node<'_>) -> Option<u64> {
    let bytes = node.size(u64::MAX)?;
    if !VOLUME_BYTES.contains(&bytes) {
        node.problem("a volume must have between 4 MiB and 16 TiB");
        return None;
    }
    Some(bytes.next_multiple_of(4096))
}

fn host_path(node: &Node<'_>) -> Option<PathBuf> {
    let text = node.string()?;
    if text.is_empty() || text.contains('\0') {
        node.problem("not the path of a file or folder");
        return None;
    }
    Some(PathBuf::from(text))
}

/// A disk without a volume, as the source of a grant.
pub(super) fn disk(node: &Node<'_>) -> Option<DiskGrant> {
    let object = node.object(&["disk", "size", "readOnly", "driver"]);
    let image = DiskImage {
        file: object.need("disk").as_ref().and_then(host_path)?,
        size: object.get("size").and_then(|node| node.size(u64::MAX)),
        from: None,
        read_only: object.flag("readOnly"),
    };
    let driven = object.get("driver").and_then(|node| node.boolean()) != Some(false);
    Some(DiskGrant { image, driven })
}

pub(super) fn preopens(object: &Object<'_>) -> Vec<Preopen> {
    object.items("preopens").iter().map(preopen).collect()
}

fn preopen(node: &Node<'_>) -> Preopen {
    let object = node.object(&["guest", "volume", "path", "rights", "create", "quota"]);
    let guest = object.need("guest").and_then(|node| {
        let text = node.string()?;
        if text.is_empty() || text.contains('\0') || text.len() > MOST_PATH_BYTES {
            node.problem("not a valid guest path for a directory");
        }
        Some(text.to_owned())
    });
    Preopen { directory: directory(node, &object), guest: guest.unwrap_or_default(), grant: String::new() }
}

/// An unreadable part gets the value that affects the rest least; a volume, an empty name.
pub(super) fn directory(node: &Node<'_>, object: &Object<'_>) -> Directory {
    let volume = object.need("volume").as_ref().and_then(name);
    let path = match object.get("path") {
        Some(node) => volume_path(&node),
        None => Some(".".to_owned()),
    };
    let access = object.need("rights").and_then(|node| match node.string()? {
        "r" => Some(Access::Read),
        "rw" => Some(Access::ReadWrite),
        other => {
            node.problem(format!("{other:?} is neither \"r\" nor \"rw\""));
            None
        }
    });
    let quota = object.get("quota").map(|node| {
        let object = node.object(&["bytes", "inodes"]);
        Quota {
            bytes: object.get("bytes").and_then(|node| node.size(u64::MAX)),
            inodes: object.get("inodes").and_then(|node| node.count(u64::MAX)),
        }
    });
    Directory {
        at: node.path().to_owned(),
        volume: volume.unwrap_or_default(),
        path: path.unwrap_or_else(|| ".".to_owned()),
        access: access.unwrap_or(Access::Read),
        create: object.flag("create"),
        quota: quota.unwrap_or_default(),
    }
}

/// A path in a volume in canonical form: without `.`, doubled and outer slashes.
fn volume_path(node: &Node<'_>) -> Option<String> {
    let text = node.string()?;
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let reason = if text.contains('\0') || text.is_empty() {
        "not a path"
    } else if parts.contains(&"..") {
        "a path in a volume must not contain `..`"
    } else if text.len() > MOST_PATH_BYTES {
        "longer than 4096 bytes"
    } else if parts.iter().any(|part| part.len() > MOST_NAME_BYTES) {
        "has a name longer than 255 bytes"
    } else if parts.is_empty() {
        return Some(".".to_owned());
    } else {
        return Some(parts.join("/"));
    };
    node.problem(reason);
    None
}

/// Standard input reads; the outputs write and may append.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

pub(super) fn stdio(object: &Object<'_>, field: &str, direction: Direction) -> Stdio {
    object.get(field).and_then(|node| stream(&node, direction)).unwrap_or_default()
}

fn stream(node: &Node<'_>, direction: Direction) -> Option<Stdio> {
    if node.is_string() {
        return match node.string()? {
            "console" => Some(Stdio::Console),
            "stream" => Some(Stdio::Stream),
            "closed" => Some(Stdio::Closed),
            other => {
                let wanted = "\"console\", \"stream\", \"closed\", {pipe: NAME} or {file: ...}";
                node.problem(format!("{other:?} is none of {wanted}"));
                None
            }
        };
    }
    let object = node.object(&["pipe", "file"]);
    match (object.get("pipe"), object.get("file")) {
        (Some(pipe), None) => Some(Stdio::Pipe(name(&pipe)?)),
        (None, Some(file)) => Some(Stdio::File(file_stream(&file, direction)?)),
        _ => {
            node.problem("a stream must have exactly one of pipe and file");
            None
        }
    }
}

fn file_stream(node: &Node<'_>, direction: Direction) -> Option<StdioFile> {
    let output = direction == Direction::Out;
    let known: &[&str] = if output { &["volume", "path", "append"] } else { &["volume", "path"] };
    let object = node.object(known);
    let volume = object.need("volume").as_ref().and_then(name);
    let at = object.need("path")?;
    let path = volume_path(&at)?;
    if at.string()?.rsplit('/').next().is_none_or(|last| matches!(last, "" | ".")) {
        at.problem("not the path of a file");
        return None;
    }
    let (folder, file) = path.rsplit_once('/').unwrap_or((".", &path));
    let directory = Directory {
        at: node.path().to_owned(),
        volume: volume?,
        path: folder.to_owned(),
        access: if output { Access::ReadWrite } else { Access::Read },
        // Output creates its file, and the directory that contains it.
        create: output,
        quota: Quota::default(),
    };
    Some(StdioFile {
        grant: String::new(),
        directory,
        name: file.to_owned(),
        append: output && object.flag("append"),
    })
}

pub(super) fn restart(object: &Object<'_>) -> Restart {
    object.get("restart").and_then(|node| policy(&node)).unwrap_or_default()
}

fn policy(node: &Node<'_>) -> Option<Restart> {
    if node.is_string() {
        return match node.string()? {
            "never" => Some(Restart::Never),
            "always" => Some(Restart::Always),
            other => {
                node.problem(format!("{other:?} is none of \"never\", \"always\" and {{onFailure: NUMBER}}"));
                None
            }
        };
    }
    if !node.is_object() {
        return node.wrong("\"never\", \"always\" or {onFailure: NUMBER}");
    }
    let times = node.object(&["onFailure"]).need("onFailure")?.count(u32::MAX.into())?;
    Some(Restart::OnFailure(times.try_into().ok()?))
}
