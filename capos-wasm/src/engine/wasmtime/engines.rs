//! The configured instances of wasmtime, one for each variant of code and limit of the stack.

use super::machine::Machine;
use capos_codegen::{Settings, config};
use std::{cell::RefCell, collections::BTreeMap, num::NonZeroUsize, rc::Rc};
use wasmtime::Engine;

/// The portable interpreter's stack for each byte of the limit, which is in bytes of a compiled program's stack. A call needs
/// 16 bytes there at least; here the smallest needs 128 to 256, since registers are allocated fast rather than well.
const PORTABLE_STACK_BYTES_PER_BYTE: usize = 16;
/// The same for compiled code, whose smallest frames are larger than 16 bytes where it counts fuel.
const STACK_BYTES_PER_BYTE: usize = 4;
/// Enough to call any function at all.
const MIN_STACK_BYTES: usize = 64 << 10;
const MIN_PORTABLE_STACK_BYTES: usize = 1 << 20;
/// The part of a call's stack that is kept for the host's own functions. Pages that are never touched take no memory.
const HOST_STACK_BYTES: usize = 2 << 20;

/// As many as the interpreter finds.
const BACKTRACE_FRAMES: Option<NonZeroUsize> = NonZeroUsize::new(64);

/// The use of one engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variant {
    pub(super) code: Settings,
    pub(super) stack_bytes: u64,
    /// Whether the places of its instances are reserved.
    pub(super) is_pooled: bool,
}

/// The engines of a machine.
pub(super) struct Engines {
    machine: Rc<dyn Machine>,
    engines: RefCell<BTreeMap<Variant, Engine>>,
}

impl Engines {
    pub(super) fn new(machine: Rc<dyn Machine>) -> Self {
        Self { machine, engines: RefCell::default() }
    }

    pub(super) fn machine(&self) -> &Rc<dyn Machine> {
        &self.machine
    }

    /// The engine for a variant.
    pub(super) fn get(&self, variant: Variant) -> wasmtime::Result<Engine> {
        if let Some(engine) = self.engines.borrow().get(&variant) {
            return Ok(engine.clone());
        }
        let engine = self.make(variant)?;
        self.engines.borrow_mut().insert(variant, engine.clone());
        Ok(engine)
    }

    fn make(&self, Variant { code, stack_bytes, is_pooled }: Variant) -> wasmtime::Result<Engine> {
        // Limited, and `usize` has 64 bits on all supported targets.
        let stack_bytes = match code.is_portable {
            true => (stack_bytes as usize * PORTABLE_STACK_BYTES_PER_BYTE).max(MIN_PORTABLE_STACK_BYTES),
            false => (stack_bytes as usize * STACK_BYTES_PER_BYTE).max(MIN_STACK_BYTES),
        };
        let mut config = config(code)?;
        config
            .wasm_backtrace_max_frames(BACKTRACE_FRAMES)
            .max_wasm_stack(stack_bytes)
            .async_stack_size(stack_bytes + HOST_STACK_BYTES);
        self.machine.configure(&mut config, is_pooled);
        Engine::new(&config)
    }
}
