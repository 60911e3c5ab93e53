use crate::package::{Package, binary};
use capnp::capability::{Client, FromClientHook};
use capnp::message::Builder;
use capos_abi::Rights;
use capos_schema::launch_capnp::launch_parameters;
use capos_schema::manifest_capnp::boot_package;
use capos_schema::process_capnp::{limits, process, process_spawner};

/// A capability for a new process.
pub struct Passed {
    /// The name under which the new process finds it.
    pub name: String,
    /// The capability, untyped.
    pub client: Client,
    /// Type id of its interface; 0 if the granter does not know it.
    pub interface: u64,
    /// The new process's rights to it.
    pub rights: Rights,
}

/// A program to start, and its grants.
pub struct Program<'a> {
    /// The process's name, also its first argument.
    pub name: &'a str,
    /// A binary of the boot package.
    pub binary: &'a str,
    /// Arguments after the first.
    pub arguments: Vec<&'a str>,
    /// Environment variables.
    pub environment: Vec<(&'a str, &'a str)>,
    /// Its capabilities, besides its own address space, threads and endpoints.
    pub grants: Vec<Passed>,
    /// Its budget.
    pub limits: limits::Reader<'a>,
    /// Whether it may map sealed memory objects executable.
    pub executable: bool,
}

/// Starts `program` through `spawner`.
///
/// # Errors
/// The kernel's errors about the image, the grants and the budget.
pub async fn start(
    spawner: &process_spawner::Client,
    package: &Package,
    root: boot_package::Reader<'_>,
    program: Program<'_>,
) -> capnp::Result<process::Client> {
    let image = binary(root, program.binary)?;
    let launch = launch_parameters(&program)?;
    let mut request = spawner.spawn_request();
    {
        let mut params = request.get();
        params.set_image(package.object().clone());
        params.set_image_offset(package.offset_of(image));
        params.set_image_length(image.len() as u64);
        params.set_name(program.name);
        params.set_launch_parameters(&launch);
        params.set_executable(program.executable);
        params.set_limits(program.limits)?;
        let mut list = params.init_grants(count(&program.grants)?);
        for (index, passed) in (0..).zip(program.grants) {
            let mut grant = list.reborrow().get(index);
            grant.set_rights(passed.rights.bits());
            grant.init_capability().set_as_capability(passed.client.into_client_hook());
        }
    }
    request.send().promise.await?.get()?.get_process()
}

/// The `LaunchParameters` message of a program.
fn launch_parameters(program: &Program<'_>) -> capnp::Result<Vec<u8>> {
    let mut message = Builder::new_default();
    let mut launch = message.init_root::<launch_parameters::Builder<'_>>();
    let mut arguments = launch.reborrow().init_arguments(count(&program.arguments)? + 1);
    arguments.set(0, program.name);
    for (index, argument) in (1..).zip(&program.arguments) {
        arguments.set(index, argument);
    }
    let mut environment = launch.reborrow().init_environment(count(&program.environment)?);
    for (index, (name, value)) in (0..).zip(&program.environment) {
        let mut variable = environment.reborrow().get(index);
        variable.set_name(name);
        variable.set_value(value);
    }
    let mut grants = launch.init_grants(count(&program.grants)?);
    for (index, passed) in (0..).zip(&program.grants) {
        let mut grant = grants.reborrow().get(index);
        grant.set_name(&passed.name);
        grant.set_interface_id(passed.interface);
    }
    Ok(capnp::serialize::write_message_to_words(&message))
}

/// The length of a list, as a message counts it.
fn count<T>(list: &[T]) -> capnp::Result<u32> {
    u32::try_from(list.len())
        .ok()
        .filter(|&length| length < 1 << 16)
        .ok_or_else(|| capnp::Error::failed("too many arguments, variables or grants for one program".into()))
}
