//! One function: where an exception can come from, and where it goes.

use anyhow::{Error as Problem, Result, anyhow, ensure};
use wasm_encoder::reencode::{Error, Reencode as _, utils};
use wasm_encoder::{BlockType, Function, InstructionSink};
use wasmparser_263 as read;
use wasmparser_263::{Catch, FunctionBody, Operator, ValType};

use crate::rewrite::{Rewrite, is_exception};

type Rewritten<T = ()> = Result<T, Error<Problem>>;

/// Whether anything in the function throws, or calls what may. Imported functions do not.
pub(crate) fn can_throw(function: &FunctionBody<'_>, imported: u32) -> Rewritten<bool> {
    for operator in function.get_operators_reader()? {
        match operator? {
            Operator::Call { function_index } if function_index < imported => {}
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::TryTable { .. } => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

/// A construct of the original that branches can name. A guarded one has two labels here: around it, where its branches
/// go, and within that the place that exceptions go to.
enum Frame {
    Plain,
    Guarded(Vec<Catch>),
}

impl Frame {
    fn labels(&self) -> u32 {
        match self {
            Self::Plain => 1,
            Self::Guarded(_) => 2,
        }
    }
}

struct Body<'a> {
    rewrite: &'a mut Rewrite,
    /// Outermost first; the first is the function itself.
    frames: Vec<Frame>,
    made: Function,
}

/// `function`, which has this index, without exceptions.
pub(crate) fn rewrite(rewrite: &mut Rewrite, index: u32, function: &FunctionBody<'_>) -> Rewritten<Function> {
    let made = utils::new_function_with_parsed_locals(rewrite, function)?;
    let results = results(rewrite, index).map_err(Error::UserError)?;
    let mut body = Body { rewrite, frames: vec![Frame::Guarded(Vec::new())], made };
    body.made.instructions().block(BlockType::Empty);
    for operator in function.get_operators_reader()? {
        let operator = operator?;
        if body.frames.len() == 1 && matches!(operator, Operator::End) {
            body.end_of_function(&results)?;
            break;
        }
        body.operator(operator)?;
    }
    Ok(body.made)
}

fn results(rewrite: &Rewrite, index: u32) -> Result<Vec<ValType>> {
    let ty = rewrite.shape.function_type(rewrite.shape.type_index(index)?)?;
    Ok(ty.results().to_vec())
}

fn unsupported<T>(what: impl std::fmt::Debug) -> Rewritten<T> {
    Err(Error::UserError(anyhow!("{what:?} is not known together with exceptions")))
}

impl Body<'_> {
    fn code(&mut self) -> InstructionSink<'_> {
        self.made.instructions()
    }

    /// The label here of the construct that is `depth` outwards in the original, from inside all open ones.
    fn label(&self, depth: u32) -> Rewritten<u32> {
        let depth = depth as usize;
        let inner: u32 = self.frames.iter().rev().take(depth).map(Frame::labels).sum();
        match self.frames.iter().rev().nth(depth) {
            Some(frame) => Ok(inner + frame.labels() - 1),
            None => unsupported("a branch to nowhere"),
        }
    }

    /// The label of the innermost place that exceptions go to.
    fn handler(&self) -> u32 {
        let inner = self.frames.iter().rev().take_while(|frame| matches!(frame, Frame::Plain));
        inner.map(Frame::labels).sum()
    }

    fn operator(&mut self, operator: Operator<'_>) -> Rewritten {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                self.frames.push(Frame::Plain);
                self.copy(operator)
            }
            Operator::TryTable { try_table } => self.begin_guarded(try_table),
            Operator::End => match self.frames.pop() {
                Some(Frame::Guarded(catches)) => self.end_guarded(&catches),
                _ => self.copy(operator),
            },
            Operator::Br { relative_depth } => {
                let label = self.label(relative_depth)?;
                self.code().br(label);
                Ok(())
            }
            Operator::BrIf { relative_depth } => {
                let label = self.label(relative_depth)?;
                self.code().br_if(label);
                Ok(())
            }
            Operator::BrTable { targets } => self.branch_table(&targets),
            Operator::Call { function_index } if function_index < self.rewrite.shape.imported => {
                self.copy(operator)
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                self.copy(operator)?;
                let (exception, handler) = (self.rewrite.exception(), self.handler());
                self.code().global_get(exception).i64_const(0).i64_ne().br_if(handler);
                Ok(())
            }
            Operator::Throw { tag_index } => self.throw(tag_index),
            Operator::ThrowRef => {
                let (exception, handler) = (self.rewrite.exception(), self.handler());
                let mut code = self.code();
                code.global_set(exception).global_get(exception).i64_eqz();
                code.if_(BlockType::Empty).unreachable().end().br(handler);
                Ok(())
            }
            Operator::RefNull { hty } if is_exception(hty) => {
                self.code().i64_const(0);
                Ok(())
            }
            Operator::Try { .. }
            | Operator::Catch { .. }
            | Operator::CatchAll
            | Operator::Delegate { .. }
            | Operator::Rethrow { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. } => unsupported(operator),
            other => self.copy(other),
        }
    }

    fn copy(&mut self, operator: Operator<'_>) -> Rewritten {
        let instruction = self.rewrite.instruction(operator)?;
        self.made.instruction(&instruction);
        Ok(())
    }

    fn branch_table(&mut self, targets: &read::BrTable<'_>) -> Rewritten {
        let labels =
            targets.targets().map(|depth| self.label(depth?)).collect::<Result<Vec<_>, Error<Problem>>>()?;
        let default = self.label(targets.default())?;
        self.code().br_table(labels, default);
        Ok(())
    }

    /// `block` with the results; in it a `block` that exceptions leave, with nothing.
    fn begin_guarded(&mut self, try_table: read::TryTable) -> Rewritten {
        if let read::BlockType::FuncType(index) = try_table.ty {
            let ty = self.rewrite.shape.function_type(index).map_err(Error::UserError)?;
            if !ty.params().is_empty() {
                return unsupported("try_table with parameters");
            }
        }
        let ty = self.rewrite.block_type(try_table.ty)?;
        self.code().block(ty).block(BlockType::Empty);
        self.frames.push(Frame::Guarded(try_table.catches));
        Ok(())
    }

    /// Without an exception the results go on to the end; with one it is compared with what is caught.
    fn end_guarded(&mut self, catches: &[Catch]) -> Rewritten {
        self.code().br(1).end();
        // What is open here is the block with the results.
        self.frames.push(Frame::Plain);
        let mut caught_all = false;
        for catch in catches {
            match *catch {
                Catch::One { tag, label } => self.catch_one(tag, label, false)?,
                Catch::OneRef { tag, label } => self.catch_one(tag, label, true)?,
                Catch::All { label } | Catch::AllRef { label } => {
                    let label = self.label(label + 1)?;
                    let exception = self.rewrite.exception();
                    if matches!(catch, Catch::AllRef { .. }) {
                        self.code().global_get(exception);
                    }
                    self.code().i64_const(0).global_set(exception).br(label);
                    caught_all = true;
                    break;
                }
            }
        }
        if !caught_all {
            let handler = self.handler();
            self.code().br(handler);
        }
        self.frames.pop();
        self.code().end();
        Ok(())
    }

    /// The label is counted from outside the construct; within the `if` here there are two more.
    fn catch_one(&mut self, tag: u32, label: u32, with_reference: bool) -> Rewritten {
        let label = self.label(label + 1)? + 1;
        let has_payload = self.rewrite.shape.has_payload(tag).map_err(Error::UserError)?;
        let exception = self.rewrite.exception();
        let mut code = self.code();
        code.global_get(exception).i64_const(32).i64_shr_u().i64_const(number(tag)).i64_eq();
        code.if_(BlockType::Empty);
        if has_payload {
            code.global_get(exception).i32_wrap_i64();
        }
        if with_reference {
            code.global_get(exception);
        }
        code.i64_const(0).global_set(exception).br(label).end();
        Ok(())
    }

    fn throw(&mut self, tag: u32) -> Rewritten {
        let has_payload = self.rewrite.shape.has_payload(tag).map_err(Error::UserError)?;
        let (exception, handler) = (self.rewrite.exception(), self.handler());
        let mut code = self.code();
        if has_payload {
            code.i64_extend_i32_u().i64_const(number(tag) << 32).i64_or();
        } else {
            code.i64_const(number(tag) << 32);
        }
        code.global_set(exception).br(handler);
        Ok(())
    }

    /// Without an exception the results are returned; with one, nobody looks at them.
    fn end_of_function(&mut self, results: &[ValType]) -> Rewritten {
        self.code().return_().end();
        for ty in results {
            self.zero(*ty).map_err(Error::UserError)?;
        }
        self.code().end();
        Ok(())
    }

    fn zero(&mut self, ty: ValType) -> Result<()> {
        let mut code = self.made.instructions();
        match ty {
            ValType::I32 => code.i32_const(0),
            ValType::I64 => code.i64_const(0),
            ValType::F32 => code.f32_const(0.0.into()),
            ValType::F64 => code.f64_const(0.0.into()),
            ValType::V128 => code.v128_const(0),
            ValType::Ref(reference) if is_exception(reference.heap_type()) => code.i64_const(0),
            ValType::Ref(reference) => {
                ensure!(reference.is_nullable(), "a function that throws returns {reference:?}");
                let ty = self.rewrite.heap_type(reference.heap_type());
                let ty = ty.map_err(|error| anyhow!("{error}"))?;
                code.ref_null(ty)
            }
        };
        Ok(())
    }
}

/// What stands for a tag in the upper half of an exception's number: never 0.
fn number(tag: u32) -> i64 {
    i64::from(tag) + 1
}
