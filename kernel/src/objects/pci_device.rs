//! `PciDevice` (schema/device.capnp).

use super::{
    Answer, Context, Failure, Parameters, dma,
    message::{SMALL_BYTES, long_results, results_with_cap},
};
use crate::system::pci::{DmaError, Function, InterruptError, RegistersRefused};
use capos_abi::Rights;
use capos_kernel_core::{caps::ObjectKind, pci::CONFIG_BYTES};
use capos_schema::methods::pci_device::{
    ALLOCATE_DMA, CONFIG, INTERRUPT, QUIESCED, REGISTERS, SET_BUS_MASTER,
};
use capos_schema::{
    device_capnp::{interrupt, pci_device},
    memory_capnp::memory_object,
};

/// The rights to a device's mapped memory. EXECUTE is never among them.
pub(super) const DATA: Rights = Rights::READ.union(Rights::WRITE).union(Rights::TRANSFER);

impl From<RegistersRefused> for Failure {
    fn from(refused: RegistersRefused) -> Self {
        match refused {
            RegistersRefused::NotThere(error) => Self::failed(error.message()),
            RegistersRefused::Overlaps => {
                Self::failed("the registers overlap memory or the interrupt controllers")
            }
            RegistersRefused::TooMany => Self::overloaded("too many register ranges are in use"),
            RegistersRefused::OutOfMemory => Self::OUT_OF_MEMORY,
        }
    }
}

impl From<InterruptError> for Failure {
    fn from(error: InterruptError) -> Self {
        match error {
            InterruptError::Missing => Self::failed("the device has no such message-signalled interrupt"),
            InterruptError::Taken => Self::overloaded("the interrupt is in use"),
            InterruptError::OutOfVectors => Self::overloaded("no interrupt vector is free"),
        }
    }
}

impl From<DmaError> for Failure {
    fn from(error: DmaError) -> Self {
        match error {
            DmaError::BadLength => {
                Self::failed("the length must be a multiple of the page size, not zero and at most 16 MiB")
            }
            DmaError::TooMuch => Self::overloaded(
                "the device's DMA memory limit is reached; the memory of earlier drivers is held until `quiesced`",
            ),
            DmaError::OutOfMemory => Self::overloaded("there is no contiguous free memory of this size"),
            DmaError::Unpaid => Self::overloaded("the process's frame budget is exhausted"),
            DmaError::NoRecord => Self::OUT_OF_MEMORY,
        }
    }
}

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<pci_device::Client>()?;
    let method = context.call.method;
    context.require(if method == CONFIG { Rights::READ } else { Rights::WRITE })?;
    match method {
        CONFIG => config(context),
        REGISTERS => registers(context, parameters.get_root()?),
        INTERRUPT => {
            let entry = parameters.get_root::<pci_device::interrupt_params::Reader<'_>>()?.get_entry();
            create_interrupt(context, entry)
        }
        ALLOCATE_DMA => {
            let length = parameters.get_root::<pci_device::allocate_dma_params::Reader<'_>>()?.get_length();
            allocate_dma(context, length)
        }
        SET_BUS_MASTER => {
            let enabled =
                parameters.get_root::<pci_device::set_bus_master_params::Reader<'_>>()?.get_enabled();
            function(context)?.set_bus_master(enabled);
            Ok(Answer::Empty)
        }
        QUIESCED => quiesced(context),
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

fn number(context: &Context<'_>) -> u32 {
    // The payload is the function number.
    context.call.payload as u32
}

fn function<'a>(context: &'a mut Context<'_>) -> Result<&'a mut Function, Failure> {
    let number = number(context);
    Ok(context.kernel.system.function(number).ok_or(Failure::ENDED)?.0)
}

fn config(context: &mut Context<'_>) -> Result<Answer, Failure> {
    let function = function(context)?;
    let (config, masks) = (function.config(), function.masks());
    let room = CONFIG_BYTES + SMALL_BYTES;
    long_results::<pci_device::config_results::Owned>(context.results, room, |mut results| {
        results.set_bytes(&config);
        results.set_masks(&masks[..])?;
        Ok(())
    })
}

fn registers(
    context: &mut Context<'_>,
    range: pci_device::registers_params::Reader<'_>,
) -> Result<Answer, Failure> {
    let (function, objects) = context.kernel.system.function(number(context)).ok_or(Failure::ENDED)?;
    let object = function.registers(objects, range.get_bar(), range.get_offset(), range.get_length())?;
    let handle = context.give(ObjectKind::MemoryObject, object.pack(), DATA)?;
    type Results = pci_device::registers_results::Owned;
    results_with_cap::<Results, memory_object::Client>(context.results, handle, |results, memory| {
        results.set_memory(memory);
    })
}

fn create_interrupt(context: &mut Context<'_>, entry: u16) -> Result<Answer, Failure> {
    let number = number(context);
    let queue = context.kernel.ipc.create_queue()?;
    let created = context.kernel.system.pci().create_interrupt(number, entry, queue);
    let id = created.inspect_err(|_| context.kernel.ipc.remove_queue(queue))?;
    let rights = Rights::READ | Rights::TRANSFER;
    let handle = context.give(ObjectKind::Interrupt, id.pack(), rights)?;
    type Results = pci_device::interrupt_results::Owned;
    results_with_cap::<Results, interrupt::Client>(context.results, handle, |results, interrupt| {
        results.set_interrupt(interrupt);
    })
}

fn allocate_dma(context: &mut Context<'_>, length: u64) -> Result<Answer, Failure> {
    let (pages, number, owner) = (Function::piece_pages(length)?, number(context), context.caller()?);
    dma::begin(context.kernel, context.call.caller, number, owner, pages)?;
    Ok(Answer::Later)
}

fn quiesced(context: &mut Context<'_>) -> Result<Answer, Failure> {
    let function = function(context)?;
    if function.is_bus_master() {
        return Err(Failure::failed("bus mastering is enabled on the device"));
    }
    for piece in function.quiesced() {
        context.kernel.system.free_piece(piece);
    }
    Ok(Answer::Empty)
}
