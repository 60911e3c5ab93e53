//! Methods that the platform layer calls below the generated clients, because the heap cannot allocate a
//! client. A test compares each number with the one that the generated client sends.

#![cfg_attr(
    not(any(target_os = "hermit", test)),
    expect(dead_code, reason = "other systems have no platform layer, only the runtime above it")
)]

use capos_schema::methods;

/// An interface's type id and a method's number in it.
pub(crate) type Method = (u64, u16);

macro_rules! methods {
    ($($name:ident = $interface:ident, $method:ident;)*) => {
        $(pub(crate) const $name: Method =
            (methods::$interface::INTERFACE_ID, methods::$interface::$method);)*
    };
}

methods! {
    CONSOLE_WRITE = console, WRITE;
    CONSOLE_READ = console, READ;
    CONSOLE_WRITE_ERROR = console, WRITE_ERROR;
    ENDPOINT_CREATE = endpoint_factory, CREATE;
    ENTROPY_FILL = entropy_source, FILL;
    MEMORY_RESERVE = virtual_memory, RESERVE;
    MEMORY_PROTECT = virtual_memory, PROTECT;
    MEMORY_UNMAP = virtual_memory, UNMAP;
    MEMORY_DISCARD = virtual_memory, DISCARD;
    MEMORY_MAP_OBJECT = virtual_memory, MAP_OBJECT;
    MEMORY_MAP_PRIVATE = virtual_memory, MAP_PRIVATE;
    THREAD_SPAWN = thread_spawner, SPAWN;
    TIMER_NOW = timer, NOW;
    TIMER_TIME_PAGE = timer, TIME_PAGE;
    WALL_CLOCK_NOW = wall_clock, NOW;
}

#[cfg(test)]
mod tests {
    //! A client hook that records the calls of generated clients.

    use super::*;
    use capnp::capability::{FromClientHook, Promise, Request};
    use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
    use capnp::{Error, MessageSize, any_pointer};
    use capos_schema::{
        console_capnp, endpoint_capnp, entropy_capnp, memory_capnp, process_capnp, timer_capnp,
    };
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    struct Noting(Rc<Cell<Method>>);

    impl ClientHook for Noting {
        fn add_ref(&self) -> Box<dyn ClientHook> {
            Box::new(Self(self.0.clone()))
        }
        fn new_call(
            &self,
            interface: u64,
            method: u16,
            _: Option<MessageSize>,
        ) -> Request<any_pointer::Owned, any_pointer::Owned> {
            self.0.set((interface, method));
            std::panic::resume_unwind(Box::new("noted"))
        }
        fn call(
            &self,
            _: u64,
            _: u16,
            _: Box<dyn ParamsHook>,
            _: Box<dyn ResultsHook>,
        ) -> Promise<(), Error> {
            Promise::ok(())
        }
        fn get_brand(&self) -> usize {
            0
        }
        fn get_ptr(&self) -> usize {
            0
        }
        fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
            None
        }
        fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
            None
        }
        fn when_resolved(&self) -> Promise<(), Error> {
            Promise::ok(())
        }
    }

    /// The method that `call` calls.
    fn called<C: FromClientHook>(call: impl FnOnce(&C)) -> Method {
        let noted = Rc::new(Cell::new((0, u16::MAX)));
        let client = C::new(Box::new(Noting(noted.clone())));
        assert!(catch_unwind(AssertUnwindSafe(|| call(&client))).is_err());
        noted.get()
    }

    macro_rules! check {
        ($($name:ident = $client:path, $request:ident;)*) => {
            $(assert_eq!($name, called(|client: &$client| drop(client.$request())), stringify!($name));)*
        };
    }

    #[test]
    fn numbers_are_those_of_the_generated_clients() {
        check! {
            CONSOLE_WRITE = console_capnp::console::Client, write_request;
            CONSOLE_READ = console_capnp::console::Client, read_request;
            CONSOLE_WRITE_ERROR = console_capnp::console::Client, write_error_request;
            ENDPOINT_CREATE = endpoint_capnp::endpoint_factory::Client, create_request;
            ENTROPY_FILL = entropy_capnp::entropy_source::Client, fill_request;
            MEMORY_RESERVE = memory_capnp::virtual_memory::Client, reserve_request;
            MEMORY_PROTECT = memory_capnp::virtual_memory::Client, protect_request;
            MEMORY_UNMAP = memory_capnp::virtual_memory::Client, unmap_request;
            MEMORY_DISCARD = memory_capnp::virtual_memory::Client, discard_request;
            MEMORY_MAP_OBJECT = memory_capnp::virtual_memory::Client, map_object_request;
            MEMORY_MAP_PRIVATE = memory_capnp::virtual_memory::Client, map_private_request;
            THREAD_SPAWN = process_capnp::thread_spawner::Client, spawn_request;
            TIMER_NOW = timer_capnp::timer::Client, now_request;
            TIMER_TIME_PAGE = timer_capnp::timer::Client, time_page_request;
            WALL_CLOCK_NOW = timer_capnp::wall_clock::Client, now_request;
        }
    }
}
