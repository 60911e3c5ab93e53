//! A disk that stops in the middle of a request: operations that need it wait, reads of cached data do not.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use capos_rt::{JoinHandle, spawn_local, with_deadline};
use capos_schema::file_capnp::file;

use crate::disk::{Claims, Disk, Mood, failed};
use crate::expect;
use crate::files::{keep, open, read, sync, write};
use crate::server::Spawner;

/// The time limit of an answer that needs no disk.
const SOON: Duration = Duration::from_secs(20);

/// The names of answered calls, in order of their answers.
#[derive(Clone, Default)]
struct Answered(Rc<RefCell<Vec<&'static str>>>);

impl Answered {
    /// Sends a call whose answer is awaited later.
    fn call<T: 'static>(&self, name: &'static str, call: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        let answered = self.clone();
        let call = spawn_local(async move {
            let outcome = call.await;
            answered.0.borrow_mut().push(name);
            outcome
        });
        // Calls arrive at the service in the order in which they are sent.
        capos_rt::push_calls();
        call
    }
}

/// Awaits an answer that must not depend on the stopped disk.
async fn soon<T>(what: &str, call: impl Future<Output = T>) -> capnp::Result<T> {
    with_deadline(call, Instant::now() + SOON).await.map_err(|_| failed(format!("{what}: no answer")))
}

/// Reads a file, which must not depend on the stopped disk.
async fn reads(file: &file::Client, content: &[u8]) -> capnp::Result<()> {
    expect("what is in memory", soon("a read of memory", read(file, 0, 100)).await??, Ok(content.to_vec()))
}

pub(crate) async fn stopped(spawner: &Spawner) -> capnp::Result<()> {
    let disk = Disk::with_volume(Claims::default()).await?;
    let server = spawner.over(&disk).await?;
    let root = server.root().await?;
    let (kept, other) = (keep(&root, b"kept", b"in memory").await?, keep(&root, b"other", b"too").await?);
    let large = keep(&root, b"large", &[7; 40_000]).await?;
    reads(&kept, b"in memory").await?;
    reads(&other, b"too").await?;
    expect("a change", write(&large, 0, b"changed").await?, Ok(7))?;

    // A sync, stopped at its first request to the disk.
    let answered = Answered::default();
    disk.mood.set(Mood::Stopped);
    let (a, b) = (large.clone(), large.clone());
    let syncing = answered.call("sync", async move { sync(&a).await });
    disk.reached().await;
    reads(&kept, b"in memory").await?;

    // Queued behind it: a write to one file, reads of changed files, a cancelled call, and a dropped file.
    let file = kept.clone();
    let writing = answered.call("write", async move { write(&file, 3, b"MEMORY").await });
    let file = kept.clone();
    let reading = answered.call("read after write", async move { read(&file, 0, 100).await });
    let changed = answered.call("read of another", async move { read(&b, 0, 9).await });
    let file = kept.clone();
    let given_up = spawn_local(async move { sync(&file).await });
    capos_rt::push_calls();
    given_up.abort();
    drop(large);
    for _ in 0..100 {
        reads(&other, b"too").await?;
    }
    expect("nothing else is answered", answered.0.borrow().is_empty(), true)?;

    disk.resume();
    expect("the sync", soon("the sync", syncing).await??, Ok(()))?;
    expect("the write", soon("the write", writing).await??, Ok(6))?;
    expect("the read after it", soon("a read", reading).await??, Ok(b"in MEMORY".to_vec()))?;
    expect("a read of another", soon("a read of another", changed).await??, Ok(b"changed\x07\x07".to_vec()))?;
    let order = ["sync", "write", "read after write", "read of another"];
    expect("the order", answered.0.borrow().as_slice(), &order[..])?;

    expect("a sync", sync(&kept).await?, Ok(()))?;
    server.kill().await?;

    // A read, stopped, in a service with little in its cache.
    let server = spawner.over(&disk).await?;
    let root = server.root().await?;
    let found = |file: Result<file::Client, _>| file.map_err(|error| failed(format!("{error:?}")));
    let (kept, large) = (found(open(&root, b"kept").await?)?, found(open(&root, b"large").await?)?);
    expect("what was kept", read(&kept, 0, 100).await?, Ok(b"in MEMORY".to_vec()))?;
    disk.mood.set(Mood::Stopped);
    let missing = answered.call("read of the disk", async move { read(&large, 8192, 8192).await });
    disk.reached().await;
    reads(&kept, b"in MEMORY").await?;
    disk.resume();
    expect("a read of the disk", soon("a read of the disk", missing).await??, Ok(vec![7; 8192]))?;
    server.kill().await?;
    println!("a disk that stops: what is in memory is read meanwhile, all else in its turn");
    Ok(())
}
