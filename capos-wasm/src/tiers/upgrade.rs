//! Code that is being generated while instances of the module are interpreted.

use super::Module;
use crate::{
    engine::{Movable, Urgency, movable},
    pace::Pace,
};
use std::{cell::RefCell, rc::Rc};

/// The code of one module. The instances that are interpreted meanwhile share it, and so keep the code in existence.
#[derive(Default)]
pub(crate) struct Upgrade {
    code: RefCell<Code>,
    /// Low at first: nobody waits.
    pub(super) urgency: Urgency,
    movable: RefCell<Option<Result<Rc<Movable>, String>>>,
}

#[derive(Clone, Default)]
pub(crate) enum Code {
    #[default]
    Pending,
    Ready(Module),
    /// There will be none.
    None,
}

impl Upgrade {
    pub(crate) fn code(&self) -> Code {
        self.code.borrow().clone()
    }

    /// Says that an instance waits for the code: it runs at the expense of others, and at its lowest priority the compiler may
    /// not get on at all.
    pub(crate) fn hurry(&self) {
        if !self.urgency.is_raised() {
            self.urgency.raise();
        }
    }

    pub(super) fn finish(&self, code: Option<&Module>) {
        *self.code.borrow_mut() = code.map_or(Code::None, |module| Code::Ready(module.clone()));
    }

    /// The state that moves with an instance of the module with these bytes. The error says why none can move.
    pub(crate) async fn movable(&self, module: &[u8], pace: &mut Pace) -> Result<Rc<Movable>, String> {
        if let Some(known) = self.movable.borrow().clone() {
            return known;
        }
        let read = movable(module, pace).await.map(Rc::new);
        if !pace.is_stopped() {
            *self.movable.borrow_mut() = Some(read.clone());
        }
        read
    }
}
