//! Compares the region map with a model that keeps one entry per page.

use super::{Backing, Protection, RegionMap};
use crate::walk::Walk;
use capos_abi::{MAPPING_AREA, MAPPING_AREA_END, PAGE_SIZE, USER_END};
use proptest::prelude::*;
use std::{collections::BTreeMap, vec::Vec};

const PAGES: u64 = 24;
/// Object numbers from here on denote private mappings, of the objects numbered from 0.
const PRIVATE: u32 = 3;
/// Offset within a page of the object at which these begin.
const UNALIGNED: u64 = 0x123;

/// Per page: object and page of the object (if any), protection, ceiling.
type Model = BTreeMap<u64, (Option<(u32, u64)>, Protection, Protection)>;

#[derive(Clone, Debug)]
enum Step {
    Map { page: u64, count: u64, object: Option<u32>, protection: u8, ceiling: u8 },
    Protect { page: u64, count: u64, protection: u8 },
    Unmap { page: u64, count: u64 },
    Discard { page: u64, count: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let range = || (0..PAGES, 1..8u64);
    prop_oneof![
        (range(), proptest::option::of(0..5u32), 0..8u8, 0..8u8).prop_map(
            |((page, count), object, protection, ceiling)| Step::Map {
                page,
                count,
                object,
                protection,
                ceiling: ceiling | protection
            }
        ),
        (range(), 0..8u8).prop_map(|((page, count), protection)| Step::Protect { page, count, protection }),
        range().prop_map(|(page, count)| Step::Unmap { page, count }),
        range().prop_map(|(page, count)| Step::Discard { page, count }),
    ]
}

/// Whether a page of `object`, or with `None` an anonymous one, may have `protection` as far as the kind of page goes.
fn suits(object: Option<u32>, protection: Protection) -> bool {
    !protection.breaks_wx()
        && (matches!(object, Some(0..PRIVATE)) || !protection.contains(Protection::EXECUTE))
}

fn is_consistent(map: &RegionMap) -> bool {
    map.is_consistent(&mut Walk::new(&|| true)).unwrap()
}

fn address(page: u64) -> u64 {
    MAPPING_AREA + page * PAGE_SIZE
}

fn flatten(map: &RegionMap) -> Model {
    let mut model = Model::new();
    for region in map.regions() {
        for page in 0..region.length() / PAGE_SIZE {
            let backing = match region.backing {
                Backing::Object { object, offset } => Some((object, offset / PAGE_SIZE + page)),
                Backing::Private { object, offset } => {
                    assert_eq!(offset % PAGE_SIZE, UNALIGNED);
                    Some((PRIVATE + object, offset / PAGE_SIZE + page))
                }
                _ => None,
            };
            let number = (region.start - MAPPING_AREA) / PAGE_SIZE + page;
            model.insert(number, (backing, region.protection, region.ceiling));
        }
    }
    model
}

fn apply(map: &mut RegionMap, model: &mut Model, step: &Step) {
    match *step {
        Step::Map { page, count, object, protection, ceiling } => {
            let protection = Protection::from_bits_truncate(protection);
            let ceiling = Protection::from_bits_truncate(ceiling);
            let backing = match object {
                Some(object @ PRIVATE..) => Backing::Private { object: object - PRIVATE, offset: UNALIGNED },
                Some(object) => Backing::Object { object, offset: 0 },
                None => Backing::Anonymous,
            };
            let free = (page..page + count).all(|page| !model.contains_key(&page));
            let result = map.map(address(page), count * PAGE_SIZE, backing, protection, ceiling);
            assert_eq!(result.is_ok(), free && suits(object, protection));
            if result.is_ok() {
                for i in 0..count {
                    model.insert(page + i, (object.map(|object| (object, i)), protection, ceiling));
                }
            }
        }
        Step::Protect { page, count, protection } => {
            let protection = Protection::from_bits_truncate(protection);
            let allowed = (page..page + count).all(|page| {
                model.get(&page).is_some_and(|(object, _, ceiling)| {
                    ceiling.contains(protection) && suits(object.map(|(object, _)| object), protection)
                })
            });
            let result = map.protect(address(page), count * PAGE_SIZE, protection);
            assert_eq!(result.is_ok(), allowed);
            if result.is_ok() {
                for page in page..page + count {
                    model.entry(page).and_modify(|entry| entry.1 = protection);
                }
            }
        }
        Step::Unmap { page, count } => {
            let mut removed = 0;
            map.unmap(address(page), count * PAGE_SIZE, |region| removed += region.length()).unwrap();
            let expected = (page..page + count).filter(|page| model.remove(page).is_some()).count();
            assert_eq!(removed, expected as u64 * PAGE_SIZE);
        }
        Step::Discard { page, count } => {
            let is_own = (page..page + count).all(|page| {
                model.get(&page).is_some_and(|entry| entry.0.is_none_or(|(object, _)| object >= PRIVATE))
            });
            assert_eq!(map.check_discard(address(page), count * PAGE_SIZE).is_ok(), is_own);
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_page_by_page_model(steps in proptest::collection::vec(step(), 1..60)) {
        let mut map = RegionMap::new(1000);
        let mut model = Model::new();
        for step in &steps {
            apply(&mut map, &mut model, step);
            prop_assert!(is_consistent(&map));
            prop_assert_eq!(flatten(&map), model.clone());
            let joined = map.regions().zip(map.regions().skip(1)).all(|(one, next)| !one.joins(next));
            prop_assert!(joined, "regions that continue each other are one");
            for page in 0..PAGES + 8 {
                prop_assert_eq!(map.find(address(page)).is_some(), model.contains_key(&page));
            }
        }
    }

    #[test]
    fn chosen_ranges_never_overlap(lengths in proptest::collection::vec(1..2000u64, 1..50), drop in any::<u64>()) {
        let mut map = RegionMap::new(1000);
        let mut taken = Vec::new();
        for (i, length) in lengths.iter().enumerate() {
            let length = length * PAGE_SIZE;
            let start = map.map(0, length, Backing::Anonymous, Protection::READ, Protection::all()).unwrap();
            prop_assert!(taken.iter().all(|&(from, to)| start + length <= from || start >= to));
            if drop >> (i % 64) & 1 == 1 {
                map.unmap(start, length, |_| ()).unwrap();
            } else {
                taken.push((start, start + length));
            }
        }
    }

    #[test]
    fn hostile_ranges_are_refused(address in any::<u64>(), length in any::<u64>()) {
        let mut map = RegionMap::new(10);
        if let Ok(start) = map.map(address, length, Backing::Anonymous, Protection::READ, Protection::READ) {
            prop_assert!(start % PAGE_SIZE == 0 && length % PAGE_SIZE == 0 && start + length <= USER_END);
        }
        let _ = map.protect(address, length, Protection::READ);
        let _ = map.unmap(address, length, |_| ());
        prop_assert!(is_consistent(&map));
    }
}

#[test]
fn fixed_pages_stay() {
    let mut map = RegionMap::new(10);
    map.map(address(0), PAGE_SIZE, Backing::Fixed, Protection::READ, Protection::READ).unwrap();
    assert!(map.protect(address(0), PAGE_SIZE, Protection::empty()).is_err());
    assert!(map.unmap(address(0), PAGE_SIZE, |_| ()).is_err());
    assert!(map.check_discard(address(0), PAGE_SIZE).is_err());
    map.remove_fixed(address(0), PAGE_SIZE).unwrap();
    assert!(map.find(address(0)).is_none());
}

#[test]
fn the_number_of_regions_is_bounded() {
    let mut map = RegionMap::new(4);
    for i in 0..4 {
        map.map(address(i * 2), PAGE_SIZE, Backing::Anonymous, Protection::READ, Protection::READ).unwrap();
    }
    assert!(map.map(address(20), PAGE_SIZE, Backing::Anonymous, Protection::READ, Protection::READ).is_err());
}

#[test]
fn ranges_are_looked_at_before_they_are_changed_piece_by_piece() {
    let mut map = RegionMap::new(16);
    let usage = Protection::READ | Protection::WRITE;
    for page in [0, 2, 4] {
        map.map(address(page), PAGE_SIZE, Backing::Anonymous, usage, usage).unwrap();
    }
    assert_eq!(map.end_of(address(0), address(9), 1), address(1));
    assert_eq!(map.end_of(address(1), address(9), 1), address(3), "the first that ends behind it");
    assert_eq!(map.end_of(address(0), address(9), 3), address(5));
    assert_eq!(map.end_of(address(0), address(9), 4), address(9));
    assert_eq!(map.end_of(address(0), address(2), 2), address(2), "no further than asked");

    assert!(map.check_unmap(address(0), 6 * PAGE_SIZE).is_ok(), "holes are no error");
    assert!(map.check_unmap(address(0), 0).is_err());
    assert!(map.check_unmap(address(0), u64::MAX - PAGE_SIZE + 1).is_err(), "it wraps around");
    map.map(address(6), PAGE_SIZE, Backing::Fixed, Protection::READ, Protection::READ).unwrap();
    assert!(map.check_unmap(address(0), 7 * PAGE_SIZE).is_err(), "the kernel's own");

    let starts: Vec<u64> = core::iter::from_fn(|| map.pop()).flatten().map(|region| region.start).collect();
    assert_eq!(starts, [6, 4, 2, 0].map(address));
    assert!(map.regions().next().is_none());
}

/// Closing the gap separately for each merged region would take minutes.
#[test]
fn many_regions_are_joined_in_one_go() {
    let count = 1 << 16;
    let mut map = RegionMap::new(count as usize);
    for i in 0..count {
        let protection = if i % 2 == 0 { Protection::READ } else { Protection::empty() };
        map.map(address(i), PAGE_SIZE, Backing::Anonymous, protection, Protection::READ).unwrap();
    }
    assert_eq!(map.count() as u64, count);
    map.protect(address(0), count * PAGE_SIZE, Protection::READ).unwrap();
    assert_eq!(map.count(), 1);
    assert!(is_consistent(&map));
}

/// The lowest free range, found by visiting every region.
fn lowest_gap(map: &RegionMap, length: u64) -> Option<u64> {
    let mut start = MAPPING_AREA;
    for region in map.regions().filter(|region| region.end > MAPPING_AREA) {
        if region.start >= start + length {
            break;
        }
        start = start.max(region.end);
    }
    (start + length <= MAPPING_AREA_END).then_some(start)
}

proptest! {
    #[test]
    fn the_lowest_gap_is_found(
        steps in proptest::collection::vec((0..200u64, 1..6u64, 0..4u8), 1..300),
        length in 1..12u64,
    ) {
        let mut map = RegionMap::new(1000);
        for (page, count, kind) in steps {
            let protection = if kind == 0 { Protection::READ } else { Protection::empty() };
            if kind < 3 {
                let length = count * PAGE_SIZE;
                let _ = map.map(address(page), length, Backing::Anonymous, protection, Protection::READ);
            } else {
                map.unmap(address(page), count * PAGE_SIZE, |_| ()).unwrap();
            }
        }
        prop_assert!(is_consistent(&map));
        let length = length * PAGE_SIZE;
        prop_assert_eq!(map.gap(MAPPING_AREA, length), lowest_gap(&map, length));
        for from in (0..200).step_by(7).map(address) {
            let found = map.gap(from, length).unwrap();
            let is_free = |at: u64| map.next_after(at).is_none_or(|next| next.start >= at + length);
            prop_assert!(found >= from && is_free(found));
            let lower = (from..found).step_by(PAGE_SIZE as usize).find(|&at| is_free(at));
            prop_assert_eq!(lower, None);
        }
    }
}

/// As a host of many WebAssembly memories does: each is a reservation with a guard, of which the first part is writable.
#[test]
fn ten_thousand_reservations_with_guards() {
    const RESERVED: u64 = 6 << 30;
    const COUNT: usize = 10_000;
    let usage = Protection::READ | Protection::WRITE;
    let mut map = RegionMap::new(65_536);
    let reserve = |map: &mut RegionMap| {
        let start = map.map(0, RESERVED, Backing::Anonymous, Protection::empty(), usage).unwrap();
        map.protect(start, 1 << 20, usage).unwrap();
        start
    };
    let mut starts: Vec<u64> = (0..COUNT).map(|_| reserve(&mut map)).collect();
    assert_eq!(map.count(), 2 * COUNT);
    assert!(is_consistent(&map));
    // Each is freed and replaced, in an order that is not that of the addresses: the hole is found, and nothing else moves.
    for turn in 0..COUNT {
        let place = turn * 7919 % COUNT;
        map.unmap(starts[place], RESERVED, |_| ()).unwrap();
        assert_eq!(reserve(&mut map), starts[place]);
        if turn % 1000 == 0 {
            assert!(is_consistent(&map));
        }
    }
    starts.sort_unstable();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == RESERVED));
    assert!(starts.iter().all(|&start| map.find(start).is_some_and(|region| region.protection == usage)));
    for start in starts {
        map.unmap(start, RESERVED, |_| ()).unwrap();
    }
    assert!(map.count() == 0 && is_consistent(&map));
}

/// The work for one region does not grow with their number: a linear one would take minutes here.
#[test]
fn regions_in_any_order_stay_balanced() {
    const COUNT: u64 = 1 << 16;
    for stride in [1, COUNT - 1, 7919, 40_503] {
        let mut map = RegionMap::new(COUNT as usize);
        for i in 0..COUNT {
            let at = address(i * stride % COUNT * 2);
            map.map(at, PAGE_SIZE, Backing::Anonymous, Protection::READ, Protection::READ).unwrap();
            if i.is_power_of_two() {
                assert!(is_consistent(&map));
            }
        }
        assert!(map.map(0, PAGE_SIZE, Backing::Anonymous, Protection::empty(), Protection::READ).is_err());
        for i in 0..COUNT {
            map.unmap(address(i * 7919 % COUNT * 2), PAGE_SIZE, |_| ()).unwrap();
            if i.is_power_of_two() {
                assert!(is_consistent(&map));
            }
        }
        assert_eq!(map.count(), 0);
    }
}
