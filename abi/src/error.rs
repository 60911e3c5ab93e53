macro_rules! error_codes {
    ($($(#[$meta:meta])* $name:ident = $value:literal => $text:literal,)*) => {
        /// The reason why an operation failed: the `status` of a completion, or (negated) the return value of
        /// a system call. Zero is success.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(i32)]
        pub enum ErrorCode {
            $($(#[$meta])* $name = $value,)*
        }

        impl ErrorCode {
            /// Every code, in numeric order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code with this number, if there is one.
            #[must_use]
            pub const fn from_raw(raw: i32) -> Option<Self> {
                match raw { $($value => Some(Self::$name),)* _ => None }
            }

            /// A sentence for error messages.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

error_codes! {
    /// The system call number or entry opcode is not defined.
    InvalidOpcode = 1 => "no such operation",
    /// A field has a value that the operation does not allow (reserved bits, unknown flags, counts).
    InvalidArgument = 2 => "a field has a value that the operation does not allow",
    /// The handle is out of range, stale, or names an empty slot.
    BadCapability = 3 => "the handle names no capability",
    /// The capability lacks the right that the operation needs.
    MissingRights = 4 => "the capability lacks a right that the operation needs",
    /// The capability, or one it was derived from, was revoked.
    Revoked = 5 => "the capability was revoked",
    /// The object or the server behind it is gone. May carry exception text.
    Disconnected = 6 => "the object behind the capability is gone",
    /// The operation was cancelled by its submitter.
    Cancelled = 7 => "cancelled",
    /// The deadline passed.
    TimedOut = 8 => "the deadline passed",
    /// A pointer or length leads outside memory that the process may access in this way.
    BadAddress = 9 => "a pointer leads outside accessible memory",
    /// The message is larger than the limit or than the receiver's buffer.
    MessageTooLarge = 10 => "the message is too large",
    /// The results did not fit the caller's buffer; `length` is the number of bytes needed.
    ResultTooLarge = 11 => "the results do not fit the buffer",
    /// The message is malformed Cap'n Proto (kernel-served objects only).
    BadMessage = 12 => "the message is malformed",
    /// The object does not serve this interface or method. May carry exception text.
    Unimplemented = 13 => "the object does not serve this method",
    /// A budget of the process (frames, capability slots, threads, badges) is exhausted.
    BudgetExceeded = 14 => "a budget of the process is exhausted",
    /// The server (or the kernel object) threw a `failed` exception. May carry exception text.
    Failed = 15 => "the call failed",
    /// The server (or the kernel object) threw an `overloaded` exception. May carry exception text.
    Overloaded = 16 => "the object is overloaded",
    /// The capability list of a message is not valid.
    BadCapabilityList = 17 => "the capability list is not valid",
    /// The reply token names no call that this process is answering.
    BadReplyToken = 18 => "the reply token names no open call",
    /// The ring's indices are not plausible.
    BadRing = 19 => "the ring's indices are corrupt",
    /// A futex word did not have the expected value.
    WouldBlock = 20 => "the value had already changed",
    /// CANCEL found no outstanding operation with that user data.
    NotFound = 21 => "no such outstanding operation",
    /// The results of a RETURN did not reach the caller, which got the error. The call is over.
    Undelivered = 22 => "the results did not reach the caller",
}
