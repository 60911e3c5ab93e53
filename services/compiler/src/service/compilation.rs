//! `Compilation` and `CodeLease`: a request, and the code that came of it.

use std::rc::Rc;

use capnp::Error;
use capos_schema::compiler_capnp::{code_lease, compilation};

use super::ticket::Ticket;
use super::work::Work;

/// A request. When the last one of its work is dropped, and no lease is held, the work is cancelled.
pub(super) struct Compilation {
    work: Rc<Work>,
    _ticket: Ticket,
}

impl Compilation {
    pub(super) fn new(work: Rc<Work>, ticket: Ticket) -> Self {
        Self { work, _ticket: ticket }
    }
}

impl compilation::Server for Compilation {
    async fn code(
        self: Rc<Self>,
        _: compilation::CodeParams,
        mut results: compilation::CodeResults,
    ) -> Result<(), Error> {
        let (code, is_from_cache) = self.work.code().await?;
        let mut results = results.get();
        results.set_code(code.object.clone());
        results.set_length(code.length);
        results.set_from_cache(is_from_cache);
        results.set_lease(capos_rt::serve(Lease { _work: self.work.clone() }));
        Ok(())
    }

    async fn progress(
        self: Rc<Self>,
        _: compilation::ProgressParams,
        mut results: compilation::ProgressResults,
    ) -> Result<(), Error> {
        let (functions, compiled) = self.work.progress.get();
        results.get().set_functions(functions);
        results.get().set_compiled(compiled);
        Ok(())
    }
}

/// Keeps the code for equal requests.
struct Lease {
    _work: Rc<Work>,
}

impl code_lease::Server for Lease {}
