//! Any bytes parse to an operation within the limits, or to an error.

use super::{Operation, parse, unread_completions, waiting_submissions};
use capos_abi::{ErrorCode, MAX_MESSAGE_BYTES, MAX_MESSAGE_CAPS, SubmissionEntry, USER_END};
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
