//! A run that was started to survive its terminal.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

/// Simulates a machine and its boot loader: it ends with a hang-up, as QEMU does however it was started, or else with its
/// input.
const SCRIPT: &str = "import signal
signal.signal(signal.SIGHUP, lambda *_: os._exit(3))
connect(); say('[   0.001000] capOS 1.2.3\\n'); put(b'capos: starting the kernel.begun\\n')
while os.read(0, 1) not in (b'\\x04', b''): pass
say('capos-exit-status: 0\\n'); sys.exit(33)";

/// The exit status of a run that `shell` starts, after a hang-up to its whole process group.
fn status(shell: &str) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    // Enough of a disc for a stand-in that does not read it.
    let disc = folder.path().join("disc.iso");
    let mut content = vec![0; 40 << 10];
    content[32 << 10..][..7].copy_from_slice(b"\x01CD001\x01");
    fs::write(&disc, content).unwrap();
    let script = folder.path().join("script.py");
    fs::write(&script, SCRIPT).unwrap();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut run = Command::new("sh")
        .args(["-c", shell, "sh", env!("CARGO_BIN_EXE_capos"), "--root"])
        .arg(tree.join("../.."))
        .args(["run", "--iso"])
        .arg(&disc)
        .arg("--log")
        .arg(folder.path().join("log"))
        .arg("--qemu")
        .arg(tree.join("tests/stand-in/qemu"))
        .arg(format!("--qemu-extra=exec(open('{}').read())", script.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(run.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    kill_process_group(Pid::from_child(&run), Signal::HUP).unwrap();
    let mut input = run.stdin.take().unwrap();
    // If the run has ended, there is no receiver.
    drop(input.write_all(b"go on\n"));
    drop(input);
    run.wait().unwrap().code()
}

#[test]
fn a_hang_up_that_is_ignored_stays_so() {
    assert_eq!(status("trap '' HUP; exec \"$@\""), Some(0));
}

/// The tests themselves may run with hang-ups ignored, which a shell cannot undo.
#[test]
fn another_hang_up_ends_the_run() {
    assert_eq!(status("exec env --default-signal=HUP \"$@\""), Some(129));
}
