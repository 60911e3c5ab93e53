//! Uses a service unknown to the system, grants it to a WebAssembly instance, and observes its release at the
//! instance's end.

use capnp::Error;
use capos_rt::schema::grants::hold;
use capos_rt::schema::names::WASM_HOST_EXPORT;
use capos_rt::schema::wasm_capnp::{wasm_host, wasm_instance};
use ::scratch_keys::scratch_keys_capnp::scratch_keys::{self, AddParams, AddResults, Server};
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Whether an object still exists, and the task that waits for its end.
#[derive(Default)]
struct Presence {
    is_gone: bool,
    waiter: Option<Waker>,
}

/// An object of this process with the same interface.
struct Own(Rc<RefCell<Presence>>);

impl Server for Own {
    async fn add(self: Rc<Self>, _: AddParams, _: AddResults) -> Result<(), Error> {
        Err(Error::unimplemented("nobody calls this".into()))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut presence = self.0.borrow_mut();
        presence.is_gone = true;
        if let Some(waiter) = presence.waiter.take() {
            waiter.wake();
        }
    }
}

async fn start(
    host: &wasm_host::Client,
    held: [(&str, scratch_keys::Client); 2],
) -> Result<wasm_instance::Client, Error> {
    let mut request = host.start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_named("wasm-add");
    spec.set_name("holder");
    let mut list = spec.init_grants().init_grants(2);
    for (index, (name, client)) in (0..).zip(held) {
        hold(list.reborrow().get(index), name, client);
    }
    request.send().promise.await?.get()?.get_instance()
}

async fn show(instance: &wasm_instance::Client) -> Result<(), Error> {
    let response = instance.grants_request().send().promise.await?;
    let grants = response.get()?.get_grants()?;
    println!("the instance holds {}", grants.len());
    for grant in grants {
        let is_ours = grant.get_interface_id() == <scratch_keys::Client as capnp::traits::HasTypeId>::TYPE_ID;
        let of = if is_ours { "the service's interface" } else { "another interface" };
        println!("  {}: {of}", grant.get_name()?.to_str()?);
    }
    Ok(())
}

async fn run() -> Result<(), Error> {
    let keys: scratch_keys::Client = capos_rt::grant("keys")?;
    let host: wasm_host::Client = capos_rt::grant(WASM_HOST_EXPORT)?;
    let mut request = keys.add_request();
    request.get().set_amount(5);
    println!("total {}", request.send().promise.await?.get()?.get_total());

    let presence = Rc::new(RefCell::new(Presence::default()));
    let own = capos_rt::serve(Own(presence.clone()));
    let instance = start(&host, [("keys", keys), ("own", own)]).await?;
    show(&instance).await?;
    println!("this process's own object is {}", if presence.borrow().is_gone { "gone" } else { "held" });
    instance.kill_request().send().promise.await?;
    instance.wait_request().send().promise.await?;
    show(&instance).await?;
    poll_fn(|context| {
        let mut presence = presence.borrow_mut();
        if presence.is_gone {
            return Poll::Ready(());
        }
        presence.waiter = Some(context.waker().clone());
        Poll::Pending
    })
    .await;
    println!("this process's own object was released");
    Ok(())
}

fn main() -> Result<(), Error> {
    capos_rt::block_on(run())
}
