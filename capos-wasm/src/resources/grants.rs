//! The capabilities granted to an instance, and the resources created from them.

use super::{
    Clocks, Directory, Entropy, FastClock, FastSleep, File, Input, Output, PipeReader, PipeWriter,
    console::{ConsoleInput, ConsoleOutput, ConsoleStream, ShownAs},
};
use capos_schema::{
    console_capnp::console,
    entropy_capnp::entropy_source,
    file_capnp::{file, namespace},
    timer_capnp::{timer, wall_clock},
};

/// The source of standard input.
#[derive(Clone)]
pub enum Source {
    /// A console, which programs see as a terminal.
    Console(console::Client),
    /// A console, which programs see as a stream.
    Stream(console::Client),
    /// A file that is open for reading, from its start.
    File(file::Client),
    /// The output of another instance.
    Pipe(PipeReader),
}

/// The destination of standard output or error; of a console, its output of that name.
#[derive(Clone)]
pub enum Sink {
    /// A console, which programs see as a terminal.
    Console(console::Client),
    /// A console, which programs see as a stream.
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

/// A directory that is open when the program starts.
#[derive(Clone)]
pub struct Preopen {
    /// The directory's path in the program.
    pub path: String,
    /// The directory.
    pub directory: namespace::Client,
}

/// The capabilities granted to an instance. It has no access to those that are `None`.
#[derive(Clone, Default)]
pub struct Grants {
    /// Standard input.
    pub stdin: Option<Source>,
    /// Standard output.
    pub stdout: Option<Sink>,
    /// Standard error.
    pub stderr: Option<Sink>,
    /// Directories that are open when the program starts.
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

/// A standard stream that was granted.
pub(crate) enum StandardStream {
    Input(Input),
    Output(Output),
    /// A file that is read from its start.
    FileInput(File),
    /// A file that is written at its end.
    FileOutput(File),
}

/// The resources of an instance when it starts.
pub(crate) struct Holdings {
    /// Standard input, output and error.
    pub(crate) streams: [Option<StandardStream>; 3],
    /// Each directory with its path in the program.
    pub(crate) directories: Vec<(String, Directory)>,
    pub(crate) clocks: Clocks,
    pub(crate) entropy: Option<Entropy>,
}

impl From<Grants> for Holdings {
    fn from(grants: Grants) -> Self {
        let Grants { stdin, stdout, stderr, preopens, timer, fast_clock, fast_sleep, wall_clock, entropy } =
            grants;
        Self {
            streams: [
                stdin.map(source),
                stdout.map(|to| sink(to, ConsoleStream::Standard)),
                stderr.map(|to| sink(to, ConsoleStream::Errors)),
            ],
            directories: preopens
                .into_iter()
                .map(|Preopen { path, directory }| (path, Directory::new(directory)))
                .collect(),
            clocks: Clocks::new(timer, fast_clock, fast_sleep, wall_clock),
            entropy: entropy.map(Entropy::new),
        }
    }
}

fn source(source: Source) -> StandardStream {
    let console =
        |client, shown_as| StandardStream::Input(Input::Console(ConsoleInput::new(client, shown_as)));
    match source {
        Source::Console(client) => console(client, ShownAs::Terminal),
        Source::Stream(client) => console(client, ShownAs::Stream),
        Source::Pipe(pipe) => StandardStream::Input(Input::Pipe(pipe)),
        Source::File(client) => StandardStream::FileInput(File::new(client)),
    }
}

/// `stream` selects the output, if it is a console.
fn sink(sink: Sink, stream: ConsoleStream) -> StandardStream {
    let console = |client, shown_as| {
        StandardStream::Output(Output::Console(ConsoleOutput::new(client, stream, shown_as)))
    };
    match sink {
        Sink::Console(client) => console(client, ShownAs::Terminal),
        Sink::Stream(client) => console(client, ShownAs::Stream),
        Sink::Pipe(pipe) => StandardStream::Output(Output::Pipe(pipe)),
        Sink::File(client) => StandardStream::FileOutput(File::new(client)),
    }
}
