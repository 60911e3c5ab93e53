//! The table of results in a document.

use std::fmt::Write as _;

use super::Measure;

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// Description of each result, its target, and the cost elsewhere.
struct Known {
    name: &'static str,
    meaning: &'static str,
    target: Option<u64>,
    reference: &'static str,
}

const fn known(
    name: &'static str,
    meaning: &'static str,
    target: Option<u64>,
    reference: &'static str,
) -> Known {
    Known { name, meaning, target, reference }
}

const KNOWN: &[Known] = &[
    known("null_kernel_call", "system call that does nothing", None, "Linux: 337"),
    known("ring_nop", "ring entry that does nothing", None, ""),
    known(
        "raw_call_reply_64",
        "call and reply between two processes, 64 bytes",
        Some(1300),
        "L4 family: 587 one way; Linux pipe round trip: 13,242",
    ),
    known("generated_call_reply_64", "the same through generated clients and servers", Some(3300), ""),
    known("timer_now_generated", "kernel object through a generated client", None, ""),
    known("capability_passing", "call that passes a capability", None, ""),
    known("thread_switch", "switch between two threads", None, ""),
    known("thread_switch_avx", "the same, with values in the upper halves of vector registers", None, ""),
    known("thread_switch_alarm", "the same, with alarms set that are not due", None, ""),
    known("alarm_set", "setting an alarm", None, ""),
    known("alarm_round_trip", "setting an alarm that is due, its delivery and the return", None, ""),
    known("futex_round_trip", "futex round trip between two threads", None, "Linux: 12,621"),
    known("thread_spawn_join", "thread spawn and join", Some(20_000), "Linux: 96,000"),
    known("process_spawn_to_first_instruction", "process spawn to its first instruction", None, ""),
    known(
        "process_spawn_to_exit",
        "process spawn to exit seen by the parent",
        Some(70_000),
        "Linux: 324,000",
    ),
    known("reserve_beside_10", "reserving 6 GiB of address space beside 10 other reservations", None, ""),
    known("reserve_beside_10000", "the same beside 10,000", None, ""),
    known(
        "longest_kernel_stretch",
        "the longest time without a preemption point in the kernel, under adversarial programs",
        Some(200_000),
        "",
    ),
    known("boot_to_first_user_instruction", "kernel entry to first user instruction", None, ""),
    known(
        "boot_to_wasm_hello",
        "kernel entry to power off after the wasm hello",
        Some(60_000_000),
        "Linux: 1,629 million; tuned: 600 million",
    ),
    known(
        "boot_to_compiled_hello",
        "the same with compiled code, from the compiler's cache on a disk",
        Some(10_000_000),
        "Linux, wasmtime 48: 591 million",
    ),
    known("wasm_start_empty", "start of an empty instance, by a native process", None, ""),
    known("wasm_compilation", "reading and validating the Rust hello", None, ""),
    known("wasm_start_hello", "the same for the Rust hello, compiled before", Some(150_000), ""),
    known("wasm_thousand_started_and_ended", "a thousand Rust hellos, each to its end", None, ""),
    known(
        "wasm_idle_instance",
        "memory of each of 1,000 idle instances of the Rust hello, that of kernel and holder included",
        Some(196_608),
        "wasmi on Linux: 1,133,568; wasmtime's pooling: 16,384 to 20,480",
    ),
    known("wasm_sleeping_instance", "the same of 1,000 programs that were called and sleep", None, ""),
    known(
        "compiled_wasm_start_empty",
        "the same five figures, compiled",
        Some(15_000),
        "wasmtime 48 on Linux: 19,003",
    ),
    known("compiled_wasm_start_hello", "", None, ""),
    known(
        "compiled_wasm_thousand_started_and_ended",
        "",
        Some(60_000_000),
        "wasmtime 48 on Linux: 69,555,000",
    ),
    known("compiled_wasm_idle_instance", "", Some(16_384), "wasmtime 48 on Linux: 16,384 to 20,480"),
    known("compiled_wasm_sleeping_instance", "", None, ""),
    known(
        "compile_wasi_hello_rust",
        "compiling the Rust hello, from the request to the sealed code",
        None,
        "",
    ),
    known("cached_wasi_hello_rust", "its code from the cache, in memory, by another request", None, ""),
    known("compile_wasi_compute", "compiling the program of the four kernels below", None, ""),
    known("cached_wasi_compute", "its code from the cache", None, ""),
    known(
        "wasm_instantiation",
        "instantiation of the Rust hello",
        Some(300_000),
        "wasmi on Linux: 1,155,000",
    ),
    known(
        "wasm_compilation_20m",
        "reading and validating a module of 20 MB: 20,000 functions of 14 MB, 6 MB of data",
        None,
        "",
    ),
    known("wasm_instantiation_20m", "instantiation of that module", None, ""),
    known("wasi_clock_time_get", "WASI `clock_time_get`", Some(600), "wasmi's WASI: 1,110; wasmtime's: 713"),
    known("wasm_loop_1000", "a thousand rounds of a loop of some fifteen instructions", None, ""),
    known(
        "wasm_fib",
        "the 30th Fibonacci number, by calls",
        None,
        "wasmi 2.0.0 on Linux: 268,600,000, with fuel 300,900,000",
    ),
    known(
        "wasm_matmul",
        "20 products of matrices of 64 by 64 numbers",
        None,
        "wasmi 2.0.0 on Linux: 551,500,000, with fuel 616,800,000",
    ),
    known(
        "wasm_sieve",
        "the primes below a million",
        None,
        "wasmi 2.0.0 on Linux: 156,700,000, with fuel 194,500,000",
    ),
    known(
        "wasm_sha256",
        "SHA-256 of 640,000 bytes",
        None,
        "wasmi 2.0.0 on Linux: 413,800,000, with fuel 421,600,000",
    ),
    known(
        "compiled_fib",
        "the same four kernels, compiled by the compiler service",
        Some(45_760_000),
        "wasmtime 48.0.2 on Linux: 44,430,000",
    ),
    known("compiled_matmul", "", Some(69_150_000), "wasmtime 48.0.2 on Linux: 67,140,000"),
    known("compiled_sieve", "", Some(37_820_000), "wasmtime 48.0.2 on Linux: 36,720,000"),
    known("compiled_sha256", "", Some(55_120_000), "wasmtime 48.0.2 on Linux: 53,520,000"),
    known(
        "compiled_wasi_clock_time_get",
        "WASI `clock_time_get` by compiled code",
        Some(300),
        "wasmtime 48 on Linux: 713",
    ),
    known("compiled_wasi_fd_write_64", "`fd_write` of 64 bytes to the console by compiled code", None, ""),
    known("compiled_wasm_loop_1000", "the loop above, compiled", None, ""),
    known(
        "compiled_wasi_ram_fd_write_64",
        "file operations of compiled code, as below",
        Some(4500),
        "wasmtime 48 on Linux, to a null device: 4,019",
    ),
    known("compiled_wasi_ram_fd_read_64", "", None, ""),
    known("compiled_wasi_ram_fd_write_4k", "", None, ""),
    known("compiled_wasi_ram_fd_read_4k", "", None, ""),
    known("compiled_wasi_ram_fd_write_1m", "", None, ""),
    known("compiled_wasi_ram_fd_read_1m", "", None, ""),
    known("compiled_wasi_ram_path_open_fd_close", "", None, ""),
    known("wasi_fd_write_64", "WASI `fd_write` of 64 bytes to the console", Some(3500), ""),
    known(
        "wasi_ram_fd_write_64",
        "`fd_write` of 64 bytes to a file in memory, in another process",
        Some(5500),
        "Linux, to a null device: wasmi's WASI: 2,789; wasmtime's: 4,019",
    ),
    known("wasi_ram_fd_read_64", "`fd_read` of 64 bytes from it", None, ""),
    known("wasi_ram_fd_write_4k", "`fd_write` of 4 KiB, over what was there", None, ""),
    known("wasi_ram_fd_read_4k", "`fd_read` of 4 KiB", None, ""),
    known("wasi_ram_fd_write_1m", "`fd_write` of 1 MiB, over what was there", None, ""),
    known("wasi_ram_fd_read_1m", "`fd_read` of 1 MiB", Some(1 << 20), ""),
    known("wasi_ram_fd_write_64_fd_sync", "`fd_write` of 64 bytes and `fd_sync`", None, ""),
    known("wasi_ram_path_open_fd_close", "`path_open` of a file that is there and `fd_close`", None, ""),
    known(
        "wasi_ram_create_write_64_close",
        "making a file, `fd_write` of 64 bytes and `fd_close`, 3,000 times in one directory",
        None,
        "",
    ),
    known("wasi_ram_unlink", "removing each of them", None, ""),
    known("wasi_disk_fd_write_64", "`fd_write` of 64 bytes to a file on a disk, not synced", None, ""),
    known("wasi_disk_fd_read_64", "`fd_read` of 64 bytes from it, from the cache like the others", None, ""),
    known("wasi_disk_fd_write_4k", "`fd_write` of 4 KiB, over what was there", None, ""),
    known("wasi_disk_fd_read_4k", "`fd_read` of 4 KiB", None, ""),
    known("wasi_disk_fd_write_1m", "`fd_write` of 1 MiB, over what was there", None, ""),
    known("wasi_disk_fd_read_1m", "`fd_read` of 1 MiB", None, ""),
    known("wasi_disk_path_open_fd_close", "`path_open` of a file that is there and `fd_close`", None, ""),
    known("block_read_4k", "reading 4 KiB from a virtio disk, through its driver", None, ""),
    known("block_write_4k", "writing 4 KiB", None, ""),
    known("block_flush", "making what was written durable", None, ""),
    known("block_read_1m", "reading 1 MiB at once: 0.02 a byte", None, ""),
    known("block_write_1m", "writing 1 MiB at once: 0.02 a byte", None, ""),
    known("block_read_16_times_4k", "reading 16 times 4 KiB, all under way together", None, ""),
    known("block_write_16_times_4k", "writing 16 times 4 KiB, likewise", None, ""),
    known(
        "native_open_close_ram",
        "opening and closing a file on a volume in memory, by a native process",
        None,
        "",
    ),
    known("native_read_64_ram", "reading 64 bytes of it", None, ""),
    known("native_write_64_ram", "writing 64 bytes", None, ""),
    known("native_read_4k_ram", "reading 4 KiB", None, ""),
    known("native_write_4k_ram", "writing 4 KiB", None, ""),
    known("native_read_1m_ram", "reading 1 MiB", None, ""),
    known("native_write_1m_ram", "writing 1 MiB", None, ""),
    known("native_append_64_sync_ram", "adding 64 bytes and syncing", None, ""),
    known("native_sync_nothing_ram", "syncing when there is nothing to sync", None, ""),
    known("native_open_close_disk", "opening and closing a file on a volume on a disk", None, ""),
    known("native_read_64_disk", "reading 64 bytes of it", None, ""),
    known("native_write_64_disk", "writing 64 bytes", None, ""),
    known("native_read_4k_disk", "reading 4 KiB", None, ""),
    known("native_write_4k_disk", "writing 4 KiB", None, ""),
    known("native_read_1m_disk", "reading 1 MiB, from the cache", None, ""),
    known("native_write_1m_disk", "writing 1 MiB", None, ""),
    known(
        "native_append_64_sync_disk",
        "adding 64 bytes and syncing, waiting for the disk left out",
        None,
        "",
    ),
    known("native_sync_nothing_disk", "syncing when there is nothing to sync", None, ""),
    known(
        "wasm_hello_smallest_memory",
        "smallest machine that runs the wasm hello",
        Some(16),
        "Linux: 72 to 88",
    ),
    known(
        "compiled_hello_smallest_memory",
        "the same with compiled code, the compiler in memory too",
        Some(12),
        "Linux: 72",
    ),
    known("image_package", "boot package of the Rust hello, all parts", None, ""),
    known("image_init", "its part `init`", None, ""),
    known("image_capos_wasm", "its part `capos-wasm`", None, ""),
    known("image_wasi_hello_rust", "its part, the module", None, ""),
    known("image_kernel", "kernel, loaded part", None, ""),
    known("kernel_text", "kernel code", None, ""),
    known("kernel_lines", "kernel source without its core", None, ""),
    known("kernel_core_lines", "kernel core source, no unsafe code", None, ""),
    known("kernel_unsafe_blocks", "unsafe blocks in the kernel", None, ""),
];

/// `document` with the table between its markers replaced by one of `measures`; an error without markers.
pub fn rewrite(document: &str, measures: &[Measure]) -> Result<String, String> {
    let missing = || format!("the document lacks the markers {BEGIN} and {END}");
    let (before, rest) = document.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", table(measures)))
}

fn table(measures: &[Measure]) -> String {
    let mut table =
        "| name | value | unit | target | what | elsewhere |\n|---|--:|---|--:|---|---|\n".to_owned();
    for measure in measures {
        let known = KNOWN.iter().find(|known| known.name == measure.name);
        let target = known.and_then(|known| known.target).map(thousands).unwrap_or_default();
        let (meaning, reference) = known.map_or(("", ""), |known| (known.meaning, known.reference));
        let value = thousands(measure.value);
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| `{}` | {value} | {} | {target} | {meaning} | {reference} |",
            measure.name, measure.unit
        );
    }
    table
}

/// `1234567` as `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_changes() {
        let document = format!("# Title\n{BEGIN}\nold\n{END}\nrest\n");
        let measures =
            [Measure::new("wasi_clock_time_get", 1_234_567, "instructions"), Measure::new("x", 7, "y")];
        let once = rewrite(&document, &measures).unwrap();
        assert!(
            once.starts_with(&format!("# Title\n{BEGIN}\n| name |"))
                && once.ends_with(&format!("{END}\nrest\n"))
        );
        assert!(
            once.contains(
                "| `wasi_clock_time_get` | 1,234,567 | instructions | 600 | WASI `clock_time_get` |"
            )
        );
        assert!(once.contains("| `x` | 7 | y |  |  |  |") && !once.contains("old"));
        assert_eq!(rewrite(&once, &measures).unwrap(), once);
        assert!(rewrite("# Title\n", &measures).is_err());
    }
}
