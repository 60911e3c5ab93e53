//! Asking consoles whether they are terminals.

use crate::{Grants, Sink, Source};
use capos_schema::console_capnp::{console, terminal};
use futures::future::join3;

/// Converts the consoles among the standard streams that are not terminals to streams.
pub(super) async fn ask(grants: &mut Grants) {
    let stdin = grants.stdin.take();
    let stdout = grants.stdout.take();
    let stderr = grants.stderr.take();
    (grants.stdin, grants.stdout, grants.stderr) = join3(
        async {
            match stdin {
                Some(Source::Console(console)) if !is_terminal(&console, |all| all.get_input()).await => {
                    Some(Source::Stream(console))
                }
                other => other,
            }
        },
        shown(stdout, |all| all.get_output()),
        shown(stderr, |all| all.get_errors()),
    )
    .await;
}

type Terminals<'a> = console::terminals_results::Reader<'a>;
/// Selects one of a console's terminals.
type Which = for<'a> fn(Terminals<'a>) -> capnp::Result<terminal::Reader<'a>>;

async fn shown(sink: Option<Sink>, which: Which) -> Option<Sink> {
    match sink {
        Some(Sink::Console(console)) if !is_terminal(&console, which).await => Some(Sink::Stream(console)),
        other => other,
    }
}

/// Whether a stream of the console is a terminal. A console that does not answer counts as one.
async fn is_terminal(console: &console::Client, which: Which) -> bool {
    let response = console.terminals_request().send().promise.await;
    let found = response.as_ref().map_err(Clone::clone).and_then(|response| which(response.get()?));
    found.map_or(true, |terminal| terminal.get_is_terminal())
}
