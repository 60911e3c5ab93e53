//! What a program asked for and was not granted, in words that say how to grant it.

use std::fmt;

/// Something that an instance does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The monotonic clock.
    Timer,
    /// The time of day.
    WallClock,
    /// Random bytes.
    Entropy,
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Any directory at all.
    Preopen,
    /// A right on a directory or file.
    Right,
    /// Linear memory beyond the instance's limit.
    Memory,
    /// Room for nested calls beyond the instance's limit.
    Stack,
}

/// A call that failed for something that was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The function.
    pub import: &'static str,
    /// What it lacked.
    pub missing: Missing,
}

impl Missing {
    /// The capability by name.
    pub fn capability(self) -> &'static str {
        match self {
            Self::Timer => "Timer",
            Self::WallClock => "WallClock",
            Self::Entropy => "EntropySource",
            Self::Stdin => "a Console, pipe or File as standard input",
            Self::Stdout => "a Console, pipe or File as standard output",
            Self::Stderr => "a Console, pipe or File as standard error",
            Self::Preopen => "a Namespace (preopened directory)",
            Self::Right => "a right that its Namespace (preopened directory) was not granted with",
            Self::Memory => "more linear memory than its limit allows",
            Self::Stack => "more stack than its limit allows",
        }
    }

    /// How to grant it.
    fn remedy(self) -> &'static str {
        match self {
            Self::Timer => "grant `timer` in the manifest or pass --clock",
            Self::WallClock => "grant `wallClock` in the manifest or pass --wall-clock",
            Self::Entropy => "grant `entropy` in the manifest or pass --entropy",
            Self::Stdin => "grant `console` or set `stdin` in the manifest",
            Self::Stdout => "grant `console` or set `stdout` in the manifest",
            Self::Stderr => "grant `console` or set `stderr` in the manifest",
            Self::Preopen => {
                "if it is to use files, list one in `preopens` in the manifest or pass --dir or --volume"
            }
            Self::Right => {
                "raise the `rights` of its entry in `preopens` or pass --dir or --volume without `:ro`"
            }
            Self::Memory => "raise `limits.memory` in the manifest or pass --memory",
            Self::Stack => "raise `limits.stack` in the manifest or pass --stack",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { import, missing } = self;
        write!(f, "{import} needs {}: {}", missing.capability(), missing.remedy())
    }
}

/// The refusals of one instance, each kind once.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Vec<Refusal>);

impl Refusals {
    pub(crate) fn add(&mut self, refusal: Refusal) {
        // Both sides are tables of this host's, so that there are only so many.
        if !self.0.contains(&refusal) {
            self.0.push(refusal);
        }
    }

    /// Those that may be why the instance failed. Going past the stack's limit ends it, and so is the only one. That
    /// there is no directory is seen by every program that looks for one as it starts, so it counts only when there is
    /// nothing else.
    pub(crate) fn reasons(&self) -> Vec<Refusal> {
        if let Some(stack) = self.0.iter().find(|refusal| refusal.missing == Missing::Stack) {
            return vec![*stack];
        }
        let telling = |refusal: &&Refusal| refusal.missing != Missing::Preopen;
        match self.0.iter().any(|refusal| telling(&refusal)) {
            true => self.0.iter().filter(telling).copied().collect(),
            false => self.0.clone(),
        }
    }
}
