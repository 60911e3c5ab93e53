//! Serving calls of exports.

use super::{CallError, Command, Moving, guest::Guest};
use crate::{
    End, Value,
    engine::{Returned, Type, Types},
};
use futures::{Stream, channel::mpsc};
use std::{future::poll_fn, pin::Pin, task::Poll};

impl Guest {
    /// Serves calls, one after the other, until the instance ends or there are no callers left.
    /// Between two of them it moves to generated code, if `moving` says so.
    pub(super) async fn serve(
        &mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut moving: Option<Moving>,
    ) -> End {
        if let Err(end) = self.start_section().await {
            return end;
        }
        if let Err(end) = self.initialize().await {
            return end;
        }
        loop {
            let command = poll_fn(|cx| match self.interrupts.poll(cx) {
                Poll::Ready(end) => Poll::Ready(Err(end)),
                Poll::Pending => Pin::new(&mut commands).poll_next(cx).map(|next| next.ok_or(End::Killed)),
            });
            let Command { function, arguments, reply } = match command.await {
                Ok(command) => command,
                Err(end) => return end,
            };
            self.interrupts.control().dequeue();
            if reply.is_canceled() {
                continue;
            }
            let result = match self.check(&function, &arguments) {
                Ok(()) => self.execute(&function, &arguments).await.map(Ok),
                Err(reason) => Ok(Err(CallError::Refused(reason))),
            };
            let is_served = matches!(result, Ok(Ok(_)));
            match result {
                // If the caller is gone, the result is dropped.
                Ok(result) => drop(reply.send(result.map(values))),
                Err(end) => {
                    drop(reply.send(Err(CallError::Ended(end.clone()))));
                    return end;
                }
            }
            if is_served && let Some(moving) = moving.take_if(Moving::is_due) {
                // Boxed, so that the instance's task does not keep this state for its whole life.
                Box::pin(self.move_over(moving)).await;
            }
        }
    }

    /// Checks that the export exists and has suitable parameters and results.
    fn check(&self, name: &str, arguments: &[Value]) -> Result<(), String> {
        let signature = self.signature(name).ok_or_else(|| format!("no exported function {name:?}"))?;
        let given = arguments.iter().map(|argument| Some(argument.ty()));
        if !signature.params.iter().map(Type::value).eq(given) {
            return Err(format!("{name:?} takes {}", Types(&signature.params)));
        }
        if signature.results.iter().any(|ty| ty.value().is_none()) {
            return Err(format!("{name:?} returns {}", Types(&signature.results)));
        }
        Ok(())
    }
}

fn values(results: Vec<Returned>) -> Vec<Value> {
    results.into_iter().filter_map(Returned::value).collect()
}
