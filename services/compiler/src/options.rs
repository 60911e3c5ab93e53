//! The arguments of the service.

use std::time::Duration;

/// Limits and settings, as given by `NAME=VALUE` arguments. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Identifies the compiler: code that another one made is not used.
    pub revision: String,
    /// Maximum length of a module.
    pub module_bytes: u64,
    /// Maximum length of the code of one module.
    pub code_bytes: u64,
    /// Memory of a worker.
    pub worker_bytes: u64,
    /// Processor time of a worker.
    pub worker_time: Duration,
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
            worker_bytes: 256 << 20,
            worker_time: Duration::from_secs(600),
            workers: 1,
            requests: 64,
            cache_bytes: 256 << 20,
            is_verbose: false,
        }
    }
}

impl Options {
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
                "worker-bytes" => options.worker_bytes = number()?,
                "worker-ns" => options.worker_time = Duration::from_nanos(number()?),
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
    fn arguments_replace_defaults() {
        let wanted = Options {
            workers: 2,
            worker_time: Duration::from_millis(5),
            is_verbose: true,
            ..Options::default()
        };
        assert_eq!(parse("workers=2 worker-ns=5000000 verbose"), Ok(wanted));
        assert_eq!(parse(""), Ok(Options::default()));
        for bad in ["workers=0", "workers", "cache-bytes=1MiB", "fast"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
