use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Tests threads, thread-locals, and all ways of waiting.
pub(crate) fn all() {
    println!("threads: counted {}", counted_with_a_mutex());
    println!("thread-local: {}", thread_local_values());
    println!("channel: {:?}", received());
    println!("condition variable: {}", waited());
    println!("executor woken from another thread: {}", woken());
}

fn counted_with_a_mutex() -> u32 {
    let total = Arc::new(Mutex::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let total = total.clone();
            thread::spawn(move || {
                for _ in 0..1000 {
                    if let Ok(mut total) = total.lock() {
                        *total += 1;
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().ok();
    }
    total.lock().map_or(0, |total| *total)
}

fn thread_local_values() -> String {
    thread_local!(static VALUE: Cell<u32> = const { Cell::new(1) });
    VALUE.set(2);
    let theirs = thread::spawn(|| VALUE.get()).join().unwrap_or(0);
    format!("{theirs} there, {} here", VALUE.get())
}

fn received() -> Vec<u32> {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || {
        for number in 1..=3 {
            thread::sleep(Duration::from_millis(1));
            sender.send(number).ok();
        }
    });
    let numbers = receiver.iter().collect();
    worker.join().ok();
    numbers
}

fn waited() -> &'static str {
    let pair = (Mutex::new(()), Condvar::new());
    let Ok(guard) = pair.0.lock() else { return "poisoned" };
    match pair.1.wait_timeout(guard, Duration::from_millis(2)) {
        Ok((_, result)) if result.timed_out() => "timed out",
        _ => "woken by nobody",
    }
}

/// A future on this thread's executor that another thread completes.
fn woken() -> u32 {
    static ANSWER: AtomicU32 = AtomicU32::new(0);
    let waker = Arc::new(Mutex::new(None::<std::task::Waker>));
    let shared = waker.clone();
    let worker = thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(1));
            if let Some(waker) = shared.lock().ok().and_then(|mut waker| waker.take()) {
                ANSWER.store(42, Ordering::Release);
                return waker.wake();
            }
        }
    });
    let answer = capos_rt::block_on(std::future::poll_fn(|context| match ANSWER.load(Ordering::Acquire) {
        0 => {
            if let Ok(mut waker) = waker.lock() {
                *waker = Some(context.waker().clone());
            }
            std::task::Poll::Pending
        }
        answer => std::task::Poll::Ready(answer),
    }));
    worker.join().ok();
    answer
}
