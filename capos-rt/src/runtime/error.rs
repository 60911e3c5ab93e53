//! Conversion between kernel errors and Cap'n Proto exceptions.

use capnp::{Error, ErrorKind};
use capos_abi::ErrorCode;

/// The exception for an operation's status, with the accompanying text.
pub(crate) fn from_status(status: i32, text: &str) -> Error {
    let code = ErrorCode::from_raw(status);
    let kind = match code {
        Some(ErrorCode::Overloaded | ErrorCode::BudgetExceeded | ErrorCode::TimedOut) => {
            ErrorKind::Overloaded
        }
        Some(ErrorCode::Disconnected | ErrorCode::Revoked) => ErrorKind::Disconnected,
        Some(ErrorCode::Unimplemented) => ErrorKind::Unimplemented,
        _ => ErrorKind::Failed,
    };
    let extra = match (text, code) {
        ("", Some(code)) => code.message().into(),
        ("", None) => format!("unknown kernel error {status}"),
        (text, _) => text.into(),
    };
    Error { kind, extra }
}

/// The exception for an error code without text.
pub(crate) fn from_code(code: ErrorCode) -> Error {
    from_status(code as i32, "")
}

/// The code for an exception in a RETURN.
pub(crate) fn to_code(error: &Error) -> ErrorCode {
    match error.kind {
        ErrorKind::Overloaded => ErrorCode::Overloaded,
        ErrorKind::Disconnected => ErrorCode::Disconnected,
        ErrorKind::Unimplemented => ErrorCode::Unimplemented,
        _ => ErrorCode::Failed,
    }
}

/// The text for an exception in a RETURN: the thrower's, or else a description of the kind.
pub(crate) fn to_text(error: &Error) -> String {
    match error.kind {
        ErrorKind::Failed | ErrorKind::Overloaded | ErrorKind::Disconnected | ErrorKind::Unimplemented => {
            error.extra.clone()
        }
        _ => error.to_string(),
    }
}
