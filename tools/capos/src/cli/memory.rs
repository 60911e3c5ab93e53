//! The memory of a machine: the default, and whether it is enough for the images.

use std::fs;

use anyhow::{Result, ensure};

use crate::binaries::Images;
use crate::manifest::{Manifest, Process, VolumeSource};

/// Memory below the kernel, and the memory that the kernel uses before it starts a process.
const BESIDE_BYTES: u64 = 2 << 20;

/// The minimum memory in MiB for a kernel of `kernel` bytes and a package of `package` bytes.
pub(super) fn least_mib(kernel: u64, package: u64) -> u64 {
    kernel.saturating_add(package).saturating_add(BESIDE_BYTES).div_ceil(1 << 20)
}

/// Memory of a host per byte of a module, for its copy and its translation.
const PER_MODULE_BYTE: u64 = 4;
/// The least memory of a machine that is not asked for another.
pub(super) const USUAL_MIB: u64 = 128;
/// So much of what boots fits into that.
const FITTING_BYTES: u64 = 32 << 20;

/// For a worker of the compiler service, and the code that it makes: at least, and per byte of the largest
/// module, as much as the service gives a worker.
const COMPILER_BYTES: u64 = 128 << 20;
const PER_COMPILED_BYTE: u64 = 24;

/// The memory in MiB of a machine that boots a package of `package` bytes: enough for that, and for what limits in the
/// manifest state, as far as this host could give it. Limits that are defaults do not count: most programs stay far below.
pub(super) fn usual_mib(manifest: &Manifest, images: &Images, package: u64) -> u64 {
    let modules = images.programs.iter().filter(|image| image.bytes.starts_with(b"\0asm"));
    let lengths = modules.map(|image| image.bytes.len() as u64);
    let code = lengths.clone().map(|length| length.saturating_mul(PER_MODULE_BYTE));
    let boots = code.fold(package.saturating_add(ram_bytes(manifest)), u64::saturating_add);
    let compiling = lengths.max().unwrap_or(0).saturating_mul(PER_COMPILED_BYTE).max(COMPILER_BYTES);
    let boots = boots.saturating_add(if manifest.uses_compiler() { compiling } else { 0 });
    let stated = stated_bytes(manifest).min(half_of_host().unwrap_or(u64::MAX));
    let needed = boots.saturating_add(stated);
    USUAL_MIB + if needed > FITTING_BYTES { needed >> 20 } else { 0 }
}

/// Volumes in memory.
fn ram_bytes(manifest: &Manifest) -> u64 {
    let sizes = manifest.volumes.iter().map(|volume| match volume.source {
        VolumeSource::Ram(bytes) => bytes,
        VolumeSource::Files(_) | VolumeSource::Disk(_) => 0,
    });
    sizes.fold(0, u64::saturating_add)
}

/// Memory that processes may take at once by limits that the manifest states, beside volumes in memory.
fn stated_bytes(manifest: &Manifest) -> u64 {
    let servers = manifest.volumes.iter().map(|volume| match volume.source {
        VolumeSource::Ram(bytes) => volume.limits.memory_bytes.unwrap_or(0).saturating_sub(bytes),
        VolumeSource::Files(_) | VolumeSource::Disk(_) => volume.limits.memory_bytes.unwrap_or(0),
    });
    servers.chain(manifest.processes.iter().map(stated_by)).fold(0, u64::saturating_add)
}

/// A limit of a host is one of all its instances together.
fn stated_by(process: &Process) -> u64 {
    if let Some(bytes) = process.limits.memory_bytes {
        return bytes;
    }
    let Some(host) = &process.wasm_host else { return 0 };
    let linear = host.instances.iter().map(|instance| instance.limits.memory_bytes.unwrap_or(0));
    if host.sequence { linear.max().unwrap_or(0) } else { linear.fold(0, u64::saturating_add) }
}

/// Half of the memory of this computer, if that is known. A machine takes memory only as it uses it.
fn half_of_host() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = kibibytes.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024 / 2)
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
    use crate::manifest::decode::decode;
    use serde_json::{Value, json};

    fn usual(manifest: &Value) -> u64 {
        let images = Images { init: Vec::new(), programs: Vec::new() };
        usual_mib(&decode(manifest).unwrap(), &images, 4 << 20)
    }

    #[test]
    fn a_machine_has_what_the_manifests_limits_promise() {
        let instances = |limits: &str, count: usize| {
            let one = |number| json!({"name": format!("i{number}"), "limits": {"memory": limits}});
            (0..count).map(one).collect::<Vec<_>>()
        };
        assert_eq!(usual(&json!({"name": "m", "wasm": [{"name": "w", "instances": [{"name": "a"}]}]})), 128);
        let four = json!({"name": "m", "wasm": [{"name": "w", "instances": instances("256MiB", 4)}]});
        assert_eq!(usual(&four), 128 + 4 + 1024);
        let one_by_one = json!({"name": "m", "wasm": [{"name": "w", "sequence": true, "instances": instances("256MiB", 4)}]});
        assert_eq!(usual(&one_by_one), 128 + 4 + 256);
        let bounded = json!({"name": "m", "wasm": [{"name": "w", "instances": instances("1GiB", 4), "limits": {"memory": "300MiB"}}]});
        assert_eq!(usual(&bounded), 128 + 4 + 300);
        let native = json!({"name": "m", "processes": [{"name": "p", "limits": {"memory": "1GiB"}}]});
        assert_eq!(usual(&native), 128 + 4 + 1024);
        let volume = json!({"name": "m", "volumes": {"v": {"ram": "64MiB", "limits": {"memory": "96MiB"}}}});
        assert_eq!(usual(&volume), 128 + 4 + 96);
        // More than this computer has is not asked of it.
        let endless = json!({"name": "m", "processes": [{"name": "p", "limits": {"memory": "8TiB"}}]});
        assert_eq!(usual(&endless), 128 + 4 + (half_of_host().unwrap() >> 20));
    }

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
