//! The pipes between a host's instances.

use capos_schema::manifest_capnp::{instance_entry, stdio};
use capos_wasm::{PipeReader, PipeWriter, pipe};
use std::collections::BTreeMap;

/// The pipe ends that one instance's entry lists.
#[derive(Default)]
pub(crate) struct PipeEnds {
    pub(crate) stdin: Option<PipeReader>,
    pub(crate) stdout: Option<PipeWriter>,
    pub(crate) stderr: Option<PipeWriter>,
}

/// Gives every instance the ends that its entry lists, before any of them runs: otherwise a later one might find a
/// pipe already closed by the others. No end is kept, so that the end of an instance is noticed by the other side.
pub(crate) fn connect<'a>(
    instances: impl Iterator<Item = instance_entry::Reader<'a>>,
) -> capnp::Result<Vec<PipeEnds>> {
    let mut pipes: BTreeMap<&str, (PipeReader, PipeWriter)> = BTreeMap::new();
    let mut connected = Vec::new();
    for instance in instances {
        let mut ends = PipeEnds::default();
        if let Some(name) = pipe_name(instance.get_stdin()?)? {
            ends.stdin = Some(pipes.entry(name).or_insert_with(pipe).0.clone());
        }
        for (stream, end) in
            [(instance.get_stdout()?, &mut ends.stdout), (instance.get_stderr()?, &mut ends.stderr)]
        {
            if let Some(name) = pipe_name(stream)? {
                *end = Some(pipes.entry(name).or_insert_with(pipe).1.clone());
            }
        }
        connected.push(ends);
    }
    Ok(connected)
}

fn pipe_name(stream: stdio::Reader<'_>) -> capnp::Result<Option<&str>> {
    match stream.which()? {
        stdio::Pipe(name) => Ok(Some(name?.to_str()?)),
        stdio::Console(()) | stdio::Stream(()) | stdio::Closed(()) | stdio::File(_) => Ok(None),
    }
}
