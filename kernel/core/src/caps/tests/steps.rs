//! Revocations and table teardowns in steps, interleaved with all other operations.

use super::{
    model::{Entry, Ongoing},
    processes::{Processes, Step, step},
    *,
};

#[derive(Clone, Debug)]
enum Interleaved {
    Plain(Step),
    Begin(usize),
    Go { which: usize, moves: u32 },
    Close { process: u32, work: u32 },
}

fn interleaved() -> impl Strategy<Value = Interleaved> {
    prop_oneof![
        8 => step().prop_map(Interleaved::Plain),
        2 => any::<usize>().prop_map(Interleaved::Begin),
        4 => (any::<usize>(), 1..4u32).prop_map(|(which, moves)| Interleaved::Go { which, moves }),
        1 => (0..PROCESSES, 1..4u32).prop_map(|(process, work)| Interleaved::Close { process, work }),
    ]
}

impl Processes {
    fn run_interleaved(&mut self, step: &Interleaved) {
        match *step {
            Interleaved::Plain(ref step) => self.run(step),
            Interleaved::Begin(index) => self.begin(index),
            Interleaved::Go { which, moves } => {
                for _ in 0..moves {
                    if !self.ongoing.is_empty() {
                        self.go(which % self.ongoing.len());
                    }
                }
            }
            Interleaved::Close { process, work } => {
                let process = *self.closing.get_or_insert(process);
                self.close(process, work);
            }
        }
    }

    fn begin(&mut self, index: usize) {
        let Some(root) = self.pick(index) else { return };
        let entry = self.model.entries[root].clone();
        let doomed = self.model.descendants(root).into_iter().collect();
        let revocation = self.caps.revoke(entry.process, entry.handle).unwrap();
        self.ongoing.push(Ongoing { revocation, root, doomed });
    }

    /// One step of a revocation, which removes at most one capability.
    fn go(&mut self, which: usize) {
        let moved = self.caps.revoke_step(&mut self.ongoing[which].revocation);
        let gone = self.vanished(|error| error == ErrorCode::Revoked);
        match moved {
            Move::Went => assert!(gone.is_empty()),
            Move::Removed(lost) => {
                assert!(gone.len() <= 1);
                for index in gone {
                    assert!(self.ongoing[which].doomed.contains(&index), "only what derives from the root");
                    let entry = self.model.entries[index].clone();
                    self.model.remove(index);
                    self.model.entries[index].revoked = true;
                    self.check_lost(&entry, lost);
                }
            }
            Move::Finished => {
                assert!(gone.is_empty());
                let mut ended = self.ongoing.swap_remove(which);
                let alive = |index: &usize| self.model.entries[*index].alive;
                assert!(!ended.doomed.iter().any(alive), "all that derives from the root is gone");
                while self.caps.end_revocation_step(&mut ended.revocation) {
                    self.caps.check().unwrap();
                }
            }
        }
    }

    /// One step of a table's teardown.
    fn close(&mut self, process: u32, work: u32) {
        match self.caps.close_table_step(process, &mut Work::of(work)) {
            TableStep::More => {}
            TableStep::Lost(lost) => {
                let gone = self.vanished(|error| error == ErrorCode::BadCapability);
                let &[index] = gone.as_slice() else { panic!("one capability goes: {gone:?}") };
                let entry: Entry = self.model.entries[index].clone();
                assert_eq!(entry.process, process);
                self.model.remove(index);
                self.check_lost(&entry, lost);
            }
            TableStep::Closed => {
                self.closing = None;
                assert!(!self.model.alive().any(|(_, entry)| entry.process == process));
                self.caps.open_table(process, LIMIT).unwrap();
                // Handles of the new table may equal those of the old one.
                for entry in self.model.entries.iter_mut().filter(|entry| entry.process == process) {
                    entry.handle = Handle(u64::MAX);
                }
            }
        }
    }

    /// The capabilities that the model contains and the space does not, for a reason accepted by `fits`.
    fn vanished(&self, fits: impl Fn(ErrorCode) -> bool) -> Vec<usize> {
        let gone = |entry: &Entry| match self.caps.lookup(entry.process, entry.handle, Rights::empty()) {
            Ok(_) => false,
            Err(error) => fits(error),
        };
        self.model.alive().filter(|(_, entry)| gone(entry)).map(|(index, _)| index).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]
    #[test]
    fn steps_leave_everything_in_order(steps in proptest::collection::vec(interleaved(), 1..160)) {
        let mut processes = Processes::new();
        for step in &steps {
            processes.run_interleaved(step);
            processes.check();
        }
        while !processes.ongoing.is_empty() {
            processes.go(processes.ongoing.len() - 1);
            processes.check();
        }
        for process in 0..PROCESSES {
            while processes.caps.close_table_step(process, &mut Work::step()) != TableStep::Closed {}
        }
        while processes.caps.forget_badges_step(&mut Work::step()) {}
        processes.caps.check().unwrap();
        prop_assert_eq!(processes.caps.records(), [0; 3], "nothing is left of anything");
    }
}
