//! Many memory objects, mapped or not, all released at once.

use crate::calls::{create_object, map_object_at, reserve, unmap};
use crate::handles::release;
use crate::raw::poke;

const PAGE: u64 = 4096;
/// Number of objects of several pages, all of them written: 32 MiB.
const OBJECTS: u64 = 128;
const OBJECT_PAGES: u64 = 64;
/// Number of objects of one page: nearly as many as an address space has regions.
const MAPPINGS: u64 = 4000;

/// Maps `count` new objects of `pages` pages contiguously and writes to each page. Returns the address, or an error.
fn mapped(count: u64, pages: u64, keep: bool) -> Result<u64, i32> {
    let length = count * pages * PAGE;
    let checked = |status| if status == 0 { Ok(()) } else { Err(status) };
    let (status, start) = reserve(0, length, "rw");
    checked(status)?;
    checked(unmap(start, length))?;
    for at in (start..start + length).step_by((pages * PAGE) as usize) {
        let (status, object) = create_object(pages * PAGE);
        checked(status)?;
        checked(map_object_at(object, at, pages * PAGE, "rw").0)?;
        (0..pages).for_each(|page| poke(at + page * PAGE, 1));
        if !keep {
            release(object);
        }
    }
    Ok(start)
}

/// Ends with unmapped objects.
pub(crate) fn objects_end() -> i32 {
    match mapped(OBJECTS, OBJECT_PAGES, true) {
        Ok(start) => unmap(start, OBJECTS * OBJECT_PAGES * PAGE),
        Err(status) => status,
    }
}

/// Unmaps objects without remaining capabilities.
pub(crate) fn objects_unmap() -> i32 {
    match mapped(OBJECTS, OBJECT_PAGES, false) {
        Ok(start) => unmap(start, OBJECTS * OBJECT_PAGES * PAGE),
        Err(status) => status,
    }
}

/// Unmaps the maximum number of mapped objects.
pub(crate) fn mappings_unmap() -> i32 {
    match mapped(MAPPINGS, 1, false) {
        Ok(start) => unmap(start, MAPPINGS * PAGE),
        Err(status) => status,
    }
}

/// Ends with the maximum number of mapped objects.
pub(crate) fn mappings_end() -> i32 {
    mapped(MAPPINGS, 1, false).err().unwrap_or(0)
}
