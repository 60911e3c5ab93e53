//! The holdings of one instance: its capabilities and its descriptors.

use super::{
    descriptor::{Descriptor, Descriptors, FileType, flags},
    directory::Directory,
    file::OpenFile,
    input::{ConsoleInput, Input},
    output::{ConsoleOutput, ConsoleStream, Output},
    pipe::{PipeReader, PipeWriter},
    refusal::{Missing, Refusal},
    rights::Rights,
    snapshot::Snapshot,
};
use crate::{Launch, instance::Control};
use capos_schema::{
    console_capnp::console,
    entropy_capnp::entropy_source,
    file_capnp::{file, namespace},
    timer_capnp::{timer, wall_clock},
};
use futures::future::LocalBoxFuture;
use std::rc::Rc;

/// Reads the monotonic clock without a call, in nanoseconds: the shared time page of the same Timer.
pub type FastClock = Rc<dyn Fn() -> u64>;

/// Waits until a point in time of the same clock without a call, so that any number of instances can wait.
pub type FastSleep = Rc<dyn Fn(u64) -> LocalBoxFuture<'static, ()>>;

/// The source of standard input.
#[derive(Clone)]
pub enum Source {
    /// A console, which programs take for a terminal.
    Console(console::Client),
    /// A console, which programs do not take for a terminal.
    Stream(console::Client),
    /// A file that is open for reading, from its beginning.
    File(file::Client),
    /// The output of another instance.
    Pipe(PipeReader),
}

/// Target of standard output or error; of a console, its output of that name.
#[derive(Clone)]
pub enum Sink {
    /// A console, which programs take for a terminal.
    Console(console::Client),
    /// A console, which programs do not take for a terminal.
    Stream(console::Client),
    /// The end of a file that is open for writing.
    File(file::Client),
    /// The input of another instance.
    Pipe(PipeWriter),
}

impl From<console::Client> for Source {
    fn from(console: console::Client) -> Self {
        Self::Console(console)
    }
}

impl From<console::Client> for Sink {
    fn from(console: console::Client) -> Self {
        Self::Console(console)
    }
}

/// A directory that a program finds open when it starts.
#[derive(Clone)]
pub struct Preopen {
    /// The path under which the program knows it.
    pub path: String,
    /// The directory.
    pub directory: namespace::Client,
}

/// The capabilities that an instance is granted. What is `None` does not exist for it.
#[derive(Clone, Default)]
pub struct Grants {
    /// Read through descriptor 0.
    pub stdin: Option<Source>,
    /// Written through descriptor 1.
    pub stdout: Option<Sink>,
    /// Written through descriptor 2.
    pub stderr: Option<Sink>,
    /// Descriptors from 3 on.
    pub preopens: Vec<Preopen>,
    /// The monotonic clock and waiting.
    pub timer: Option<timer::Client>,
    /// A faster way to read `timer`'s clock. Without a `timer` it is not used.
    pub fast_clock: Option<FastClock>,
    /// A cheaper way to wait for `timer`'s time. Without a `timer` it is not used.
    pub fast_sleep: Option<FastSleep>,
    /// The time of day.
    pub wall_clock: Option<wall_clock::Client>,
    /// Random bytes.
    pub entropy: Option<entropy_source::Client>,
}

/// The state behind the WASI functions of one instance.
pub struct Context {
    pub(super) launch: Launch,
    pub(super) timer: Option<timer::Client>,
    pub(super) fast_clock: Option<FastClock>,
    pub(super) fast_sleep: Option<FastSleep>,
    pub(super) wall_clock: Option<wall_clock::Client>,
    pub(super) entropy: Option<entropy_source::Client>,
    pub(super) descriptors: Descriptors,
    pub(super) control: Rc<Control>,
    /// The snapshot that the function being served belongs to.
    pub(super) snapshot: Snapshot,
    /// The function being served.
    pub(super) import: &'static str,
    /// A bit for each standard stream that was not granted.
    pub(super) ungranted_streams: u32,
}

impl Context {
    pub(crate) fn new(launch: Launch, grants: Grants, descriptors: u32, control: Rc<Control>) -> Self {
        let streams = [grants.stdin.is_none(), grants.stdout.is_none(), grants.stderr.is_none()];
        let ungranted_streams = (0..).zip(streams).map(|(fd, missing)| u32::from(missing) << fd).sum();
        let mut table = Descriptors::new(descriptors);
        table.grant(grants.stdin.map(source));
        table.grant(grants.stdout.map(|to| sink(to, ConsoleStream::Standard)));
        table.grant(grants.stderr.map(|to| sink(to, ConsoleStream::Errors)));
        for Preopen { path, directory } in grants.preopens {
            table.grant(Some(Descriptor::preopen(Directory::preopened(directory, path.into()))));
        }
        Self {
            launch,
            fast_clock: grants.fast_clock.filter(|_| grants.timer.is_some()),
            fast_sleep: grants.fast_sleep.filter(|_| grants.timer.is_some()),
            timer: grants.timer,
            wall_clock: grants.wall_clock,
            entropy: grants.entropy,
            descriptors: table,
            control,
            snapshot: Snapshot::default(),
            import: "",
            ungranted_streams,
        }
    }

    /// Remembers that the function being served lacked something, should the instance fail.
    pub(super) fn refuse(&self, missing: Missing) {
        self.control.refuse(Refusal { import: self.import, missing });
    }
}

fn console_input(console: console::Client, shown_as: FileType) -> Descriptor {
    Descriptor::input(Input::Console(ConsoleInput::new(console, shown_as)))
}

fn console_output(client: console::Client, stream: ConsoleStream, shown_as: FileType) -> Descriptor {
    Descriptor::output(Output::Console(ConsoleOutput { client, stream, shown_as }))
}

fn source(source: Source) -> Descriptor {
    match source {
        Source::Console(console) => console_input(console, FileType::CharacterDevice),
        Source::Stream(console) => console_input(console, FileType::Unknown),
        Source::Pipe(pipe) => Descriptor::input(Input::Pipe(pipe)),
        Source::File(client) => {
            let file = OpenFile::new(client, true, false);
            Descriptor::stream_file(file, Rights::OF_FILE.difference(Rights::OF_WRITER), 0)
        }
    }
}

/// `stream` is that of the console's outputs, if it is one, that is written.
fn sink(sink: Sink, stream: ConsoleStream) -> Descriptor {
    match sink {
        Sink::Console(console) => console_output(console, stream, FileType::CharacterDevice),
        Sink::Stream(console) => console_output(console, stream, FileType::Unknown),
        Sink::Pipe(pipe) => Descriptor::output(Output::Pipe(pipe)),
        Sink::File(client) => {
            let file = OpenFile { is_stream: true, ..OpenFile::new(client, false, true) };
            Descriptor::stream_file(file, Rights::OF_FILE.difference(Rights::FD_READ), flags::APPEND)
        }
    }
}
