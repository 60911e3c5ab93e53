//! Capabilities that the functions of WASI Preview 1 need, and the options that grant them.

use wasmparser_263::{FuncType, ValType};

use crate::manifest::candidates::closest;

/// A capability that an import uses, and how to grant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The capability, as in the table of WASI functions; `none` if nothing can be missing.
    pub needs: &'static str,
    /// The option of `capos run`; empty if there is none, or none is needed.
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
/// Programs on the command line always have the console.
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

/// The modules of WASI's functions: Preview 1 and the snapshot before it.
const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// The functions of Preview 1: name, parameters (`i` is an i32 and `I` an i64), and the capability that each needs. All
/// but `proc_exit` return an i32.
const FUNCTIONS: [(&str, &str, Grant); 46] = [
    ("args_get", "ii", NONE),
    ("args_sizes_get", "ii", NONE),
    ("environ_get", "ii", NONE),
    ("environ_sizes_get", "ii", NONE),
    ("clock_res_get", "ii", CLOCK),
    ("clock_time_get", "iIi", CLOCK),
    ("fd_advise", "iIIi", FILE),
    ("fd_allocate", "iII", FILE),
    ("fd_close", "i", DESCRIPTOR),
    ("fd_datasync", "i", FILE),
    ("fd_fdstat_get", "ii", DESCRIPTOR),
    ("fd_fdstat_set_flags", "ii", STREAM),
    ("fd_fdstat_set_rights", "iII", DESCRIPTOR),
    ("fd_filestat_get", "ii", DESCRIPTOR),
    ("fd_filestat_set_size", "iI", FILE),
    ("fd_filestat_set_times", "iIIi", DESCRIPTOR),
    ("fd_pread", "iiiIi", FILE),
    ("fd_prestat_get", "ii", DIRECTORY),
    ("fd_prestat_dir_name", "iii", DIRECTORY),
    ("fd_pwrite", "iiiIi", FILE),
    ("fd_read", "iiii", STREAM),
    ("fd_readdir", "iiiIi", DIRECTORY),
    ("fd_renumber", "ii", DESCRIPTOR),
    ("fd_seek", "iIii", FILE),
    ("fd_sync", "i", FILE),
    ("fd_tell", "ii", FILE),
    ("fd_write", "iiii", STREAM),
    ("path_create_directory", "iii", DIRECTORY),
    ("path_filestat_get", "iiiii", DIRECTORY),
    ("path_filestat_set_times", "iiiiIIi", DIRECTORY),
    ("path_link", "iiiiiii", DIRECTORY),
    ("path_open", "iiiiiIIii", DIRECTORY),
    ("path_readlink", "iiiiii", DIRECTORY),
    ("path_remove_directory", "iii", DIRECTORY),
    ("path_rename", "iiiiii", DIRECTORY),
    ("path_symlink", "iiiii", DIRECTORY),
    ("path_unlink_file", "iii", DIRECTORY),
    ("poll_oneoff", "iiii", SUBSCRIPTIONS),
    ("proc_raise", "i", NONE),
    ("random_get", "ii", ENTROPY),
    ("sched_yield", "", NONE),
    ("sock_accept", "iii", SOCKET),
    ("sock_recv", "iiiiii", SOCKET),
    ("sock_send", "iiiii", SOCKET),
    ("sock_shutdown", "ii", SOCKET),
    ("proc_exit", "i", NONE),
];

fn function(module: &str, name: &str) -> Option<&'static (&'static str, &'static str, Grant)> {
    if !MODULES.contains(&module) || (module == "wasi_unstable" && name == "sock_accept") {
        return None;
    }
    FUNCTIONS.iter().find(|(function, ..)| *function == name)
}

/// Returns the capability that an imported function needs; `None` if the host does not know it.
pub fn grant_for(module: &str, name: &str) -> Option<Grant> {
    function(module, name).map(|(_, _, grant)| *grant)
}

/// Returns the type of an imported function in the host; `None` if the host does not know it.
pub fn type_of(module: &str, name: &str) -> Option<FuncType> {
    let (name, parameters, _) = function(module, name)?;
    let parameters = parameters.chars().map(|letter| if letter == 'I' { ValType::I64 } else { ValType::I32 });
    let results = if *name == "proc_exit" { &[][..] } else { &[ValType::I32] };
    Some(FuncType::new(parameters, results.iter().copied()))
}

/// Returns the function that was probably meant by an unknown name.
pub fn meant(module: &str, name: &str) -> Option<&'static str> {
    const NAMES: [&str; FUNCTIONS.len()] = {
        let mut names = [""; FUNCTIONS.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = FUNCTIONS[at].0;
            at += 1;
        }
        names
    };
    if MODULES.contains(&module) { closest(name, &NAMES) } else { None }
}
