//! Opens doors of the vault that it was granted, gives the vault a listener, and observes the revocation of
//! its doors.

use capnp::Error;
use native_ipc::vault_capnp::{door, listener, vault};
use std::rc::Rc;

/// Prints the news.
struct Listener;

impl listener::Server for Listener {
    async fn hear(
        self: Rc<Self>,
        params: listener::HearParams,
        _results: listener::HearResults,
    ) -> Result<(), Error> {
        println!("client heard: {}", params.get()?.get_news()?.to_str()?);
        Ok(())
    }
}

async fn knock(door: &door::Client, times: u32) -> Result<String, Error> {
    let mut request = door.knock_request();
    request.get().set_times(times);
    Ok(request.send().promise.await?.get()?.get_answer()?.to_string()?)
}

async fn announce(vault: &vault::Client) -> Result<(), Error> {
    let mut request = vault.announce_request();
    request.get().set_listener(capos_rt::serve(Listener));
    request.send().promise.await.map(drop)
}

/// Sends objects back to the process that they came from.
async fn recognise(vault: &vault::Client, door: &door::Client) -> Result<(), Error> {
    let mut request = vault.whose_request();
    request.get().set_door(door.clone());
    println!("server knows the door of {}", request.send().promise.await?.get()?.get_visitor()?.to_str()?);

    let listener = Rc::new(Listener);
    let mut request = vault.meet_request();
    request.get().set_listener(capos_rt::serve_rc(listener.clone()));
    let met = request.send().promise.await?.get()?.get_listener()?;
    let same = capos_rt::local_server(&met).is_some_and(|met| Rc::ptr_eq(&met, &listener));
    println!("client got its own listener back: {same}");
    Ok(())
}

async fn run(vault: vault::Client) -> Result<(), Error> {
    let mut request = vault.open_request();
    request.get().set_visitor("Ada");
    // The first knock is sent before the door has arrived.
    let opening = request.send();
    let early = opening.pipeline.get_door();
    println!("server says: {}", knock(&early, 1).await?);
    let door = opening.promise.await?.get()?.get_door()?;
    println!("server says: {}", knock(&door, 2).await?);
    announce(&vault).await?;
    recognise(&vault, &door).await?;

    vault.lock_request().send().promise.await?;
    match knock(&door, 3).await {
        Ok(answer) => println!("the door was not locked: {answer}"),
        Err(error) => println!("after locking: {error}"),
    }
    announce(&vault).await
}

fn main() -> Result<(), Error> {
    let vault = capos_rt::grant("vault")?;
    capos_rt::block_on(run(vault))
}
