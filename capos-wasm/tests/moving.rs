//! Instances that serve calls move from the interpreter to compiled code, or say why they do not.

mod hostile;
mod kept;
mod staying;

use crate::support::{InProcess, World, second_machine, spec};
use capos_wasm::{CallError, InstanceHandle, InstanceSpec, Value};
use std::{cell::RefCell, rc::Rc};

/// The call after which an instance moves.
const CALLS: usize = 100;
/// The reason of an indirect call of nothing, as each engine words it.
const INTERPRETED: &str = "uninitialized element 2";
const COMPILED: &str = "uninitialized element";
const MOVED: &str = "instance \"instance\" continues as compiled code";

/// A world where instances move, with what the log was told.
struct Moving {
    world: World,
    notes: Rc<RefCell<Vec<String>>>,
}

impl Moving {
    fn new() -> Self {
        Self::with_machine(second_machine())
    }

    fn with_machine(machine: InProcess) -> Self {
        let notes = Rc::default();
        Self { world: World::with_machine(machine, &notes), notes }
    }

    /// The specification of an instance that serves calls.
    fn served(&self, wat: &str) -> InstanceSpec {
        InstanceSpec { run: false, ..spec(wat, self.world.all_grants()) }
    }

    fn start(&self, wat: &str) -> InstanceHandle {
        self.world.host.start(self.served(wat))
    }

    fn call(
        &mut self,
        handle: &InstanceHandle,
        name: &str,
        arguments: &[Value],
    ) -> Result<Vec<Value>, CallError> {
        self.world.block_on(handle.call(name, arguments))
    }

    /// Calls a function that takes nothing and returns a number.
    fn number(&mut self, handle: &InstanceHandle, name: &str) -> i32 {
        match self.call(handle, name, &[]).unwrap_or_else(|error| panic!("{name}: {error}"))[..] {
            [Value::I32(number)] => number,
            ref other => panic!("{name} returned {other:?}"),
        }
    }

    /// Calls a function until the instance has moved, or has told why it does not.
    fn call_until_moved(&mut self, handle: &InstanceHandle, name: &str) {
        for _ in 0..CALLS {
            self.number(handle, name);
        }
        self.world.turns(10);
    }

    fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }
}
