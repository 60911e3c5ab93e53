//! The local interrupt controller with its timer, and the I/O controller for wired interrupts.

use super::{calibration, port, time};
use crate::mm::kernel_space;
use capos_kernel_core::clock::Scale;
use core::sync::atomic::{AtomicU64, Ordering};
use x86_64::{PhysAddr, registers::model_specific::Msr};

/// The timer's interrupt.
pub const TIMER_VECTOR: u64 = 0x40;
/// The console's interrupt.
pub const CONSOLE_VECTOR: u64 = 0x41;
/// The log port's interrupt.
pub const LOG_VECTOR: u64 = 0x42;
/// Vectors for devices that processes drive.
pub const DEVICE_VECTORS: core::ops::Range<u8> = 0x50..0xf0;
/// The vector that the controller reports when an interrupt was withdrawn meanwhile.
pub const SPURIOUS_VECTOR: u64 = 0xff;

const APIC_BASE_MSR: u32 = 0x1b;
const APIC_ENABLE: u64 = 1 << 11;
const IO_APIC_ADDRESS: u64 = 0xfec0_0000;
/// Addresses of the interrupt controllers, and of devices' interrupt messages.
const CONTROLLERS: core::ops::Range<u64> = IO_APIC_ADDRESS..0xff00_0000;
const MESSAGE_BASE: u32 = 0xfee0_0000;
/// COM1's line, and COM2's.
const CONSOLE_LINE: u32 = 4;
const LOG_LINE: u32 = 3;

const REGISTER_ID: u64 = 0x20;
const REGISTER_END_OF_INTERRUPT: u64 = 0xb0;
const REGISTER_SPURIOUS: u64 = 0xf0;
/// The first of the registers with a bit for each pending interrupt.
const REGISTER_REQUESTS: u64 = 0x200;
const REQUEST_REGISTERS: u64 = 8;
const REGISTER_TIMER: u64 = 0x320;
const REGISTER_INITIAL_COUNT: u64 = 0x380;
const REGISTER_CURRENT_COUNT: u64 = 0x390;
const REGISTER_DIVIDE: u64 = 0x3e0;
const MASKED: u32 = 1 << 16;
const DIVIDE_BY_1: u32 = 0b1011;

static LOCAL: AtomicU64 = AtomicU64::new(0);
/// Timer counts per 2^32 nanoseconds.
static TIMER_RATE: AtomicU64 = AtomicU64::new(0);

fn register(offset: u64) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut((LOCAL.load(Ordering::Relaxed) + offset) as usize)
}

fn read(offset: u64) -> u32 {
    // SAFETY: `init` mapped the controller's register page there; every offset is one of its registers.
    unsafe { register(offset).read_volatile() }
}

#[inline]
fn write(offset: u64, value: u32) {
    // SAFETY: as for `read`. The written values can only cause interrupts that have handlers.
    unsafe { register(offset).write_volatile(value) };
}

/// Enables the controllers, calibrates the clocks and routes the serial ports' interrupts to this CPU.
pub(super) fn init() {
    // Mask the legacy interrupt controllers: all interrupts come through the new ones.
    port::write_u8(0x21, 0xff);
    port::write_u8(0xa1, 0xff);
    let mut base_register = Msr::new(APIC_BASE_MSR);
    // SAFETY: enabling the local controller affects only interrupts, which are off.
    let base = unsafe {
        let value = base_register.read() | APIC_ENABLE;
        base_register.write(value);
        PhysAddr::new_truncate(value & 0x000f_ffff_ffff_f000)
    };
    let at = kernel_space::map_device_page(base).expect("there is room for the first device pages");
    LOCAL.store(at, Ordering::Relaxed);
    write(REGISTER_SPURIOUS, SPURIOUS_VECTOR as u32 | 1 << 8);
    write(REGISTER_DIVIDE, DIVIDE_BY_1);
    write(REGISTER_TIMER, TIMER_VECTOR as u32 | MASKED);
    calibrate();
    write(REGISTER_INITIAL_COUNT, 0);
    write(REGISTER_TIMER, TIMER_VECTOR as u32);
    route_ports();
}

/// Calibrates the time-stamp counter and the timer against the reference clock.
fn calibrate() {
    let restart = || write(REGISTER_INITIAL_COUNT, u32::MAX);
    let rates = calibration::rates(restart, || u64::from(u32::MAX - read(REGISTER_CURRENT_COUNT)));
    let rates = rates.expect("this machine has no ACPI timer, no interval timer, and states no frequency");
    time::set_scale(&Scale { multiplier: Scale::multiplier_for(rates.tsc), ..time::scale() });
    TIMER_RATE.store(
        u64::try_from((u128::from(rates.timer) << 32) / 1_000_000_000).unwrap_or(u64::MAX),
        Ordering::Relaxed,
    );
}

fn route_ports() {
    let at = kernel_space::map_device_page(PhysAddr::new_truncate(IO_APIC_ADDRESS))
        .expect("there is room for the first device pages");
    let select: *mut u32 = core::ptr::with_exposed_provenance_mut(at as usize);
    let window: *mut u32 = core::ptr::with_exposed_provenance_mut(at as usize + 0x10);
    let destination = read(REGISTER_ID) & 0xff00_0000;
    for (line, vector) in [(CONSOLE_LINE, CONSOLE_VECTOR), (LOG_LINE, LOG_VECTOR)] {
        // SAFETY: the page was mapped just now; these two registers exist in every I/O APIC, and the entry sends an
        // interrupt that has a handler.
        unsafe {
            select.write_volatile(0x10 + 2 * line + 1);
            window.write_volatile(destination);
            select.write_volatile(0x10 + 2 * line);
            window.write_volatile(vector as u32);
        }
    }
}

/// The address to which a device writes to interrupt this CPU.
pub(super) fn message_address() -> u32 {
    // The identifier is in the upper byte of its register and belongs in bits 12 to 19.
    MESSAGE_BASE | (read(REGISTER_ID) >> 24) << 12
}

/// Whether this range overlaps the interrupt controllers.
pub fn is_own(addresses: &core::ops::Range<u64>) -> bool {
    addresses.start < CONTROLLERS.end && CONTROLLERS.start < addresses.end
}

/// Whether an interrupt is pending.
pub fn has_pending() -> bool {
    (0..REQUEST_REGISTERS).any(|register| read(REGISTER_REQUESTS + register * 0x10) != 0)
}

/// Signals the end of the current interrupt to the controller.
#[inline]
pub fn end_of_interrupt() {
    write(REGISTER_END_OF_INTERRUPT, 0);
}

/// Disables the timer interrupt.
pub fn stop_timer() {
    write(REGISTER_INITIAL_COUNT, 0);
}

/// Sets the timer interrupt to `delay_ns` from now, or to the timer's maximum if that is shorter.
pub fn set_timer(delay_ns: u64) {
    let counts = (u128::from(delay_ns) * u128::from(TIMER_RATE.load(Ordering::Relaxed))) >> 32;
    write(REGISTER_INITIAL_COUNT, u32::try_from(counts).unwrap_or(u32::MAX).max(1));
}
