//! Failures of calls to kernel objects.

use crate::{
    mm::SpaceError,
    system::process::{LoadError, StartError},
};
use capos_abi::ErrorCode;
use capos_kernel_core::regions::RegionError;

/// An error code and a text, which may be empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(super) code: ErrorCode,
    pub(super) text: &'static str,
}

impl Failure {
    pub(super) const UNIMPLEMENTED: Self = Self::code(ErrorCode::Unimplemented);
    pub(super) const OUT_OF_MEMORY: Self = Self::overloaded("the kernel is out of memory");
    pub(super) const ENDED: Self =
        Self { code: ErrorCode::Disconnected, text: "the process of this object has ended" };

    pub(super) const fn code(code: ErrorCode) -> Self {
        Self { code, text: "" }
    }

    pub(super) const fn failed(text: &'static str) -> Self {
        Self { code: ErrorCode::Failed, text }
    }

    pub(super) const fn overloaded(text: &'static str) -> Self {
        Self { code: ErrorCode::Overloaded, text }
    }
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::code(code)
    }
}

impl From<capnp::Error> for Failure {
    fn from(error: capnp::Error) -> Self {
        Self::code(match error.kind {
            // The pointer is well-formed, but the message's capability list has no such entry.
            capnp::ErrorKind::MessageContainsInvalidCapabilityPointer => ErrorCode::BadCapabilityList,
            _ => ErrorCode::BadMessage,
        })
    }
}

impl From<core::str::Utf8Error> for Failure {
    fn from(_: core::str::Utf8Error) -> Self {
        Self::code(ErrorCode::BadMessage)
    }
}

impl From<SpaceError> for Failure {
    fn from(error: SpaceError) -> Self {
        match error {
            SpaceError::Region(RegionError::Full) => Self::overloaded(RegionError::Full.message()),
            SpaceError::Region(error) => Self::failed(error.message()),
            SpaceError::OutsideObject => Self::failed("the range is outside the memory object"),
            SpaceError::OutOfMemory => Self::overloaded("the process's frame budget is exhausted"),
        }
    }
}

impl From<RegionError> for Failure {
    fn from(error: RegionError) -> Self {
        SpaceError::from(error).into()
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Load(LoadError::BadImage(text)) => Self::failed(text),
            StartError::BootstrapTooLarge => {
                Self::failed("the launch parameters and grants do not fit the bootstrap pages")
            }
            StartError::Load(LoadError::OutOfMemory) | StartError::OutOfMemory => {
                Self::overloaded("the limits given, or the machine's memory, do not suffice")
            }
        }
    }
}
