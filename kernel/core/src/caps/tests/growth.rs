//! The work to tear something down is proportional to its size, whatever its shape.

use super::*;

/// Size of the tables, large enough for every shape.
const SLOTS: u32 = 1 << 17;

/// The most record lookups that a step may need for each record that it counts.
const LOOKS_PER_RECORD: u64 = 80;

/// Runs `step` until it reports that nothing is left. Returns the total number of record lookups and checks the limit for
/// each step.
fn looks(caps: &mut CapSpace, mut step: impl FnMut(&mut CapSpace, &mut Work) -> bool) -> u64 {
    let before = caps.looks();
    loop {
        let (mut work, start) = (Work::step(), caps.looks());
        let more = step(caps, &mut work);
        assert!(work.spent() <= Work::STEP);
        assert!(caps.looks() - start <= u64::from(work.spent()) * LOOKS_PER_RECORD + 10);
        if !more {
            return caps.looks() - before;
        }
    }
}

fn looks_of_closing(caps: &mut CapSpace, process: u32) -> u64 {
    looks(caps, |caps, work| caps.close_table_step(process, work) != TableStep::Closed)
}

fn looks_of_revoking(caps: &mut CapSpace, process: u32, root: Handle) -> u64 {
    let mut revocation = caps.revoke(process, root).unwrap();
    let mut finished = false;
    looks(caps, |caps, work| {
        work.spend(1);
        if finished {
            return caps.end_revocation_step(&mut revocation);
        }
        finished = matches!(caps.revoke_step(&mut revocation), Move::Finished);
        true
    })
}

/// A chain of capabilities with as many children of its deepest one, which are in lower slots, so that the chain is
/// deleted first.
fn chain_with_children(count: u32) -> (CapSpace, Handle) {
    let mut caps = CapSpace::new();
    caps.open_table(0, SLOTS).unwrap();
    let (root, _) = caps.insert_new(0, ObjectKind::Endpoint, 0, Rights::all()).unwrap();
    let places: Vec<Handle> = (0..count).map(|_| caps.derive(0, root, Rights::all()).unwrap()).collect();
    let mut deepest = root;
    for _ in 0..count {
        deepest = caps.derive(0, deepest, Rights::all()).unwrap();
    }
    for place in places {
        assert_eq!(caps.release(0, place), Ok(Default::default()));
    }
    for _ in 0..count {
        caps.derive(0, deepest, Rights::all()).unwrap();
    }
    (caps, root)
}

fn doubles(work: impl Fn(u32) -> u64) {
    let (small, large) = (work(2_000), work(4_000));
    assert!(large <= small * 2 + small / 8, "{small} became {large}");
}

#[test]
fn the_end_of_a_table_is_linear_in_a_chain_with_children() {
    doubles(|count| {
        let (mut caps, _) = chain_with_children(count);
        let work = looks_of_closing(&mut caps, 0);
        assert_eq!(caps.records(), [0; 3]);
        work
    });
}

#[test]
fn revocation_is_linear_in_a_chain_with_children() {
    doubles(|count| {
        let (mut caps, root) = chain_with_children(count);
        let work = looks_of_revoking(&mut caps, 0, root);
        assert_eq!(caps.capability_count(), 1);
        caps.check().unwrap();
        work
    });
}

#[test]
fn dropped_badges_are_forgotten_in_linear_work() {
    doubles(|count| {
        let mut caps = CapSpace::new();
        caps.open_table(0, SLOTS).unwrap();
        let (server, _) = caps.insert_new(0, ObjectKind::Endpoint, 0, Rights::all()).unwrap();
        for badge in 0..u64::from(count) {
            // Badges with long common prefixes, and others.
            let badge = if badge % 2 == 0 { badge } else { badge.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
            let client = caps.mint(0, server, Rights::all(), badge).unwrap();
            assert_eq!(caps.release(0, client).unwrap().badge_on, Some(0));
        }
        caps.check().unwrap();
        assert_eq!(caps.release(0, server).unwrap().deaf_endpoint, Some(0));
        let total = looks(&mut caps, CapSpace::forget_badges_step);
        assert_eq!((caps.slots_used(0), caps.records()), (0, [0; 3]));
        total
    });
}

#[test]
fn slots_of_revoked_capabilities_are_found_at_once() {
    let mut caps = CapSpace::new();
    caps.open_table(0, SLOTS).unwrap();
    let (root, _) = caps.insert_new(0, ObjectKind::Console, 0, Rights::all()).unwrap();
    let count = SLOTS - 1;
    for _ in 0..count {
        caps.derive(0, root, Rights::all()).unwrap();
    }
    looks_of_revoking(&mut caps, 0, root);
    // Searching for each would take minutes.
    for _ in 0..count {
        caps.derive(0, root, Rights::all()).unwrap();
    }
    assert_eq!(caps.derive(0, root, Rights::all()), Err(ErrorCode::BudgetExceeded));
    caps.check().unwrap();
}
