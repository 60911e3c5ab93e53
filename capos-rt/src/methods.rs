//! Methods that the platform layer calls below the generated clients: the heap cannot allocate one.
//! A test compares each number with what the generated client sends.

#![cfg_attr(
    not(target_os = "hermit"),
    expect(dead_code, reason = "elsewhere there is no platform layer, only the runtime above it")
)]

use capnp::traits::HasTypeId;
use capos_schema::{console_capnp, endpoint_capnp, entropy_capnp, memory_capnp, process_capnp, timer_capnp};

/// An interface's type id and a method's number in it.
pub(crate) type Method = (u64, u16);

macro_rules! methods {
    ($($name:ident = $client:path, $number:literal;)*) => {
        $(pub(crate) const $name: Method = (<$client as HasTypeId>::TYPE_ID, $number);)*
    };
}

methods! {
    CONSOLE_WRITE = console_capnp::console::Client, 0;
    CONSOLE_READ = console_capnp::console::Client, 2;
    ENDPOINT_CREATE = endpoint_capnp::endpoint_factory::Client, 0;
    ENTROPY_FILL = entropy_capnp::entropy_source::Client, 0;
    MEMORY_RESERVE = memory_capnp::virtual_memory::Client, 0;
    MEMORY_PROTECT = memory_capnp::virtual_memory::Client, 1;
    MEMORY_UNMAP = memory_capnp::virtual_memory::Client, 2;
    MEMORY_DISCARD = memory_capnp::virtual_memory::Client, 3;
    MEMORY_MAP_OBJECT = memory_capnp::virtual_memory::Client, 5;
    THREAD_SPAWN = process_capnp::thread_spawner::Client, 0;
    TIMER_NOW = timer_capnp::timer::Client, 0;
    TIMER_TIME_PAGE = timer_capnp::timer::Client, 2;
    WALL_CLOCK_NOW = timer_capnp::wall_clock::Client, 0;
}
