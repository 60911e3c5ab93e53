//! Executes a script.

use crate::{Argument, Engine, Failure, Reason, Script, Value, matching::matches};
use std::collections::HashMap;
use wast::{QuoteWat, WastDirective, WastExecute, WastInvoke, WastRet, Wat, token::Id};

/// The result of a script.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Directives that did as they should.
    pub passed: u32,
    /// The line of each of the others, and what it did.
    pub failed: Vec<(usize, String)>,
}

/// Executes a script on an engine that has no instances yet.
///
/// # Errors
/// If its text is no script.
pub async fn run(engine: &mut impl Engine, script: &Script) -> Result<Outcome, String> {
    let buffer = script.file.wast().map_err(|error| error.to_string())?;
    let directives = buffer.directives().map_err(|error| error.to_string())?;
    let mut execution =
        Execution { engine, modules: HashMap::new(), instances: HashMap::new(), module: None, last: None };
    let mut outcome = Outcome::default();
    for directive in directives {
        let span = directive.span();
        match execution.directive(directive).await {
            Ok(()) => outcome.passed += 1,
            Err(error) => outcome.failed.push((span.linecol_in(script.file.raw()).0 + 1, error)),
        }
    }
    Ok(outcome)
}

/// The state of a script.
struct Execution<'a, E: Engine> {
    engine: &'a mut E,
    /// Modules and instances by their names in the script.
    modules: HashMap<String, E::Module>,
    instances: HashMap<String, E::Instance>,
    /// The latest of each.
    module: Option<E::Module>,
    last: Option<E::Instance>,
}

impl<E: Engine> Execution<'_, E> {
    async fn directive(&mut self, directive: WastDirective<'_>) -> Result<(), String> {
        match directive {
            WastDirective::Module(mut module) => {
                let name = module.name().map(|name| name.name().to_owned());
                let module = self.defined(&mut module).await?;
                self.instance(&module, name).await
            }
            WastDirective::ModuleDefinition(mut module) => {
                let name = module.name().map(|name| name.name().to_owned());
                let module = self.defined(&mut module).await?;
                if let Some(name) = name {
                    self.modules.insert(name, module.clone());
                }
                self.module = Some(module);
                Ok(())
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let module = match module {
                    Some(name) => self.modules.get(name.name()),
                    None => self.module.as_ref(),
                };
                let module = module.ok_or("there is no such module")?.clone();
                self.instance(&module, instance.map(|name| name.name().to_owned())).await
            }
            WastDirective::AssertMalformed { mut module, .. }
            | WastDirective::AssertInvalid { mut module, .. } => self.refused(&mut module).await,
            // Custom sections have no meaning to these engines, which must run such modules.
            WastDirective::AssertInvalidCustom { mut module, .. }
            | WastDirective::AssertMalformedCustom { mut module, .. } => match module.encode() {
                Err(_) => Ok(()),
                Ok(bytes) => self.engine.module(&bytes).await.map(drop),
            },
            WastDirective::Register { name, module, .. } => {
                let instance = self.find(module)?;
                self.engine.register(name, &instance);
                Ok(())
            }
            WastDirective::Invoke(invoke) => self.invoke(&invoke).await?.map(drop).map_err(unexpected),
            WastDirective::AssertReturn { exec, results, .. } => {
                let returned = self.execute(exec).await?.map_err(unexpected)?;
                compare(&returned, &results)
            }
            WastDirective::AssertTrap { exec, message, .. } => trapped(self.execute(exec).await?, message),
            WastDirective::AssertExhaustion { call, message, .. } => {
                trapped(self.invoke(&call).await?, message)
            }
            WastDirective::AssertException { exec, .. } => match self.execute(exec).await? {
                Err(Failure::Exception) => Ok(()),
                other => Err(format!("expected an exception, got {other:?}")),
            },
            WastDirective::AssertUnlinkable { module, message, .. } => {
                let module = self.defined(&mut QuoteWat::Wat(module)).await?;
                match self.engine.instantiate(&module).await {
                    Err(Failure::Unlinkable(_)) => Ok(()),
                    Err(other) => Err(format!("expected \"{message}\", got {other:?}")),
                    Ok(_) => Err(format!("expected \"{message}\", but it was linked")),
                }
            }
            other => Err(format!("no such directive here: {other:?}")),
        }
    }

    async fn defined(&mut self, module: &mut QuoteWat<'_>) -> Result<E::Module, String> {
        let bytes = module.encode().map_err(|error| format!("not encoded: {}", error.message()))?;
        self.engine.module(&bytes).await
    }

    async fn instance(&mut self, module: &E::Module, name: Option<String>) -> Result<(), String> {
        let instance = self.engine.instantiate(module).await.map_err(unexpected)?;
        if let Some(name) = name {
            self.instances.insert(name, instance.clone());
        }
        self.last = Some(instance);
        Ok(())
    }

    /// The text or the binary is refused.
    async fn refused(&mut self, module: &mut QuoteWat<'_>) -> Result<(), String> {
        let Ok(bytes) = module.encode() else { return Ok(()) };
        match self.engine.module(&bytes).await {
            Ok(_) => Err("it was accepted".to_owned()),
            Err(_) => Ok(()),
        }
    }

    fn find(&self, name: Option<Id<'_>>) -> Result<E::Instance, String> {
        let found = match name {
            Some(name) => self.instances.get(name.name()),
            None => self.last.as_ref(),
        };
        found.cloned().ok_or_else(|| "there is no such instance".to_owned())
    }

    /// The outer error is the script's, the inner one the guest's.
    async fn execute(&mut self, execute: WastExecute<'_>) -> Result<Result<Vec<Value>, Failure>, String> {
        match execute {
            WastExecute::Invoke(invoke) => self.invoke(&invoke).await,
            WastExecute::Wat(module) => self.instantiated(module).await,
            WastExecute::Get { module, global, .. } => {
                let instance = self.find(module)?;
                Ok(self.engine.global(&instance, global).map(|value| vec![value]))
            }
        }
    }

    async fn instantiated(&mut self, module: Wat<'_>) -> Result<Result<Vec<Value>, Failure>, String> {
        let module = self.defined(&mut QuoteWat::Wat(module)).await?;
        Ok(self.engine.instantiate(&module).await.map(|_| Vec::new()))
    }

    async fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Result<Vec<Value>, Failure>, String> {
        let instance = self.find(invoke.module)?;
        let arguments: Vec<Argument> = invoke.args.iter().map(Argument::read).collect::<Result<_, _>>()?;
        Ok(self.engine.invoke(&instance, invoke.name, &arguments).await)
    }
}

fn unexpected(failure: Failure) -> String {
    format!("{failure:?}")
}

fn compare(returned: &[Value], expected: &[WastRet<'_>]) -> Result<(), String> {
    let is_same = returned.len() == expected.len()
        && returned.iter().zip(expected).all(|(value, expected)| matches(*value, expected));
    if is_same { Ok(()) } else { Err(format!("expected {expected:?}, got {returned:?}")) }
}

fn trapped(result: Result<Vec<Value>, Failure>, message: &str) -> Result<(), String> {
    let expected = Reason::expected(message).ok_or_else(|| format!("unknown message \"{message}\""))?;
    match result {
        Err(Failure::Trap(reason)) if reason == expected => Ok(()),
        other => Err(format!("expected \"{message}\", got {other:?}")),
    }
}
