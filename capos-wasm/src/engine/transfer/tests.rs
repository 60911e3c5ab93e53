//! Every part of the state arrives, and is freed where it was.

use super::{PAGE_BYTES, STEP_BYTES, State, transfer};
use crate::{
    Value,
    engine::{Returned, inventory::Inventory, movable::Movable},
    pace::Pace,
};
use futures::executor::block_on;

/// Length of a page here.
const WASM_PAGE_BYTES: usize = 64 << 10;

/// State with one memory and one global, and the most pages it can grow to.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    memory: Vec<u8>,
    global: i32,
    most_pages: u64,
}

impl Plain {
    fn new(pages: usize, global: i32) -> Self {
        Self { memory: vec![0; pages * WASM_PAGE_BYTES], global, most_pages: 100 }
    }
}

impl State for Plain {
    fn memory(&mut self, name: &str) -> Option<&mut [u8]> {
        (name == "capos:memory 0").then_some(&mut self.memory)
    }

    fn pages(&mut self, name: &str) -> Option<u64> {
        self.memory(name).map(|memory| (memory.len() / WASM_PAGE_BYTES) as u64)
    }

    fn grow(&mut self, _: &str, more: u64) -> Result<(), String> {
        let pages = self.memory.len() / WASM_PAGE_BYTES + more as usize;
        if pages as u64 > self.most_pages {
            return Err("too long".to_owned());
        }
        self.memory.resize(pages * WASM_PAGE_BYTES, 0);
        Ok(())
    }

    fn global(&mut self, name: &str) -> Option<Returned> {
        (name == "capos:global 7").then_some(Returned::Value(Value::I32(self.global)))
    }

    fn set_global(&mut self, _: &str, value: Returned) -> Result<(), String> {
        match value {
            Returned::Value(Value::I32(value)) => self.global = value,
            other => return Err(format!("{other}")),
        }
        Ok(())
    }
}

fn movable(initialized_bytes: u64) -> Movable {
    let state = Inventory { memories: 1, globals: vec![7] };
    Movable { state, initialized_bytes: vec![initialized_bytes] }
}

fn moved(from: &mut Plain, to: &mut Plain, initialized_bytes: u64) -> Result<(), String> {
    let discard = |bytes: &mut [u8]| bytes.fill(0xdd);
    block_on(transfer(from, to, &movable(initialized_bytes), Some(discard), &mut Pace::new(None)))
}

#[test]
fn memory_and_globals_arrive_and_leave() {
    let mut from = Plain::new(9, 5);
    for at in [0, PAGE_BYTES - 1, PAGE_BYTES, STEP_BYTES - 1, STEP_BYTES, 9 * WASM_PAGE_BYTES - 1] {
        from.memory[at] = 1 + at as u8 % 7;
    }
    let mut to = Plain::new(2, 0);
    // Initialized by a data segment, and set to zero since.
    to.memory[3 * PAGE_BYTES + 1] = 9;
    let before = from.clone();
    moved(&mut from, &mut to, 3 * PAGE_BYTES as u64 + 2).expect("it can move");
    assert!(to == before, "equal");
    assert!(from.memory.iter().all(|&byte| byte == 0xdd), "freed");
}

#[test]
fn what_cannot_grow_leaves_everything_unchanged() {
    let mut from = Plain::new(9, 5);
    from.memory.fill(3);
    let before = from.clone();
    let mut to = Plain { most_pages: 8, ..Plain::new(2, 0) };
    assert_eq!(moved(&mut from, &mut to, 0), Err("too long".to_owned()));
    assert!(from == before, "unchanged");
    // Memories do not shrink.
    assert!(moved(&mut from, &mut Plain::new(10, 0), 0).is_err());
    assert!(from == before, "unchanged");
}
