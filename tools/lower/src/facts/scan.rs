//! One pass over the operators of a function, in every module that is run.
//!
//! A visitor rather than a loop over [`Operator`](wasmparser_263::Operator)s: it is compiled together with the reader and
//! with this crate's optimisation level, and unused operators are not even constructed.

use wasmparser_263::{
    FunctionBody, VisitOperator, VisitSimdOperator, for_each_visit_operator, for_each_visit_simd_operator,
};

use super::{Calls, Facts};
use crate::lowered::Lowered;

/// Adds the facts about the operators of `body`.
pub(super) fn operators(
    facts: &mut Facts,
    function: u32,
    body: &FunctionBody<'_>,
    calls: &mut Calls,
) -> Lowered {
    let mut scan = Scan { facts, calls, function, throws: false };
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        reader.visit_operator(&mut scan)?;
    }
    if scan.throws {
        calls.throwing.push(function);
    }
    Ok(())
}

struct Scan<'a> {
    facts: &'a mut Facts,
    calls: &'a mut Calls,
    function: u32,
    throws: bool,
}

impl Scan<'_> {
    fn call(&mut self, callee: u32) {
        if callee >= self.facts.imported_functions {
            self.calls.edges.push((self.function, callee));
        }
    }

    fn throw(&mut self) {
        self.throws = true;
        self.facts.exceptions = true;
        self.facts.anything_throws = true;
    }
}

/// By proposal: operator and the names of its operands.
macro_rules! noted {
    ($scan:ident $proposal:ident Call $callee:ident) => {
        $scan.call($callee)
    };
    ($scan:ident $proposal:ident ReturnCall $callee:ident) => {
        $scan.call($callee)
    };
    ($scan:ident $proposal:ident CallIndirect $($operand:ident)*) => {{
        let _ = ($($operand,)*);
        $scan.throws = true;
    }};
    ($scan:ident $proposal:ident ReturnCallIndirect $($operand:ident)*) => {
        noted!($scan $proposal CallIndirect $($operand)*)
    };
    ($scan:ident $proposal:ident CallRef $($operand:ident)*) => {
        noted!($scan $proposal CallIndirect $($operand)*)
    };
    ($scan:ident $proposal:ident ReturnCallRef $($operand:ident)*) => {
        noted!($scan $proposal CallIndirect $($operand)*)
    };
    ($scan:ident legacy_exceptions Rethrow $depth:ident) => {{
        let _ = $depth;
        $scan.facts.older_form = true;
        $scan.throw();
    }};
    ($scan:ident legacy_exceptions $operator:ident $($operand:ident)*) => {{
        let _ = ($($operand,)*);
        $scan.facts.exceptions = true;
        $scan.facts.older_form = true;
    }};
    ($scan:ident $proposal:ident Throw $tag:ident) => {{
        let _ = $tag;
        $scan.throw();
    }};
    ($scan:ident $proposal:ident ThrowRef) => {
        $scan.throw()
    };
    ($scan:ident $proposal:ident TryTable $table:ident) => {{
        let _ = $table;
        $scan.facts.exceptions = true;
    }};
    ($scan:ident $proposal:ident RefNull $heap:ident) => {{
        $scan.facts.heap($heap);
    }};
    ($scan:ident threads $operator:ident $($operand:ident)*) => {{
        let _ = ($($operand,)*);
        $scan.facts.atomics = true;
    }};
    ($scan:ident $proposal:ident $operator:ident $($operand:ident)*) => {{
        let _ = ($($operand,)*);
    }};
}

macro_rules! visit {
    ($( @$proposal:ident $operator:ident $({ $($operand:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*) )*) => {
        $(
            fn $visit(&mut self $($(, $operand: $ty)*)?) {
                noted!(self $proposal $operator $($($operand)*)?);
            }
        )*
    };
}

impl<'a> VisitOperator<'a> for Scan<'_> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    for_each_visit_operator!(visit);
}

impl VisitSimdOperator<'_> for Scan<'_> {
    for_each_visit_simd_operator!(visit);
}
