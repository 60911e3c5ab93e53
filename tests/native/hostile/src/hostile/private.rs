//! Private mappings: pages of an object that are shared until the process writes to them.

use crate::calls::{
    copy, create_object, discard, done, map_object, map_object_at, map_private, must, protect, seal,
    size_into, unmap,
};
use crate::raw::{exit, peek, poke};
use capos_abi::Rights;

const PAGE: u64 = 4096;

/// Ends the process with `number` unless the bytes at these addresses are these.
fn expect(number: i32, bytes: &[(u64, u8)]) {
    if bytes.iter().any(|&(address, byte)| peek(address) != byte) {
        exit(number);
    }
}

/// A new object of `pages` pages, with its writable mapping.
fn mapped_object(pages: u64) -> (u64, u64) {
    let object = must(create_object(pages * PAGE));
    (object, must(map_object(object, pages * PAGE, "rw")))
}

/// Writing copies a page, and discarding brings the object's back.
pub(crate) fn private_until_written() -> i32 {
    let (object, shared) = mapped_object(2);
    let private = must(map_private(object, 2 * PAGE, "rw"));
    let other = must(map_private(object, 2 * PAGE, "rw"));
    poke(shared, 1);
    expect(1, &[(private, 1), (other, 1)]);
    poke(shared, 2);
    expect(2, &[(private, 2), (other, 2)]);
    poke(private, 3);
    expect(3, &[(private, 3), (shared, 2), (other, 2)]);
    poke(shared, 4);
    poke(shared + PAGE, 5);
    expect(4, &[(private, 3), (other, 4), (private + PAGE, 5), (other + PAGE, 5)]);
    // Written before it is ever read.
    let unread = must(map_private(object, 2 * PAGE, "rw"));
    poke(unread, 6);
    expect(5, &[(unread, 6), (unread + 1, 0), (shared, 4), (private, 3)]);
    done(discard(private, 2 * PAGE));
    expect(6, &[(private, 4), (private + PAGE, 5), (unread, 6)]);
    poke(private, 7);
    expect(7, &[(private, 7), (shared, 4)]);
    done(unmap(private, PAGE));
    expect(8, &[(private + PAGE, 5), (shared, 4), (other, 4), (unread, 6)]);
    0
}

/// A sealed object can be mapped privately, and neither writing nor a change of protection reaches it.
pub(crate) fn private_of_sealed() -> i32 {
    let (object, shared) = mapped_object(1);
    poke(shared, 1);
    done(unmap(shared, PAGE));
    done(seal(object));
    let private = must(map_private(object, PAGE, "r"));
    expect(1, &[(private, 1)]);
    done(protect(private, PAGE, ""));
    done(protect(private, PAGE, "rw"));
    expect(2, &[(private, 1)]);
    poke(private, 2);
    done(protect(private, PAGE, "r"));
    done(protect(private, PAGE, "rw"));
    poke(private + 1, 3);
    let other = must(map_private(object, PAGE, "rw"));
    let read = must(map_object(object, PAGE, "r"));
    expect(3, &[(private, 2), (private + 1, 3), (other, 1), (other + 1, 0), (read, 1), (read + 1, 0)]);
    0
}

/// The kernel's own writes for the process copy the page, too, and the process sees them at once.
pub(crate) fn private_written_by_the_kernel() -> i32 {
    let (object, shared) = mapped_object(1);
    let private = must(map_private(object, PAGE, "rw"));
    // The processor remembers the shared page from here on.
    expect(1, &[(private, 0)]);
    done(size_into(object, private));
    // The table of the message's one segment, its root, and the size.
    expect(2, &[(private + 4, 3), (private + 17, 0x10)]);
    expect(3, &[(shared + 4, 0), (shared + 17, 0)]);
    0
}

pub(crate) fn private_executable() -> i32 {
    let object = must(create_object(PAGE));
    done(seal(object));
    map_private(object, PAGE, "rx").0
}

pub(crate) fn private_without_read() -> i32 {
    let object = must(create_object(PAGE));
    map_private(copy(object, Rights::all() - Rights::READ), PAGE, "rw").0
}

pub(crate) fn private_past_the_object() -> i32 {
    map_private(must(create_object(PAGE)), 2 * PAGE, "rw").0
}

pub(crate) fn private_over_another() -> i32 {
    let (object, shared) = mapped_object(1);
    must(map_private(object, PAGE, "rw"));
    map_object_at(object, shared, PAGE, "rw").0
}

/// Reading costs no frames; writing does.
pub(crate) fn private_past_the_budget() -> i32 {
    const PAGES: u64 = 200;
    let (object, _) = mapped_object(PAGES);
    let mappings: Vec<u64> = (0..8).map(|_| must(map_private(object, PAGES * PAGE, "rw"))).collect();
    let pages = || mappings.iter().flat_map(|mapping| (0..PAGES).map(move |page| mapping + page * PAGE));
    if pages().any(|page| peek(page) != 0) {
        return 1;
    }
    pages().for_each(|page| poke(page, 1));
    2
}
