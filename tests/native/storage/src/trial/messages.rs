//! Messages that no honest client sends.

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::{MAX_MESSAGE_BYTES, NO_DEADLINE, Opcode, SubmissionEntry};
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{file, namespace, object, volume};

use crate::expect;
use crate::files::{keep, open, read, rename, size};
use crate::server::Spawner;

/// Capabilities of the wrong kind for a method.
pub(crate) async fn foreign(spawner: &Spawner) -> capnp::Result<()> {
    let (server, other) = (spawner.in_memory().await?, spawner.in_memory().await?);
    let (root, elsewhere) = (server.root().await?, other.root().await?);
    let file = keep(&root, b"file", b"content").await?;
    let across = Err(Errno::CrossDevice);
    expect("to another volume", rename(&root, b"file", elsewhere, b"x").await?, across)?;
    let as_namespace = |client: Client| namespace::Client::new(client.hook);
    let disguised = as_namespace(Client::new(file.clone().into_client_hook()));
    expect("to a file", rename(&root, b"file", disguised, b"x").await?, across)?;
    let volume = as_namespace(Client::new(server.volume.clone().into_client_hook()));
    expect("to a volume", rename(&root, b"file", volume, b"x").await?, across)?;
    let kernel = as_namespace(Client::new(capos_rt::virtual_memory().into_client_hook()));
    expect("to something of the kernel", rename(&root, b"file", kernel, b"x").await?, across)?;
    let none = root.rename_request().send().promise.await;
    let refused = none.and_then(|response| Ok(response.get()?.get_error()? != Errno::Success));
    expect("to nothing", refused.unwrap_or(true), true)?;
    // Methods of another interface.
    let as_volume = volume::Client::new(root.clone().into_client_hook());
    expect("a namespace as a volume", as_volume.sync_request().send().promise.await.is_err(), true)?;
    let as_file = file::Client::new(root.clone().into_client_hook());
    expect("a directory as a file", as_file.read_request().send().promise.await.is_err(), true)?;
    expect("what is left", read(&file, 0, 100).await?, Ok(b"content".to_vec()))?;
    server.kill().await?;
    other.kill().await?;
    println!("7 capabilities of the wrong kind: refused");
    Ok(())
}

/// Number of open files: the maximum for one grant.
const FILES: usize = 16_383;

/// The maximum number of open files, all of which still work.
pub(crate) async fn many(spawner: &Spawner) -> capnp::Result<()> {
    let server = spawner.in_memory().await?;
    let root = server.root().await?;
    let names = ["a", "b", "c"];
    for name in names {
        keep(&root, name.as_bytes(), name.as_bytes()).await?;
    }
    let mut files = Vec::new();
    for name in names.iter().cycle().take(FILES) {
        let file = open(&root, name.as_bytes()).await?;
        files
            .push((name, file.map_err(|error| capnp::Error::failed(format!("{}: {error:?}", files.len())))?));
    }
    expect("one more", open(&root, b"a").await?.err(), Some(Errno::TooManyFiles))?;
    let another = server.root().await?;
    expect("one through another grant", open(&another, b"a").await?.is_ok(), true)?;
    for (name, file) in &files {
        expect("what is in it", read(file, 0, 10).await?, Ok(name.as_bytes().to_vec()))?;
    }
    drop(files);
    // Calls arrive in order, so they are closed by now.
    expect("one again", open(&root, b"a").await?.is_ok(), true)?;
    server.kill().await?;
    println!("{FILES} files open at once: each works");
    Ok(())
}

/// Number of messages of each kind.
const ROUNDS: u64 = 2000;
/// Maximum number of words of a random message, its segment table included.
const MOST_WORDS: usize = 64;

/// Pseudo-random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A message of one segment: random words, or words that resemble pointers and small numbers.
    fn message(&mut self, words: &mut [u64; MOST_WORDS]) -> usize {
        let length = 2 + self.below(MOST_WORDS as u64 - 2) as usize;
        let wild = self.below(4) == 0;
        for word in words.iter_mut().take(length) {
            *word = match self.below(if wild { 1 } else { 8 }) {
                0 => self.next(),
                // A structure, a list, a far pointer and a capability, with mostly small offsets and sizes.
                1..4 => {
                    let (offset, sizes) = (self.below(20), self.below(6) << 32 | self.below(4) << 48);
                    offset << 2 | sizes
                }
                4 => 1 | self.below(20) << 2 | self.below(8) << 32 | self.below(40) << 35,
                5 => 2 | self.below(20) << 3 | self.below(3) << 32,
                6 => 3 | self.below(4) << 32,
                _ => self.below(300),
            };
        }
        if !wild && let [table, ..] = words {
            *table = ((length - 1) as u64) << 32;
        }
        length
    }
}

/// Random bytes instead of messages, to objects of every kind.
pub(crate) async fn random(spawner: &Spawner) -> capnp::Result<()> {
    let server = spawner.in_memory().await?;
    let root = server.root().await?;
    let file = keep(&root, b"file", b"content").await?;
    let handle = |hook: &dyn capnp::private::capability::ClientHook| {
        capos_rt::handle_of(&Client::new(hook.add_ref())).map_or(0, |handle| handle.0)
    };
    let (of_file, of_root) = (handle(file.as_client_hook()), handle(root.as_client_hook()));
    let of_volume = handle(server.volume.as_client_hook());
    let targets = [
        (of_file, file::Client::TYPE_ID, 7),
        (of_file, object::Client::TYPE_ID, 5),
        (of_root, namespace::Client::TYPE_ID, 15),
        (of_root, object::Client::TYPE_ID, 5),
        (of_volume, volume::Client::TYPE_ID, 5),
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut words = Box::new([0; MOST_WORDS]);
    let mut answer = vec![0_u64; MAX_MESSAGE_BYTES as usize / 8];
    let mut answered = 0;
    for _ in 0..ROUNDS {
        for (target, interface, methods) in targets {
            let length = random.message(&mut words);
            let bytes = (length * 8) as u64 - if random.below(8) == 0 { random.below(16) } else { 0 };
            let interface = if random.below(50) == 0 { random.next() } else { interface };
            let method = random.below(methods) as u16;
            answered += u64::from(call(target, (interface, method), &words[..], bytes, &mut answer));
        }
    }
    expect("some are answered", answered > 100, true)?;
    // Whatever they did, the service still works.
    let fresh = keep(&root, b"sound", b"content").await?;
    expect("a file", read(&fresh, 0, 100).await?, Ok(b"content".to_vec()))?;
    expect("its size", size(&root, b"sound").await?, Ok(7))?;
    expect("another file", open(&root, b"new").await?.is_ok(), true)?;
    server.kill().await?;
    println!("{} random messages: the service serves on", ROUNDS * targets.len() as u64);
    Ok(())
}

/// Makes a call with these bytes. Returns whether it got an answer.
// Unsafe here: the bare ring, with buffers of this function's caller.
#[expect(unsafe_code, reason = "a message that the runtime would not make")]
fn call(target: u64, (interface, method): (u64, u16), words: &[u64], bytes: u64, answer: &mut [u64]) -> bool {
    let entry = SubmissionEntry {
        opcode: Opcode::Call as u8,
        method,
        cap: target,
        interface,
        send_address: words.as_ptr() as u64,
        send_length: u32::try_from(bytes).unwrap_or(0),
        recv_address: answer.as_mut_ptr() as u64,
        recv_length: u32::try_from(answer.len() * 8).unwrap_or(0),
        ..SubmissionEntry::default()
    };
    capos_rt::ring::with_ring(|ring| {
        // SAFETY: both buffers outlive the call, which is complete when this returns: no other operation is in
        // progress here.
        if unsafe { ring.push(&entry) }.is_err() || ring.enter(1, NO_DEADLINE).is_err() {
            return false;
        }
        ring.pop().is_some_and(|completion| completion.status == 0)
    })
}
