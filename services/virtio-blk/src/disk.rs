//! Requests as futures: several in progress at once, completed by the device's interrupt.

use crate::queue::{Kind, Queue, SERIAL_BYTES, SLOTS, Status};
use capos_rt::Ask as _;
use capos_schema::device_capnp::interrupt;
use capos_virtio::{Broken, Registers};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

const NO_INTERRUPT: Broken = Broken("it has no interrupt any more");
const NOT_BEGUN: Broken = Broken("it finished a request that was not begun");

/// The use of a request's slot.
#[derive(Default)]
enum Slot {
    #[default]
    Free,
    /// Submitted to the device; the waiter's waker.
    Waiting(Option<Waker>),
    /// The waiter is gone, but the device still has the request.
    Abandoned,
    /// Completed by the device.
    Finished(Status),
}

struct State {
    registers: Registers,
    queue: Queue,
    slots: [Slot; SLOTS],
    /// Tasks waiting for a free slot, in order.
    waiting: VecDeque<Waker>,
    /// Set when the device is not used any more.
    broken: Option<Broken>,
}

/// The requests of one disk.
#[derive(Clone)]
pub(crate) struct Requests(Rc<RefCell<State>>);

/// A slot in use; freed when this is dropped and the device has completed it.
struct Taken {
    state: Rc<RefCell<State>>,
    slot: usize,
}

impl Requests {
    pub(crate) fn new(registers: Registers, queue: Queue) -> Self {
        let slots = std::array::from_fn(|_| Slot::Free);
        Self(Rc::new(RefCell::new(State { registers, queue, slots, waiting: VecDeque::new(), broken: None })))
    }

    /// Completes requests as the device does, until the device or its interrupt fails. Returns how.
    pub(crate) async fn serve(self, interrupt: interrupt::Client) -> Broken {
        loop {
            let fired = interrupt.wait_request().ask().await;
            let mut state = self.0.borrow_mut();
            let collected = if fired.is_ok() { state.collect() } else { Err(NO_INTERRUPT) };
            if let Err(broken) = collected {
                state.give_up(broken);
                return broken;
            }
        }
    }

    /// Submits a request, when a slot is free, and waits for its completion.
    pub(crate) async fn perform(&self, kind: Kind) -> Result<Status, Broken> {
        let taken = self.begin(kind).await?;
        taken.finished().await
    }

    /// The disk's serial number as reported by the device.
    pub(crate) async fn serial(&self) -> Result<Option<[u8; SERIAL_BYTES]>, Broken> {
        let taken = self.begin(Kind::Serial).await?;
        let status = taken.finished().await?;
        Ok(status.is_ok().then(|| self.0.borrow().queue.serial(taken.slot)))
    }

    async fn begin(&self, kind: Kind) -> Result<Taken, Broken> {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if let Some(broken) = state.broken {
                return Poll::Ready(Err(broken));
            }
            let Some(slot) = state.slots.iter().position(|slot| matches!(slot, Slot::Free)) else {
                state.waiting.push_back(context.waker().clone());
                return Poll::Pending;
            };
            Poll::Ready(state.begin(slot, kind).map(|()| Taken { state: self.0.clone(), slot }))
        })
        .await
    }
}

impl State {
    fn begin(&mut self, slot: usize, kind: Kind) -> Result<(), Broken> {
        self.queue.begin(&mut *self.registers.transport, slot, kind)?;
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Slot::Waiting(None);
        }
        Ok(())
    }

    /// Processes the device's completions.
    fn collect(&mut self) -> Result<(), Broken> {
        while let Some((index, status)) = self.queue.next_finished()? {
            let slot = self.slots.get_mut(index).ok_or(NOT_BEGUN)?;
            match std::mem::take(slot) {
                Slot::Waiting(waker) => {
                    *slot = Slot::Finished(status);
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                }
                Slot::Abandoned => self.admit(),
                Slot::Free | Slot::Finished(_) => return Err(NOT_BEGUN),
            }
        }
        Ok(())
    }

    /// Wakes the tasks that wait for a slot.
    fn admit(&mut self) {
        // All of them: a waker may belong to a dropped call, which must not consume the wake-up.
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// Fails all requests: the device will complete nothing more.
    fn give_up(&mut self, broken: Broken) {
        self.broken = Some(broken);
        for slot in &mut self.slots {
            if let Slot::Waiting(Some(waker)) = slot {
                waker.wake_by_ref();
            }
        }
        self.admit();
    }
}

impl Taken {
    async fn finished(&self) -> Result<Status, Broken> {
        poll_fn(|context| {
            let mut state = self.state.borrow_mut();
            let broken = state.broken;
            match state.slots.get_mut(self.slot) {
                Some(Slot::Finished(status)) => Poll::Ready(Ok(*status)),
                Some(Slot::Waiting(waker)) if broken.is_none() => {
                    *waker = Some(context.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(Err(broken.unwrap_or(NOT_BEGUN))),
            }
        })
        .await
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut state = self.state.borrow_mut();
        let Some(slot) = state.slots.get_mut(self.slot) else { return };
        match slot {
            Slot::Waiting(_) => *slot = Slot::Abandoned,
            _ => {
                *slot = Slot::Free;
                state.admit();
            }
        }
    }
}
