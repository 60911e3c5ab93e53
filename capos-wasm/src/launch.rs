//! Arguments and environment, in the form in which guests read them.

use capnp::{struct_list, text_list};
use capos_schema::launch_capnp::{launch_parameters, variable};
use std::fmt;

/// Maximum size of arguments and environment together, including a NUL and a pointer for each.
const MAX_LAUNCH_BYTES: usize = 4 << 20;

/// The arguments and the environment of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    pub(crate) arguments: Strings,
    pub(crate) environment: Strings,
}

/// Consecutive strings, as passed to a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    count: usize,
}

impl Strings {
    /// All of them, each followed by a NUL.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of strings.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The strings without their NULs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes
            .split_inclusive(|byte| *byte == 0)
            .map(|string| string.strip_suffix(&[0]).unwrap_or(string))
    }

    fn push(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part.as_bytes()));
        self.bytes.push(0);
        self.count += 1;
    }
}

/// The reason that launch parameters were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchError {
    /// An argument or variable contains a NUL, which ends strings in a guest.
    Nul(String),
    /// A variable's name is empty or contains `=`.
    VariableName(String),
    /// More than four mebibytes in total.
    TooLong,
    /// The message is malformed.
    Message(String),
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nul(string) => write!(f, "{string:?} contains a NUL"),
            Self::VariableName(name) => write!(f, "{name:?} is an invalid name for an environment variable"),
            Self::TooLong => write!(f, "more than {MAX_LAUNCH_BYTES} bytes of launch parameters"),
            Self::Message(error) => write!(f, "unreadable launch parameters: {error}"),
        }
    }
}

impl std::error::Error for LaunchError {}

impl From<capnp::Error> for LaunchError {
    fn from(error: capnp::Error) -> Self {
        Self::Message(error.to_string())
    }
}

impl From<std::str::Utf8Error> for LaunchError {
    fn from(error: std::str::Utf8Error) -> Self {
        Self::Message(error.to_string())
    }
}

impl Launch {
    /// Checks arguments (the first is the program's name) and variables.
    ///
    /// # Errors
    /// If a string could not be passed to a guest unchanged, or there are too many.
    pub fn new<'a>(
        arguments: impl IntoIterator<Item = &'a str>,
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LaunchError> {
        let mut launch = Self::default();
        let mut total = 0usize;
        for argument in arguments {
            check(&[argument], &mut total)?;
            launch.arguments.push(&[argument]);
        }
        for (name, value) in environment {
            if name.is_empty() || name.contains('=') {
                return Err(LaunchError::VariableName(name.into()));
            }
            let variable = [name, "=", value];
            check(&variable, &mut total)?;
            launch.environment.push(&variable);
        }
        Ok(launch)
    }

    /// Reads launch parameters from a message.
    ///
    /// # Errors
    /// As [`Launch::new`], or if the message cannot be decoded.
    pub fn read(reader: launch_parameters::Reader<'_>) -> Result<Self, LaunchError> {
        Self::read_lists(None, reader.get_arguments()?, reader.get_environment()?)
    }

    /// Reads the lists that launch parameters and manifest entries share. `program` is the first argument if the list
    /// is empty.
    ///
    /// # Errors
    /// As [`Launch::read`].
    pub fn read_lists(
        program: Option<&str>,
        arguments: text_list::Reader<'_>,
        environment: struct_list::Reader<'_, variable::Owned>,
    ) -> Result<Self, LaunchError> {
        let mut all: Vec<&str> = program.into_iter().collect();
        for argument in arguments {
            all.push(argument?.to_str()?);
        }
        let mut variables = Vec::new();
        for variable in environment {
            variables.push((variable.get_name()?.to_str()?, variable.get_value()?.to_str()?));
        }
        Self::new(all, variables)
    }
}

fn check(parts: &[&str], total: &mut usize) -> Result<(), LaunchError> {
    if parts.iter().any(|part| part.contains('\0')) {
        return Err(LaunchError::Nul(parts.concat()));
    }
    let length: usize = parts.iter().map(|part| part.len()).sum();
    *total = total.saturating_add(length).saturating_add(5);
    if *total > MAX_LAUNCH_BYTES { Err(LaunchError::TooLong) } else { Ok(()) }
}
