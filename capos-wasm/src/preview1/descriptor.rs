//! Descriptors, the objects that they refer to, and the table of an instance's descriptors.

use super::{
    Errno,
    open_file::OpenFile,
    rights::{NoRight, Rights},
};
use crate::resources::{Directory, Input, Kind, Output, StandardStream};
use std::rc::Rc;

/// `filetype` of Preview 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FileType {
    /// Also used for pipes, which have no number of their own.
    Unknown = 0,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SymbolicLink = 7,
}

impl FileType {
    /// A terminal is a character device.
    fn of_stream(is_terminal: bool) -> Self {
        if is_terminal { Self::CharacterDevice } else { Self::Unknown }
    }
}

impl From<Option<Kind>> for FileType {
    fn from(kind: Option<Kind>) -> Self {
        match kind {
            Some(Kind::File) => Self::RegularFile,
            Some(Kind::Directory) => Self::Directory,
            Some(Kind::SymbolicLink) => Self::SymbolicLink,
            None => Self::Unknown,
        }
    }
}

/// `fdflags` of Preview 1.
pub(super) mod flags {
    pub(crate) const APPEND: u16 = 1 << 0;
    pub(crate) const DSYNC: u16 = 1 << 1;
    pub(crate) const NONBLOCK: u16 = 1 << 2;
    pub(crate) const RSYNC: u16 = 1 << 3;
    pub(crate) const SYNC: u16 = 1 << 4;
    pub(crate) const SYNCHRONOUS: u16 = DSYNC | RSYNC | SYNC;
    pub(crate) const ALL: u16 = APPEND | NONBLOCK | SYNCHRONOUS;
}

/// The object that a descriptor refers to.
pub(super) enum Object {
    Input(Input),
    Output(Output),
    File(OpenFile),
    Directory(OpenDirectory),
}

/// A directory that is open.
pub(super) struct OpenDirectory {
    pub(super) directory: Directory,
    /// The path under which the program knows it, if it was preopened.
    pub(super) preopen: Option<Rc<str>>,
}

/// An open descriptor.
pub(super) struct Descriptor {
    pub(super) object: Object,
    pub(super) base: Rights,
    pub(super) inheriting: Rights,
    /// `fdflags`.
    pub(super) flags: u16,
}

impl Descriptor {
    pub(super) fn standard_stream(stream: StandardStream) -> Self {
        let (object, base, flags) = match stream {
            StandardStream::Input(input) => (Object::Input(input), Rights::OF_INPUT, 0),
            StandardStream::Output(output) => (Object::Output(output), Rights::OF_OUTPUT, 0),
            StandardStream::FileInput(file) => {
                let base = Rights::OF_FILE.difference(Rights::OF_WRITER);
                (Object::File(OpenFile::new(file, true, false)), base, 0)
            }
            StandardStream::FileOutput(file) => {
                let file = OpenFile { is_stream: true, ..OpenFile::new(file, false, true) };
                (Object::File(file), Rights::OF_FILE.difference(Rights::FD_READ), flags::APPEND)
            }
        };
        Self { object, base, inheriting: Rights::empty(), flags }
    }

    /// A preopened directory with this path.
    pub(super) fn preopen(directory: Directory, path: Rc<str>) -> Self {
        let object = Object::Directory(OpenDirectory { directory, preopen: Some(path) });
        Self { object, base: Rights::OF_DIRECTORY, inheriting: Rights::INHERITABLE, flags: 0 }
    }

    pub(super) fn file_type(&self) -> FileType {
        match &self.object {
            Object::Input(input) => FileType::of_stream(input.is_terminal()),
            Object::Output(output) => FileType::of_stream(output.is_terminal()),
            Object::File(_) => FileType::RegularFile,
            Object::Directory(_) => FileType::Directory,
        }
    }

    /// Returns an error unless the base rights include `rights`.
    pub(super) fn need(&self, rights: Rights) -> Result<(), NoRight> {
        if self.base.contains(rights) { Ok(()) } else { Err(NoRight) }
    }
}

/// The descriptors of one instance, by number.
pub(super) struct Descriptors {
    slots: Vec<Option<Descriptor>>,
    /// No number below this one is free.
    first_free: usize,
    /// A bit for each number that was left empty at the start. It is never used for opened files, which might
    /// otherwise be taken for a standard stream.
    reserved: u32,
    limit: usize,
}

impl Descriptors {
    /// An empty table for `limit` descriptors at a time.
    pub(super) fn new(limit: u32) -> Self {
        Self { slots: Vec::new(), first_free: 0, reserved: 0, limit: limit as usize }
    }

    /// Assigns the next number to a granted descriptor, or leaves it empty; used only before the instance starts, when
    /// there are no gaps.
    /// Granted descriptors are not subject to the limit, which applies only to those that the program opens.
    pub(super) fn grant(&mut self, descriptor: Option<Descriptor>) {
        if descriptor.is_none() {
            // Only the three standard streams may be missing.
            self.reserved |= 1u32.checked_shl(self.slots.len() as u32).unwrap_or(0);
        }
        self.slots.push(descriptor);
    }

    pub(super) fn get(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    fn is_reserved(&self, fd: usize) -> bool {
        u32::try_from(fd).ok().and_then(|fd| self.reserved.checked_shr(fd)).is_some_and(|bits| bits & 1 != 0)
    }

    /// Whether another descriptor can be opened.
    pub(super) fn check_room(&mut self) -> Result<(), Errno> {
        while self.slots.get(self.first_free).is_some_and(Option::is_some)
            || self.is_reserved(self.first_free)
        {
            self.first_free += 1;
        }
        if self.first_free < self.limit { Ok(()) } else { Err(Errno::Mfile) }
    }

    /// Assigns the lowest free number to a descriptor.
    pub(super) fn open(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        self.check_room()?;
        match self.slots.get_mut(self.first_free) {
            Some(slot) => *slot = Some(descriptor),
            None => self.slots.push(Some(descriptor)),
        }
        // The length of the table is at most its limit, a `u32`, or the number of granted descriptors.
        Ok(self.first_free as u32)
    }

    pub(super) fn close(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        let closed = self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::Badf)?;
        self.first_free = self.first_free.min(fd as usize);
        Ok(closed)
    }

    /// Moves a descriptor to the number of another one, which is closed.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(to)?;
        self.get(from)?;
        if from != to {
            let moved = self.close(from)?;
            *self.get(to)? = moved;
        }
        Ok(())
    }

    pub(super) fn has_preopens(&self) -> bool {
        let preopen = |descriptor: &Descriptor| match &descriptor.object {
            Object::Directory(directory) => directory.preopen.is_some(),
            _ => false,
        };
        self.slots.iter().flatten().any(preopen)
    }
}
