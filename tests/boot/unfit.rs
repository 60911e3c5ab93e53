//! Machines on which capOS cannot run, started as a user would: the texts on the screen and the first serial port.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use capos_tests::tree;
use font8x8::legacy::BASIC_LEGACY;
use libtest_mimic::Trial;

use crate::{iso, trial};

/// Longer than the machine is ever silent, even on a very busy host.
const LIMIT: Duration = Duration::from_secs(600);
/// A package that fills most of a small machine's memory.
const ZEROS: &str = "build/unfit/zeros";
const ZEROS_BYTES: u64 = 2_400_000;
const LACKS: &str = "capOS cannot start: this processor lacks FSGSBASE, SMEP, SMAP, UMIP.";
const CPU_ADVICE: &str = "-enable-kvm -cpu host";

/// The way the machine starts.
enum Start {
    /// QEMU loads the kernel; VGA is in text mode.
    Kernel,
    /// From a disc, by BIOS or UEFI, with a graphical screen.
    Disc(&'static str),
}

struct Case {
    name: &'static str,
    start: Start,
    options: &'static [&'static str],
    /// The texts required on the screen and on the first serial port.
    texts: [&'static str; 2],
}

const CASES: &[Case] = &[
    Case { name: "unfit-disc-bios", start: Start::Disc("bios"), options: &[], texts: [LACKS, CPU_ADVICE] },
    Case { name: "unfit-disc-uefi", start: Start::Disc("uefi"), options: &[], texts: [LACKS, CPU_ADVICE] },
    Case { name: "unfit-processor", start: Start::Kernel, options: &[], texts: [LACKS, CPU_ADVICE] },
    Case {
        name: "unfit-32-bit",
        start: Start::Kernel,
        options: &["-cpu", "qemu32"],
        texts: ["needs a 64-bit processor", "-cpu max"],
    },
    Case {
        name: "unfit-memory",
        start: Start::Kernel,
        options: &["-cpu", "max", "-m", "4M", "-initrd", ZEROS],
        texts: ["MiB of usable memory", "-m 128"],
    },
    Case {
        name: "unfit-no-package",
        start: Start::Kernel,
        options: &["-cpu", "max"],
        texts: ["the boot loader passed no boot package.", "-initrd FILE"],
    },
    Case {
        name: "unfit-package",
        start: Start::Kernel,
        options: &["-cpu", "max", "-initrd", "Cargo.toml"],
        texts: ["the boot package is damaged", "capos image"],
    },
];

pub(crate) fn trials() -> Vec<Trial> {
    CASES.iter().map(|case| trial(case.name.to_owned(), || check(case))).collect()
}

fn check(case: &Case) -> Result<()> {
    let folder = tree::root().join("build/unfit").join(case.name);
    fs::create_dir_all(&folder)?;
    fs::File::create(tree::root().join(ZEROS))?.set_len(ZEROS_BYTES)?;
    let mut command = Command::new("qemu-system-x86_64");
    command.current_dir(tree::root()).args(["-display", "none", "-no-reboot", "-serial", "stdio"]);
    let control = folder.join("control");
    command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", control.display()));
    match case.start {
        Start::Kernel => command.arg("-kernel").arg(tree::kernel()),
        Start::Disc(firmware) => {
            let disc = iso::pack(&format!("unfit-{firmware}"))?;
            if firmware == "uefi" {
                command.args(["-bios", "/usr/share/ovmf/OVMF.fd"]);
            }
            command.arg("-cdrom").arg(disc)
        }
    };
    command.args(case.options);
    let mut machine = Machine::start(&mut command)?;
    // The screen is written first.
    let port = machine.wait_for(case.texts[1])?;
    let screen = screen(&control, &folder, &case.start)?;
    drop(machine);
    for text in case.texts {
        ensure!(port.contains(text), "the first serial port does not show \"{text}\":\n{port}");
        ensure!(screen.contains(text), "the screen does not show \"{text}\":\n{screen}");
    }
    Ok(())
}

/// A running QEMU, which is killed when this is dropped.
struct Machine {
    process: Child,
    output: mpsc::Receiver<Vec<u8>>,
}

impl Machine {
    fn start(command: &mut Command) -> Result<Self> {
        let mut process = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("qemu-system-x86_64")?;
        let (sender, output) = mpsc::channel();
        let mut stdout = process.stdout.take().context("a pipe from QEMU")?;
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer.iter().take(count).copied().collect()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { process, output })
    }

    /// The output of the first serial port, once `text` and the end of its line have arrived.
    fn wait_for(&mut self, text: &str) -> Result<String> {
        let mut seen = Vec::new();
        loop {
            let shown = String::from_utf8_lossy(&seen);
            if shown.split_once(text).is_some_and(|(_, rest)| rest.contains('\n')) {
                return Ok(shown.into_owned());
            }
            match self.output.recv_timeout(LIMIT) {
                Ok(bytes) => seen.extend(bytes),
                Err(error) => bail!("{error}, with \"{text}\" not on the first serial port:\n{shown}"),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the screen through QEMU's control socket.
fn screen(control: &Path, folder: &Path, start: &Start) -> Result<String> {
    let file = folder.join("screen");
    let name = file.to_str().context("a path that is not UTF-8")?;
    let request = match start {
        Start::Kernel => format!(
            r#"{{"execute":"pmemsave","arguments":{{"val":{},"size":4000,"filename":"{name}"}}}}"#,
            0xb8000
        ),
        Start::Disc(_) => format!(r#"{{"execute":"screendump","arguments":{{"filename":"{name}"}}}}"#),
    };
    let mut stream = UnixStream::connect(control).context("QEMU's control socket")?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut answers = BufReader::new(stream.try_clone()?).lines();
    for request in [r#"{"execute":"qmp_capabilities"}"#, &request] {
        writeln!(stream, "{request}")?;
        let answer = answers.by_ref().find(|line| {
            line.as_ref().map_or(true, |line| line.contains("\"return\"") || line.contains("\"error\""))
        });
        let answer = answer.context("QEMU's control socket was closed")??;
        ensure!(answer.contains("\"return\""), "{request}: {answer}");
    }
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    Ok(match start {
        Start::Kernel => bytes.chunks(2).map(|cell| char::from(cell[0])).collect(),
        Start::Disc(_) => read_picture(&bytes)?,
    })
}

/// The text in a picture (PPM), in the kernel's font.
fn read_picture(bytes: &[u8]) -> Result<String> {
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
    ensure!(parts.next() == Some(b"P6"), "not a PPM picture");
    let size = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (width, height) = size.split_once(' ').context("a picture without a size")?;
    let (width, height): (usize, usize) = (width.parse()?, height.parse()?);
    let pixels = parts.nth(1).context("a picture without pixels")?;
    let zoom = (width / 640).max(1);
    let is_lit = |x: usize, y: usize| pixels.get((y * width + x) * 3).is_some_and(|red| *red > 0x40);
    let mut text = String::new();
    for top in (0..height / (8 * zoom)).map(|line| line * 8 * zoom) {
        for left in (0..width / (8 * zoom)).map(|column| column * 8 * zoom) {
            let row = |y: usize| (0..8).map(|x| u8::from(is_lit(left + x * zoom, top + y * zoom)) << x).sum();
            let glyph: [u8; 8] = std::array::from_fn(row);
            let known = (b' '..=b'~').find(|&byte| BASIC_LEGACY[usize::from(byte)] == glyph);
            text.push(known.map_or('?', char::from));
        }
        text.push('\n');
    }
    Ok(text)
}
