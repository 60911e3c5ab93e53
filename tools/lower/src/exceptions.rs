//! Throwing and catching, in both encodings of the proposal.

use wasm_encoder::reencode::Reencode as _;
use wasm_encoder::{BlockType, ValType};
use wasmparser_263 as read;
use wasmparser_263::{Catch, Operator};

use anyhow::anyhow;
use wasm_encoder::reencode::Error;

use crate::function::{Body, Frame, Kept, Kind};
use crate::helpers::{Helper, tag_bits, tag_number};
use crate::lowered::Lowered;
use crate::types::Types;

impl Body<'_> {
    pub(crate) fn exception(&mut self, operator: Operator<'_>) -> Lowered {
        match operator {
            Operator::TryTable { try_table } => {
                self.begin_guarded(try_table.ty, Kind::TryTable(try_table.catches))
            }
            Operator::Try { blockty } => self.begin_try(blockty),
            Operator::Catch { tag_index } => self.begin_catch(tag_index),
            Operator::CatchAll => self.begin_catch_all(),
            Operator::Delegate { relative_depth } => self.delegate(relative_depth),
            Operator::Throw { tag_index } => self.throw(tag_index),
            Operator::ThrowRef => {
                let helper = self.runtime.helper(Helper::ThrowReference);
                self.code().call(helper);
                self.branch_to_handler();
                Ok(())
            }
            Operator::Rethrow { relative_depth } => self.rethrow(relative_depth),
            other => self.copy(other),
        }
    }

    /// Branches to the handler of the exception in flight.
    fn branch_to_handler(&mut self) {
        match self.handler() {
            Some(label) => self.code().br(label),
            // Nothing in this function throws.
            None => self.code().unreachable(),
        };
        self.set_dead(true);
    }

    /// The test after a call that may throw.
    pub(crate) fn check_for_exception(&mut self) {
        let tag = self.runtime.tag_global();
        if let Some(label) = self.handler() {
            self.code().global_get(tag).br_if(label);
        }
    }

    fn tag_type(&self, tag: u32) -> Lowered<u32> {
        let ty = self.runtime.facts.tags.get(tag as usize).copied();
        ty.ok_or_else(|| Error::UserError(anyhow!("unknown exception tag")))
    }

    fn throw(&mut self, tag: u32) -> Lowered {
        let ty = self.tag_type(tag)?;
        if !self.runtime.payload.slots(ty).is_empty() {
            let helper = self.runtime.helper(Helper::Throw(ty));
            self.code().call(helper);
        }
        let global = self.runtime.tag_global();
        self.code().i32_const(tag_number(tag)).global_set(global);
        self.branch_to_handler();
        Ok(())
    }

    /// A block with the results, and within it one that is entered like the original and that exceptions leave without
    /// values.
    fn begin_guarded(&mut self, ty: read::BlockType, kind: Kind) -> Lowered {
        let entry = match ty {
            read::BlockType::FuncType(index) => self.runtime.entry_of_block(index)?,
            read::BlockType::Empty | read::BlockType::Type(_) => None,
        };
        let entry = entry.map_or(BlockType::Empty, BlockType::FunctionType);
        let outer = Types.block_type(ty)?;
        self.code().block(outer).block(entry);
        self.frames.push(Frame { start: self.open, handler: Some(self.open + 1), kind });
        self.open += 2;
        Ok(())
    }

    /// Ends the inner block of a construct whose frame has been left: the following code handles exceptions. Its outer
    /// block, which has the number `start`, is open.
    fn end_guarded(&mut self, start: u32) {
        if !self.is_dead() {
            self.code().br(1);
        }
        self.code().end();
        self.open = start + 1;
        self.set_dead(false);
    }

    /// Compares the exception with the clauses.
    pub(crate) fn end_of_try_table(&mut self, start: u32, catches: &[Catch]) -> Lowered {
        self.end_guarded(start);
        for catch in catches {
            match *catch {
                Catch::One { tag, label } => self.catch_one(tag, label, None)?,
                Catch::OneRef { tag, label } => {
                    let reference = self.scratch(ValType::I64, 0);
                    self.catch_one(tag, label, Some(reference))?;
                }
                Catch::All { label } | Catch::AllRef { label } => {
                    let label = self.relative(self.frame(label)?.start);
                    if matches!(catch, Catch::AllRef { .. }) {
                        let take = self.runtime.helper(Helper::TakeReference);
                        self.code().call(take);
                    } else {
                        let tag = self.runtime.tag_global();
                        self.code().i32_const(0).global_set(tag);
                    }
                    self.code().br(label);
                    self.set_dead(true);
                    break;
                }
            }
        }
        if !self.is_dead() {
            self.branch_to_handler();
        }
        self.code().end();
        Ok(())
    }

    fn catch_one(&mut self, tag: u32, label: u32, reference: Option<u32>) -> Lowered {
        let target = self.frame(label)?.start;
        self.begin_if_tag(tag);
        self.take(tag, reference)?;
        if let Some(local) = reference {
            self.code().local_get(local);
        }
        let label = self.relative(target);
        self.code().br(label).end();
        self.open -= 1;
        Ok(())
    }

    fn begin_if_tag(&mut self, tag: u32) {
        let global = self.runtime.tag_global();
        self.code().global_get(global).i32_const(tag_number(tag)).i32_eq().if_(BlockType::Empty);
        self.open += 1;
    }

    /// Puts the values of the exception in flight on the stack, and a reference to it into a local.
    fn take(&mut self, tag: u32, reference: Option<u32>) -> Lowered {
        let ty = self.tag_type(tag)?;
        if let Some(local) = reference {
            let keep = self.runtime.helper(Helper::Keep(ty));
            self.code().call(keep).i64_extend_i32_u().i64_const(tag_bits(tag)).i64_or().local_set(local);
        }
        if self.runtime.payload.slots(ty).is_empty() {
            let global = self.runtime.tag_global();
            self.code().i32_const(0).global_set(global);
        } else {
            let take = self.runtime.helper(Helper::Take(ty));
            self.code().call(take);
        }
        Ok(())
    }

    fn begin_try(&mut self, ty: read::BlockType) -> Lowered {
        let number = self.tries;
        self.tries += 1;
        let mut kept = None;
        if self.rethrown.contains(&number) {
            let mut top = None;
            // References used as values may outlive the clause that created them.
            if self.runtime.any_tag_takes_records() && !self.runtime.facts.references {
                let (local, global) = (self.add_local(ValType::I32), self.runtime.top_global());
                self.code().global_get(global).local_set(local);
                top = Some(local);
            }
            kept = Some(Kept { reference: self.add_local(ValType::I64), top });
        }
        self.begin_guarded(ty, Kind::Try(kept))
    }

    /// Ends the code before a clause. The frame that is left is the outer block's.
    fn end_before_clause(&mut self) -> (u32, Option<Kept>) {
        let Some(frame) = self.frames.pop() else { return (0, None) };
        let kept = match frame.kind {
            Kind::Try(kept) => {
                self.end_guarded(frame.start);
                kept
            }
            Kind::Catch(kept) => {
                self.end_of_catch();
                kept
            }
            Kind::CatchAll(kept) => kept,
            Kind::Plain | Kind::TryTable(_) => None,
        };
        (frame.start, kept)
    }

    /// Ends a `catch` clause: its results leave the outer block.
    fn end_of_catch(&mut self) {
        if !self.is_dead() {
            self.code().br(1);
        }
        self.code().end();
        self.open -= 1;
        self.set_dead(false);
    }

    fn begin_clause(&mut self, start: u32, kind: Kind) {
        let handler = self.frames.last().and_then(|frame| frame.handler);
        self.frames.push(Frame { start, handler, kind });
    }

    /// Frees the records created since the `try` was entered: nothing refers to them any more.
    fn free_records(&mut self, kept: Option<Kept>) {
        if let Some(top) = kept.and_then(|kept| kept.top) {
            let global = self.runtime.top_global();
            self.code().local_get(top).global_set(global);
        }
    }

    fn begin_catch(&mut self, tag: u32) -> Lowered {
        let (start, kept) = self.end_before_clause();
        self.begin_if_tag(tag);
        self.free_records(kept);
        self.take(tag, kept.map(|kept| kept.reference))?;
        self.begin_clause(start, Kind::Catch(kept));
        Ok(())
    }

    fn begin_catch_all(&mut self) -> Lowered {
        let (start, kept) = self.end_before_clause();
        self.free_records(kept);
        match kept {
            Some(kept) => {
                let take = self.runtime.helper(Helper::TakeReference);
                self.code().call(take).local_set(kept.reference);
            }
            None => {
                let tag = self.runtime.tag_global();
                self.code().i32_const(0).global_set(tag);
            }
        }
        self.begin_clause(start, Kind::CatchAll(kept));
        Ok(())
    }

    /// Ends a `try`, whose frame has been left.
    pub(crate) fn end_of_try(&mut self, start: u32, kind: &Kind) {
        match kind {
            Kind::Try(_) => self.end_guarded(start),
            Kind::Catch(_) => self.end_of_catch(),
            Kind::CatchAll(_) | Kind::Plain | Kind::TryTable(_) => {
                self.code().end();
                return;
            }
        }
        // The exception was not caught by any clause.
        self.branch_to_handler();
        self.code().end();
    }

    /// Ends a `try` that delegates its exceptions to the construct `depth` outwards of it.
    fn delegate(&mut self, depth: u32) -> Lowered {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let target = self.frame(depth)?.handler;
        self.end_guarded(frame.start);
        match target.map(|label| self.relative(label)) {
            Some(label) => self.code().br(label),
            None => self.code().unreachable(),
        };
        self.code().end();
        self.open = frame.start;
        self.set_dead(false);
        Ok(())
    }

    fn rethrow(&mut self, depth: u32) -> Lowered {
        let kept = match self.frame(depth)?.kind {
            Kind::Catch(kept) | Kind::CatchAll(kept) => kept,
            Kind::Plain | Kind::TryTable(_) | Kind::Try(_) => None,
        };
        let Some(kept) = kept else {
            return Err(Error::UserError(anyhow!("rethrow outside a catch clause")));
        };
        let helper = self.runtime.helper(Helper::ThrowReference);
        self.code().local_get(kept.reference).call(helper);
        self.branch_to_handler();
        Ok(())
    }
}
