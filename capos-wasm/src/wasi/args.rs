//! `args_*`: the command-line arguments of the launch parameters.

use super::{Context, GuestMemory, Stop, strings};

pub(super) async fn sizes_get(
    context: &mut Context,
    memory: &GuestMemory,
    count: u32,
    size: u32,
) -> Result<(), Stop> {
    Ok(strings::write_sizes(memory, &context.launch.arguments, count, size)?)
}

pub(super) async fn get(
    context: &mut Context,
    memory: &GuestMemory,
    pointers: u32,
    buffer: u32,
) -> Result<(), Stop> {
    Ok(strings::write_all(memory, &context.launch.arguments, pointers, buffer).await?)
}
