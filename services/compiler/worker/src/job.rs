//! The service's side of a compilation, as the worker uses it.

use std::panic;

use capnp::Result;
use capos_rt::{MappedMemory, block_on};
use capos_schema::compiler_capnp::compiler_job;

/// The grant of the module.
pub(crate) const MODULE: &str = "module";
/// The grant of the job.
const JOB: &str = "job";
/// Maximum length of a reason, so that it fits a message.
const MOST_REASON_BYTES: usize = 2000;

/// Where the result goes.
#[derive(Clone)]
pub(crate) struct Job(compiler_job::Client);

impl Job {
    /// The job of this process.
    pub(crate) fn find() -> Result<Self> {
        Ok(Self(capos_rt::grant(JOB)?))
    }

    /// Says how many functions have been compiled.
    pub(crate) fn progress(&self, functions: u32, compiled: u32) {
        let mut request = self.0.progress_request();
        request.get().set_functions(functions);
        request.get().set_compiled(compiled);
        // The result tells of a service that has ended.
        block_on(request.send().promise).ok();
    }

    /// Delivers the artifact.
    pub(crate) fn deliver(&self, artifact: &[u8]) -> Result<()> {
        block_on(async {
            let length = artifact.len() as u64;
            let mut request = self.0.allocate_request();
            request.get().set_length(length);
            let object = request.send().promise.await?.get()?.get_object()?;
            let memory = MappedMemory::map(object, length, true).await?;
            memory.write(0, artifact).map_err(|error| capnp::Error::failed(error.to_string()))?;
            let mut request = self.0.finished_request();
            request.get().set_length(length);
            request.send().promise.await.map(drop)
        })
    }

    /// Says why there is no artifact.
    pub(crate) fn failed(&self, reason: &str) -> Result<()> {
        let mut request = self.0.failed_request();
        request.get().set_reason(&reason[..reason.floor_char_boundary(MOST_REASON_BYTES)]);
        block_on(request.send().promise).map(drop)
    }
}

/// Has panics reported as the reason of the failure. They end the process.
pub(crate) fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("without a message");
        let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
        if let Ok(job) = Job::find() {
            job.failed(&format!("the compiler panicked{place}: {message}")).ok();
        }
    }));
}
