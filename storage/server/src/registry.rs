//! Finds the server object behind a client that comes back in a message.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use capnp::private::capability::ClientHook;

/// Server objects of this process, by the pointer of their clients' hooks.
#[derive(Default)]
pub(crate) struct Registry(RefCell<BTreeMap<usize, Weak<dyn Any>>>);

impl Registry {
    /// Makes `object` findable until [`remove`](Self::remove).
    pub(crate) fn insert<T: Any>(&self, object: &Rc<T>) {
        let weak = Rc::downgrade(object) as Weak<dyn Any>;
        self.0.borrow_mut().insert(Rc::as_ptr(object).addr(), weak);
    }

    /// Finds the object behind a resolved client, if it was inserted here and is a `T`.
    pub(crate) fn find<T: Any>(&self, hook: &dyn ClientHook) -> Option<Rc<T>> {
        // Other kinds of clients have other brands, and pointers with other meanings.
        if hook.get_brand() != 0 {
            return None;
        }
        self.0.borrow().get(&hook.get_ptr())?.upgrade()?.downcast().ok()
    }

    /// Removes an object that is being dropped.
    pub(crate) fn remove<T: Any>(&self, object: &T) {
        self.0.borrow_mut().remove(&std::ptr::from_ref(object).addr());
    }
}
