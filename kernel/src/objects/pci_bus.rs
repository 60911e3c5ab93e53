//! `PciBus` (schema/device.capnp).

use super::{
    Answer, Context, Failure, Parameters,
    message::{results, results_with_cap},
};
use crate::{arch, system::pci::OpenError};
use capos_abi::Rights;
use capos_kernel_core::{
    caps::ObjectKind,
    pci::{self, Address, HEADER_BYTES},
};
use capos_schema::device_capnp::{pci_bus, pci_device};
use capos_schema::methods::pci_bus::{HEADER, OPEN};

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Missing => Self::failed("there is no usable device at this address"),
            OpenError::Taken => Self::overloaded("the device is in use by another driver"),
            OpenError::OutOfMemory => Self::OUT_OF_MEMORY,
        }
    }
}

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<pci_bus::Client>()?;
    match context.call.method {
        HEADER => {
            context.require(Rights::READ)?;
            let address = parameters.get_root::<pci_bus::header_params::Reader<'_>>()?.get_address();
            header(context, Address(address))
        }
        OPEN => {
            context.require(Rights::WRITE)?;
            let address = parameters.get_root::<pci_bus::open_params::Reader<'_>>()?.get_address();
            open(context, Address(address))
        }
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

fn header(context: &mut Context<'_>, address: Address) -> Result<Answer, Failure> {
    let length = if pci::exists(address, arch::pci::read) { HEADER_BYTES } else { 0 };
    let mut room = [0; HEADER_BYTES];
    let bytes = room.get_mut(..length).unwrap_or_default();
    for (offset, word) in (0..).step_by(4).zip(bytes.chunks_exact_mut(4)) {
        word.copy_from_slice(&arch::pci::read(address, offset).to_le_bytes());
    }
    results::<pci_bus::header_results::Owned>(context.results, |mut results| results.set_bytes(bytes))
}

fn open(context: &mut Context<'_>, address: Address) -> Result<Answer, Failure> {
    let number = context.kernel.system.pci().open(address)?;
    let rights = Rights::READ | Rights::WRITE | Rights::TRANSFER;
    let handle = context.give(ObjectKind::PciDevice, number.into(), rights)?;
    type Results = pci_bus::open_results::Owned;
    results_with_cap::<Results, pci_device::Client>(context.results, handle, |results, device| {
        results.set_device(device);
    })
}
