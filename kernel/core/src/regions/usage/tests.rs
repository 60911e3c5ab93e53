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

/// The pages of every space, each with its object, if any, and its protection; and which objects are sealed.
#[derive(Clone, Default)]
struct Model {
    pages: BTreeMap<(usize, u64), (Option<u32>, Protection)>,
    sealed: [bool; OBJECTS],
}

impl Model {
    /// Whether a page of `object` may have `protection`.
    fn allows(&self, object: Option<u32>, protection: Protection) -> bool {
        let is_sealed = object.is_some_and(|object| self.sealed[object as usize]);
        let forbidden = if is_sealed { Protection::WRITE } else { Protection::EXECUTE };
        !protection.contains(forbidden)
    }

    fn is_writable(&self, object: u32) -> bool {
        self.pages.values().any(|page| page.0 == Some(object) && page.1.contains(Protection::WRITE))
    }

    fn uses(&self) -> [MappedUse; OBJECTS] {
        let mut uses = self.sealed.map(|is_sealed| MappedUse { writable: 0, is_sealed });
        for (object, protection) in self.pages.values() {
            if let Some(object) = object {
                uses[*object as usize].add(*protection, PAGE_SIZE);
            }
        }
        uses
    }
}

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
    (0..7u8, 0..SPACES, 0..PAGES, 1..6u64, proptest::option::weighted(0.8, 0..OBJECTS as u32), 0..8u8)
        .prop_map(|(kind, space, page, count, object, protection)| Step {
            kind,
            space,
            page,
            count,
            object,
            protection,
        })
}

fn apply(maps: &mut [RegionMap; SPACES], uses: &mut Uses, model: &mut Model, step: &Step) {
    let Step { kind, space, page, count, object, protection } = *step;
    let protection = Protection::from_bits_truncate(protection);
    let (address, length) = (MAPPING_AREA + page * PAGE_SIZE, count * PAGE_SIZE);
    let map = &mut maps[space];
    let pages = page..page + count;
    match kind {
        0 | 1 => {
            let free = pages.clone().all(|page| !model.pages.contains_key(&(space, page)));
            let allowed = free && !protection.breaks_wx() && model.allows(object, protection);
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
                pages.for_each(|page| _ = model.pages.insert((space, page), (object, protection)));
            }
        }
        2 | 3 => {
            let may_change = |page| {
                let mapped = model.pages.get(&(space, page));
                mapped.is_some_and(|&(object, _)| model.allows(object, protection))
            };
            let allowed = !protection.breaks_wx() && pages.clone().all(may_change);
            let result = map.protect_counted(uses, address, length, protection);
            assert_eq!(result.is_ok(), allowed, "{result:?}");
            if allowed {
                pages
                    .for_each(|page| _ = model.pages.entry((space, page)).and_modify(|to| to.1 = protection));
            }
        }
        4 | 5 => {
            let mut removed = Vec::new();
            map.unmap(address, length, |region| removed.push(region)).unwrap();
            removed.iter().for_each(|region| uncount(uses, region));
            pages.for_each(|page| _ = model.pages.remove(&(space, page)));
        }
        _ => {
            let Some(object) = object else { return };
            let allowed = !model.is_writable(object);
            let result = uses.0[object as usize].seal();
            assert_eq!(result, if allowed { Ok(()) } else { Err(RegionError::MappedWritable) });
            model.sealed[object as usize] |= allowed;
        }
    }
}

proptest! {
    #[test]
    fn what_is_executable_was_sealed_and_is_writable_nowhere(
        steps in proptest::collection::vec(step(), 1..80)
    ) {
        let mut maps = [const { RegionMap::new(1000) }; SPACES];
        let mut uses = Uses([MappedUse::new(); OBJECTS]);
        let mut model = Model::default();
        for step in &steps {
            apply(&mut maps, &mut uses, &mut model, step);
            prop_assert_eq!(uses.0, model.uses());
            for object in 0..OBJECTS as u32 {
                let has = |access| {
                    let pages = maps.iter().flat_map(|map| map.regions());
                    pages.clone().any(|region| {
                        region.backing.object() == Some(object) && region.protection.contains(access)
                    })
                };
                prop_assert!(!has(Protection::EXECUTE) || model.sealed[object as usize]);
                prop_assert!(!has(Protection::WRITE) || !model.sealed[object as usize]);
            }
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
fn code_is_written_then_sealed_and_executed_then() {
    let mut uses = Uses([MappedUse::new(); OBJECTS]);
    let mut map = RegionMap::new(8);
    let backing = Backing::Object { object: 0, offset: 0 };
    let (write, execute) = (Protection::READ | Protection::WRITE, Protection::READ | Protection::EXECUTE);
    let all = Protection::all();
    let second = MAPPING_AREA + 8 * PAGE_SIZE;
    map.map_object(&mut uses.0[0], MAPPING_AREA, PAGE_SIZE, backing, write, all).unwrap();
    assert_eq!(uses.0[0].seal(), Err(RegionError::MappedWritable));
    let refused = map.protect_counted(&mut uses, MAPPING_AREA, PAGE_SIZE, execute);
    assert_eq!(refused, Err(RegionError::NotSealed));
    map.protect_counted(&mut uses, MAPPING_AREA, PAGE_SIZE, Protection::READ).unwrap();
    let refused = map.map_object(&mut uses.0[0], second, PAGE_SIZE, backing, execute, all);
    assert_eq!(refused, Err(RegionError::NotSealed));
    uses.0[0].seal().unwrap();
    map.map_object(&mut uses.0[0], second, PAGE_SIZE, backing, execute, all).unwrap();
    map.protect_counted(&mut uses, MAPPING_AREA, PAGE_SIZE, execute).unwrap();
    let refused = map.protect_counted(&mut uses, MAPPING_AREA, PAGE_SIZE, write);
    assert_eq!(refused, Err(RegionError::Sealed));
    map.unmap(MAPPING_AREA, 16 * PAGE_SIZE, |_| ()).unwrap();
    let refused = map.map_object(&mut uses.0[0], second, PAGE_SIZE, backing, write, all);
    assert_eq!(refused, Err(RegionError::Sealed));
    uses.0[0].seal().unwrap();
}
