//! The Rust interface to a started instance.

use crate::{
    End, Value,
    account::{Control, Missing, Refusal, StartTime, Usage},
};
use futures::channel::{mpsc, oneshot};
use std::{fmt, rc::Rc};

/// Maximum number of calls queued for one instance.
const MAX_QUEUED_CALLS: usize = 64;

/// A request to an idle instance.
pub(crate) struct Command {
    pub(crate) function: String,
    pub(crate) arguments: Vec<Value>,
    pub(crate) reply: oneshot::Sender<Result<Vec<Value>, CallError>>,
}

pub(crate) fn command_queue() -> (mpsc::UnboundedSender<Command>, mpsc::UnboundedReceiver<Command>) {
    // Limited by `Control::enqueue`: a bounded channel would have space for one more message for each sender.
    mpsc::unbounded()
}

/// The reason that a call of an export brought no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The instance exports no such function, or it has other parameters.
    Refused(String),
    /// Too many calls are queued.
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

/// A started instance. Dropping the handle ends an instance that waits for calls; one that runs by itself
/// continues.
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
        // If the task is gone without an end, the embedder's executor has dropped it.
        self.control.wait().await.unwrap_or(End::Killed)
    }

    /// Returns when the instance has been created, or has ended before that.
    pub async fn started(&self) {
        self.control.started().await;
    }

    /// How the instance ended, if it has.
    pub fn end(&self) -> Option<End> {
        self.control.end()
    }

    /// Ends the instance, even during a call or a loop.
    pub fn kill(&self) {
        self.control.kill();
    }

    /// The resources used so far by the current or last run of the instance.
    pub fn usage(&self) -> Usage {
        self.control.usage()
    }

    /// The authority that it requested and was not granted, which may be the reason for a failure.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.control.refusals()
    }

    /// The outputs that it was not granted, and to which it wrote without effect.
    pub fn unheard(&self) -> Vec<Refusal> {
        let refused = self.control.refusals_of("fd_write").into_iter();
        refused.filter(|refusal| matches!(refusal.missing, Missing::Stdout | Missing::Stderr)).collect()
    }

    /// The name and the interface of each capability that it holds by name; empty after its end.
    pub fn grants(&self) -> Vec<(String, u64)> {
        self.control.grants()
    }

    /// Number of restarts.
    pub fn restarts(&self) -> u32 {
        self.control.restarts()
    }

    /// The last 16 ends that caused restarts, oldest first.
    pub fn restart_causes(&self) -> Vec<End> {
        self.control.restart_causes()
    }

    /// How long the start took; zero if the host has no clock.
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
        // If the instance ends now, the reply is dropped together with the command.
        let _ = self.commands.unbounded_send(command);
        match result.await {
            Ok(result) => result,
            Err(oneshot::Canceled) => Err(CallError::Ended(self.wait().await)),
        }
    }
}
