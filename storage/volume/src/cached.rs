//! Reads of cached data during an operation on the volume.

use std::cell::RefCell;
use std::rc::Rc;

use crate::cache::Cache;
use crate::layout::{BLOCK, BLOCK64};
use crate::record::Ino;

/// The cached content of a volume's files, readable while an operation on the volume waits for the device.
#[derive(Clone, Debug)]
pub struct CachedFiles(pub(crate) Rc<RefCell<Cache>>);

impl CachedFiles {
    /// The number of bytes that a read of `most` bytes at `offset` returns, if it can be executed now: not during an operation
    /// that changes anything, and only if every block of the range is cached.
    #[must_use]
    pub fn readable(&self, ino: Ino, offset: u64, most: usize) -> Option<usize> {
        self.0.try_borrow_mut().ok()?.readable(ino, offset, most)
    }

    /// Fills `out` if all of it can be read now; otherwise returns false.
    #[must_use]
    pub fn read(&self, ino: Ino, offset: u64, out: &mut [u8]) -> bool {
        let Ok(mut cache) = self.0.try_borrow_mut() else { return false };
        if cache.readable(ino, offset, out.len()) != Some(out.len()) {
            return false;
        }
        let mut done = 0;
        while done < out.len() {
            let at = offset + done as u64;
            let start = (at % BLOCK64) as usize;
            let part = (BLOCK - start).min(out.len() - done);
            let Some(block) = cache.get(ino, at / BLOCK64) else { return false };
            out[done..done + part].copy_from_slice(&block[start..start + part]);
            done += part;
        }
        true
    }

    /// Records that the operation in progress is complete. Must be called after each one that may have changed anything.
    pub fn settle(&self) {
        if let Ok(mut cache) = self.0.try_borrow_mut() {
            cache.is_half_done = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::SIZES;

    #[test]
    fn cached_data_is_read_unless_an_operation_is_half_done() {
        let cached = CachedFiles(Rc::new(RefCell::new(Cache::new(8))));
        let change = |index, byte| cached.0.borrow_mut().change(7, index).fill(byte);
        change(0, 1);
        change(1, 2);
        assert_eq!(cached.readable(7, 0, 10), None, "its size is not known");
        cached.0.borrow_mut().remember_size(7, 6000);
        assert_eq!((cached.readable(7, 0, 9000), cached.readable(7, 6000, 5)), (Some(6000), Some(0)));
        assert_eq!(cached.readable(7, u64::MAX, usize::MAX), Some(0));
        let mut out = [0; 20];
        assert!(cached.read(7, 4090, &mut out) && out[..6] == [1; 6] && out[6..] == [2; 14]);
        assert!(!cached.read(7, 5990, &mut out), "part of it is beyond the end");

        cached.0.borrow_mut().is_half_done = true;
        assert_eq!(cached.readable(7, 0, 10), None);
        cached.settle();
        assert_eq!(cached.readable(7, 0, 10), Some(10));
        // Another file in the same slot.
        cached.0.borrow_mut().forget_size(7 + SIZES as u64);
        assert_eq!(cached.readable(7, 0, 10), Some(10));
        cached.0.borrow_mut().forget_size(7);
        assert_eq!(cached.readable(7, 0, 10), None);
        cached.0.borrow_mut().remember_size(7, 9000);
        assert_eq!((cached.readable(7, 0, 8192), cached.readable(7, 0, 8193)), (Some(8192), None));
        let using = cached.0.borrow_mut();
        assert_eq!((cached.readable(7, 0, 1), cached.read(7, 0, &mut out)), (None, false));
        drop(using);
        assert_eq!(cached.readable(0, 0, 0), None);
    }
}
