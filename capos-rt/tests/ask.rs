//! Calls that are asked rather than sent: their promise and response are the record of the call.

mod common;

use capnp::{Error, ErrorKind};
use capos_rt::schema::console_capnp::console;
use capos_rt::{Ask as _, block_on, grant, serve, serve_export};
use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use template::Counter;
use template::counter_capnp::counter;

fn serve_counter() {
    serve_export("service", serve::<counter::Client, _>(Counter::default())).unwrap();
    block_on(pending())
}

fn adding(counter: &counter::Client, amount: u32) -> impl Future<Output = Result<u64, Error>> + use<> {
    let mut request = counter.add_request();
    request.get().set_amount(amount);
    let asking = request.ask();
    async { Ok(asking.await?.get()?.get_total()) }
}

#[test]
fn results_and_errors_arrive() {
    let (server, client) = common::start();
    server.run(serve_counter);
    let (total, error) = client
        .run(|| {
            let counter: counter::Client = grant("service").unwrap();
            let console: console::Client = grant("service").unwrap();
            block_on(async {
                let total = adding(&counter, 7).await.unwrap();
                (total, console.write_request().ask().await.map(drop).unwrap_err())
            })
        })
        .join()
        .unwrap();
    assert_eq!((total, error.kind), (7, ErrorKind::Unimplemented));
}

#[test]
fn several_at_once_and_results_that_are_kept() {
    let (server, client) = common::start();
    server.run(serve_counter);
    let totals = client.run(|| {
        let counter: counter::Client = grant("service").unwrap();
        block_on(async {
            let (one, two) = (adding(&counter, 1), adding(&counter, 10));
            let last = two.await.unwrap();
            let kept = counter.add_request().ask().await.unwrap();
            // Other calls do not take the records of calls whose results are kept.
            for _ in 0..20 {
                adding(&counter, 100).await.unwrap();
            }
            [one.await.unwrap(), last, kept.get().unwrap().get_total(), adding(&counter, 0).await.unwrap()]
        })
    });
    assert_eq!(totals.join().unwrap(), [1, 11, 11, 2_011]);
}

/// Counts its calls, and answers none.
struct Silent(Rc<Cell<u32>>);

impl counter::Server for Silent {
    async fn add(self: Rc<Self>, _: counter::AddParams, _: counter::AddResults) -> Result<(), Error> {
        self.0.set(self.0.get() + 1);
        let _called = Called(self.0.clone());
        pending().await
    }
}

struct Called(Rc<Cell<u32>>);

impl Drop for Called {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[test]
fn objects_of_this_thread_are_asked_and_given_up() {
    let (_server, client) = common::start();
    let outcome = client.run(|| {
        let counter = serve::<counter::Client, _>(Counter::default());
        let calls = Rc::new(Cell::new(0));
        let silent = serve::<counter::Client, _>(Silent(calls.clone()));
        block_on(async {
            let total = adding(&counter, 5).await.unwrap();
            {
                let mut asking = pin!(adding(&silent, 1));
                let mut context = Context::from_waker(Waker::noop());
                while calls.get() == 0 {
                    assert!(matches!(asking.as_mut().poll(&mut context), Poll::Pending));
                    capos_rt::yield_now().await;
                }
            }
            // The call was cancelled with the future.
            (total, calls.get())
        })
    });
    assert_eq!(outcome.join().unwrap(), (5, 0));
}
