//! Checks that a machine has enough memory for its images.

use anyhow::{Result, ensure};

/// Memory below the kernel, and the memory that the kernel uses before it starts a process.
const BESIDE_BYTES: u64 = 2 << 20;

/// The minimum memory in MiB for a kernel of `kernel` bytes and a package of `package` bytes.
pub(super) fn least_mib(kernel: u64, package: u64) -> u64 {
    kernel.saturating_add(package).saturating_add(BESIDE_BYTES).div_ceil(1 << 20)
}

/// A machine's memory in MiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    pub(super) mib: u32,
    /// The minimum for the images.
    pub(super) least_mib: u64,
    /// The default without an option.
    pub(super) usual_mib: u64,
}

impl Given {
    /// Refuses a machine that cannot hold its images. `option` is the option that set its memory.
    pub(super) fn check(self, option: &str) -> Result<()> {
        let Self { mib, least_mib, usual_mib } = self;
        ensure!(
            u64::from(mib) >= least_mib,
            "{option} {mib}MiB is too small for this run: the kernel and the images alone take {least_mib} MiB; \
             by default the machine has {usual_mib} MiB"
        );
        Ok(())
    }

    /// A hint that memory may be why a run failed, if the machine has little beyond its images.
    pub(super) fn doubt(self) -> Option<String> {
        let Self { mib, least_mib, usual_mib } = self;
        let has_little = u64::from(mib) < least_mib.saturating_mul(2) && u64::from(mib) < usual_mib;
        has_little.then(|| {
            format!(
                "possibly out of memory: the machine had {mib} MiB, of which the kernel and the images took {least_mib}; \
                 --mem gives it more, {usual_mib} MiB by default"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_cannot_hold_its_images_is_refused() {
        let least = least_mib(500 << 10, 3 << 20);
        assert_eq!(least, 6);
        let given = |mib| Given { mib, least_mib: least, usual_mib: 128 };
        let error = given(5).check("--mem").unwrap_err().to_string();
        assert!(error.starts_with("--mem 5MiB is too small") && error.contains("take 6 MiB"), "{error}");
        assert!(given(6).check("--mem").is_ok());
        assert!(given(6).doubt().unwrap_or_default().contains("--mem gives it more, 128 MiB by default"));
        assert_eq!(given(12).doubt(), None);
        // The default memory always suffices, however large the images are.
        assert_eq!(Given { mib: 128, least_mib: 100, usual_mib: 128 }.doubt(), None);
    }
}
