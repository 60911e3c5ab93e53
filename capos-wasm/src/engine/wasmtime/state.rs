//! Access to an instance's state.

use super::{convert::returned, convert::to_val, data::HostData, instance::Instance};
use crate::engine::{Host, Returned, State};
use wasmtime::{Memory, Store, Val};

impl<H: Host> Instance<H> {
    fn exported_memory(&mut self, name: &str) -> Option<(Memory, &mut Store<HostData<H>>)> {
        let instance = self.instance;
        let store = self.store()?;
        Some((instance.get_memory(&mut *store, name)?, store))
    }
}

impl<H: Host> State for Instance<H> {
    fn memory(&mut self, name: &str) -> Option<&mut [u8]> {
        let (memory, store) = self.exported_memory(name)?;
        Some(memory.data_mut(store))
    }

    fn pages(&mut self, name: &str) -> Option<u64> {
        let (memory, store) = self.exported_memory(name)?;
        Some(memory.size(&*store))
    }

    fn grow(&mut self, name: &str, more: u64) -> Result<(), String> {
        let (memory, store) = self.exported_memory(name).ok_or("there is no such memory")?;
        memory.grow(store, more).map(drop).map_err(|error| error.to_string())
    }

    fn global(&mut self, name: &str) -> Option<Returned> {
        let instance = self.instance;
        let store = self.store()?;
        let global = instance.get_global(&mut *store, name)?;
        Some(returned(&global.get(store)))
    }

    fn set_global(&mut self, name: &str, value: Returned) -> Result<(), String> {
        let instance = self.instance;
        let store = self.store().ok_or("a call is in progress")?;
        let global = instance.get_global(&mut *store, name).ok_or("there is no such global")?;
        let value = match value {
            Returned::Value(value) => to_val(value),
            Returned::V128(value) => Val::V128(value.into()),
            Returned::Reference { .. } => return Err("a global holds a reference".to_owned()),
        };
        global.set(store, value).map_err(|error| format!("{error:#}"))
    }
}
