//! Generated clients and servers in two processes of a model kernel.

mod common;

use capnp::capability::FromClientHook;
use capnp::{Error, ErrorKind};
use capos_rt::abi::ErrorCode;
use capos_rt::schema::console_capnp;
use capos_rt::{GrantError, block_on, grant, grant_untyped, serve, serve_export, spawn_local};
use native_ipc::Vault;
use native_ipc::vault_capnp::{door, listener, vault};
use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use template::Counter;
use template::counter_capnp::counter;

fn serve_counter() {
    serve_export("service", serve::<counter::Client, _>(Counter::default())).unwrap();
    block_on(pending())
}

async fn add(counter: &counter::Client, amount: u32) -> Result<u64, Error> {
    let mut request = counter.add_request();
    request.get().set_amount(amount);
    Ok(request.send().promise.await?.get()?.get_total())
}

#[test]
fn calls_and_replies() {
    let (server, client) = common::start();
    server.run(serve_counter);
    let totals = client.run(|| {
        let counter = grant("service").unwrap();
        block_on(async { [add(&counter, 1).await, add(&counter, 10).await, add(&counter, 100).await] })
    });
    let totals = totals.join().unwrap().map(Result::unwrap);
    assert_eq!(totals, [1, 11, 111]);
}

#[test]
fn more_calls_at_once_than_the_ring_holds() {
    let (server, client) = common::start();
    server.run(serve_counter);
    let total = client.run(|| {
        let counter: counter::Client = grant("service").unwrap();
        block_on(async {
            let calls: Vec<_> = (0..200)
                .map(|_| {
                    let counter = counter.clone();
                    spawn_local(async move { add(&counter, 1).await.unwrap() })
                })
                .collect();
            let mut last = 0;
            for call in calls {
                last = call.await.max(last);
            }
            last
        })
    });
    assert_eq!(total.join().unwrap(), 200);
}

#[test]
fn exceptions_keep_kind_and_text() {
    let (server, client) = common::start();
    server.run(serve_counter);
    let error = client.run(|| {
        // A counter does not implement the vault's interface.
        let vault: vault::Client = grant("service").unwrap();
        block_on(async { vault.lock_request().send().promise.await.map(drop).unwrap_err() })
    });
    let error = error.join().unwrap();
    assert_eq!((error.kind, error.extra.as_str()), (ErrorKind::Unimplemented, "Method not implemented."));
}

#[test]
fn missing_and_mistyped_grants() {
    let (_, client) = common::start();
    let errors = client.run(|| {
        let missing = grant::<counter::Client>("nothing").err();
        let wrong = grant::<console_capnp::console::Client>("console").err();
        // Passing a capability on does not require knowing its interface.
        let untyped = ["console", "nothing"].map(|name| grant_untyped(name).map(|(_, interface)| interface));
        (missing, wrong, untyped)
    });
    let (missing, wrong, untyped) = errors.join().unwrap();
    assert_eq!(untyped, [Ok(7), Err(GrantError::Missing { name: "nothing".into() })]);
    assert_eq!(missing, Some(GrantError::Missing { name: "nothing".into() }));
    assert!(matches!(wrong, Some(GrantError::WrongInterface { found: 7, .. })));
}

struct Listener(Rc<RefCell<Vec<String>>>);

impl listener::Server for Listener {
    async fn hear(
        self: Rc<Self>,
        params: listener::HearParams,
        _results: listener::HearResults,
    ) -> Result<(), Error> {
        self.0.borrow_mut().push(params.get()?.get_news()?.to_string()?);
        Ok(())
    }
}

async fn announced(vault: &vault::Client) -> String {
    let news = Rc::new(RefCell::new(Vec::new()));
    let mut request = vault.announce_request();
    request.get().set_listener(serve(Listener(news.clone())));
    request.send().promise.await.unwrap();
    let heard = news.borrow_mut().pop();
    heard.unwrap()
}

async fn knock(door: &door::Client) -> Result<String, Error> {
    Ok(door.knock_request().send().promise.await?.get()?.get_answer()?.to_string()?)
}

async fn opened(vault: &vault::Client) -> door::Client {
    vault.open_request().send().promise.await.unwrap().get().unwrap().get_door().unwrap()
}

fn serve_vault() {
    serve_export("service", serve::<vault::Client, _>(Vault::default())).unwrap();
    block_on(pending())
}

#[test]
fn capabilities_travel_both_ways() {
    let (server, client) = common::start();
    server.run(serve_vault);
    let heard = client.run(|| {
        let vault = grant("service").unwrap();
        block_on(async {
            let door = opened(&vault).await;
            assert_eq!(knock(&door).await.unwrap(), " knocked 0 times");
            announced(&vault).await
        })
    });
    assert_eq!(heard.join().unwrap(), "1 doors are open");
}

#[test]
fn calls_on_promised_capabilities() {
    let (server, client) = common::start();
    server.run(serve_vault);
    let answer = client.run(|| {
        let vault: vault::Client = grant("service").unwrap();
        block_on(async {
            let door = vault.open_request().send().pipeline.get_door();
            knock(&door).await.unwrap()
        })
    });
    assert_eq!(answer.join().unwrap(), " knocked 0 times");
}

/// The promise of the results lives beside the pipeline, and is asked for the results only later.
#[test]
fn promised_capabilities_resolve_while_the_call_is_kept() {
    let (server, client) = common::start();
    server.run(serve_vault);
    let answers = client.run(|| {
        let vault: vault::Client = grant("service").unwrap();
        block_on(async {
            let opening = vault.open_request().send();
            let early = opening.pipeline.get_door();
            let first = knock(&early).await.unwrap();
            let door = opening.promise.await.unwrap().get().unwrap().get_door().unwrap();
            let late = opening.pipeline.get_door();
            [first, knock(&door).await.unwrap(), knock(&late).await.unwrap(), knock(&early).await.unwrap()]
        })
    });
    assert_eq!(answers.join().unwrap(), [" knocked 0 times"; 4]);
}

#[test]
fn revoked_capabilities_fail_and_their_objects_go() {
    let (server, client) = common::start();
    server.run(serve_vault);
    let (error, heard) = client
        .run(|| {
            let vault = grant("service").unwrap();
            block_on(async {
                let door = opened(&vault).await;
                vault.lock_request().send().promise.await.unwrap();
                (knock(&door).await.unwrap_err(), announced(&vault).await)
            })
        })
        .join()
        .unwrap();
    assert_eq!((error.kind, error.extra.as_str()), (ErrorKind::Disconnected, ErrorCode::Revoked.message()));
    assert_eq!(heard, "0 doors are open");
}

#[test]
fn objects_that_come_back_are_themselves() {
    let (server, client) = common::start();
    server.run(serve_vault);
    let (mine, visitor, foreign) = client
        .run(|| {
            let vault: vault::Client = grant("service").unwrap();
            block_on(async {
                let listener = Rc::new(Listener(Rc::default()));
                let mut request = vault.meet_request();
                request.get().set_listener(capos_rt::serve_rc(listener.clone()));
                let met = request.send().promise.await.unwrap();
                let met: listener::Client = met.get().unwrap().get_listener().unwrap();
                let mine = capos_rt::local_server(&met).is_some_and(|met| Rc::ptr_eq(&met, &listener));
                assert!(capos_rt::local_server::<Silent, _>(&met).is_none(), "it is of another type");

                let mut request = vault.open_request();
                request.get().set_visitor("Eve");
                let door = request.send().promise.await.unwrap().get().unwrap().get_door().unwrap();
                assert!(capos_rt::local_server::<Listener, _>(&door).is_none(), "it is the server's");
                let mut request = vault.whose_request();
                request.get().set_door(door.clone());
                let visitor = request.send().promise.await.unwrap();
                let visitor = visitor.get().unwrap().get_visitor().unwrap().to_string().unwrap();
                assert_eq!(knock(&door).await.unwrap(), "Eve knocked 0 times");

                // Any object works that the server does not serve.
                let mut request = vault.whose_request();
                request.get().set_door(FromClientHook::new(met.into_client_hook()));
                (mine, visitor, request.send().promise.await.map(drop).unwrap_err().extra)
            })
        })
        .join()
        .unwrap();
    assert!(mine);
    assert_eq!((visitor.as_str(), foreign.as_str()), ("Eve", "not a door of this vault"));
}

/// Answers only when nothing is added; counts the cancelled calls.
struct Silent(&'static AtomicU32);

struct Guard(&'static AtomicU32);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl counter::Server for Silent {
    async fn add(self: Rc<Self>, params: counter::AddParams, _: counter::AddResults) -> Result<(), Error> {
        if params.get()?.get_amount() == 0 {
            return Ok(());
        }
        let _guard = Guard(self.0);
        pending().await
    }
}

#[test]
fn dropping_a_promise_cancels_the_call() {
    static CANCELLED: AtomicU32 = AtomicU32::new(0);
    let (server, client) = common::start();
    server.run(|| {
        serve_export("service", serve::<counter::Client, _>(Silent(&CANCELLED))).unwrap();
        block_on(pending::<()>())
    });
    client
        .run(|| {
            let counter: counter::Client = grant("service").unwrap();
            block_on(async {
                // Once this is answered the server receives, so that the next call is in progress when it is
                // dropped.
                add(&counter, 0).await.unwrap();
                let in_time = capos_rt::with_deadline_ns(add(&counter, 1), 0);
                assert_eq!(in_time.await.err(), Some(capos_rt::Elapsed));
                while CANCELLED.load(Ordering::Relaxed) == 0 {
                    capos_rt::sleep(std::time::Duration::from_millis(1)).await;
                }
            });
        })
        .join()
        .unwrap();
    assert_eq!(CANCELLED.load(Ordering::Relaxed), 1);
}

/// Returns a door when told to, whether or not the caller still waits for it.
struct Late {
    begun: &'static AtomicU32,
    go_on: &'static AtomicU32,
    gone: &'static AtomicU32,
}

impl door::Server for Guard {}

impl vault::Server for Late {
    async fn open(
        self: Rc<Self>,
        _: vault::OpenParams,
        mut results: vault::OpenResults,
    ) -> Result<(), Error> {
        self.begun.store(1, Ordering::Release);
        // The server's whole thread is blocked, so that it processes nothing meanwhile.
        while self.go_on.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        results.get().set_door(serve(Guard(self.gone)));
        Ok(())
    }
}

#[test]
fn an_object_that_nobody_took_goes() {
    static BEGUN: AtomicU32 = AtomicU32::new(0);
    static GO_ON: AtomicU32 = AtomicU32::new(0);
    static GONE: AtomicU32 = AtomicU32::new(0);
    let (server, client) = common::start();
    server.run(|| {
        let late = Late { begun: &BEGUN, go_on: &GO_ON, gone: &GONE };
        serve_export("service", serve::<vault::Client, _>(late)).unwrap();
        block_on(pending::<()>())
    });
    client
        .run(|| {
            let vault: vault::Client = grant("service").unwrap();
            let a_moment = || capos_rt::sleep(std::time::Duration::from_millis(1));
            block_on(async {
                let call = spawn_local(async move { drop(opened(&vault).await) });
                while BEGUN.load(Ordering::Acquire) == 0 {
                    a_moment().await;
                }
                call.abort();
                // The call is cancelled when the thread has waited.
                a_moment().await;
                GO_ON.store(1, Ordering::Release);
                for _ in 0..60_000 {
                    if GONE.load(Ordering::Relaxed) != 0 {
                        return;
                    }
                    a_moment().await;
                }
            });
        })
        .join()
        .unwrap();
    assert_eq!(GONE.load(Ordering::Relaxed), 1);
}
