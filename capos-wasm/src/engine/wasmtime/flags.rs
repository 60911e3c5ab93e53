//! Proposals as flags, for the parsers of both engines.

/// The flag of a proposal in a parser's `$features`, a type of its own in each version of the parser.
macro_rules! flag {
    ($features:ident, $proposal:expr) => {
        match $proposal {
            Proposal::Simd => $features::SIMD,
            Proposal::RelaxedSimd => $features::RELAXED_SIMD,
            Proposal::TailCalls => $features::TAIL_CALL,
            Proposal::MultiMemory => $features::MULTI_MEMORY,
            Proposal::ExtendedConst => $features::EXTENDED_CONST,
            Proposal::WideArithmetic => $features::WIDE_ARITHMETIC,
            Proposal::Memory64 => $features::MEMORY64,
            Proposal::CustomPageSizes => $features::CUSTOM_PAGE_SIZES,
            Proposal::FunctionReferences => $features::FUNCTION_REFERENCES,
            Proposal::Gc => $features::GC,
            Proposal::Exceptions => $features::EXCEPTIONS,
            Proposal::Threads => $features::THREADS,
        }
    };
}

pub(super) use flag;
