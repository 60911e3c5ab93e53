//! The media of volumes.

use std::sync::Arc;

use capos_fs::Reopen;
use capos_rt::block_on;
use capos_schema::entropy_capnp::entropy_source;
use capos_schema::manifest_capnp::boot_package;
use capos_volume::{
    BlockDevice, Clock, Error, FormatOptions, ImageDevice, MemDevice, Mode, Options, Trust, Volume,
};

use crate::disk::Disk;

/// A device, and the way to open the volume on it.
pub(crate) struct Medium {
    device: Arc<dyn BlockDevice>,
    mode: Mode,
    /// Whether the device is empty at the start.
    is_new: bool,
    trust: Trust,
}

impl Medium {
    /// Finds the medium that the arguments name.
    pub(crate) fn find(arguments: &[&str]) -> Result<Self, String> {
        match arguments {
            ["ram", size] => {
                let size = size.parse().map_err(|_| format!("invalid size in bytes: \"{size}\""))?;
                let device = MemDevice::try_new(size).map_err(|_| format!("no memory for {size} bytes"))?;
                Ok(Self {
                    device: Arc::new(device),
                    mode: Mode::ReadWrite,
                    is_new: true,
                    trust: Trust::OwnMemory,
                })
            }
            ["packed", name] => {
                let image = packed(name).map_err(|error| error.to_string())?;
                Ok(Self {
                    device: Arc::new(ImageDevice::new(image)),
                    mode: Mode::ReadOnly,
                    is_new: false,
                    trust: Trust::Checked,
                })
            }
            ["disk", mode @ ..] if matches!(mode, [] | ["read-only"]) => {
                let disk = Disk::find().map_err(|error| format!("its disk: {error}"))?;
                let read_only = disk.read_only || !mode.is_empty();
                let mode = if read_only { Mode::ReadOnly } else { Mode::ReadWrite };
                Ok(Self { device: Arc::new(disk), mode, is_new: false, trust: Trust::Checked })
            }
            _ => Err(format!("unknown kind of volume: {arguments:?}")),
        }
    }

    /// Opens the volume.
    pub(crate) fn open(&self, clock: &Clock) -> Result<Volume, String> {
        let made = if self.is_new { make(&self.device, clock) } else { Ok(()) };
        let opened = made.and_then(|()| Volume::open(self.device.clone(), self.options(clock)));
        opened.map_err(|error| match error {
            Error::Corrupt => "it has no volume, or one damaged beyond repair from its second copies; \
                               `capos volume check FILE` gives details, `capos volume create FILE` creates a new one"
                .to_owned(),
            Error::NoSpace => "it is too small for a volume".to_owned(),
            other => format!("cannot open it: {other}"),
        })
    }

    /// The function that reopens it after a device failure. A volume in memory does not fail.
    pub(crate) fn reopen(&self, clock: &Clock) -> Option<Reopen> {
        let (device, options) = (self.device.clone(), self.options(clock));
        Some(Box::new(move || Volume::open(device.clone(), options.clone())))
    }

    fn options(&self, clock: &Clock) -> Options {
        Options { mode: self.mode, clock: clock.clone(), trust: self.trust, ..Options::default() }
    }
}

/// Creates an empty volume.
fn make(device: &Arc<dyn BlockDevice>, clock: &Clock) -> Result<(), Error> {
    let id = random().map_err(|_| Error::Io)?;
    Volume::format(device, FormatOptions { id, meta_bytes: None }, clock())
}

fn random() -> Result<u64, capnp::Error> {
    let entropy: entropy_source::Client = capos_rt::grant(capos_schema::grants::ENTROPY)?;
    block_on(async {
        let mut request = entropy.fill_request();
        request.get().set_length(8);
        let response = request.send().promise.await?;
        let bytes = response.get()?.get_bytes()?.first_chunk().copied();
        bytes
            .map(u64::from_le_bytes)
            .ok_or_else(|| capnp::Error::failed("the entropy source returned too few bytes".into()))
    })
}

/// An image in the boot package, as mapped.
fn packed(name: &str) -> Result<&'static [u8], capnp::Error> {
    let object = capos_rt::grant(capos_schema::grants::BOOT_PACKAGE)?;
    // The package stays mapped for the life of the process.
    let package = block_on(capos_package::Package::map(object))?;
    let message = Box::leak(Box::new(package.message()?));
    capos_package::binary(message.get_root::<boot_package::Reader<'_>>()?, name)
}
