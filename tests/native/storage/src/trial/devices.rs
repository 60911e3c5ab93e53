//! Disks that misbehave, fail and vanish.

use std::sync::Arc;

use capos_schema::errno_capnp::Errno;
use capos_volume::{BlockDevice, Last, Namespace, OpenFlags, Volume};

use crate::disk::{Claims, DISK_BYTES, Disk, Mood, failed};
use crate::expect;
use crate::files::{keep, open, read, size, sync, write};
use crate::server::Spawner;

/// Checks that invalid properties of a disk are rejected.
pub(crate) async fn absurd(spawner: &Spawner) -> capnp::Result<()> {
    let sound = Claims::default();
    let refused = [
        Claims { error: Errno::Io, ..sound },
        Claims { sector_bytes: 0, ..sound },
        Claims { sector_bytes: 3, ..sound },
        Claims { sector_bytes: 4096, ..sound },
        Claims { sector_bytes: u32::MAX, ..sound },
        Claims { sectors: 0, ..sound },
        Claims { sectors: 1, ..sound },
        Claims { sectors: DISK_BYTES / 1024, ..sound },
        Claims { buffer_bytes: 0, ..sound },
        Claims { buffer_bytes: 511, ..sound },
        Claims { buffer_bytes: u64::MAX, ..sound },
        Claims { has_buffer: false, ..sound },
    ];
    for (number, claims) in (0..).zip(&refused) {
        let server = spawner.over(&Disk::with_volume(*claims).await?).await?;
        expect(&format!("absurd disk {number}"), server.end().await?, Ok(1))?;
    }
    let disk = Disk::with_volume(sound).await?;
    disk.mood.set(Mood::Mad);
    expect("a disk that refuses everything", spawner.over(&disk).await?.end().await?, Ok(1))?;
    let disk = Disk::with_volume(sound).await?;
    disk.mood.set(Mood::NoReads);
    expect("a disk that cannot be read", spawner.over(&disk).await?.end().await?, Ok(1))?;
    expect("no volume", spawner.over(&Disk::blank(sound).await?).await?.end().await?, Ok(1))?;
    println!("{} disks that cannot be: refused", refused.len() + 3);

    let server = spawner.over(&Disk::with_volume(Claims { read_only: true, ..sound }).await?).await?;
    expect(
        "a file on a read-only disk",
        open(&server.root().await?, b"a").await?.err(),
        Some(Errno::ReadOnly),
    )?;
    expect("a directory on it", server.namespace("new").await?.err(), Some(Errno::ReadOnly))?;
    server.kill().await?;
    println!("a read-only disk: read, not written");
    Ok(())
}

/// Failing writes, flushes and reads are errors, and earlier synced data survives.
pub(crate) async fn failing(spawner: &Spawner) -> capnp::Result<()> {
    let moods = [Mood::NoWrites(Errno::Io), Mood::NoWrites(Errno::ReadOnly), Mood::NoFlushes, Mood::Mad];
    for (number, mood) in (0..).zip(moods) {
        let disk = Disk::with_volume(Claims::default()).await?;
        let server = spawner.over(&disk).await?;
        let root = server.root().await?;
        let file = keep(&root, b"kept", b"synced").await?;
        expect("a write not synced", write(&file, 0, b"hoping").await?, Ok(6))?;
        let flushes = disk.flushes.get();
        disk.mood.set(mood);
        expect(&format!("a sync that fails, {number}"), sync(&file).await?, Err(Errno::Io))?;
        expect("the same again", sync(&file).await?, Err(Errno::Io))?;
        disk.mood.set(Mood::Sound);

        let fresh = server.root().await?;
        let again = open(&fresh, b"kept").await?.map_err(|error| failed(format!("{error:?}")))?;
        let found = read(&again, 0, 100).await?;
        // A failed sync leaves it open whether its data was stored.
        let either = [Ok(b"synced".to_vec()), Ok(b"hoping".to_vec())];
        expect("what was synced", either.contains(&found), true)?;
        keep(&fresh, b"after", b"the failure").await?;
        expect("flushes", disk.flushes.get() > flushes, true)?;
        server.kill().await?;
        content(&disk, &[("after", b"the failure")])?;
    }
    println!("{} kinds of failing writes: reported, and nothing synced is lost", moods.len());
    Ok(())
}

/// Changed data is detected.
pub(crate) async fn rotten(spawner: &Spawner) -> capnp::Result<()> {
    let disk = Disk::with_volume(Claims::default()).await?;
    let data: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let first = spawner.over(&disk).await?;
    let file = keep(&first.root().await?, b"kept", &[]).await?;
    for (offset, part) in (0..).step_by(50_000).zip(data.chunks(50_000)) {
        expect("writing", write(&file, offset, part).await?, Ok(part.len()))?;
    }
    expect("syncing", sync(&file).await?, Ok(()))?;
    first.kill().await?;

    // The data is not in another service's memory.
    let second = spawner.over(&disk).await?;
    let root = second.root().await?;
    let file = open(&root, b"kept").await?.map_err(|error| failed(format!("{error:?}")))?;
    // Each at a position that was not read before.
    for (place, mood) in (1_u64..).zip([Mood::Rotten, Mood::NoReads, Mood::Mad]) {
        disk.mood.set(mood);
        let (offset, start) = (place * 500_000, place as usize * 500_000);
        expect("reading what is bad", read(&file, offset, 5000).await?, Err(Errno::Io))?;
        disk.mood.set(Mood::Sound);
        let good = data.get(start..start + 5000).unwrap_or_default();
        let found = read(&file, offset, 5000).await?;
        expect("reading what is good again", found.as_deref() == Ok(good), true)?;
    }
    second.kill().await?;
    println!("3 kinds of bad reads: reported, and good ones work afterwards");
    Ok(())
}

/// A disk that is revoked.
pub(crate) async fn vanishing(spawner: &Spawner) -> capnp::Result<()> {
    let disk = Disk::with_volume(Claims::default()).await?;
    let server = spawner.over(&disk).await?;
    let root = server.root().await?;
    let file = keep(&root, b"kept", b"synced").await?;
    if let Some(held) = &server.disk {
        held.revoke()?;
    }
    // Memory still accepts it; the disk does not, however often the sync is retried.
    expect("a write", write(&file, 0, b"hoping").await?, Ok(6))?;
    for _ in 0..3 {
        expect("a sync", sync(&file).await?, Err(Errno::Io))?;
        // These may be served from memory, or not.
        server.namespace("other").await?.ok();
        size(&root, b"kept").await?.ok();
    }
    server.kill().await?;
    content(&disk, &[("kept", b"synced")])?;
    println!("a disk that vanishes: reported, and what was synced is on it");
    Ok(())
}

/// Examines the disk without the service: it must contain these files.
fn content(disk: &Disk, files: &[(&str, &[u8])]) -> capnp::Result<()> {
    let device: Arc<dyn BlockDevice> = disk.content.clone();
    let mut volume = Volume::open(device, capos_volume::Options::default()).map_err(failed)?;
    let root = Namespace::root(&mut volume).map_err(failed)?;
    for (name, wanted) in files {
        let opened = root.open(&mut volume, name.as_bytes(), Last::Stay, OpenFlags::READ).map_err(failed)?;
        let mut bytes = vec![0; wanted.len() + 1];
        let count = volume.read(opened.ino, 0, &mut bytes).map_err(failed)?;
        expect(name, bytes.get(..count), Some(*wanted))?;
    }
    Ok(())
}
