//! Capabilities in messages, as indices: the kernel makes no calls, it only needs to know which entry of the capability
//! list a pointer refers to.
//!
//! The `capnp` crate requires each in a box. Markers live only during the current call, so they are allocated from the
//! memory reserved for this.

use crate::mm::heap;
use alloc::{boxed::Box, vec::Vec};
use capnp::{
    MessageSize, any_pointer,
    capability::{Promise, Request},
    private::capability::{ClientHook, ParamsHook, ResultsHook},
};

/// The table with which the `capnp` crate resolves capability pointers.
pub(super) type CapTable = Vec<Option<Box<dyn ClientHook>>>;

/// A placeholder for entry `.0` of a capability list.
struct Marker(usize);

/// A client for entry `index`.
pub(super) fn marker(index: usize) -> Box<dyn ClientHook> {
    heap::with_scratch(|| Box::new(Marker(index)))
}

/// For parameters with `count` capabilities.
pub(super) fn parameters(count: usize) -> CapTable {
    heap::with_scratch(|| (0..count).map(|index| Some(marker(index))).collect())
}

impl ClientHook for Marker {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        marker(self.0)
    }

    fn new_call(
        &self,
        _interface_id: u64,
        _method_id: u16,
        _size_hint: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        unreachable!("the kernel makes no calls")
    }

    fn call(
        &self,
        _interface_id: u64,
        _method_id: u16,
        _params: Box<dyn ParamsHook>,
        _results: Box<dyn ResultsHook>,
    ) -> Promise<(), capnp::Error> {
        Promise::err(capnp::Error::unimplemented("the kernel makes no calls".into()))
    }

    fn get_brand(&self) -> usize {
        0
    }

    /// The index.
    fn get_ptr(&self) -> usize {
        self.0
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        None
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, capnp::Error>> {
        None
    }

    fn when_resolved(&self) -> Promise<(), capnp::Error> {
        Promise::ok(())
    }
}
