//! Any bytes parse to an operation within the limits, or to an error.

use super::{Incoming, Operation, Outgoing, parse, plain, unread_completions, waiting_submissions};
use capos_abi::{
    ErrorCode, MAX_MESSAGE_BYTES, MAX_MESSAGE_CAPS, Opcode, SubmissionEntry, SubmissionFlags, USER_END,
};
use proptest::prelude::*;

fn entry() -> impl Strategy<Value = SubmissionEntry> {
    let word = || {
        prop_oneof![
            4 => Just(0u64),
            2 => 0..0x10_0000u64,
            1 => any::<u64>(),
            1 => Just(USER_END - 8),
            1 => Just(u64::MAX - 8)
        ]
    };
    (proptest::array::uniform16(word()), proptest::array::uniform3(word())).prop_map(|(w, reserved)| {
        SubmissionEntry {
            opcode: w[0] as u8 % 11,
            flags: w[1] as u8 % 9,
            method: w[2] as u16,
            rights: w[3] as u32,
            user_data: 7,
            cap: w[4],
            interface: w[5],
            send_address: w[6],
            send_length: w[7] as u32,
            send_cap_count: w[8] as u32,
            send_caps: w[9],
            recv_address: w[10],
            recv_length: w[11] as u32,
            recv_cap_count: w[12] as u32,
            recv_caps: w[13],
            deadline_ns: w[14],
            token: w[15],
            badge: w[3],
            reserved: if w[15] % 3 == 0 { reserved } else { [0; 3] },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn what_parses_is_within_the_limits(entry in entry()) {
        let Ok((operation, _)) = parse(&entry) else { return Ok(()) };
        prop_assert_eq!(entry.reserved, [0; 3]);
        let in_range = |address: u64, length: u64| {
            length == 0 || address.checked_add(length).is_some_and(|end| end <= USER_END)
        };
        if let Operation::Call { send, .. } | Operation::Return { send, .. } = operation {
            prop_assert!(send.length <= MAX_MESSAGE_BYTES && send.cap_count <= MAX_MESSAGE_CAPS);
            prop_assert!(in_range(send.address, send.length.into()));
            prop_assert!(in_range(send.caps, u64::from(send.cap_count) * 24));
        }
        if let Operation::Call { recv, .. } | Operation::Recv { recv, .. } = operation {
            prop_assert!(recv.length <= MAX_MESSAGE_BYTES && recv.cap_count <= MAX_MESSAGE_CAPS);
            prop_assert!(in_range(recv.address, recv.length.into()));
            prop_assert!(in_range(recv.caps, u64::from(recv.cap_count) * 8));
        }
    }

    #[test]
    fn what_is_plain_parses_to_the_same(mut entry in entry(), noise in 0..8u8) {
        // Most words of a plain entry are zero; the first word determines which.
        let quiet = if entry.opcode == Opcode::Return as u8 { SubmissionFlags::QUIET.bits() } else { 0 };
        if noise > 0 {
            (entry.flags, entry.rights, entry.badge, entry.deadline_ns, entry.send_cap_count) = (quiet, 0, 0, 0, 0);
            entry.reserved = [0; 3];
            match Opcode::from_raw(entry.opcode) {
                Some(Opcode::Call) => entry.token = 0,
                Some(Opcode::Return) => {
                    (entry.method, entry.cap, entry.interface) = (0, 0, 0);
                    (entry.recv_address, entry.recv_length, entry.recv_cap_count, entry.recv_caps) = (0, 0, 0, 0);
                }
                Some(Opcode::Recv) => {
                    (entry.method, entry.interface, entry.token) = (0, 0, 0);
                    (entry.send_address, entry.send_length, entry.send_caps) = (0, 0, 0);
                }
                _ => {}
            }
        }
        // Only one of them reduces buffer sizes to what a message can need.
        let cut = |recv: Incoming| Incoming {
            length: recv.length.min(MAX_MESSAGE_BYTES),
            cap_count: recv.cap_count.min(MAX_MESSAGE_CAPS),
            ..recv
        };
        if let Some(call) = plain::call(entry) {
            prop_assert_eq!(call.user_data(), entry.user_data);
            let send = Outgoing { caps: entry.send_caps, ..call.send };
            let (cap, interface, method, recv) = (call.cap, call.interface(), call.method, cut(call.recv));
            let call = Operation::Call { cap, interface, method, send, recv, deadline_ns: 0 };
            prop_assert_eq!(parse(&entry), Ok((call, SubmissionFlags::empty())));
        }
        let recv = SubmissionEntry { opcode: Opcode::Recv as u8, ..SubmissionEntry::default() };
        for answer in [plain::answer(entry, recv), plain::answer(recv, entry)].into_iter().flatten() {
            let send = Outgoing { caps: entry.send_caps, ..answer.send };
            let answer = Operation::Return { token: answer.token, send };
            prop_assert_eq!(parse(&entry), Ok((answer, SubmissionFlags::QUIET)));
        }
        let (opcode, flags) = (Opcode::Return as u8, SubmissionFlags::QUIET.bits());
        let answer = SubmissionEntry { opcode, flags, ..SubmissionEntry::default() };
        for answer in [plain::answer(entry, answer), plain::answer(answer, entry)].into_iter().flatten() {
            prop_assert_eq!(answer.user_data(), entry.user_data);
            let recv = Operation::Recv { cap: answer.cap, recv: cut(answer.recv), deadline_ns: 0 };
            prop_assert_eq!(parse(&entry), Ok((recv, SubmissionFlags::empty())));
        }
    }

    #[test]
    fn indices_wrap(head in any::<u32>(), distance in 0..200u32) {
        let tail = head.wrapping_add(distance);
        prop_assert_eq!(waiting_submissions(head, tail), if distance <= 32 { Ok(distance) } else { Err(ErrorCode::BadRing) });
        prop_assert_eq!(unread_completions(head, tail), if distance <= 64 { Ok(distance) } else { Err(ErrorCode::BadRing) });
    }
}

#[test]
fn unused_fields_must_be_zero() {
    let nop = SubmissionEntry { user_data: 1, ..Default::default() };
    assert_eq!(parse(&nop).unwrap().0, Operation::Nop);
    let wrong = [
        SubmissionEntry { cap: 1, ..nop },
        SubmissionEntry { method: 1, ..nop },
        SubmissionEntry { badge: 1, ..nop },
        SubmissionEntry { flags: 8, ..nop },
        SubmissionEntry { flags: 2, ..nop },
        SubmissionEntry { opcode: 2, flags: 1, ..nop },
        SubmissionEntry { opcode: 3, flags: 2, method: 1, ..nop },
        SubmissionEntry { opcode: 8, flags: 1, ..nop },
        SubmissionEntry { opcode: 8, badge: 1, ..nop },
    ];
    for entry in wrong {
        assert_eq!(parse(&entry), Err(ErrorCode::InvalidArgument), "{entry:?}");
    }
    assert_eq!(parse(&SubmissionEntry { opcode: 9, ..nop }), Err(ErrorCode::InvalidOpcode));
}
