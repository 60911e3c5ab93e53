//! `PciBus` (schema/device.capnp).

use super::{
    Answer, Context, Failure, Parameters,
    message::{long_results, results_with_cap},
};
use crate::system::pci::{Function, OpenError};
use capos_abi::Rights;
use capos_kernel_core::{caps::ObjectKind, pci::Address};
use capos_schema::device_capnp::{pci_bus, pci_device};
use capos_schema::methods::pci_bus::{FUNCTIONS, OPEN};

const FUNCTION_BYTES: usize = 16;

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
        FUNCTIONS => {
            context.require(Rights::READ)?;
            functions(context)
        }
        OPEN => {
            context.require(Rights::WRITE)?;
            let address = parameters.get_root::<pci_bus::open_params::Reader<'_>>()?.get_address();
            open(context, Address(address))
        }
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

fn functions(context: &mut Context<'_>) -> Result<Answer, Failure> {
    let found = context.kernel.system.pci().functions();
    let room = 64 + found.len() * FUNCTION_BYTES;
    long_results::<pci_bus::functions_results::Owned>(context.results, room, |results| {
        let mut list = results.init_functions(found.len() as u32);
        for (index, identity) in (0..).zip(found.iter().map(Function::identity)) {
            let mut entry = list.reborrow().get(index);
            entry.set_address(identity.address.0);
            entry.set_vendor(identity.vendor);
            entry.set_device(identity.device);
            entry.set_class(identity.class);
        }
        Ok(())
    })
}

fn open(context: &mut Context<'_>, address: Address) -> Result<Answer, Failure> {
    let number = context.kernel.system.pci().open(address)?;
    let rights = Rights::READ | Rights::WRITE | Rights::TRANSFER;
    let caller = context.call.caller.process;
    let inserted = context.kernel.ipc.caps.insert_new(caller, ObjectKind::PciDevice, number.into(), rights);
    let (handle, _) = inserted.inspect_err(|_| context.kernel.system.close_pci_function(number))?;
    type Results = pci_bus::open_results::Owned;
    results_with_cap::<Results, pci_device::Client>(context.results, handle, |results, device| {
        results.set_device(device);
    })
}
