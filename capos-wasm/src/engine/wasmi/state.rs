//! Access to an instance's state.

use super::{
    convert::{returned, to_val},
    instance,
};
use crate::engine::{Host, Returned, State};
use wasmi::{V128, Val};

impl<H: Host> instance::Instance<H> {
    fn exported_memory(&self, name: &str) -> Option<wasmi::Memory> {
        self.instance.get_memory(&*self.store, name)
    }
}

impl<H: Host> State for instance::Instance<H> {
    fn memory(&mut self, name: &str) -> Option<&mut [u8]> {
        Some(self.exported_memory(name)?.data_mut(&mut *self.store))
    }

    fn pages(&mut self, name: &str) -> Option<u64> {
        Some(self.exported_memory(name)?.size(&*self.store))
    }

    fn grow(&mut self, name: &str, more: u64) -> Result<(), String> {
        let memory = self.exported_memory(name).ok_or("there is no such memory")?;
        memory.grow(&mut *self.store, more).map(drop).map_err(|error| error.to_string())
    }

    fn global(&mut self, name: &str) -> Option<Returned> {
        Some(returned(&self.instance.get_global(&*self.store, name)?.get(&*self.store)))
    }

    fn set_global(&mut self, name: &str, value: Returned) -> Result<(), String> {
        let global = self.instance.get_global(&*self.store, name).ok_or("there is no such global")?;
        let value = match value {
            Returned::Value(value) => to_val(value),
            Returned::V128(value) => Val::V128(V128::from(value)),
            Returned::Reference { .. } => return Err("a global holds a reference".to_owned()),
        };
        global.set(&mut *self.store, value).map_err(|error| error.to_string())
    }
}
