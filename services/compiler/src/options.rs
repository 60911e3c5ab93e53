//! The arguments of the service.

use std::time::Duration;

/// The least memory of a worker, if no other is set.
const LEAST_WORKER_BYTES: u64 = 256 << 20;
/// A worker has this many bytes for each of a large module. Compiling takes up to some 20 of them; small modules take more.
const WORKER_BYTES_PER_BYTE: u64 = 24;
/// The least processor time of a worker, if no other is set.
const LEAST_WORKER_TIME: Duration = Duration::from_secs(600);
/// For each MiB of a large module. A processor takes about one, an emulated one some 30.
const WORKER_TIME_PER_MIB: Duration = Duration::from_secs(60);

/// Limits and settings, as given by `NAME=VALUE` arguments. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Identifies the compiler: code that another one made is not used.
    pub revision: String,
    /// Maximum length of a module.
    pub module_bytes: u64,
    /// Maximum length of the code of one module.
    pub code_bytes: u64,
    /// Memory of a worker; `None` is what [`Options::worker_bytes`] says.
    pub worker_bytes: Option<u64>,
    /// Processor time of a worker; `None` is what [`Options::worker_time`] says.
    pub worker_time: Option<Duration>,
    /// Workers that may run at once.
    pub workers: usize,
    /// Requests of one client that may be unfinished or unreleased at once.
    pub requests: u32,
    /// Size of the cache.
    pub cache_bytes: u64,
    /// Whether each compilation is logged.
    pub is_verbose: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            revision: String::new(),
            module_bytes: 64 << 20,
            code_bytes: 256 << 20,
            worker_bytes: None,
            worker_time: None,
            workers: 1,
            requests: 64,
            cache_bytes: 256 << 20,
            is_verbose: false,
        }
    }
}

impl Options {
    /// The memory of a worker in bytes for a module of this length.
    pub fn worker_bytes(&self, module_bytes: u64) -> u64 {
        let needed = module_bytes.saturating_mul(WORKER_BYTES_PER_BYTE).max(LEAST_WORKER_BYTES);
        self.worker_bytes.unwrap_or(needed)
    }

    /// The processor time of a worker for a module of this length.
    pub fn worker_time(&self, module_bytes: u64) -> Duration {
        let mebibytes = u32::try_from(module_bytes >> 20).unwrap_or(u32::MAX);
        let needed = WORKER_TIME_PER_MIB.saturating_mul(mebibytes).max(LEAST_WORKER_TIME);
        self.worker_time.unwrap_or(needed)
    }

    /// Parses the arguments after the program's name.
    ///
    /// # Errors
    /// An unknown name, or a value that is not a number greater than 0.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        for argument in arguments {
            let (name, value) = argument.split_once('=').unwrap_or((argument.as_str(), ""));
            let number = || {
                let number = value.parse::<u64>().ok().filter(|number| *number != 0);
                number.ok_or_else(|| format!("{argument:?}: a number greater than 0 is needed"))
            };
            match name {
                "revision" => options.revision = value.to_owned(),
                "module-bytes" => options.module_bytes = number()?,
                "code-bytes" => options.code_bytes = number()?,
                "worker-bytes" => options.worker_bytes = Some(number()?),
                "worker-ns" => options.worker_time = Some(Duration::from_nanos(number()?)),
                "workers" => options.workers = usize::try_from(number()?).unwrap_or(usize::MAX),
                "requests" => options.requests = u32::try_from(number()?).unwrap_or(u32::MAX),
                "cache-bytes" => options.cache_bytes = number()?,
                "verbose" => options.is_verbose = true,
                _ => return Err(format!("unknown argument {argument:?}")),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_worker_has_memory_and_time_by_its_module() {
        let options = Options::default();
        assert_eq!(options.worker_bytes(0), LEAST_WORKER_BYTES);
        assert_eq!(options.worker_bytes(30 << 20), 720 << 20);
        assert_eq!(options.worker_bytes(u64::MAX), u64::MAX);
        assert_eq!(options.worker_time(0), LEAST_WORKER_TIME);
        assert_eq!(options.worker_time(30 << 20), Duration::from_secs(1800));
        assert!(options.worker_time(u64::MAX) > options.worker_time(1 << 40));
    }

    #[test]
    fn arguments_replace_defaults() {
        let wanted = Options {
            workers: 2,
            worker_time: Some(Duration::from_millis(5)),
            is_verbose: true,
            ..Options::default()
        };
        assert_eq!(parse("workers=2 worker-ns=5000000 verbose"), Ok(wanted));
        assert_eq!(parse(""), Ok(Options::default()));
        assert_eq!(parse("worker-bytes=4096").map(|options| options.worker_bytes(1 << 30)), Ok(4096));
        for bad in ["workers=0", "workers", "cache-bytes=1MiB", "fast"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
