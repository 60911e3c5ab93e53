#![expect(unsafe_code, reason = "guest memory is lent to futures that outlive the borrow")]
//! Lending a byte slice to code that cannot name its lifetime.
//!
//! A WASI function is a future that may exist during many polls, while the engine lends the guest's
//! memory anew at each one, since it may grow and move in between. A [`Loan`] connects the two. The engine
//! calls [`Loan::during`] around each poll; the future calls [`Loan::with`] for each access and
//! cannot keep the slice.

use std::{cell::Cell, ptr::NonNull};

/// A slot that contains a slice while one is lent.
#[derive(Default)]
pub(super) struct Loan {
    slice: Cell<Option<NonNull<[u8]>>>,
}

/// Restores the previous content of the slot whenever the scope is left.
struct Restore<'a> {
    loan: &'a Loan,
    before: Option<NonNull<[u8]>>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.loan.slice.set(self.before);
    }
}

impl Loan {
    /// Lends `bytes` while `f` runs.
    pub(super) fn during<R>(&self, bytes: &mut [u8], f: impl FnOnce() -> R) -> R {
        let before = self.slice.replace(Some(NonNull::from(bytes)));
        let _restore = Restore { loan: self, before };
        f()
    }

    /// Calls `f` with the currently lent slice. `None` if there is none, or if it is already in use
    /// further up the stack.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let mut slice = self.slice.take()?;
        let _restore = Restore { loan: self, before: Some(slice) };
        // SAFETY: `during` put the pointer there from a `&mut [u8]` that it still holds, since it takes
        // the pointer out again before it returns and the slot is never copied from elsewhere. The slot
        // is empty while `f` runs, so this is the only reference made from it, and `Loan` is not `Sync`.
        let bytes = unsafe { slice.as_mut() };
        Some(f(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::Loan;

    #[test]
    fn lends_only_inside_the_scope() {
        let loan = Loan::default();
        let mut bytes = [1, 2, 3];
        assert_eq!(loan.with(|bytes| bytes.len()), None);
        loan.during(&mut bytes, || {
            assert_eq!(loan.with(|bytes| std::mem::replace(&mut bytes[0], 9)), Some(1));
            assert_eq!(loan.with(|bytes| bytes.len()), Some(3));
        });
        assert_eq!(loan.with(|bytes| bytes.len()), None);
        assert_eq!(bytes, [9, 2, 3]);
    }

    #[test]
    fn never_twice_at_once() {
        let loan = Loan::default();
        let mut bytes = [0; 2];
        loan.during(&mut bytes, || {
            let inner = loan.with(|_| loan.with(|bytes| bytes.len()));
            assert_eq!(inner, Some(None));
            assert_eq!(loan.with(|bytes| bytes.len()), Some(2));
        });
    }

    #[test]
    fn nested_loans_end_in_order() {
        let loan = Loan::default();
        let (mut outer, mut inner) = ([0; 1], [0; 2]);
        loan.during(&mut outer, || {
            loan.during(&mut inner, || assert_eq!(loan.with(|bytes| bytes.len()), Some(2)));
            assert_eq!(loan.with(|bytes| bytes.len()), Some(1));
        });
    }
}
