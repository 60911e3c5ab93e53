//! Running a module as a program, or one of its exports instead.

use super::{
    Invocation,
    guest::{Guest, INITIALIZE},
};
use crate::{End, Value, ValueType, engine::Type};

/// The export of a program that is called to run it.
const START: &str = "_start";

impl Guest {
    /// Runs a program from `_start` to its end, or calls another export.
    pub(super) async fn run(&mut self, invocation: Option<&Invocation>) -> End {
        if let Err(end) = self.start_section().await {
            return end;
        }
        if let Some(invocation) = invocation {
            return Box::pin(self.invoke(invocation)).await.unwrap_or_else(|end| end);
        }
        let Some(start) = self.signature(START) else {
            if self.exports().next().is_none() {
                self.interrupts.control().set_empty_module();
                return End::Exited(0);
            }
            return End::FailedToStart("the module exports no function _start".into());
        };
        if !start.takes_and_returns_nothing() {
            return End::FailedToStart("_start takes or returns something".into());
        }
        // A module with both is initialized first, as by wasmtime.
        if let Err(end) = self.initialize().await {
            return end;
        }
        match self.execute(START, &[]).await {
            Ok(_) => End::Exited(0),
            Err(end) => end,
        }
    }

    /// Calls an export and writes what it returns to standard output.
    async fn invoke(&mut self, invocation: &Invocation) -> Result<End, End> {
        let Some(signature) = self.signature(&invocation.function) else {
            let mut pace = self.pace();
            return Err(End::FailedToStart(invocation.unknown(self.exports(), &mut pace).await));
        };
        let types: Vec<Option<ValueType>> = signature.params.iter().map(Type::value).collect();
        let arguments: Vec<Value> = invocation.values(&types).map_err(End::FailedToStart)?;
        // This may be the very function that was requested.
        if invocation.function != INITIALIZE {
            self.initialize().await?;
        }
        let results = self.execute(&invocation.function, &arguments).await?;
        let text: String = results.iter().map(|result| format!("{result}\n")).collect();
        self.print(text).await
    }
}
