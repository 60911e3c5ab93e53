//! The run path against a stand-in for QEMU: a script that simulates the machine.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capos_host::interrupts::Interrupts;
use capos_host::qemu::{self, Boot, Console, ConsoleLine, Firmware, Machine, MachineEnd, Run, ShowLog};

/// In Python rather than shell, because it has to connect to the log's socket as QEMU does.
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in/qemu");

const CAPOS: &str = env!("CARGO_BIN_EXE_capos");

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Outcome {
    end: MachineEnd,
    output: String,
    log: String,
}

fn machine(qemu: &str, extra: Vec<String>) -> Machine {
    Machine {
        qemu: qemu.into(),
        memory_mib: 64,
        cpus: 1,
        count_instructions: false,
        disks: Vec::new(),
        extra,
    }
}

/// Runs with `script` as the machine.
fn play(script: &str, input: &'static [u8], timeout: Duration, iso: bool) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let output = Shared::default();
    let log_file = folder.path().join("run.log");
    let direct = Boot::Direct { kernel: "kernel".into(), image: "image".into() };
    let run = Run {
        machine: machine(STAND_IN, vec![script.to_owned()]),
        boot: if iso { Boot::Iso { file: "disc".into(), firmware: Firmware::Bios } } else { direct },
        console: ConsoleLine::Serial,
        timeout,
        log_file: Some(File::create(&log_file).unwrap()),
        log: ShowLog::Never,
        place: folder.path().to_owned(),
        capos: Some(CAPOS.into()),
    };
    let console = Console::without_terminal(Box::new(input), Box::new(output.clone()));
    let ended = qemu::run(&run, console, &Interrupts::take().unwrap()).unwrap();
    let output = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
    let log = fs::read_to_string(log_file).unwrap();
    assert_eq!(ended.log, log.lines().collect::<Vec<_>>());
    Outcome { end: ended.end, output, log }
}

const LONG: Duration = Duration::from_secs(300);

#[test]
fn the_status_in_the_log_is_the_result() {
    let outcome = play(
        "connect(); say('booting\\r\\n'); put(b'Hello\\n'); say('capos-exit-status: 42\\n'); sys.exit(33)",
        b"",
        LONG,
        false,
    );
    assert_eq!((outcome.end, outcome.output.as_str()), (MachineEnd::Status(42), "Hello\n"));
    assert_eq!(outcome.log, "booting\ncapos-exit-status: 42\n");
}

#[test]
fn input_waits_for_the_kernel_and_ends_with_the_end_of_input() {
    let script = "import select
early = select.select([0], [], [], 0.2)[0]
connect(); say('firmware\\n')
early = early or select.select([0], [], [], 0.2)[0]
say('noise[   0.001000] capOS 1.2.3\\n')
data = b''
while not data.endswith(b'\\x04') or data.endswith(b'\\x16\\x04'):
    data += os.read(0, 1)
put(repr((bool(early), data)).encode()); say('capos-exit-status: 0\\n'); sys.exit(33)";
    let outcome = play(script, b"one\n\x04two", LONG, false);
    assert_eq!(outcome.output, r"(False, b'one\n\x16\x04two\x04')");
    assert_eq!(outcome.end, MachineEnd::Status(0));
}

#[test]
fn a_guest_that_hangs_is_ended() {
    let script = "import signal\nconnect(); say('booting\\n'); put(b'so far'); signal.pause()";
    // On a busy host the script may start later; that the run ends at all shows that the limit works.
    for seconds in [1, 10, 100, 1000] {
        let outcome = play(script, b"", Duration::from_secs(seconds), false);
        assert_eq!(outcome.end, MachineEnd::TimedOut);
        if !outcome.output.is_empty() {
            assert_eq!(outcome.output, "so far");
            return;
        }
    }
    panic!("the script never began");
}

#[test]
fn other_ends_are_told_apart() {
    for (script, end) in [
        ("connect(); say('panic\\n'); sys.exit(65)", MachineEnd::Panic),
        ("connect(); sys.exit(0)", MachineEnd::Reset),
        (
            "connect(); print('qemu: terminating on signal 2 from pid 7', file=sys.stderr); sys.exit(0)",
            MachineEnd::Signalled(2),
        ),
        (
            "connect(); sys.exit(33)",
            MachineEnd::Qemu("the kernel ended without an exit status in its log".into()),
        ),
        (
            "print('no such machine', file=sys.stderr); sys.exit(1)",
            MachineEnd::Qemu("QEMU ended with exit status: 1\nno such machine\n".into()),
        ),
    ] {
        assert_eq!(play(script, b"", LONG, false).end, end, "{script}");
    }
}

#[test]
fn the_machine_is_as_asked() {
    let script =
        "connect(); put(' '.join(sys.argv[1:]).encode()); say('capos-exit-status: 0\\n'); sys.exit(33)";
    let arguments = play(script, b"", LONG, false).output;
    for part in [
        "-M q35",
        "-m 64M",
        "-smp 1",
        "-kernel kernel -initrd image",
        "isa-debug-exit,iobase=0xf4,iosize=0x04",
    ] {
        assert!(arguments.contains(part), "{part} is not in {arguments}");
    }
}

#[test]
fn a_boot_loader_is_not_heard() {
    let script = format!(
        "connect(); put(b'\\x1b[2JLoading\\r\\n{}Hello\\n'); say('capos-exit-status: 0\\n'); sys.exit(33)",
        qemu::ISO_MARKER
    );
    assert_eq!(play(&script, b"", LONG, true).output, "Hello\n");
}

/// A silent machine blocks nothing, on any console line.
#[test]
fn a_machine_that_ends_at_once_says_why() {
    let script = "print('no such option', file=sys.stderr); sys.exit(1)";
    let folder = tempfile::tempdir().unwrap();
    let run = Run {
        machine: machine(STAND_IN, vec![script.to_owned()]),
        boot: Boot::Direct { kernel: "kernel".into(), image: "image".into() },
        console: ConsoleLine::Virtio,
        timeout: LONG,
        log_file: None,
        log: ShowLog::Never,
        place: folder.path().to_owned(),
        capos: Some(CAPOS.into()),
    };
    let console = Console::without_terminal(Box::new(io::empty()), Box::new(io::sink()));
    let ended = qemu::run(&run, console, &Interrupts::take().unwrap()).unwrap();
    assert_eq!(ended.end, MachineEnd::Qemu("QEMU ended with exit status: 1\nno such option\n".into()));
}

#[test]
fn a_missing_qemu_is_named() {
    for capos in [None, Some(CAPOS.into())] {
        let folder = tempfile::tempdir().unwrap();
        let run = Run {
            machine: machine("/nonexistent/qemu", vec![]),
            boot: Boot::Direct { kernel: "kernel".into(), image: "image".into() },
            console: ConsoleLine::Serial,
            timeout: LONG,
            log_file: None,
            log: ShowLog::Never,
            place: folder.path().to_owned(),
            capos,
        };
        let console = Console::without_terminal(Box::new(io::empty()), Box::new(io::sink()));
        let error = format!("{:#}", qemu::run(&run, console, &Interrupts::take().unwrap()).unwrap_err());
        assert!(error.contains("/nonexistent/qemu") && error.contains("No such file"), "{error}");
    }
}

/// The command dies before the machine's process has asked to end with it.
#[test]
fn a_machine_without_its_command_does_not_start() {
    let tied = Command::new(CAPOS).args(["--tied-to", "1", "echo", "started"]).output().unwrap();
    assert_eq!((tied.status.code(), tied.stdout.as_slice()), (Some(127), &b""[..]));
    assert!(String::from_utf8_lossy(&tied.stderr).contains("has ended"));
    let us = std::process::id().to_string();
    let tied = Command::new(CAPOS).args(["--tied-to", &us, "echo", "started"]).output().unwrap();
    assert_eq!((tied.status.code(), tied.stdout.as_slice()), (Some(0), &b"started\n"[..]));
}
