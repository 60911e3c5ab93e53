//! The Rust interface to a started instance.

use crate::{
    End, Value,
    account::{Control, Refusal, StartTime, Usage},
};
use futures::channel::{mpsc, oneshot};
use std::{fmt, rc::Rc};

/// So many calls may wait for one instance.
const MAX_QUEUED_CALLS: usize = 64;

/// Something an idle instance is asked to do.
pub(crate) struct Command {
    pub(crate) function: String,
    pub(crate) arguments: Vec<Value>,
    pub(crate) reply: oneshot::Sender<Result<Vec<Value>, CallError>>,
}

pub(crate) fn command_queue() -> (mpsc::UnboundedSender<Command>, mpsc::UnboundedReceiver<Command>) {
    // `Control::enqueue` bounds it: a bounded channel has room for one more with every sender.
    mpsc::unbounded()
}

/// Why a call on an export brought no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The instance exports no such function, or it takes other arguments.
    Refused(String),
    /// Too many calls wait already.
    Busy,
    /// The instance has ended, or ended during the call.
    Ended(End),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => f.write_str(reason),
            Self::Busy => write!(f, "{MAX_QUEUED_CALLS} calls wait for this instance already"),
            Self::Ended(end) => write!(f, "the instance has ended: {end}"),
        }
    }
}

impl std::error::Error for CallError {}

/// A started instance. Dropping the handle of one that waits for calls ends it; one that runs by itself
/// goes on.
#[derive(Clone)]
pub struct InstanceHandle {
    control: Rc<Control>,
    commands: mpsc::UnboundedSender<Command>,
}

impl InstanceHandle {
    pub(crate) fn new(control: Rc<Control>, commands: mpsc::UnboundedSender<Command>) -> Self {
        Self { control, commands }
    }

    /// Returns when the instance has ended; at once if it already has.
    pub async fn wait(&self) -> End {
        // Without a driver any more there is nobody but the embedder's executor who ended it.
        self.control.wait().await.unwrap_or(End::Killed)
    }

    /// Returns when the instance has been made of its module, or has ended before that.
    pub async fn started(&self) {
        self.control.started().await;
    }

    /// How the instance ended, if it has.
    pub fn end(&self) -> Option<End> {
        self.control.end()
    }

    /// Ends the instance, also in the middle of a call or a loop.
    pub fn kill(&self) {
        self.control.kill();
    }

    /// The resources that the present or last run of the instance has used so far.
    pub fn usage(&self) -> Usage {
        self.control.usage()
    }

    /// The authority that it asked for and was not granted, which may be why it failed.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.control.refusals()
    }

    /// The name and the interface of each capability that it holds by name; none when it has ended.
    pub fn grants(&self) -> Vec<(String, u64)> {
        self.control.grants()
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u32 {
        self.control.restarts()
    }

    /// The last 16 ends after which it was started again, oldest first.
    pub fn restart_causes(&self) -> Vec<End> {
        self.control.restart_causes()
    }

    /// How long the start took; zero when the host has no clock.
    pub fn start_time(&self) -> StartTime {
        self.control.start_time()
    }

    /// Whether the module has no `_start` and exports nothing: such an instance exits with 0 at once.
    pub fn is_empty_module(&self) -> bool {
        self.control.is_empty_module()
    }

    /// Calls an exported function of an instance that was started without `run`. Calls run in order.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(&self, function: &str, arguments: &[Value]) -> Result<Vec<Value>, CallError> {
        if let Some(end) = self.end() {
            return Err(CallError::Ended(end));
        }
        if self.commands.is_closed() {
            return Err(CallError::Refused("the instance takes no calls".into()));
        }
        if !self.control.enqueue(MAX_QUEUED_CALLS) {
            return Err(CallError::Busy);
        }
        let (reply, result) = oneshot::channel();
        let command = Command { function: function.into(), arguments: arguments.into(), reply };
        // Should the instance end right now, the reply is dropped with the command.
        let _ = self.commands.unbounded_send(command);
        match result.await {
            Ok(result) => result,
            Err(oneshot::Canceled) => Err(CallError::Ended(self.wait().await)),
        }
    }
}
