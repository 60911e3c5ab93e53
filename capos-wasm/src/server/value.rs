//! Converts `Value` between messages and Rust.

use crate::Value;
use capnp::struct_list;
use capos_schema::wasm_capnp::value;

/// No export has more parameters than this; longer lists are refused unread.
const MAX_VALUES: u32 = 1000;

pub(super) fn read(list: struct_list::Reader<'_, value::Owned>) -> Result<Vec<Value>, capnp::Error> {
    if list.len() > MAX_VALUES {
        return Err(capnp::Error::failed(format!("more than {MAX_VALUES} arguments")));
    }
    let mut values = Vec::with_capacity(list.len() as usize);
    for reader in list {
        values.push(match reader.which()? {
            value::I32(value) => Value::I32(value),
            value::I64(value) => Value::I64(value),
            value::F32(value) => Value::F32(value),
            value::F64(value) => Value::F64(value),
        });
    }
    Ok(values)
}

pub(super) fn write(values: &[Value], mut list: struct_list::Builder<'_, value::Owned>) {
    for (index, &value) in (0..).zip(values) {
        let mut builder = list.reborrow().get(index);
        match value {
            Value::I32(value) => builder.set_i32(value),
            Value::I64(value) => builder.set_i64(value),
            Value::F32(value) => builder.set_f32(value),
            Value::F64(value) => builder.set_f64(value),
        }
    }
}
