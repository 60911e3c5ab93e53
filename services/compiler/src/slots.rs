//! A bounded number of workers, and the queue for them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// The slots of workers. Urgent requests get one before others; among these, clients take turns, and the requests of one
/// client are served in their order.
pub(crate) struct Slots {
    free: Cell<usize>,
    waiting: RefCell<BTreeMap<u64, Waiting>>,
    next: Cell<u64>,
    /// The number of the request of each client that got a slot last.
    served: RefCell<BTreeMap<ClientId, u64>>,
}

/// Identifies a client of the service.
pub(crate) type ClientId = u64;

struct Waiting {
    client: ClientId,
    is_urgent: Rc<Cell<bool>>,
    waker: Option<Waker>,
}

/// A slot, free again when this is dropped.
pub(crate) struct Slot(Rc<Slots>);

impl Slots {
    /// `count` free slots.
    pub(crate) fn new(count: usize) -> Rc<Self> {
        Rc::new(Self {
            free: Cell::new(count),
            waiting: RefCell::default(),
            next: Cell::new(1),
            served: RefCell::default(),
        })
    }

    /// Requests in the queue.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Whether an urgent request is in the queue.
    pub(crate) fn has_urgent(&self) -> bool {
        self.waiting.borrow().values().any(|waiting| waiting.is_urgent.get())
    }

    /// Free slots.
    pub(crate) fn free(&self) -> usize {
        self.free.get()
    }

    /// Waits for a slot for `client`. `is_urgent` may change meanwhile; then call [`reorder`](Self::reorder).
    pub(crate) async fn take(self: &Rc<Self>, client: ClientId, is_urgent: Rc<Cell<bool>>) -> Slot {
        let number = self.next.get();
        self.next.set(number + 1);
        self.waiting.borrow_mut().insert(number, Waiting { client, is_urgent, waker: None });
        let _place = Place { slots: self, number };
        poll_fn(|context| {
            if self.free.get() > 0 && self.first() == Some(number) {
                self.free.set(self.free.get() - 1);
                let turn = self.next.get();
                self.next.set(turn + 1);
                self.served.borrow_mut().insert(client, turn);
                return Poll::Ready(());
            }
            if let Some(waiting) = self.waiting.borrow_mut().get_mut(&number) {
                waiting.waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
        Slot(self.clone())
    }

    /// Tells the request that is now the first of the queue, if it can have a slot.
    pub(crate) fn reorder(&self) {
        if self.free.get() == 0 {
            return;
        }
        let first = self.first();
        let mut waiting = self.waiting.borrow_mut();
        let waker = first.and_then(|number| waiting.get_mut(&number)).and_then(|first| first.waker.take());
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn first(&self) -> Option<u64> {
        let (waiting, served) = (self.waiting.borrow(), self.served.borrow());
        let order = |number: u64, waiting: &Waiting| {
            (!waiting.is_urgent.get(), served.get(&waiting.client).copied().unwrap_or(0), number)
        };
        waiting.iter().min_by_key(|(number, waiting)| order(**number, waiting)).map(|(&number, _)| number)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
        self.0.reorder();
    }
}

/// A place in the queue, given up when this is dropped.
struct Place<'a> {
    slots: &'a Slots,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.slots.waiting.borrow_mut().remove(&self.number);
        self.slots.reorder();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::Context;

    type Taking = Pin<Box<dyn Future<Output = Slot>>>;

    fn taking(slots: &Rc<Slots>, is_urgent: bool) -> (Taking, Rc<Cell<bool>>) {
        taking_for(slots, 1, is_urgent)
    }

    fn taking_for(slots: &Rc<Slots>, client: ClientId, is_urgent: bool) -> (Taking, Rc<Cell<bool>>) {
        let (slots, urgent) = (slots.clone(), Rc::new(Cell::new(is_urgent)));
        let flag = urgent.clone();
        (Box::pin(async move { slots.take(client, flag).await }), urgent)
    }

    fn poll(taking: &mut Taking) -> Option<Slot> {
        match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(slot) => Some(slot),
            Poll::Pending => None,
        }
    }

    #[test]
    fn urgent_requests_come_first_and_others_in_their_order() {
        let slots = Slots::new(1);
        let (mut one, _) = taking(&slots, false);
        let held = poll(&mut one).unwrap();
        let (mut two, _) = taking(&slots, false);
        let (mut three, _) = taking(&slots, false);
        let (mut four, _) = taking(&slots, true);
        assert!([&mut two, &mut three, &mut four].into_iter().all(|taking| poll(taking).is_none()));
        assert_eq!((slots.waiting(), slots.free()), (3, 0));
        drop(held);
        assert!(poll(&mut two).is_none() && poll(&mut three).is_none());
        let held = poll(&mut four).unwrap();
        drop(held);
        assert!(poll(&mut three).is_none());
        let held = poll(&mut two).unwrap();
        assert!(poll(&mut three).is_none());
        drop(held);
        assert!(poll(&mut three).is_some());
    }

    #[test]
    fn a_request_can_become_urgent() {
        let slots = Slots::new(1);
        let held = poll(&mut taking(&slots, false).0).unwrap();
        let (mut two, _) = taking(&slots, false);
        let (mut three, urgent) = taking(&slots, false);
        assert!(poll(&mut two).is_none() && poll(&mut three).is_none());
        urgent.set(true);
        slots.reorder();
        drop(held);
        assert!(poll(&mut two).is_none());
        assert!(poll(&mut three).is_some());
    }

    #[test]
    fn clients_take_turns() {
        let slots = Slots::new(1);
        let mut held = poll(&mut taking_for(&slots, 1, true).0);
        let clients = [1, 1, 1, 2, 2, 3];
        let mut all: Vec<_> =
            clients.iter().map(|&client| (client, taking_for(&slots, client, true).0)).collect();
        assert!(held.is_some() && all.iter_mut().all(|(_, taking)| poll(taking).is_none()));
        let mut order = Vec::new();
        while !all.is_empty() {
            drop(held.take());
            let place = all.iter_mut().position(|(_, taking)| {
                held = poll(taking);
                held.is_some()
            });
            order.push(all.remove(place.unwrap()).0);
        }
        assert_eq!(order, [2, 3, 1, 2, 1, 1]);
    }

    #[test]
    fn cancelled_requests_leave_the_queue() {
        let slots = Slots::new(1);
        let held = poll(&mut taking(&slots, false).0).unwrap();
        let (mut two, _) = taking(&slots, false);
        let (mut three, _) = taking(&slots, false);
        assert!(poll(&mut two).is_none() && poll(&mut three).is_none());
        drop(two);
        assert_eq!(slots.waiting(), 1);
        drop(held);
        assert!(poll(&mut three).is_some());
        assert_eq!((slots.waiting(), slots.free()), (0, 1));
    }
}
