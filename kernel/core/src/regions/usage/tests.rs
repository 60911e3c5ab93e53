//! Compares the mapping counts with a model that considers every page of every address space.

use super::{MappedUse, ObjectUses, uncount};
use crate::regions::{Backing, Protection, RegionError, RegionMap};
use capos_abi::{MAPPING_AREA, PAGE_SIZE};
use proptest::prelude::*;
use std::{collections::BTreeMap, vec::Vec};

const SPACES: usize = 3;
const OBJECTS: usize = 2;
const PAGES: u64 = 12;

struct Uses([MappedUse; OBJECTS]);

impl ObjectUses for Uses {
    fn use_of(&mut self, object: u32) -> Option<&mut MappedUse> {
        self.0.get_mut(object as usize)
    }
}

/// Per space and page: the object, if any, and the protection.
type Model = BTreeMap<(usize, u64), (Option<u32>, Protection)>;

#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    space: usize,
    page: u64,
    count: u64,
    object: Option<u32>,
    protection: u8,
}

fn step() -> impl Strategy<Value = Step> {
    (0..3u8, 0..SPACES, 0..PAGES, 1..6u64, proptest::option::weighted(0.8, 0..OBJECTS as u32), 0..8u8)
        .prop_map(|(kind, space, page, count, object, protection)| Step {
            kind,
            space,
            page,
            count,
            object,
            protection,
        })
}

/// Whether the objects of some pages would be both writable and executable if those pages got `protection`.
fn conflicts(model: &Model, space: usize, pages: core::ops::Range<u64>, protection: Protection) -> bool {
    let mut after = model.clone();
    for page in pages {
        after.entry((space, page)).and_modify(|entry| entry.1 = protection);
    }
    (0..OBJECTS as u32).any(|object| {
        let has = |usage| after.values().any(|entry| entry.0 == Some(object) && entry.1.contains(usage));
        has(Protection::WRITE) && has(Protection::EXECUTE)
    })
}

fn expected_counts(model: &Model) -> [MappedUse; OBJECTS] {
    let mut counts = [MappedUse::new(); OBJECTS];
    for (object, protection) in model.values() {
        if let Some(object) = object {
            counts[*object as usize].add(*protection, PAGE_SIZE);
        }
    }
    counts
}

fn apply(maps: &mut [RegionMap; SPACES], uses: &mut Uses, model: &mut Model, step: &Step) {
    let Step { kind, space, page, count, object, protection } = *step;
    let protection = Protection::from_bits_truncate(protection);
    let (address, length) = (MAPPING_AREA + page * PAGE_SIZE, count * PAGE_SIZE);
    let map = &mut maps[space];
    let pages = page..page + count;
    match kind {
        0 => {
            let free = pages.clone().all(|page| !model.contains_key(&(space, page)));
            let mut after = model.clone();
            pages.for_each(|page| _ = after.insert((space, page), (object, protection)));
            let allowed = free && !protection.breaks_wx() && !conflicts(&after, space, 0..0, protection);
            let all = Protection::all();
            let result = match object {
                Some(object) => {
                    let backing = Backing::Object { object, offset: page * PAGE_SIZE };
                    map.map_object(&mut uses.0[object as usize], address, length, backing, protection, all)
                }
                None => map.map(address, length, Backing::Anonymous, protection, all),
            };
            assert_eq!(result.is_ok(), allowed, "{result:?}");
            if allowed {
                *model = after;
            }
        }
        1 => {
            let whole = pages.clone().all(|page| model.contains_key(&(space, page)));
            let allowed =
                whole && !protection.breaks_wx() && !conflicts(model, space, pages.clone(), protection);
            let result = map.protect_counted(uses, address, length, protection);
            assert_eq!(result.is_ok(), allowed, "{result:?}");
            if allowed {
                pages
                    .for_each(|page| _ = model.entry((space, page)).and_modify(|entry| entry.1 = protection));
            }
        }
        _ => {
            let mut removed = Vec::new();
            map.unmap(address, length, |region| removed.push(region)).unwrap();
            removed.iter().for_each(|region| uncount(uses, region));
            pages.for_each(|page| _ = model.remove(&(space, page)));
        }
    }
}

proptest! {
    #[test]
    fn no_object_is_ever_writable_and_executable(steps in proptest::collection::vec(step(), 1..80)) {
        let mut maps = [const { RegionMap::new(1000) }; SPACES];
        let mut uses = Uses([MappedUse::new(); OBJECTS]);
        let mut model = Model::new();
        for step in &steps {
            apply(&mut maps, &mut uses, &mut model, step);
            prop_assert_eq!(uses.0, expected_counts(&model));
            prop_assert!(uses.0.iter().all(|mapped| mapped.writable == 0 || mapped.executable == 0));
        }
    }
}

#[test]
fn a_refused_change_without_room_for_its_pieces_counts_nothing() {
    let mut uses = Uses([MappedUse::new(); OBJECTS]);
    let mut map = RegionMap::new(1);
    let backing = Backing::Object { object: 0, offset: 0 };
    let (write, all) = (Protection::WRITE, Protection::all());
    map.map_object(&mut uses.0[0], MAPPING_AREA, 3 * PAGE_SIZE, backing, write, all).unwrap();
    let before = uses.0;
    let split = map.protect_counted(&mut uses, MAPPING_AREA + PAGE_SIZE, PAGE_SIZE, Protection::READ);
    assert_eq!(split, Err(RegionError::Full));
    assert_eq!(uses.0, before);
}

#[test]
fn code_is_written_first_and_executed_then() {
    let mut uses = Uses([MappedUse::new(); OBJECTS]);
    let mut map = RegionMap::new(8);
    let backing = Backing::Object { object: 0, offset: 0 };
    let (write, execute) = (Protection::READ | Protection::WRITE, Protection::READ | Protection::EXECUTE);
    let all = Protection::all();
    let second = MAPPING_AREA + 8 * PAGE_SIZE;
    map.map_object(&mut uses.0[0], MAPPING_AREA, PAGE_SIZE, backing, write, all).unwrap();
    let refused = map.map_object(&mut uses.0[0], second, PAGE_SIZE, backing, execute, all);
    assert_eq!(refused, Err(RegionError::MappedWritable));
    map.protect_counted(&mut uses, MAPPING_AREA, PAGE_SIZE, execute).unwrap();
    map.map_object(&mut uses.0[0], second, PAGE_SIZE, backing, execute, all).unwrap();
    let refused = map.protect_counted(&mut uses, second, PAGE_SIZE, write);
    assert_eq!(refused, Err(RegionError::MappedExecutable));
    map.protect_counted(&mut uses, MAPPING_AREA, 1 << 16, write).unwrap_err();
}
