//! A WebAssembly program and its command line options, as a manifest.

mod engine;
pub mod folders;
mod launch;
mod mount;
pub mod together;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use mount::{Dir, VolumeFile};

use capos_schema::grants;
use capos_volume_tool::{Links, show_size};

use crate::manifest::{Engine, InstanceLimits, name_of, show_duration};

/// A call of `capos run PROGRAM.wasm`.
#[derive(Debug, Default, Clone)]
pub struct App {
    /// The program's path, as written into the manifest.
    pub module: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its first argument, if not its file's name.
    pub argv0: Option<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Folders of the host.
    pub dirs: Vec<Dir>,
    /// The treatment of symbolic links that lead out of those folders.
    pub links: Links,
    /// Volume images.
    pub volumes: Vec<VolumeFile>,
    /// Random bytes.
    pub entropy: bool,
    /// The monotonic clock and sleeping.
    pub clock: bool,
    /// The time of day.
    pub wall_clock: bool,
    /// The program's limits.
    pub limits: InstanceLimits,
    /// Unknown imported functions trap when called, rather than being refused.
    pub trap_unknown_imports: bool,
    /// The export that is called instead of `_start`.
    pub invoke: Option<String>,
    /// How it is run.
    pub engine: Engine,
    /// The image with the compiler's cache, if that is used.
    pub cache: Option<PathBuf>,
}

impl App {
    /// The program's name in the run, the instance and the package.
    pub fn name(&self) -> String {
        name_of(&self.module)
    }

    /// Volumes of the manifest, and the folder or image behind each.
    pub fn behind(&self) -> Vec<(String, PathBuf)> {
        let dirs = self.dirs.iter().enumerate();
        let dirs = dirs.map(|(index, dir)| (Self::dir_volume(index), dir.host.clone()));
        let volumes = self.volumes.iter().enumerate();
        dirs.chain(volumes.map(|(index, volume)| (format!("volume{index}"), volume.file.clone()))).collect()
    }

    /// The volume for the folder with this index on the command line.
    pub fn dir_volume(index: usize) -> String {
        format!("dir{index}")
    }

    /// The manifest, in CUE. Paths in it are relative to the current folder. `sizes` are those of the images
    /// for the writable folders.
    pub fn manifest(&self, sizes: &[u64]) -> String {
        self.text(sizes, &self.launch())
    }

    /// The manifest with these fields for arguments and environment.
    fn text(&self, sizes: &[u64], launch: &str) -> String {
        let mut text = String::from("package capos\n\n");
        self.write(&mut text, sizes, launch).unwrap_or_default();
        text
    }

    fn write(&self, to: &mut String, sizes: &[u64], launch: &str) -> std::fmt::Result {
        let name = quoted(&self.name());
        writeln!(to, "name: {name}")?;
        if !self.dirs.is_empty() || !self.volumes.is_empty() || self.cache.is_some() {
            writeln!(to, "volumes: {{")?;
            self.write_volumes(to, sizes)?;
            writeln!(to, "}}")?;
        }
        self.write_compiler(to)?;
        writeln!(
            to,
            "wasm: [{{{}instances: [{{\n\tname:   {name}\n\tmodule: {{file: {}}}",
            self.engine_field(),
            path(&self.module)
        )?;
        to.push_str(launch);
        writeln!(to, "\tgrants: {{{}}}", self.grants().join(", "))?;
        self.write_preopens(to)?;
        if self.trap_unknown_imports {
            writeln!(to, "\tunknownImports: \"trap\"")?;
        }
        if let Some(function) = &self.invoke {
            writeln!(to, "\tinvoke: {}", quoted(function))?;
        }
        let limits = self.limits();
        if !limits.is_empty() {
            writeln!(to, "\tlimits: {{{}}}", limits.join(", "))?;
        }
        writeln!(to, "}}]}}]")
    }

    fn grants(&self) -> Vec<String> {
        let all = [
            (grants::CONSOLE, true),
            (grants::TIMER, self.clock),
            (grants::WALL_CLOCK, self.wall_clock),
            (grants::ENTROPY, self.entropy),
        ];
        all.into_iter()
            .filter(|(_, granted)| *granted)
            .map(|(known, _)| format!("{}: true", known.field))
            .collect()
    }

    /// The limits that are set, as fields.
    fn limits(&self) -> Vec<String> {
        let InstanceLimits {
            memory_bytes,
            fuel,
            wall_time_ns,
            output_bytes,
            table_elements,
            stack_bytes,
            descriptors,
        } = self.limits;
        let size = |bytes: Option<u64>| bytes.map(|bytes| format!("\"{}\"", show_size(bytes)));
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let fields = [
            ("memory", size(memory_bytes)),
            ("fuel", number(fuel)),
            ("wallTime", wall_time_ns.map(|ns| format!("\"{}\"", show_duration(ns)))),
            ("outputBytes", size(output_bytes)),
            ("tableElements", number(table_elements.map(u64::from))),
            ("stack", size(stack_bytes)),
            ("descriptors", number(descriptors.map(u64::from))),
        ];
        fields.into_iter().filter_map(|(field, value)| Some(format!("{field}: {}", value?))).collect()
    }

    fn write_volumes(&self, to: &mut String, sizes: &[u64]) -> std::fmt::Result {
        let mut sizes = sizes.iter();
        for (index, dir) in self.dirs.iter().enumerate() {
            let (volume, host) = (Self::dir_volume(index), path(&dir.host));
            let links = match self.links {
                Links::Inside => "",
                Links::Keep => ", links: \"keep\"",
            };
            if dir.read_only {
                writeln!(to, "\t{volume}: {{files: {host}{links}}}")?;
                continue;
            }
            let image = format!("{}-{volume}.img", self.name());
            writeln!(
                to,
                "\t// Created once, from the folder's content. `capos run PROGRAM.wasm --dir` recreates it for each run"
            )?;
            writeln!(
                to,
                "\t// and copies changes back to the folder; here `capos volume export` copies them."
            )?;
            let size = sizes.next().copied().unwrap_or(folders::DEFAULT_ROOM);
            writeln!(
                to,
                "\t{volume}: {{disk: {}, size: \"{}MiB\", from: {host}{links}}}",
                quoted(&image),
                size.div_ceil(1 << 20)
            )?;
        }
        for (index, volume) in self.volumes.iter().enumerate() {
            let end = if volume.read_only { ", readOnly: true}" } else { ", size: \"64MiB\"}" };
            writeln!(to, "\tvolume{index}: {{disk: {}{end}", path(&volume.file))?;
        }
        self.write_cache(to)
    }

    fn write_preopens(&self, to: &mut String) -> std::fmt::Result {
        let dirs = self.dirs.iter().enumerate();
        let dirs = dirs.map(|(index, dir)| (Self::dir_volume(index), &dir.guest, dir.read_only));
        let volumes = self.volumes.iter().enumerate();
        let volumes = volumes.map(|(index, one)| (format!("volume{index}"), &one.guest, one.read_only));
        let all: Vec<_> = dirs.chain(volumes).collect();
        if all.is_empty() {
            return Ok(());
        }
        writeln!(to, "\tpreopens: [")?;
        for (volume, guest, read_only) in all {
            let rights = if read_only { "r" } else { "rw" };
            writeln!(to, "\t\t{{guest: {}, volume: \"{volume}\", rights: \"{rights}\"}},", quoted(guest))?;
        }
        writeln!(to, "\t]")
    }
}

/// A CUE string literal. CUE reads every JSON string with the same meaning.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
