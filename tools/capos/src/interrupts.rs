//! Signals that ask a run to stop, from its beginning to its end.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;

/// Attempts to remove a folder in which something may still be at work.
const TRIES: usize = 20;

/// The stage of a run, which decides the effect of a signal.
enum Stage {
    /// Nothing runs yet: this folder is removed, and the signal terminates the process as usual.
    Preparing(Option<PathBuf>),
    /// The machine's run decides.
    Running(Box<dyn Fn(i32) + Send>),
    /// Ignored: the program's changes are being brought back, which must complete.
    Ending,
}

/// Handles the signals during its lifetime.
pub struct Interrupts {
    stage: Arc<Mutex<Stage>>,
    handle: Handle,
    outlives_hang_up: bool,
    /// The last signal that asked for the end, or zero; known before the thread acts on it.
    last: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Interrupts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupts").finish_non_exhaustive()
    }
}

impl Interrupts {
    /// Starts handling signals: those that end a program, and that of a terminal's new size. A hang-up that is already
    /// ignored, as with `nohup`, stays ignored.
    ///
    /// # Errors
    /// The system's errors.
    pub fn take() -> Result<Self> {
        let stage = Arc::new(Mutex::new(Stage::Preparing(None)));
        let outlives_hang_up = ignores_hang_up();
        let ending = || [SIGINT, SIGTERM].into_iter().chain((!outlives_hang_up).then_some(SIGHUP));
        let last = Arc::<AtomicUsize>::default();
        for signal in ending() {
            flag::register_usize(signal, last.clone(), signal.unsigned_abs() as usize).context("signals")?;
        }
        let mut signals = Signals::new(ending().chain([SIGWINCH])).context("signals")?;
        let (handle, shared) = (signals.handle(), stage.clone());
        thread::spawn(move || {
            for signal in &mut signals {
                act(&mut lock(&shared), signal);
            }
        });
        Ok(Self { stage, handle, outlives_hang_up, last })
    }

    /// Whether a hang-up is to end neither this process nor its children.
    pub(crate) fn outlives_hang_up(&self) -> bool {
        self.outlives_hang_up
    }

    /// The last signal that asked for the end. A terminal sends it to the machine as well, which may have ended before the
    /// thread acts on it here.
    pub(crate) fn last(&self) -> Option<i32> {
        i32::try_from(self.last.load(Ordering::Relaxed)).ok().filter(|&signal| signal != 0)
    }

    /// Makes a signal that comes before the machine runs remove `folder`.
    pub fn remove(&self, folder: PathBuf) {
        *lock(&self.stage) = Stage::Preparing(Some(folder));
    }

    /// Passes every signal to `machine` from now on.
    pub(crate) fn pass_to(&self, machine: impl Fn(i32) + Send + 'static) {
        *lock(&self.stage) = Stage::Running(Box::new(machine));
    }

    /// Ignores every signal from now on.
    pub(crate) fn hold(&self) {
        *lock(&self.stage) = Stage::Ending;
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.handle.close();
    }
}

fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (SIGHUP - 1) & 1 == 1
}

fn lock(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

fn act(stage: &mut Stage, signal: i32) {
    match stage {
        Stage::Preparing(_) if signal == SIGWINCH => {}
        Stage::Preparing(folder) => {
            if let Some(folder) = folder {
                let gone = |_: &usize| fs::remove_dir_all(&*folder).is_ok();
                // The next run removes the remains.
                let _ = (0..TRIES).find(gone);
            }
            // Ending is the only option.
            drop(emulate_default_handler(signal));
        }
        Stage::Running(machine) => machine(signal),
        Stage::Ending => {}
    }
}
