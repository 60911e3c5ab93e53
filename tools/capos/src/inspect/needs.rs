//! Capabilities that the functions of WASI Preview 1 need, and the options that grant them.

/// A capability that an import uses, and how a program gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The capability, as the table of WASI functions has it; `none` where nothing can be missing.
    pub needs: &'static str,
    /// The option of `capos run`; empty where there is none, or none is needed.
    pub option: &'static str,
    /// The field of an instance in a manifest.
    pub manifest: &'static str,
}

const NONE: Grant = Grant { needs: "none", option: "", manifest: "" };
const CLOCK: Grant = Grant {
    needs: "Timer (MONOTONIC), WallClock (REALTIME)",
    option: "--clock, --wall-clock",
    manifest: "grants: {timer: true, wallClock: true}",
};
const ENTROPY: Grant =
    Grant { needs: "EntropySource", option: "--entropy", manifest: "grants: entropy: true" };
/// Programs on the command line have the console.
const DESCRIPTOR: Grant = Grant {
    needs: "Console, pipe, File or Namespace",
    option: "--dir or --volume for files",
    manifest: "grants: console: true; preopens",
};
const STREAM: Grant = Grant { needs: "Console, pipe or File", ..DESCRIPTOR };
const FILE: Grant = Grant { needs: "File", option: "--dir or --volume", manifest: "preopens" };
const DIRECTORY: Grant = Grant { needs: "Namespace", ..FILE };
const SUBSCRIPTIONS: Grant = Grant {
    needs: "Timer, WallClock, descriptors, as subscribed",
    option: "--clock",
    manifest: "grants: timer: true",
};
const SOCKET: Grant = Grant { needs: "a socket", option: "", manifest: "" };

/// The modules that WASI's functions are imported from: Preview 1 and the snapshot before it.
const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// Returns the capability that an imported function needs; `None` when the host does not know it.
pub fn grant_for(module: &str, name: &str) -> Option<Grant> {
    if !MODULES.contains(&module) || (module == "wasi_unstable" && name == "sock_accept") {
        return None;
    }
    Some(match name {
        "args_get" | "args_sizes_get" | "environ_get" | "environ_sizes_get" | "proc_exit" | "proc_raise"
        | "sched_yield" => NONE,
        "clock_res_get" | "clock_time_get" => CLOCK,
        "random_get" => ENTROPY,
        "poll_oneoff" => SUBSCRIPTIONS,
        "sock_accept" | "sock_recv" | "sock_send" | "sock_shutdown" => SOCKET,
        "fd_fdstat_set_flags" | "fd_read" | "fd_write" => STREAM,
        "fd_close"
        | "fd_fdstat_get"
        | "fd_fdstat_set_rights"
        | "fd_filestat_get"
        | "fd_filestat_set_times"
        | "fd_renumber" => DESCRIPTOR,
        "fd_prestat_get" | "fd_prestat_dir_name" | "fd_readdir" => DIRECTORY,
        "fd_advise"
        | "fd_allocate"
        | "fd_datasync"
        | "fd_filestat_set_size"
        | "fd_pread"
        | "fd_pwrite"
        | "fd_seek"
        | "fd_sync"
        | "fd_tell" => FILE,
        "path_create_directory"
        | "path_filestat_get"
        | "path_filestat_set_times"
        | "path_link"
        | "path_open"
        | "path_readlink"
        | "path_remove_directory"
        | "path_rename"
        | "path_symlink"
        | "path_unlink_file" => DIRECTORY,
        _ => return None,
    })
}
