//! Requests to the servers of files and directories.

/// Sends a request, immediately with a `$push`, waits for its results and checks the error in them; `$use` receives the
/// results.
macro_rules! ask {
    ($request:expr, $(pushed by $push:expr,)? |$results:ident| $use:expr) => {{
        let promise = capos_rt::Ask::ask($request);
        $(let promise = $push.call(promise);)?
        let response = promise.await.map_err($crate::resources::Error::of_file_call)?;
        let $results = response.get().map_err($crate::resources::Error::of_file_call)?;
        $crate::resources::error::outcome($results.get_error())?;
        $use
    }};
}
pub(super) use ask;
