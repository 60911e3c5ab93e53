//! `ProcessSpawner` (schema/process.capnp): reading the parameters. The module `spawn` starts the process.

use super::{Answer, Context, Failure, Parameters, message::results_with_cap, spawn};
use crate::system::process::{NewProcess, ProcessLimits};
use capnp::traits::Imbue;
use capos_abi::{CapDescriptor, ErrorCode, MAX_MESSAGE_CAPS, Rights};
use capos_kernel_core::{arena::Id, caps::ObjectKind};
use capos_schema::methods::process_spawner::SPAWN;
use capos_schema::process_capnp::{limits, process, process_spawner};

const DEFAULT_FRAMES: u32 = 16384;
const DEFAULT_SLOTS: u32 = 256;
const DEFAULT_THREADS: u32 = 16;
const DEFAULT_PRIORITY: u8 = 8;
const HIGHEST_PRIORITY: u8 = 31;
const MAX_NAME_BYTES: usize = 64;
/// The largest table whose memory stays within the kernel's window even in the worst case.
const MAX_SLOTS: u32 = 1 << 16;

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<process_spawner::Client>()?;
    if context.call.method != SPAWN {
        return Err(Failure::UNIMPLEMENTED);
    }
    context.require(Rights::WRITE)?;
    let mut asked: process_spawner::spawn_params::Reader<'_> = parameters.get_root()?;
    asked.imbue(context.table);
    // The image's pages become executable, so only a holder of a CodeFactory can start an image that it wrote itself.
    let image = context.lent(asked.get_image()?, ObjectKind::MemoryObject, Rights::READ | Rights::EXECUTE)?;
    let executable = asked.get_executable();
    if executable && !context.call.rights.contains(Rights::EXECUTE) {
        return Err(Failure::failed("an executable process needs a ProcessSpawner with the EXECUTE right"));
    }
    let name = asked.get_name()?.to_str()?;
    if name.len() > MAX_NAME_BYTES {
        return Err(Failure::failed("the name is longer than 64 bytes"));
    }
    // The name appears in kernel log lines and must not be able to forge additional ones.
    if name.chars().any(char::is_control) {
        return Err(Failure::failed("the name has control characters"));
    }
    let (limits, slots) = read_limits(context, asked.get_limits()?)?;
    let mut room = [CapDescriptor::default(); MAX_MESSAGE_CAPS as usize];
    let grants = grants(context, asked, &mut room)?;
    let launch = asked.get_launch_parameters()?;
    let new = NewProcess {
        image: Id::unpack(image.payload),
        image_offset: asked.get_image_offset(),
        image_length: asked.get_image_length(),
        name,
        limits,
        executable,
    };
    let handle = spawn::spawn(context, &new, slots, grants, launch)?;
    type Results = process_spawner::spawn_results::Owned;
    results_with_cap::<Results, process::Client>(context.results, handle, |results, process| {
        results.set_process(process);
    })
}

fn or_default<T: PartialEq + From<u8>>(value: T, default: T) -> T {
    if value == T::from(0) { default } else { value }
}

/// Reads the limits of the new process and its number of capability slots.
fn read_limits(
    context: &mut Context<'_>,
    asked: limits::Reader<'_>,
) -> Result<(ProcessLimits, u32), Failure> {
    let highest =
        context.kernel.system.process(context.caller()?).map_or(1, |process| process.priority_limit());
    let priority = or_default(asked.get_priority(), DEFAULT_PRIORITY.min(highest));
    if priority > HIGHEST_PRIORITY || priority > highest {
        return Err(Failure::failed("the priority is higher than the spawner's own"));
    }
    let slots = or_default(asked.get_capability_slots(), DEFAULT_SLOTS);
    if slots > MAX_SLOTS {
        return Err(Failure::failed("more than 65536 capability slots"));
    }
    let limits = ProcessLimits {
        frames: or_default(asked.get_frames(), DEFAULT_FRAMES),
        threads: or_default(asked.get_threads(), DEFAULT_THREADS),
        priority,
    };
    Ok((limits, slots))
}

/// The capabilities that move into the new process, written to `room`: entries of the list with the rights of the
/// grants.
fn grants<'a>(
    context: &Context<'_>,
    asked: process_spawner::spawn_params::Reader<'_>,
    room: &'a mut [CapDescriptor; MAX_MESSAGE_CAPS as usize],
) -> Result<&'a [CapDescriptor], Failure> {
    let asked = asked.get_grants()?;
    let Some(list) = room.get_mut(..asked.len() as usize) else {
        return Err(Failure::failed("more than 64 grants"));
    };
    for (mut grant, place) in asked.iter().zip(&mut *list) {
        grant.imbue(context.table);
        if !grant.has_capability() {
            continue;
        }
        let client: capnp::capability::Client = grant.get_capability().get_as_capability()?;
        let descriptor = context.caps.get(client.hook.get_ptr());
        let descriptor = descriptor.ok_or(Failure::code(ErrorCode::BadCapabilityList))?;
        *place = CapDescriptor { rights: descriptor.rights & grant.get_rights(), ..*descriptor };
    }
    Ok(list)
}
