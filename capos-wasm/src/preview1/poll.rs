//! `poll_oneoff`: waiting for the first of several clocks and descriptors.

use super::{
    Context, Errno, GuestMemory, Stop,
    clock::{ClockId, monotonic_ns, realtime_ns},
    descriptor::{Descriptor, Object},
    memory::{Claim, aligned},
    rights::{NoRight, Rights},
    snapshot::Snapshot,
};
use crate::{resources::Output, turns::yield_once};
use capos_schema::file_capnp::MAX_DATA_BYTES;
use std::{
    future::poll_fn,
    task::{Context as TaskContext, Poll},
};

/// Longer lists are refused.
const MAX_SUBSCRIPTIONS: u32 = 1024;
/// Subscriptions that are dealt with before other tasks run.
const PART: usize = 128;
/// The longest `subscription` of any snapshot.
const SUBSCRIPTION_BYTES: usize = 56;
const EVENT_BYTES: u32 = 32;
const FLAG_ABSTIME: u16 = 1;
/// `eventrwflags`: the other end is closed.
const HANGUP: u16 = 1;

/// The event that a subscription waits for; the discriminants are those of `eventtype`.
#[derive(Clone, Copy)]
enum Wanted {
    Clock { id: u32, timeout: u64, absolute: bool },
    Read { fd: u32 },
    Write { fd: u32 },
}

struct Subscription {
    userdata: [u8; 8],
    wanted: Wanted,
    /// For a clock: the time at which it fires, on the monotonic clock.
    deadline_ns: Option<u64>,
    /// Set once the subscription has fired: the result.
    fired: Option<Result<Ready, Errno>>,
}

/// The number of bytes that can be read, or the space for writing.
#[derive(Clone, Copy, Default)]
struct Ready {
    bytes: u64,
    flags: u16,
}

/// `poll_oneoff`: returns as soon as a subscription fires, with an event for each that has fired by then.
pub(super) async fn oneoff(
    context: &mut Context,
    memory: &GuestMemory,
    subscriptions: u32,
    events: u32,
    count: u32,
    nevents: u32,
) -> Result<(), Stop> {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    aligned::<8>(subscriptions)?;
    aligned::<8>(events)?;
    memory.check_u32(nevents)?;
    memory.check(Claim { offset: events, len_bytes: count * EVENT_BYTES })?;
    let each = context.snapshot.subscription_bytes();
    memory.check(Claim { offset: subscriptions, len_bytes: count * each })?;
    let mut list = Vec::with_capacity(count as usize);
    for index in 0..count {
        let_others_run(index as usize).await;
        let claim = Claim { offset: subscriptions + index * each, len_bytes: each };
        let mut bytes = [0; SUBSCRIPTION_BYTES];
        memory.with(claim, |source| bytes[..source.len()].copy_from_slice(source))?;
        list.push(decode(bytes, context.snapshot)?);
    }
    let mut clocks = Clocks::default();
    for (index, subscription) in list.iter_mut().enumerate() {
        let_others_run(index).await;
        prepare(context, &mut clocks, subscription).await?;
    }
    wait(context, &mut list).await;
    let mut written = 0;
    for (index, subscription) in list.iter().enumerate() {
        let_others_run(index).await;
        if let Some(event) = encode(subscription) {
            memory.write_bytes(events + written * EVENT_BYTES, &event)?;
            written += 1;
        }
    }
    Ok(memory.write_u32(nevents, written)?)
}

/// Yields before the first item of each part of a long list except the first part.
async fn let_others_run(index: usize) {
    if index > 0 && index.is_multiple_of(PART) {
        yield_once().await;
    }
}

fn decode(bytes: [u8; SUBSCRIPTION_BYTES], snapshot: Snapshot) -> Result<Subscription, Errno> {
    let wanted = match bytes[8] {
        0 => {
            let layout = snapshot.clock_layout();
            let flags = u16::from_le_bytes(field(&bytes, layout.flags));
            if flags & !FLAG_ABSTIME != 0 {
                return Err(Errno::Inval);
            }
            let id = u32::from_le_bytes(field(&bytes, layout.id));
            if ClockId::decode(id)? == ClockId::CpuTime {
                return Err(Errno::Inval);
            }
            let timeout = u64::from_le_bytes(field(&bytes, layout.timeout));
            Wanted::Clock { id, timeout, absolute: flags & FLAG_ABSTIME != 0 }
        }
        1 => Wanted::Read { fd: u32::from_le_bytes(field(&bytes, 16)) },
        2 => Wanted::Write { fd: u32::from_le_bytes(field(&bytes, 16)) },
        _ => return Err(Errno::Inval),
    };
    Ok(Subscription { userdata: field(&bytes, 0), wanted, deadline_ns: None, fired: None })
}

/// A field of a subscription; `at` is always a constant inside it.
fn field<const LEN: usize>(bytes: &[u8; SUBSCRIPTION_BYTES], at: usize) -> [u8; LEN] {
    let mut field = [0; LEN];
    field.copy_from_slice(&bytes[at..at + LEN]);
    field
}

fn encode(subscription: &Subscription) -> Option<[u8; EVENT_BYTES as usize]> {
    let fired = subscription.fired?;
    let (kind, errno) = (
        match subscription.wanted {
            Wanted::Clock { .. } => 0,
            Wanted::Read { .. } => 1,
            Wanted::Write { .. } => 2,
        },
        fired.err().unwrap_or(Errno::Success),
    );
    let mut event = [0; EVENT_BYTES as usize];
    event[..8].copy_from_slice(&subscription.userdata);
    event[8..10].copy_from_slice(&(errno as u16).to_le_bytes());
    event[10] = kind;
    let Ready { bytes, flags } = fired.unwrap_or_default();
    event[16..24].copy_from_slice(&bytes.to_le_bytes());
    event[24..26].copy_from_slice(&flags.to_le_bytes());
    Some(event)
}

/// Fires the subscriptions that need no waiting, and converts the clocks to deadlines on the monotonic clock. A
/// descriptor that is not open or cannot be waited for is an error of the whole call.
async fn prepare(
    context: &mut Context,
    clocks: &mut Clocks,
    subscription: &mut Subscription,
) -> Result<(), Errno> {
    match subscription.wanted {
        Wanted::Clock { id, timeout, absolute } => {
            match clocks.deadline_ns(context, id, timeout, absolute).await {
                Ok(deadline_ns) => subscription.deadline_ns = Some(deadline_ns),
                Err(errno) => subscription.fired = Some(Err(errno)),
            }
        }
        Wanted::Read { fd } => {
            let descriptor = context.descriptor(fd)?;
            let allowed = allowed(descriptor, Rights::FD_READ);
            subscription.fired = match &descriptor.object {
                Object::Output(_) | Object::Directory(_) => return Err(Errno::Badf),
                _ if allowed.is_err() => Some(Err(Errno::Notcapable)),
                Object::Input(_) => None,
                Object::File(file) => {
                    let size = file.file.stat().await.map(|attributes| attributes.size).map_err(Errno::from);
                    let left = |size: u64| Ready { bytes: size.saturating_sub(file.position), flags: 0 };
                    Some(size.map(left))
                }
            };
        }
        Wanted::Write { fd } => {
            let descriptor = context.descriptor(fd)?;
            let allowed = allowed(descriptor, Rights::FD_WRITE);
            subscription.fired = match &descriptor.object {
                Object::Input(_) | Object::Directory(_) => return Err(Errno::Badf),
                _ if allowed.is_err() => Some(Err(Errno::Notcapable)),
                // A Console accepts everything; the write itself waits if necessary.
                Object::Output(output) => output.max_bytes().map(|bytes| Ok(ready(bytes))),
                Object::File(_) => Some(Ok(ready(MAX_DATA_BYTES))),
            };
        }
    }
    Ok(())
}

/// Whether the rights allow waiting for a stream to be ready for the operation of `right`. A file is always ready,
/// even if it was not opened for the operation: the operation then returns its error at once.
fn allowed(descriptor: &Descriptor, right: Rights) -> Result<(), NoRight> {
    let right = match &descriptor.object {
        Object::File(_) => Rights::empty(),
        _ => right,
    };
    descriptor.need(Rights::POLL_FD_READWRITE | right)
}

fn ready(bytes: u32) -> Ready {
    Ready { bytes: bytes.into(), flags: 0 }
}

/// Checks whether a stream is ready, and requests a wake-up if not.
fn poll_stream(
    context: &mut Context,
    wanted: Wanted,
    cx: &mut TaskContext<'_>,
) -> Poll<Result<Ready, Errno>> {
    let (Wanted::Read { fd } | Wanted::Write { fd }) = wanted else { return Poll::Pending };
    let hangup = |gone: bool| if gone { HANGUP } else { 0 };
    match &mut context.descriptors.get(fd)?.object {
        Object::Input(input) => input
            .poll_ready(cx)
            .map_err(Errno::from)
            .map_ok(|()| Ready { bytes: input.available() as u64, flags: hangup(input.hung_up()) }),
        Object::Output(Output::Pipe(pipe)) => pipe.poll_ready(cx).map(|()| {
            let bytes = pipe.room() as u64;
            Ok(Ready { bytes, flags: hangup(pipe.broken()) })
        }),
        _ => Poll::Pending,
    }
}

/// The clocks at the start of a call, so that equal timeouts fire together.
#[derive(Default)]
struct Clocks {
    monotonic_ns: Option<u64>,
    realtime_ns: Option<u64>,
}

impl Clocks {
    /// A relative timeout does not depend on the time of day, so only an absolute time of day needs the
    /// WallClock;
    /// waiting always needs the Timer.
    async fn deadline_ns(
        &mut self,
        context: &Context,
        id: u32,
        timeout: u64,
        absolute: bool,
    ) -> Result<u64, Errno> {
        let monotonic = ClockId::decode(id)? == ClockId::Monotonic;
        if monotonic && absolute {
            return context.timer().map(|_timer| timeout);
        }
        let now = match self.monotonic_ns {
            Some(now) => now,
            None => *self.monotonic_ns.insert(monotonic_ns(context).await?),
        };
        if !absolute {
            return Ok(now.saturating_add(timeout));
        }
        let time_of_day = match self.realtime_ns {
            Some(time_of_day) => time_of_day,
            None => *self.realtime_ns.insert(realtime_ns(context).await?),
        };
        Ok(now.saturating_add(timeout.saturating_sub(time_of_day)))
    }
}

/// Waits until a subscription has fired, and marks all that have.
async fn wait(context: &mut Context, list: &mut [Subscription]) {
    let earliest = list.iter().filter_map(|subscription| subscription.deadline_ns).min();
    let mut sleep = earliest.and_then(|deadline| Some((deadline, context.clocks.sleep_until(deadline)?)));
    // All are polled before the call returns or waits, a part at a time.
    let mut begin = 0;
    poll_fn(|cx| {
        if begin == 0
            && let Some((deadline, promise)) = &mut sleep
            && let Poll::Ready(result) = promise.as_mut().poll(cx)
        {
            let due = list
                .iter_mut()
                .filter(|subscription| subscription.deadline_ns.is_some_and(|other| other <= *deadline));
            due.for_each(|subscription| {
                subscription.fired = Some(result.map(|()| Ready::default()).map_err(Errno::from))
            });
            sleep = None;
        }
        let part = list.iter_mut().skip(begin).take(PART);
        for subscription in part.filter(|subscription| subscription.fired.is_none()) {
            if let Poll::Ready(result) = poll_stream(context, subscription.wanted, cx) {
                subscription.fired = Some(result);
            }
        }
        begin += PART;
        if begin < list.len() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        begin = 0;
        match list.iter().any(|subscription| subscription.fired.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}
