//! Arguments and environment, in the form in which guests read them.

use capos_schema::launch_capnp::launch_parameters;
use std::fmt;

/// Arguments and environment together may not be longer than this.
const MAX_LAUNCH_BYTES: usize = 1 << 20;

/// What an instance is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) environment: Vec<Vec<u8>>,
}

/// Why launch parameters were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchError {
    /// An argument or variable contains a NUL, which ends strings in a guest.
    Nul(String),
    /// A variable's name is empty or contains `=`.
    VariableName(String),
    /// There is more than a mebibyte of it.
    TooLong,
    /// The message is broken.
    Message(String),
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nul(string) => write!(f, "{string:?} contains a NUL"),
            Self::VariableName(name) => write!(f, "{name:?} is no name for a variable"),
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
    /// For strings that a guest could not read back as they are, and for too many of them.
    pub fn new<'a>(
        arguments: impl IntoIterator<Item = &'a str>,
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LaunchError> {
        let mut launch = Self::default();
        let mut total = 0usize;
        for argument in arguments {
            launch.arguments.push(checked(argument, &mut total)?);
        }
        for (name, value) in environment {
            if name.is_empty() || name.contains('=') {
                return Err(LaunchError::VariableName(name.into()));
            }
            launch.environment.push(checked(&format!("{name}={value}"), &mut total)?);
        }
        Ok(launch)
    }

    /// Reads launch parameters from a message.
    ///
    /// # Errors
    /// As [`Launch::new`], and for messages that do not decode.
    pub fn read(reader: launch_parameters::Reader<'_>) -> Result<Self, LaunchError> {
        let mut arguments = Vec::new();
        for argument in reader.get_arguments()? {
            arguments.push(argument?.to_str()?);
        }
        let mut environment = Vec::new();
        for variable in reader.get_environment()? {
            environment.push((variable.get_name()?.to_str()?, variable.get_value()?.to_str()?));
        }
        Self::new(arguments, environment)
    }
}

fn checked(string: &str, total: &mut usize) -> Result<Vec<u8>, LaunchError> {
    if string.contains('\0') {
        return Err(LaunchError::Nul(string.into()));
    }
    // Guests also hold a NUL and a pointer for each string.
    *total = total.saturating_add(string.len()).saturating_add(5);
    if *total > MAX_LAUNCH_BYTES {
        return Err(LaunchError::TooLong);
    }
    Ok(string.as_bytes().to_vec())
}
