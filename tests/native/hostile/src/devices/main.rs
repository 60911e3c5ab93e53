//! Requests devices in every way that must be refused, releases them at every moment, and kills a working driver:
//! nothing is leaked, and the next driver finds a working device.
//!
//! It needs a virtio disk without a driver, the first on the bus.

mod bus;
mod child;
mod device_test;
mod dma;
mod driver;
mod interrupts;
mod registers;

use capnp::Result;
use device_test::DeviceTest;

/// Runs each check and reports its result.
macro_rules! checks {
    ($device_test:expr, $($module:ident: $($check:ident)*;)*) => {{
        let mut failures = 0;
        $($(
            match $module::$check($device_test).await {
                Ok(()) => println!("devices: {}: ok", stringify!($check)),
                Err(error) => {
                    failures += 1;
                    println!("devices: {}: {}", stringify!($check), error.extra);
                }
            }
        )*)*
        failures
    }};
}

async fn run() -> Result<u32> {
    let device_test = &DeviceTest::new().await?;
    let mut failures: u32 = checks!(device_test,
        bus: one_holder_at_a_time what_is_no_device_is_not_given_out parts_of_the_machine_stay_the_kernels
            rights_are_needed opening_for_ever_leaves_nothing;
        registers: ranges_outside_are_refused the_interrupt_table_is_the_kernels registers_are_never_code
            registers_are_no_memory_for_system_calls too_many_ranges_are_refused given_up_registers_are_gone;
        interrupts: entries_are_limited_and_have_one_holder waiting_ends_with_the_device
            waiting_ends_when_the_interrupt_is_taken_back vectors_come_back;
        dma: lengths_are_limited pieces_are_limited the_payer_has_a_budget memory_is_never_sealed_or_private memory_is_zeroed
            what_a_master_knows_is_kept_back;
        driver: a_killed_driver_loses_nothing_else a_driver_is_replaced_again_and_again;
    );
    for problem in device_test.self_check().await? {
        failures += 1;
        println!("devices: self-check: {problem}");
    }
    Ok(failures)
}

fn main() -> std::process::ExitCode {
    if let Some(misdeed) = std::env::args().nth(1) {
        return child::run(&misdeed);
    }
    match capos_rt::block_on(run()) {
        Ok(0) => {
            println!("devices: all as documented, kernel consistent");
            std::process::ExitCode::SUCCESS
        }
        Ok(failures) => {
            println!("devices: {failures} failed");
            std::process::ExitCode::FAILURE
        }
        Err(error) => {
            println!("devices: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
