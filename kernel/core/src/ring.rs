//! From what userspace wrote into a ring to a checked operation. Everything in an entry is a claim.

use capos_abi::{
    COMPLETION_ENTRIES, ErrorCode, Handle, MAX_MESSAGE_BYTES, MAX_MESSAGE_CAPS, Opcode, Rights,
    SUBMISSION_ENTRIES, SubmissionEntry, SubmissionFlags, USER_END,
};

#[cfg(test)]
mod tests;

/// How many submissions wait between free-running indices.
///
/// # Errors
/// `BadRing` when there would be more than the queue holds.
#[inline]
pub const fn waiting_submissions(head: u32, tail: u32) -> Result<u32, ErrorCode> {
    let waiting = tail.wrapping_sub(head);
    if waiting <= SUBMISSION_ENTRIES { Ok(waiting) } else { Err(ErrorCode::BadRing) }
}

/// How many completions are unread between free-running indices.
///
/// # Errors
/// `BadRing` when there would be more than the queue holds.
#[inline]
pub const fn unread_completions(head: u32, tail: u32) -> Result<u32, ErrorCode> {
    let unread = tail.wrapping_sub(head);
    if unread <= COMPLETION_ENTRIES { Ok(unread) } else { Err(ErrorCode::BadRing) }
}

/// A message to send: where in the sender's memory its bytes and its capability list stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outgoing {
    /// Address of the bytes.
    pub address: u64,
    /// How many bytes.
    pub length: u32,
    /// How many capability descriptors.
    pub cap_count: u32,
    /// Address of the first.
    pub caps: u64,
}

/// Room for a message to receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Incoming {
    /// Where the bytes go.
    pub address: u64,
    /// How many bytes fit.
    pub length: u32,
    /// How many handles fit.
    pub cap_count: u32,
    /// Where the handles go.
    pub caps: u64,
}

/// A checked submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields are those of `capos_abi::SubmissionEntry`")]
pub enum Operation {
    Nop,
    Call {
        cap: Handle,
        interface: u64,
        method: u16,
        send: Outgoing,
        recv: Incoming,
        deadline_ns: u64,
    },
    Recv {
        cap: Handle,
        recv: Incoming,
        deadline_ns: u64,
    },
    Return {
        token: u64,
        send: Outgoing,
    },
    /// RETURN with the EXCEPTION flag: an error code and its text.
    Throw {
        token: u64,
        code: ErrorCode,
        text_address: u64,
        text_length: u32,
    },
    Release {
        cap: Handle,
    },
    Cancel {
        user_data: u64,
    },
    Derive {
        cap: Handle,
        rights: Rights,
    },
    Mint {
        cap: Handle,
        rights: Rights,
        badge: u64,
    },
    Revoke {
        cap: Handle,
    },
    Identify {
        endpoint: Handle,
        client: Handle,
    },
}

/// Whether `length` bytes from `address` lie below the end of user space. Empty ranges may lie anywhere.
#[inline]
const fn in_user_space(address: u64, length: u64) -> bool {
    length == 0 || (address < USER_END && length <= USER_END - address)
}

#[inline(always)]
fn outgoing(entry: &SubmissionEntry) -> Result<Outgoing, ErrorCode> {
    if entry.send_length > MAX_MESSAGE_BYTES {
        return Err(ErrorCode::MessageTooLarge);
    }
    if entry.send_cap_count > MAX_MESSAGE_CAPS {
        return Err(ErrorCode::BadCapabilityList);
    }
    if !in_user_space(entry.send_address, entry.send_length as u64)
        || !in_user_space(entry.send_caps, entry.send_cap_count as u64 * 24)
    {
        return Err(ErrorCode::BadAddress);
    }
    Ok(Outgoing {
        address: entry.send_address,
        length: entry.send_length,
        cap_count: entry.send_cap_count,
        caps: entry.send_caps,
    })
}

#[inline(always)]
fn incoming(entry: &SubmissionEntry) -> Result<Incoming, ErrorCode> {
    // More room than a message can need is cut to what it can need, so that the sums below stay small.
    let length = entry.recv_length.min(MAX_MESSAGE_BYTES);
    let cap_count = entry.recv_cap_count.min(MAX_MESSAGE_CAPS);
    if !in_user_space(entry.recv_address, length as u64)
        || !in_user_space(entry.recv_caps, cap_count as u64 * 8)
    {
        return Err(ErrorCode::BadAddress);
    }
    Ok(Incoming { address: entry.recv_address, length, cap_count, caps: entry.recv_caps })
}

/// Which groups of fields an operation may use.
struct Fields {
    method: bool,
    rights: bool,
    cap: bool,
    interface: bool,
    send: bool,
    recv: bool,
    deadline: bool,
    token: bool,
    badge: bool,
}

const UNUSED: Fields = Fields {
    method: false,
    rights: false,
    cap: false,
    interface: false,
    send: false,
    recv: false,
    deadline: false,
    token: false,
    badge: false,
};

impl Fields {
    /// Whether every field outside the used groups is zero. The fields of a group are or-ed first, so that the
    /// usual case costs few branches.
    #[inline(always)]
    fn check(&self, entry: &SubmissionEntry) -> Result<(), ErrorCode> {
        let mut rest = entry.reserved[0] | entry.reserved[1] | entry.reserved[2];
        let mut unless = |used: bool, bits: u64| {
            if !used {
                rest |= bits;
            }
        };
        unless(self.method, entry.method as u64);
        unless(self.rights, entry.rights as u64);
        unless(self.cap, entry.cap);
        unless(self.interface, entry.interface);
        let send =
            entry.send_address | entry.send_length as u64 | entry.send_cap_count as u64 | entry.send_caps;
        unless(self.send, send);
        let recv =
            entry.recv_address | entry.recv_length as u64 | entry.recv_cap_count as u64 | entry.recv_caps;
        unless(self.recv, recv);
        unless(self.deadline, entry.deadline_ns);
        unless(self.token, entry.token);
        unless(self.badge, entry.badge);
        if rest == 0 { Ok(()) } else { Err(ErrorCode::InvalidArgument) }
    }
}

/// Checks an entry. The flags come back beside the operation.
///
/// # Errors
/// `InvalidOpcode`, `InvalidArgument`, `MessageTooLarge`, `BadCapabilityList` or `BadAddress`.
#[inline(always)]
pub fn parse(entry: &SubmissionEntry) -> Result<(Operation, SubmissionFlags), ErrorCode> {
    let opcode = Opcode::from_raw(entry.opcode).ok_or(ErrorCode::InvalidOpcode)?;
    let flags = SubmissionFlags::from_bits(entry.flags).ok_or(ErrorCode::InvalidArgument)?;
    let cap = Handle(entry.cap);
    let allowed = match opcode {
        Opcode::Recv => SubmissionFlags::empty(),
        Opcode::Return => SubmissionFlags::QUIET.union(SubmissionFlags::EXCEPTION),
        // The new handle is in the completion, so there must be one.
        Opcode::Derive => SubmissionFlags::MINT,
        // So is the badge.
        Opcode::Identify => SubmissionFlags::empty(),
        _ => SubmissionFlags::QUIET,
    };
    if !allowed.contains(flags) {
        return Err(ErrorCode::InvalidArgument);
    }
    let operation = match opcode {
        Opcode::Call => {
            Fields {
                method: true,
                cap: true,
                interface: true,
                send: true,
                recv: true,
                deadline: true,
                ..UNUSED
            }
            .check(entry)?;
            Operation::Call {
                cap,
                interface: entry.interface,
                method: entry.method,
                send: outgoing(entry)?,
                recv: incoming(entry)?,
                deadline_ns: entry.deadline_ns,
            }
        }
        Opcode::Recv => {
            Fields { cap: true, recv: true, deadline: true, ..UNUSED }.check(entry)?;
            Operation::Recv { cap, recv: incoming(entry)?, deadline_ns: entry.deadline_ns }
        }
        Opcode::Return if flags.contains(SubmissionFlags::EXCEPTION) => {
            Fields { method: true, send: true, token: true, ..UNUSED }.check(entry)?;
            let send = outgoing(entry)?;
            if send.cap_count != 0 {
                return Err(ErrorCode::BadCapabilityList);
            }
            let code = exception_code(entry.method)?;
            Operation::Throw {
                token: entry.token,
                code,
                text_address: send.address,
                text_length: send.length,
            }
        }
        Opcode::Return => {
            Fields { send: true, token: true, ..UNUSED }.check(entry)?;
            Operation::Return { token: entry.token, send: outgoing(entry)? }
        }
        Opcode::Nop => UNUSED.check(entry).map(|()| Operation::Nop)?,
        Opcode::Release => {
            Fields { cap: true, ..UNUSED }.check(entry).map(|()| Operation::Release { cap })?
        }
        Opcode::Cancel => Fields { token: true, ..UNUSED }
            .check(entry)
            .map(|()| Operation::Cancel { user_data: entry.token })?,
        Opcode::Derive => {
            let mint = flags.contains(SubmissionFlags::MINT);
            Fields { cap: true, rights: true, badge: mint, ..UNUSED }.check(entry)?;
            let rights = Rights::from_bits_truncate(entry.rights);
            if mint {
                Operation::Mint { cap, rights, badge: entry.badge }
            } else {
                Operation::Derive { cap, rights }
            }
        }
        Opcode::Revoke => Fields { cap: true, ..UNUSED }.check(entry).map(|()| Operation::Revoke { cap })?,
        Opcode::Identify => {
            Fields { cap: true, token: true, ..UNUSED }.check(entry)?;
            Operation::Identify { endpoint: cap, client: Handle(entry.token) }
        }
    };
    Ok((operation, flags))
}

/// The codes that a server may throw.
fn exception_code(raw: u16) -> Result<ErrorCode, ErrorCode> {
    match ErrorCode::from_raw(raw as i32) {
        Some(
            code @ (ErrorCode::Failed
            | ErrorCode::Overloaded
            | ErrorCode::Disconnected
            | ErrorCode::Unimplemented),
        ) => Ok(code),
        _ => Err(ErrorCode::InvalidArgument),
    }
}
