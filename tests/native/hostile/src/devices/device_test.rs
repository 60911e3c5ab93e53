//! The capabilities of this program, with helpers.

use capnp::capability::{Client, FromClientHook};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capnp::{Error, ErrorKind, Result};
use capos_abi::Rights;
use capos_package::{Package, PackageMessage, Passed, Program};
use capos_rt::Endpoint;
use capos_schema::block_capnp::block_device;
use capos_schema::console_capnp::console;
use capos_schema::device_capnp::{interrupt, pci_bus, pci_device};
use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::manifest_capnp::boot_package;
use capos_schema::memory_capnp::memory_object;
use capos_schema::process_capnp::{limits, process, process_spawner};

const VIRTIO: u16 = 0x1af4;
const DISK: u16 = 0x1042;
/// The place of the first base address register.
const FIRST_BAR: usize = 0x10;

/// Grants of this process.
pub(crate) struct DeviceTest {
    pub(crate) bus: pci_bus::Client,
    /// Address of the disk.
    pub(crate) disk: u16,
    package: Package,
    message: PackageMessage,
    spawner: process_spawner::Client,
    log: console::Client,
    diagnostics: diagnostics::Client,
}

/// A driver and the device it serves.
pub(crate) struct Driver {
    pub(crate) process: process::Client,
    pub(crate) device: block_device::Client,
}

pub(crate) fn failed(text: impl ToString) -> Error {
    Error::failed(text.to_string())
}

/// Fails unless the condition holds.
pub(crate) fn expect(what: &str, holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(failed(what)) }
}

/// Fails unless the request was refused with this error.
pub(crate) fn refused<T>(what: &str, result: Result<T>, kind: ErrorKind) -> Result<()> {
    match result {
        Err(error) if error.kind == kind => Ok(()),
        Err(error) => Err(failed(format!("{what}: {:?} ({}) instead of {kind:?}", error.kind, error.extra))),
        Ok(_) => Err(failed(format!("{what}: allowed"))),
    }
}

fn pass<C: FromClientHook + HasTypeId>(name: &str, client: C, rights: Rights) -> Passed {
    let client = Client::new(client.into_client_hook());
    Passed { name: name.to_owned(), client, interface: C::TYPE_ID, rights }
}

impl DeviceTest {
    pub(crate) async fn new() -> Result<Self> {
        let bus: pci_bus::Client = capos_rt::grant(capos_schema::grants::PCI_BUS)?;
        let functions = capos_pci::functions(&bus).await?;
        let disk = functions.iter().find(|one| one.vendor == VIRTIO && one.device == DISK);
        let disk = disk.ok_or_else(|| failed("there is no virtio disk"))?.address;
        let package = Package::map(capos_rt::grant(capos_schema::grants::BOOT_PACKAGE)?).await?;
        let message = package.message()?;
        Ok(Self {
            bus,
            disk,
            package,
            message,
            spawner: capos_rt::grant(capos_schema::grants::PROCESS_SPAWNER)?,
            log: capos_rt::grant(capos_schema::grants::LOG)?,
            diagnostics: capos_rt::grant(capos_schema::grants::DIAGNOSTICS)?,
        })
    }

    pub(crate) async fn open(&self, address: u16) -> Result<pci_device::Client> {
        let mut request = self.bus.open_request();
        request.get().set_address(address);
        request.send().promise.await?.get()?.get_device()
    }

    pub(crate) async fn open_disk(&self) -> Result<pci_device::Client> {
        self.open(self.disk).await
    }

    /// Number of free frames.
    pub(crate) async fn free_frames(&self) -> Result<u64> {
        Ok(self.diagnostics.counters_request().send().promise.await?.get()?.get_frames_free())
    }

    pub(crate) async fn self_check(&self) -> Result<Vec<String>> {
        let response = self.diagnostics.self_check_request().send().promise.await?;
        response.get()?.get_problems()?.iter().map(|line| Ok(line?.to_string()?)).collect()
    }

    /// Starts the driver for the disk.
    pub(crate) async fn start_driver(&self) -> Result<Driver> {
        let endpoint = Endpoint::new()?;
        let all = Rights::RECEIVE | Rights::MINT | Rights::CALL | Rights::TRANSFER;
        let served = pass::<endpoint::Client>("disk", endpoint.receiver(), all);
        let process = self.start("virtio-blk", &[], vec![served]).await?;
        Ok(Driver { process, device: endpoint.mint(0)? })
    }

    /// Starts this program with the disk, for an action that ends it.
    pub(crate) async fn start_child(&self, misdeed: &str) -> Result<process::Client> {
        self.start("devices", &[misdeed], Vec::new()).await
    }

    async fn start(
        &self,
        binary: &str,
        arguments: &[&str],
        mut grants: Vec<Passed>,
    ) -> Result<process::Client> {
        grants.push(pass("device", self.open_disk().await?, Rights::READ | Rights::WRITE));
        grants.push(pass(capos_schema::grants::LOG.name, self.log.clone(), Rights::WRITE | Rights::TRANSFER));
        let defaults = Builder::new_default();
        let program = Program {
            name: binary,
            binary,
            arguments: arguments.to_vec(),
            environment: Vec::new(),
            grants,
            limits: defaults.get_root_as_reader::<limits::Reader<'_>>()?,
            executable: false,
        };
        let root = self.message.get_root::<boot_package::Reader<'_>>()?;
        capos_package::start(&self.spawner, &self.package, root, program).await
    }
}

/// A range of registers.
pub(crate) async fn registers(
    device: &pci_device::Client,
    bar: u8,
    offset: u64,
    length: u64,
) -> Result<memory_object::Client> {
    let mut request = device.registers_request();
    request.get().set_bar(bar);
    request.get().set_offset(offset);
    request.get().set_length(length);
    request.send().promise.await?.get()?.get_memory()
}

/// An interrupt.
pub(crate) async fn interrupt(device: &pci_device::Client, entry: u16) -> Result<interrupt::Client> {
    let mut request = device.interrupt_request();
    request.get().set_entry(entry);
    request.send().promise.await?.get()?.get_interrupt()
}

/// DMA memory, and its physical address.
pub(crate) async fn allocate(
    device: &pci_device::Client,
    length: u64,
) -> Result<(memory_object::Client, u64)> {
    let mut request = device.allocate_dma_request();
    request.get().set_length(length);
    let response = request.send().promise.await?;
    let results = response.get()?;
    Ok((results.get_memory()?, results.get_address()))
}

/// Switches bus mastering.
pub(crate) async fn set_bus_master(device: &pci_device::Client, enabled: bool) -> Result<()> {
    let mut request = device.set_bus_master_request();
    request.get().set_enabled(enabled);
    request.send().promise.await.map(drop)
}

/// The length of a base address register that is memory; 0 for others.
pub(crate) async fn bar_length(device: &pci_device::Client, bar: u8) -> Result<u64> {
    let response = device.config_request().send().promise.await?;
    let results = response.get()?;
    let (bytes, masks) = (results.get_bytes()?, results.get_masks()?);
    let (index, at) = (u32::from(bar), FIRST_BAR + usize::from(bar) * 4);
    let (Some(mask), Some(&low)) = (masks.try_get(index), bytes.get(at)) else {
        return Err(failed("no such base address register"));
    };
    // The lowest bit stands for ports. Registers longer than 4 GiB are not expected here.
    Ok(if low & 1 == 0 { u64::from((mask & !0xf).wrapping_neg()) } else { 0 })
}

/// Maps memory; with "x" in `protection` as code.
pub(crate) async fn map(memory: &memory_object::Client, length: u64, protection: &str) -> Result<u64> {
    let mut request = capos_rt::virtual_memory().map_object_request();
    request.get().set_object(memory.clone());
    request.get().set_length(length);
    let mut bits = request.get().init_protection();
    bits.set_read(protection.contains('r'));
    bits.set_write(protection.contains('w'));
    bits.set_execute(protection.contains('x'));
    Ok(request.send().promise.await?.get()?.get_address())
}

/// Maps memory privately, to be read.
pub(crate) async fn map_private(memory: &memory_object::Client, length: u64) -> Result<u64> {
    let mut request = capos_rt::virtual_memory().map_private_request();
    request.get().set_object(memory.clone());
    request.get().set_length(length);
    request.get().init_protection().set_read(true);
    Ok(request.send().promise.await?.get()?.get_address())
}

/// Unmaps a range.
pub(crate) async fn unmap(address: u64, length: u64) -> Result<()> {
    let mut request = capos_rt::virtual_memory().unmap_request();
    request.get().set_address(address);
    request.get().set_length(length);
    request.send().promise.await.map(drop)
}
