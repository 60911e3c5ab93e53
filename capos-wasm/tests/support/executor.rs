//! An executor whose turns are limited, so that a test can inspect an instance while it is busy.

use futures::{Stream, future::LocalBoxFuture, stream::FuturesUnordered};
use std::{
    cell::RefCell,
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

type Task = LocalBoxFuture<'static, ()>;

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
pub struct Executor {
    tasks: FuturesUnordered<Task>,
    incoming: Rc<RefCell<Vec<Task>>>,
}

impl Executor {
    pub fn spawner(&self) -> Rc<dyn Fn(Task)> {
        let incoming = self.incoming.clone();
        Rc::new(move |task| incoming.borrow_mut().push(task))
    }

    /// Runs `future` and the tasks until `future` is done. `tick` is called after every turn with
    /// whether anything that can run is left; it returns whether to continue.
    pub fn block_on<T>(
        &mut self,
        future: impl Future<Output = T>,
        mut tick: impl FnMut(bool) -> bool,
    ) -> Option<T> {
        let mut future = pin!(future);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            woken.0.store(false, Ordering::Relaxed);
            if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
                return Some(value);
            }
            self.tasks.extend(self.incoming.take());
            let finished = Pin::new(&mut self.tasks).poll_next(&mut cx);
            let busy = matches!(finished, Poll::Ready(Some(())))
                || woken.0.load(Ordering::Relaxed)
                || !self.incoming.borrow().is_empty();
            if !tick(busy) {
                return None;
            }
        }
    }
}
