//! The QEMU command line.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

/// The boot method.
#[derive(Debug, Clone)]
pub enum Boot {
    /// The kernel directly, by PVH, with the boot package as its module.
    Direct {
        /// The kernel's ELF file.
        kernel: PathBuf,
        /// The boot package.
        image: PathBuf,
    },
    /// A disc image with a boot loader.
    Iso {
        /// The disc image.
        file: PathBuf,
        /// The firmware that runs the boot loader.
        firmware: Firmware,
    },
}

/// A machine's firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Firmware {
    /// The PC BIOS.
    Bios,
    /// UEFI, through OVMF.
    Uefi,
}

/// A disk of the machine.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The raw image.
    pub file: PathBuf,
    /// Whether it is read-only for the guest.
    pub read_only: bool,
}

/// The Unix sockets that QEMU connects to.
#[derive(Debug)]
pub(super) struct Sockets {
    /// For the second serial port, which carries the kernel's log.
    pub(super) log: PathBuf,
    /// For the virtio console, if the machine has one.
    pub(super) streams: Option<PathBuf>,
}

/// The emulated machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The QEMU command.
    pub qemu: PathBuf,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Number of processors.
    pub cpus: u32,
    /// Advance the clock with executed instructions, so that costs are exact.
    pub count_instructions: bool,
    /// Its virtio disks, in bus order.
    pub disks: Vec<Disk>,
    /// Additional arguments.
    pub extra: Vec<String>,
}

/// Paths of UEFI firmware in a single read-only file, on Debian and other systems.
const OVMF: [&str; 3] =
    ["/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd", "/usr/share/edk2/ovmf/OVMF.fd"];

impl Machine {
    /// QEMU's arguments; the kernel log and a virtio console are connected to Unix sockets.
    pub(super) fn arguments(&self, boot: &Boot, sockets: &Sockets) -> Result<Vec<OsString>, String> {
        let mut arguments: Vec<OsString> = Vec::new();
        let accelerator = if !self.count_instructions && hardware_virtualisation() { "kvm" } else { "tcg" };
        arguments.extend(["-M", "q35", "-cpu", "max", "-accel", accelerator].map(OsString::from));
        arguments.extend(["-m".to_owned(), format!("{}M", self.memory_mib)].map(OsString::from));
        arguments.extend(["-smp".to_owned(), self.cpus.to_string()].map(OsString::from));
        arguments.extend(
            ["-display", "none", "-no-reboot", "-nodefaults", "-serial", "stdio"].map(OsString::from),
        );
        if let Some(streams) = &sockets.streams {
            arguments.extend(["-chardev".into(), keyed("socket,id=streams,path=", streams)]);
            let devices = ["virtio-serial-pci,disable-legacy=on,max_ports=1", "virtconsole,chardev=streams"];
            arguments.extend(devices.into_iter().flat_map(|device| ["-device", device]).map(OsString::from));
        }
        arguments.extend(["-chardev".into(), keyed("socket,id=log,path=", &sockets.log)]);
        arguments.extend(["-serial", "chardev:log"].map(OsString::from));
        arguments.extend(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"].map(OsString::from));
        if self.count_instructions {
            arguments.extend(["-icount", "shift=0,sleep=off"].map(OsString::from));
        }
        for (number, disk) in self.disks.iter().enumerate() {
            let mode = if disk.read_only { "on" } else { "off" };
            let drive = format!("if=none,id=disk{number},format=raw,cache=writeback,readonly={mode},file=");
            arguments.extend(["-drive".into(), keyed(&drive, &disk.file)]);
            let device = format!("virtio-blk-pci,disable-legacy=on,drive=disk{number},serial=disk{number}");
            arguments.extend(["-device".to_owned(), device].map(OsString::from));
        }
        match boot {
            Boot::Direct { kernel, image } => {
                arguments.extend(["-kernel".into(), kernel.into(), "-initrd".into(), image.into()]);
            }
            Boot::Iso { file, firmware } => {
                arguments.extend(["-drive".into(), keyed("media=cdrom,format=raw,readonly=on,file=", file)]);
                if *firmware == Firmware::Uefi {
                    let ovmf = OVMF.iter().find(|path| Path::new(path).is_file());
                    let ovmf =
                        ovmf.ok_or("no UEFI firmware for QEMU; `apt-get install ovmf` installs one")?;
                    arguments.extend(["-bios", ovmf].map(OsString::from));
                }
            }
        }
        arguments.extend(self.extra.iter().map(OsString::from));
        Ok(arguments)
    }
}

/// `key` followed by `path`, with commas doubled, which QEMU would otherwise take for separators.
fn keyed(key: &str, path: &Path) -> OsString {
    format!("{key}{}", path.display().to_string().replace(',', ",,")).into()
}

/// The existence of `/dev/kvm` proves nothing: the processor must have the feature too.
fn hardware_virtualisation() -> bool {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let capable = flags.split_ascii_whitespace().any(|flag| matches!(flag, "vmx" | "svm"));
    capable && OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok()
}
