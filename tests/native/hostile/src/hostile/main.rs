//! One misdeed per start, named by the first argument. The exit status is the number of the kernel's error, or 0;
//! a misdeed that must fault does not exit.

// Links the start-up code and the platform of `std`.
use capos_rt as _;

mod alarms;
mod calls;
mod code;
mod computation;
mod floods;
mod fuzz;
mod handler;
mod handles;
mod long;
mod memory;
mod messages;
mod objects;
mod piles;
mod pointers;
mod private;
mod processor;
mod raw;
mod registers;
mod reservations;
mod ring_entries;
mod sharing;
mod shortage;
mod threads;
mod upper_halves;

/// Exit status for a name that is not in the table below.
const UNKNOWN_CASE: i32 = 250;

macro_rules! dispatch {
    ($name:expr, $($module:ident: $($case:ident)*;)*) => {
        match $name {
            $($(stringify!($case) => $module::$case(),)*)*
            _ => UNKNOWN_CASE,
        }
    };
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let number = arguments.next().and_then(|number| number.parse().ok()).unwrap_or(1);
    let status = match name.as_str() {
        "fuzz" => fuzz::run(number),
        "shortage" => shortage::shortage(number),
        name => run(name),
    };
    raw::exit(status)
}

fn run(name: &str) -> i32 {
    dispatch!(name,
        ring_entries: bad_syscall bad_syscall_huge wait_for_too_many submission_tail_ahead submission_tail_behind
            completion_head_ahead kernel_index_overwritten bad_opcode bad_flags reserved_field
            unknown_reply_token cancel_of_nothing completions_never_read;
        handles: out_of_range null_handle stale stale_after_reuse revoked wrong_interface wrong_method
            right_not_held rights_never_grow looking_changes_nothing changing_is_not_looking receive_on_console mint_of_console release_twice
            release_own_virtual_memory undelivered_is_unwritten identify_without_receive identify_foreign identify_stale;
        pointers: send_from_kernel send_from_null send_from_unmapped send_from_non_canonical send_wraps_around
            send_crosses_user_end send_over_limit receive_into_kernel receive_into_read_only
            receive_into_text receive_into_unmapped receive_too_small capability_list_unmapped
            futex_in_kernel futex_unaligned fault_return_from_unmapped fault_return_to_kernel
            fault_return_non_canonical thread_exit_word_in_kernel bootstrap_is_intact;
        messages: garbage empty too_many_segments segment_past_the_end pointer_out_of_bounds list_overflow
            far_pointer_loop list_too_long list_bad_mode list_stale_handle index_past_the_list;
        memory: writable_and_executable executable_without_right protect_executable_without_right
            reserve_in_kernel reserve_past_user_end reserve_wraps_around reserve_unaligned reserve_nothing
            reserve_null_page protect_of_nothing protect_own_ring guard_page execute_reserved
            touch_past_the_budget object_past_the_budget objects_until_refused slots_until_refused
            endpoints_until_refused ranges_until_refused threads_until_refused calls_until_refused;
        code: code_without_right protect_code_without_right code_past_the_budget code_of_no_length code_of_half_a_page
            code_factory_without_write executable_data executable_unsealed protect_executable_unsealed executable_anonymous protect_executable_anonymous
            map_code_of_parent seal_beside_writable seal_beside_mapping_of_released seal_object_of_parent
            seal_without_write seal_of_revoked writable_sealed writable_sealed_by_older_copy protect_writable_sealed
            protect_partly_sealed code_sealed_then_run code_protected_sealed_then_run seal_while_a_thread_writes;
        private: private_until_written private_of_sealed private_written_by_the_kernel private_executable
            private_without_read private_past_the_object private_over_another private_past_the_budget;
        processor: read_null read_kernel write_kernel read_non_canonical write_text write_bootstrap execute_data
            execute_stack jump_to_kernel jump_non_canonical stack_overflow divide_by_zero
            undefined_instruction breakpoint software_interrupt forged_page_fault halt disable_interrupts
            read_port write_port read_msr write_cr3 load_idt store_gdt read_time_stamp misaligned_vector
            single_step x87_exception load_bad_segment far_return_to_ring_0 swap_gs
            system_return wait_for_ever extended_control protection_keys performance_counter debug_register
            load_local_table local_selector;
        alarms: alarm_breaks_a_loop alarm_keeps_registers alarm_keeps_registers_on_its_stack alarm_while_waiting alarm_during_a_call
            alarm_again_and_again alarm_nests alarm_nests_too_deep alarm_without_a_handler alarm_on_unmapped_stack
            alarm_on_small_stack alarm_at_hostile_times alarm_storm find_turns;
        upper_halves: vector_extension leave_upper_halves find_upper_halves upper_halves_through_alarms
            upper_halves_through_faults upper_halves_of_threads;
        reservations: ten_thousand_memories memories_until_refused regions_end regions_unmap;
        shortage: greedy;
        long: end_of_a_tree revocation_of_a_tree end_of_badges end_of_an_endpoint;
        registers: leave_selectors find_selectors leave_values find_values;
        sharing: spin call_pong futex_pong;
        floods: log_flood console_flood entropy_flood message_flood capability_flood;
        objects: objects_end objects_unmap mappings_unmap mappings_end;
        piles: badges tree_end tree_revoke pages_unmap pages_end huge_objects crowd_wakes crowd_ends
            crowd_sleeps bad_calls bad_receives calls_end;
    )
}
