//! Mapping a device's registers.

use crate::device_test::{
    DeviceTest, bar_length, expect, failed, map, map_private, refused, registers, unmap,
};
use capnp::{ErrorKind, Result};
use capos_abi::ErrorCode;
use capos_schema::process_capnp::exit_cause;

/// Base address registers of QEMU's virtio devices, for registers and for the interrupt table.
const REGISTERS: u8 = 4;
const TABLE: u8 = 1;
const PAGE: u64 = 4096;

pub(crate) async fn ranges_outside_are_refused(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    let length = bar_length(&device, REGISTERS).await?;
    expect("the device has no registers", length >= PAGE)?;
    for (what, bar, offset, bytes) in [
        ("nothing", REGISTERS, 0, 0),
        ("half a page", REGISTERS, 0, PAGE / 2),
        ("a crooked page", REGISTERS, 8, PAGE),
        ("more than all", REGISTERS, 0, length + PAGE),
        ("the page behind", REGISTERS, length, PAGE),
        ("an offset that overflows", REGISTERS, u64::MAX - PAGE + 1, PAGE),
        ("a length that overflows", REGISTERS, PAGE, u64::MAX - PAGE + 1),
        ("everything", REGISTERS, 0, 1 << 47),
        ("no memory", 0, 0, PAGE),
        ("the upper half of an address", REGISTERS + 1, 0, PAGE),
        ("no register", 6, 0, PAGE),
        ("no register at all", 255, 0, PAGE),
    ] {
        refused(what, registers(&device, bar, offset, bytes).await, ErrorKind::Failed)?;
    }
    registers(&device, REGISTERS, length - PAGE, PAGE).await.map(drop)
}

pub(crate) async fn the_interrupt_table_is_the_kernels(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    let length = bar_length(&device, TABLE).await?;
    expect("the table is elsewhere", length == PAGE)?;
    refused("the table", registers(&device, TABLE, 0, PAGE).await, ErrorKind::Failed)
}

pub(crate) async fn registers_are_never_code(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    let memory = registers(&device, REGISTERS, 0, PAGE).await?;
    refused("executable registers", map(&memory, PAGE, "rx").await, ErrorKind::Failed)?;
    refused("sealed registers", memory.seal_request().send().promise.await, ErrorKind::Failed)?;
    refused("private registers", map_private(&memory, PAGE).await, ErrorKind::Failed)?;
    let address = map(&memory, PAGE, "r").await?;
    let mut request = capos_rt::virtual_memory().protect_request();
    request.get().set_address(address);
    request.get().set_length(PAGE);
    request.get().init_protection().set_execute(true);
    refused("registers made executable", request.send().promise.await, ErrorKind::Failed)?;
    unmap(address, PAGE).await
}

// Unsafe here: a system call gets an address that is not memory.
/// The kernel reads and writes memory for system calls; it must neither do so to registers nor crash on them.
#[expect(unsafe_code, reason = "a system call is given an address that is no memory")]
pub(crate) async fn registers_are_no_memory_for_system_calls(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    let memory = registers(&device, REGISTERS, 0, PAGE).await?;
    let address = map(&memory, PAGE, "rw").await?;
    let futex = capos_abi::Syscall::FutexWait as u64;
    for _ in 0..2 {
        // SAFETY: a futex word is only read, and an expired deadline does not wait.
        let result = unsafe { capos_rt::arch::raw_syscall(futex, address, 0, 1) };
        let wanted = -i64::from(ErrorCode::BadAddress as i32);
        if result != wanted {
            return Err(failed(format!("a futex word in registers: {result} instead of {wanted}")));
        }
        // The second time the page is mapped: a load works, but the kernel still refuses.
        // SAFETY: the registers are mapped; reading the first one changes nothing.
        unsafe { (address as *const u32).read_volatile() };
    }
    unmap(address, PAGE).await
}

pub(crate) async fn too_many_ranges_are_refused(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    let mut held = Vec::new();
    let error = loop {
        match registers(&device, REGISTERS, 0, PAGE).await {
            Ok(memory) if held.len() < 1000 => held.push(memory),
            other => break other,
        }
    };
    refused("range upon range", error, ErrorKind::Overloaded)?;
    held.clear();
    registers(&device, REGISTERS, 0, PAGE).await.map(drop)
}

/// A process that keeps a mapping of a released device cannot access it.
pub(crate) async fn given_up_registers_are_gone(device_test: &DeviceTest) -> Result<()> {
    for misdeed in ["touch-again", "touch-late"] {
        let child = device_test.start_child(misdeed).await?;
        let response = child.wait_request().send().promise.await?;
        match response.get()?.get_cause()?.which()? {
            exit_cause::Fault(fault) => expect("another fault", fault?.get_vector() == 14)?,
            exit_cause::Exited(status) => return Err(failed(format!("{misdeed}: it exited with {status}"))),
            _ => return Err(failed(format!("{misdeed}: it ended otherwise"))),
        }
        // It can be driven again at once.
        device_test.open_disk().await?;
    }
    Ok(())
}
