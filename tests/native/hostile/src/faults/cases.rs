//! The required end of each misdeed.

use capos_abi::ErrorCode;

/// The required end of a hostile process.
pub(crate) enum Expected {
    /// Exits with one of these errors.
    Error(&'static [ErrorCode]),
    /// Exits successfully.
    Success,
    /// Ends by a processor exception with this number, at this address if given.
    Fault(u8, Option<u64>),
    /// Ends by one of these processor exceptions.
    FaultOneOf(&'static [u8]),
    /// Ends by exhausting its frames.
    OutOfMemory,
}

use ErrorCode::{
    BadAddress, BadCapability, BadCapabilityList, BadMessage, BadReplyToken, BadRing, BudgetExceeded, Failed,
    InvalidArgument, InvalidOpcode, MessageTooLarge, MissingRights, NotFound, Overloaded, ResultTooLarge,
    Revoked, Unimplemented,
};
use Expected::{Error, Fault, FaultOneOf, OutOfMemory, Success};

const DIVIDE: u8 = 0;
const DEBUG: u8 = 1;
const BREAKPOINT: u8 = 3;
pub(crate) const UNDEFINED: u8 = 6;
const PROTECTION: u8 = 13;
const PAGE: u8 = 14;
const X87: u8 = 16;
const ALARM: u8 = capos_abi::ALARM_VECTOR as u8;
const KERNEL_ADDRESS: u64 = 0xffff_ffff_8010_0000;

/// Pairs that alternate: the first leaves state in the processor that the second must not find, or takes all time that it
/// can get.
pub(crate) const PAIRS: &[(&str, &str)] =
    &[("leave_selectors", "find_selectors"), ("alarm_storm", "find_turns")];

/// Cases for processes that may create code but not map it.
pub(crate) const COMPILER_CASES: &[(&str, Expected)] = &[
    ("code_without_right", Error(&[Failed])),
    ("protect_code_without_right", Error(&[Failed])),
    ("code_past_the_budget", Error(&[Overloaded])),
    ("code_of_no_length", Error(&[Failed])),
    ("code_of_half_a_page", Error(&[Failed])),
    ("code_factory_without_write", Error(&[MissingRights])),
];

/// Cases for processes that may also map it. They hold an additional object, which this process has mapped writable.
pub(crate) const CODE_CASES: &[(&str, Expected)] = &[
    ("executable_data", Error(&[Failed])),
    ("executable_unsealed", Error(&[Failed])),
    ("protect_executable_unsealed", Error(&[Failed])),
    ("executable_anonymous", Error(&[Failed])),
    ("protect_executable_anonymous", Error(&[Failed])),
    ("map_code_of_parent", Error(&[Failed])),
    ("seal_beside_writable", Error(&[Failed])),
    ("seal_beside_mapping_of_released", Error(&[Failed])),
    ("seal_object_of_parent", Error(&[Failed])),
    ("seal_without_write", Error(&[MissingRights])),
    ("seal_of_revoked", Error(&[Revoked])),
    ("writable_sealed", Error(&[Failed])),
    ("writable_sealed_by_older_copy", Error(&[Failed])),
    ("protect_writable_sealed", Error(&[Failed])),
    ("protect_partly_sealed", Error(&[Failed])),
    ("code_sealed_then_run", Success),
    ("code_protected_sealed_then_run", Success),
    ("seal_while_a_thread_writes", Success),
];

/// Every other case, in the order they run.
pub(crate) const CASES: &[(&str, Expected)] = &[
    // System calls and the ring
    ("bad_syscall", Error(&[InvalidOpcode])),
    ("bad_syscall_huge", Error(&[InvalidOpcode])),
    ("wait_for_too_many", Error(&[InvalidArgument])),
    ("submission_tail_ahead", Error(&[BadRing])),
    ("submission_tail_behind", Error(&[BadRing])),
    ("completion_head_ahead", Error(&[BadRing])),
    ("kernel_index_overwritten", Success),
    ("bad_opcode", Error(&[InvalidOpcode])),
    ("bad_flags", Error(&[InvalidArgument])),
    ("reserved_field", Error(&[InvalidArgument])),
    ("unknown_reply_token", Error(&[BadReplyToken])),
    ("cancel_of_nothing", Error(&[NotFound])),
    ("completions_never_read", Success),
    // Handles
    ("out_of_range", Error(&[BadCapability])),
    ("null_handle", Error(&[BadCapability])),
    ("stale", Error(&[BadCapability])),
    ("stale_after_reuse", Error(&[BadCapability])),
    ("revoked", Error(&[Revoked])),
    ("wrong_interface", Error(&[Unimplemented])),
    ("wrong_method", Error(&[Unimplemented])),
    ("right_not_held", Error(&[MissingRights])),
    ("rights_never_grow", Error(&[MissingRights])),
    ("looking_changes_nothing", Error(&[MissingRights])),
    ("changing_is_not_looking", Error(&[MissingRights])),
    ("receive_on_console", Error(&[MissingRights, InvalidArgument])),
    ("mint_of_console", Error(&[MissingRights])),
    ("release_twice", Error(&[BadCapability])),
    ("release_own_virtual_memory", Success),
    ("undelivered_is_unwritten", Error(&[BadAddress])),
    ("identify_without_receive", Error(&[MissingRights])),
    ("identify_foreign", Error(&[NotFound])),
    ("identify_stale", Error(&[BadCapability])),
    // Pointers
    ("send_from_kernel", Error(&[BadAddress])),
    ("send_from_null", Error(&[BadAddress])),
    ("send_from_unmapped", Error(&[BadAddress])),
    ("send_from_non_canonical", Error(&[BadAddress])),
    ("send_wraps_around", Error(&[BadAddress, InvalidArgument])),
    ("send_crosses_user_end", Error(&[BadAddress])),
    ("send_over_limit", Error(&[MessageTooLarge])),
    ("receive_into_kernel", Error(&[BadAddress])),
    ("receive_into_read_only", Error(&[BadAddress])),
    ("receive_into_text", Error(&[BadAddress])),
    ("receive_into_unmapped", Error(&[BadAddress])),
    ("receive_too_small", Error(&[ResultTooLarge])),
    ("capability_list_unmapped", Error(&[BadAddress])),
    ("futex_in_kernel", Error(&[BadAddress])),
    ("futex_unaligned", Error(&[BadAddress])),
    ("fault_return_from_unmapped", Error(&[BadAddress])),
    ("fault_return_to_kernel", Error(&[BadAddress, InvalidArgument])),
    ("fault_return_non_canonical", Error(&[BadAddress, InvalidArgument])),
    ("thread_exit_word_in_kernel", Success),
    ("bootstrap_is_intact", Success),
    // Messages
    ("garbage", Error(&[BadMessage])),
    ("empty", Error(&[BadMessage])),
    ("too_many_segments", Error(&[BadMessage])),
    ("segment_past_the_end", Error(&[BadMessage])),
    ("pointer_out_of_bounds", Error(&[BadMessage])),
    ("list_overflow", Error(&[BadMessage])),
    ("far_pointer_loop", Error(&[BadMessage])),
    ("list_too_long", Error(&[BadCapabilityList])),
    ("list_bad_mode", Error(&[BadCapabilityList])),
    ("list_stale_handle", Error(&[BadCapabilityList])),
    ("index_past_the_list", Error(&[BadCapabilityList, BadMessage])),
    // Memory and budgets
    ("writable_and_executable", Error(&[Failed])),
    ("executable_without_right", Error(&[Failed])),
    ("protect_executable_without_right", Error(&[Failed])),
    ("reserve_in_kernel", Error(&[Failed])),
    ("reserve_past_user_end", Error(&[Failed])),
    ("reserve_wraps_around", Error(&[Failed])),
    ("reserve_unaligned", Error(&[Failed])),
    ("reserve_nothing", Error(&[Failed])),
    ("reserve_null_page", Error(&[Failed])),
    ("protect_of_nothing", Error(&[Failed])),
    ("protect_own_ring", Error(&[Failed])),
    ("guard_page", Fault(PAGE, None)),
    ("execute_reserved", Fault(PAGE, None)),
    ("touch_past_the_budget", OutOfMemory),
    ("private_until_written", Success),
    ("private_of_sealed", Success),
    ("private_written_by_the_kernel", Success),
    ("private_executable", Error(&[Failed])),
    ("private_without_read", Error(&[MissingRights])),
    ("private_past_the_object", Error(&[Failed])),
    ("private_over_another", Error(&[Failed])),
    ("private_past_the_budget", OutOfMemory),
    ("object_past_the_budget", Error(&[Overloaded])),
    ("objects_until_refused", Error(&[Overloaded, BudgetExceeded])),
    ("slots_until_refused", Error(&[BudgetExceeded])),
    ("endpoints_until_refused", Error(&[Overloaded, BudgetExceeded])),
    ("ranges_until_refused", Error(&[Overloaded])),
    ("memories_until_refused", Error(&[Overloaded])),
    ("threads_until_refused", Error(&[Overloaded])),
    ("calls_until_refused", Success),
    // Alarms
    ("alarm_breaks_a_loop", Success),
    ("alarm_while_waiting", Success),
    ("alarm_during_a_call", Success),
    ("alarm_again_and_again", Success),
    ("alarm_nests", Success),
    ("alarm_without_a_handler", Success),
    ("alarm_at_hostile_times", Success),
    ("alarm_nests_too_deep", Fault(ALARM, Some(0))),
    ("alarm_on_unmapped_stack", Fault(ALARM, Some(0))),
    ("alarm_on_small_stack", Fault(ALARM, Some(0))),
    // The processor. Unmasked vector exceptions (#XM) and alignment checks (#AC) are not included: QEMU never
    // raises them.
    ("read_null", Fault(PAGE, Some(0))),
    ("read_kernel", Fault(PAGE, Some(KERNEL_ADDRESS))),
    ("write_kernel", Fault(PAGE, Some(KERNEL_ADDRESS))),
    ("read_non_canonical", Fault(PROTECTION, None)),
    ("write_text", Fault(PAGE, None)),
    ("write_bootstrap", Fault(PAGE, Some(capos_abi::BOOTSTRAP_ADDRESS))),
    ("execute_data", Fault(PAGE, None)),
    ("execute_stack", Fault(PAGE, None)),
    ("jump_to_kernel", Fault(PAGE, Some(KERNEL_ADDRESS))),
    ("jump_non_canonical", Fault(PROTECTION, None)),
    ("stack_overflow", Fault(PAGE, None)),
    ("divide_by_zero", Fault(DIVIDE, None)),
    ("undefined_instruction", Fault(UNDEFINED, None)),
    ("breakpoint", Fault(BREAKPOINT, None)),
    ("software_interrupt", Fault(PROTECTION, None)),
    ("forged_page_fault", Fault(PROTECTION, None)),
    ("halt", Fault(PROTECTION, None)),
    ("disable_interrupts", Fault(PROTECTION, None)),
    ("read_port", Fault(PROTECTION, None)),
    ("write_port", Fault(PROTECTION, None)),
    ("read_msr", Fault(PROTECTION, None)),
    ("write_cr3", Fault(PROTECTION, None)),
    ("load_idt", Fault(PROTECTION, None)),
    ("store_gdt", Fault(PROTECTION, None)),
    ("read_time_stamp", Fault(PROTECTION, None)),
    ("misaligned_vector", Fault(PROTECTION, None)),
    ("single_step", Fault(DEBUG, None)),
    ("x87_exception", Fault(X87, None)),
    ("load_bad_segment", Fault(PROTECTION, None)),
    // A processor refuses the selector; QEMU 7.2 first reads the stack as the kernel, which SMAP stops.
    ("far_return_to_ring_0", FaultOneOf(&[PROTECTION, PAGE])),
    ("extended_control", FaultOneOf(&[UNDEFINED, PROTECTION])),
    ("protection_keys", Fault(UNDEFINED, None)),
    ("performance_counter", Fault(PROTECTION, None)),
    ("debug_register", Fault(PROTECTION, None)),
    ("load_local_table", Fault(PROTECTION, None)),
    ("local_selector", Fault(PROTECTION, None)),
    ("swap_gs", Fault(PROTECTION, None)),
    ("system_return", Fault(PROTECTION, None)),
];
