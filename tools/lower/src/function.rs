//! Rewrites one function: copies its instructions, and rewrites those that the engine lacks.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use wasm_encoder::reencode::{Error, Reencode as _};
use wasm_encoder::{BlockType, Encode as _, Function, InstructionSink, ValType};
use wasmparser_263 as read;
use wasmparser_263::{FuncValidator, FunctionBody, Operator, WasmModuleResources};

use crate::atomic::Atomic;
use crate::helper_code::zero;
use crate::helpers::{Helper, Reason};
use crate::lowered::Lowered;
use crate::runtime::Runtime;
use crate::types::{Types, is_exception, is_exception_reference};

/// A function with more results than this gets zeros from a helper when an exception leaves it.
const INLINE_ZEROS: usize = 4;

/// A construct of the original that branches can target, with one or two labels here.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The number of its outer label, counted from outside: the number of labels around it.
    pub(crate) start: u32,
    /// The number of the label for exceptions within it; `None` if there can be none.
    pub(crate) handler: Option<u32>,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// The function, a `block`, `loop` or `if`.
    Plain,
    /// Within the outer label, a block that exceptions leave.
    TryTable(Vec<read::Catch>),
    /// The same for the guarded part of a `try`, with the locals that its clauses keep for `rethrow`.
    Try(Option<Kept>),
    /// A `catch` clause: within the outer label, an `if`.
    Catch(Option<Kept>),
    /// A `catch_all` clause, which has only the outer label.
    CatchAll(Option<Kept>),
}

/// Locals of a `try` whose exception is rethrown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// A reference to the exception.
    pub(crate) reference: u32,
    /// The first free record when the `try` was entered, if its exceptions may take one.
    pub(crate) top: Option<u32>,
}

pub(crate) struct Body<'a> {
    pub(crate) runtime: &'a mut Runtime,
    code: Vec<u8>,
    /// Outermost first; the first is the function itself.
    pub(crate) frames: Vec<Frame>,
    /// Number of labels open here.
    pub(crate) open: u32,
    /// Nesting depth of constructs in unreachable code, which is left out.
    dead: Option<u32>,
    locals: Locals,
    /// The number of `try` constructs so far, and those whose exception is rethrown.
    pub(crate) tries: u32,
    pub(crate) rethrown: BTreeSet<u32>,
    /// The local with the first free record on entry, if the function creates records.
    top: Option<u32>,
    /// The function's type.
    ty: u32,
}

/// The function's locals, and added ones.
#[derive(Debug, Default)]
struct Locals {
    declared: Vec<(u32, ValType)>,
    count: u32,
    added: Vec<ValType>,
    scratch: BTreeMap<(ValType, u32), u32>,
}

impl Locals {
    fn add(&mut self, ty: ValType) -> u32 {
        self.added.push(ty);
        self.count.saturating_add(self.added.len() as u32 - 1)
    }
}

/// Function number `index`, rewritten while it is validated.
pub(crate) fn rewrite<R: WasmModuleResources>(
    runtime: &mut Runtime,
    index: u32,
    function: &FunctionBody<'_>,
    validator: &mut FuncValidator<R>,
) -> Lowered<Function> {
    validator.read_locals(&mut function.get_binary_reader())?;
    let ty = runtime.facts.type_of(index)?;
    let mut locals = Locals { count: runtime.parameters(ty)?.len() as u32, ..Locals::default() };
    for local in function.get_locals_reader()? {
        let (count, ty) = local?;
        locals.declared.push((count, Types.val_type(ty)?));
        locals.count = locals.count.saturating_add(count);
    }
    let throws = runtime.facts.throws(index);
    let mut body = Body {
        runtime,
        code: Vec::new(),
        frames: Vec::new(),
        open: 1,
        dead: None,
        locals,
        tries: 0,
        rethrown: BTreeSet::new(),
        top: None,
        ty,
    };
    if throws {
        body.prepare(function)?;
    }
    body.begin(throws)?;
    let mut operators = function.get_operators_reader()?;
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        let operand = validator.get_operand_type(0).flatten();
        validator.op(offset, &operator)?;
        body.operator(operator, operand)?;
    }
    operators.finish()?;
    Ok(body.finish())
}

impl Body<'_> {
    /// Determines how the function uses the exceptions that it catches.
    fn prepare(&mut self, function: &FunctionBody<'_>) -> Lowered {
        let mut references = false;
        let mut frames: Vec<Option<u32>> = vec![None];
        let mut tries = 0;
        for operator in function.get_operators_reader()? {
            match operator? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => frames.push(None),
                Operator::TryTable { try_table } => {
                    frames.push(None);
                    let mut catches = try_table.catches.iter();
                    references |= catches.any(|catch| {
                        matches!(catch, read::Catch::OneRef { .. } | read::Catch::AllRef { .. })
                    });
                }
                Operator::Try { .. } => {
                    frames.push(Some(tries));
                    tries += 1;
                }
                Operator::End | Operator::Delegate { .. } => {
                    frames.pop();
                }
                Operator::Rethrow { relative_depth } => {
                    if let Some(Some(number)) = frames.iter().rev().nth(relative_depth as usize) {
                        self.rethrown.insert(*number);
                    }
                }
                _ => {}
            }
        }
        let makes_records = references || !self.rethrown.is_empty();
        if makes_records && self.runtime.any_tag_takes_records() && !self.runtime.facts.references_escape {
            self.top = Some(self.locals.add(ValType::I32));
        }
        Ok(())
    }

    /// Opens the blocks around a function that exceptions may leave. A function that creates records has another
    /// block, which every exit leaves.
    fn begin(&mut self, throws: bool) -> Lowered {
        let mut start = 0;
        if let Some(top) = self.top {
            let global = self.runtime.top_global();
            let results = self.runtime.results(self.ty)?;
            let block = match results[..] {
                [] => BlockType::Empty,
                [result] => BlockType::Result(result),
                _ => BlockType::FunctionType(self.runtime.function_type(Vec::new(), results)),
            };
            self.code().global_get(global).local_set(top).block(block);
            start = 1;
            self.open += 1;
        }
        let mut handler = None;
        if throws {
            handler = Some(self.open);
            self.code().block(BlockType::Empty);
            self.open += 1;
        }
        self.frames.push(Frame { start, handler, kind: Kind::Plain });
        Ok(())
    }

    fn end(&mut self, handler: Option<u32>) -> Lowered {
        if handler.is_some() {
            if self.dead.is_none() {
                self.leave();
            }
            self.code().end();
            let results = self.runtime.results(self.ty)?;
            if results.len() > INLINE_ZEROS {
                let zeros = self.runtime.helper(Helper::Zeros(self.ty));
                self.code().call(zeros);
            } else {
                for result in results {
                    zero(&mut self.code(), result)?;
                }
            }
        }
        if let Some(top) = self.top {
            let global = self.runtime.top_global();
            self.code().end().local_get(top).global_set(global);
        }
        self.code().end();
        Ok(())
    }

    /// Returns the results on the stack.
    fn leave(&mut self) {
        match self.top {
            Some(_) => {
                // The block around everything.
                let label = self.open.saturating_sub(2);
                self.code().br(label);
            }
            None => {
                self.code().return_();
            }
        }
    }

    fn finish(self) -> Function {
        let added = self.locals.added.iter().map(|ty| (1, *ty));
        let locals: Vec<_> = self.locals.declared.iter().copied().chain(added).collect();
        let mut function = Function::new(locals);
        function.raw(self.code);
        function
    }

    pub(crate) fn code(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// A local for use within one instruction.
    pub(crate) fn scratch(&mut self, ty: ValType, number: u32) -> u32 {
        if let Some(local) = self.locals.scratch.get(&(ty, number)) {
            return *local;
        }
        let local = self.locals.add(ty);
        self.locals.scratch.insert((ty, number), local);
        local
    }

    pub(crate) fn add_local(&mut self, ty: ValType) -> u32 {
        self.locals.add(ty)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.is_some()
    }

    /// Marks the code as reachable or unreachable.
    pub(crate) fn set_dead(&mut self, dead: bool) {
        self.dead = dead.then_some(0);
    }

    /// The relative index of this label, counted from inside.
    pub(crate) fn relative(&self, label: u32) -> u32 {
        self.open.saturating_sub(1).saturating_sub(label)
    }

    /// The frame that is `depth` outwards.
    pub(crate) fn frame(&self, depth: u32) -> Lowered<&Frame> {
        let frame = self.frames.iter().rev().nth(depth as usize);
        frame.ok_or_else(|| Error::UserError(anyhow!("branch to an unknown label")))
    }

    fn label(&self, depth: u32) -> Lowered<u32> {
        Ok(self.relative(self.frame(depth)?.start))
    }

    /// The label for exceptions thrown here.
    pub(crate) fn handler(&self) -> Option<u32> {
        self.frames.last().and_then(|frame| frame.handler).map(|label| self.relative(label))
    }

    /// `operand` is the type of the topmost value before it.
    fn operator(&mut self, operator: Operator<'_>, operand: Option<read::ValType>) -> Lowered {
        if let Some(depth) = &mut self.dead {
            match operator {
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. }
                | Operator::Try { .. } => {
                    self.tries += u32::from(matches!(operator, Operator::Try { .. }));
                    *depth += 1;
                    return Ok(());
                }
                Operator::End | Operator::Delegate { .. } if *depth > 0 => {
                    *depth -= 1;
                    return Ok(());
                }
                Operator::End
                | Operator::Else
                | Operator::Delegate { .. }
                | Operator::Catch { .. }
                | Operator::CatchAll
                    if *depth == 0 => {}
                _ => return Ok(()),
            }
        }
        self.reachable(operator, operand)
    }

    fn reachable(&mut self, operator: Operator<'_>, operand: Option<read::ValType>) -> Lowered {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                let handler = self.frames.last().and_then(|frame| frame.handler);
                self.frames.push(Frame { start: self.open, handler, kind: Kind::Plain });
                self.open += 1;
                self.copy(operator)
            }
            Operator::Else => {
                self.set_dead(false);
                self.copy(operator)
            }
            Operator::End => self.end_of_frame(),
            Operator::TryTable { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Try { .. }
            | Operator::Catch { .. }
            | Operator::CatchAll
            | Operator::Delegate { .. }
            | Operator::Rethrow { .. } => self.exception(operator),
            Operator::Br { relative_depth } => {
                let label = self.label(relative_depth)?;
                self.code().br(label);
                self.set_dead(true);
                Ok(())
            }
            Operator::BrIf { relative_depth } => {
                let label = self.label(relative_depth)?;
                self.code().br_if(label);
                Ok(())
            }
            Operator::BrTable { targets } => {
                let labels =
                    targets.targets().map(|depth| self.label(depth?)).collect::<Lowered<Vec<_>>>()?;
                let default = self.label(targets.default())?;
                self.code().br_table(labels, default);
                self.set_dead(true);
                Ok(())
            }
            Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. }
            | Operator::RefIsNull
            | Operator::RefAsNonNull
            | Operator::RefNull { .. } => self.reference(operator, operand),
            Operator::Return => {
                self.leave();
                self.set_dead(true);
                Ok(())
            }
            Operator::Unreachable => {
                self.copy(operator)?;
                self.set_dead(true);
                Ok(())
            }
            Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => self.tail_call(operator),
            Operator::Call { function_index } => {
                self.copy(operator)?;
                if self.runtime.facts.throws(function_index) {
                    self.check_for_exception();
                }
                Ok(())
            }
            Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                self.copy(operator)?;
                if self.runtime.facts.anything_throws {
                    self.check_for_exception();
                }
                Ok(())
            }
            // Nothing to restore.
            Operator::AtomicFence { .. } => Ok(()),
            other => match Atomic::of(&other) {
                Some(atomic) => self.atomic(atomic),
                None => self.copy(other),
            },
        }
    }

    pub(crate) fn copy(&mut self, operator: Operator<'_>) -> Lowered {
        Types.instruction(operator)?.encode(&mut self.code);
        Ok(())
    }

    fn end_of_frame(&mut self) -> Lowered {
        let Some(frame) = self.frames.pop() else {
            return Err(Error::UserError(anyhow!("unmatched end")));
        };
        if self.frames.is_empty() {
            return self.end(frame.handler);
        }
        match frame.kind {
            Kind::Plain => {
                self.code().end();
            }
            Kind::TryTable(catches) => self.end_of_try_table(frame.start, &catches)?,
            kind @ (Kind::Try(_) | Kind::Catch(_) | Kind::CatchAll(_)) => self.end_of_try(frame.start, &kind),
        }
        self.open = frame.start;
        self.set_dead(false);
        Ok(())
    }

    /// An exception that the callee throws goes to the caller, because this function's frame is gone.
    fn tail_call(&mut self, operator: Operator<'_>) -> Lowered {
        if let Some(top) = self.top {
            let ty = match operator {
                Operator::ReturnCall { function_index } => self.runtime.facts.type_of(function_index)?,
                Operator::ReturnCallIndirect { type_index, .. } | Operator::ReturnCallRef { type_index } => {
                    type_index
                }
                _ => self.ty,
            };
            let parameters = self.runtime.facts.function_type(ty)?.params();
            // Records passed to the callee are kept.
            if !parameters.iter().any(|ty| is_exception_reference(*ty)) {
                let global = self.runtime.top_global();
                self.code().local_get(top).global_set(global);
            }
        }
        self.copy(operator)?;
        self.set_dead(true);
        Ok(())
    }

    /// Rewrites general reference instructions when applied to references to exceptions.
    fn reference(&mut self, operator: Operator<'_>, operand: Option<read::ValType>) -> Lowered {
        let to_exception = operand.is_some_and(is_exception_reference);
        match operator {
            Operator::RefNull { hty } if is_exception(hty) => {
                self.code().i64_const(0);
            }
            Operator::RefIsNull if to_exception => {
                self.code().i64_eqz();
            }
            Operator::RefAsNonNull if to_exception => {
                let helper = self.runtime.helper(Helper::NonNull);
                self.code().call(helper);
            }
            Operator::BrOnNull { relative_depth } => {
                let label = self.label(relative_depth)?;
                if to_exception {
                    let local = self.scratch(ValType::I64, 0);
                    self.code().local_tee(local).i64_eqz().br_if(label).local_get(local);
                } else {
                    self.code().br_on_null(label);
                }
            }
            Operator::BrOnNonNull { relative_depth } => {
                let label = self.label(relative_depth)?;
                if to_exception {
                    let local = self.scratch(ValType::I64, 0);
                    self.code().local_tee(local).local_get(local).i64_const(0).i64_ne().br_if(label).drop();
                } else {
                    self.code().br_on_non_null(label);
                }
            }
            Operator::BrOnCast { .. } | Operator::BrOnCastFail { .. } => {
                return Err(Error::UserError(anyhow!(
                    "it casts references (the proposal gc), which cannot run here"
                )));
            }
            other => self.copy(other)?,
        }
        Ok(())
    }

    /// Ends the program for this reason.
    pub(crate) fn trap(&mut self, reason: Reason) {
        let end = self.runtime.helper(Helper::End(reason));
        self.code().call(end).unreachable();
    }
}
