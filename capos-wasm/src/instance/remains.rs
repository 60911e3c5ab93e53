//! Modules to be freed, one after the other: a new module may displace many from the cache at once.

use crate::{Spawn, engine::Module, pace::Pace, preview1::Preview1, resources::FastClock, turns::yield_once};
use std::{cell::RefCell, collections::VecDeque, rc::Rc};

/// The modules of a host that are to be freed.
pub(crate) struct Remains {
    spawn: Spawn,
    clock: Option<FastClock>,
    queue: RefCell<Queue>,
}

#[derive(Default)]
struct Queue {
    modules: VecDeque<Box<dyn Module<Preview1>>>,
    /// Whether a task frees them.
    is_served: bool,
}

impl Remains {
    /// Nothing to be freed yet.
    pub(crate) fn new(spawn: Spawn, clock: Option<FastClock>) -> Self {
        Self { spawn, clock, queue: RefCell::default() }
    }

    /// Frees a module in short turns with the executor's other tasks, after those that were added before it.
    pub(super) fn add(self: &Rc<Self>, module: Box<dyn Module<Preview1>>) {
        let mut queue = self.queue.borrow_mut();
        queue.modules.push_back(module);
        if std::mem::replace(&mut queue.is_served, true) {
            return;
        }
        drop(queue);
        let remains = self.clone();
        (self.spawn)(Box::pin(async move {
            while let Some(module) = remains.next() {
                module.free(Pace::aside(remains.clock)).await;
                yield_once().await;
            }
        }));
    }

    fn next(&self) -> Option<Box<dyn Module<Preview1>>> {
        let mut queue = self.queue.borrow_mut();
        let next = queue.modules.pop_front();
        queue.is_served = next.is_some();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Preview1, Remains};
    use crate::engine::{Instance, Means, Module};
    use futures::future::LocalBoxFuture;
    use std::{
        cell::{Cell, RefCell},
        rc::Rc,
        task::{Context, Waker},
    };

    /// Counts the modules that have been freed.
    struct Counted(Rc<Cell<u32>>);

    impl Module<Preview1> for Counted {
        fn instantiate<'a>(
            &'a self,
            _: Means<Preview1>,
            _: &'a mut Pace,
        ) -> LocalBoxFuture<'a, Result<Box<dyn Instance<Preview1>>, String>> {
            Box::pin(async { Err("only freed".to_owned()) })
        }

        fn free(self: Box<Self>, _: Pace) -> LocalBoxFuture<'static, ()> {
            Box::pin(async move { self.0.set(self.0.get() + 1) })
        }
    }

    #[test]
    fn modules_are_freed_by_one_task_one_in_each_turn() {
        let tasks: Rc<RefCell<Vec<LocalBoxFuture<'static, ()>>>> = Rc::default();
        let spawned = tasks.clone();
        let remains = Rc::new(Remains::new(Rc::new(move |task| spawned.borrow_mut().push(task)), None));
        let freed = Rc::new(Cell::new(0));
        let mut cx = Context::from_waker(Waker::noop());
        for round in 1..3 {
            (0..3).for_each(|_| remains.add(Box::new(Counted(freed.clone()))));
            assert_eq!(tasks.borrow().len(), 1);
            let mut task = tasks.borrow_mut().pop().expect("one task");
            for turn in 1..=3 {
                assert!(task.as_mut().poll(&mut cx).is_pending());
                assert_eq!(freed.get(), 3 * (round - 1) + turn);
            }
            assert!(task.as_mut().poll(&mut cx).is_ready());
        }
    }
}
