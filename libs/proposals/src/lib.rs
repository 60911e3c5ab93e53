//! The WebAssembly proposals that modules may use, by engine: the only list of them.
//!
//! A proposal that is not listed is part of WebAssembly 2.0, or off everywhere. `docs/wasm-programs.md` shows the list.

#![no_std]

/// A proposal beyond WebAssembly 2.0 that an engine may be able to switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// 128-bit vectors.
    Simd,
    /// Vector instructions whose results may differ between processors.
    RelaxedSimd,
    /// Guaranteed tail calls.
    TailCalls,
    /// Several memories in a module.
    MultiMemory,
    /// Arithmetic in constant expressions.
    ExtendedConst,
    /// 128-bit integer arithmetic.
    WideArithmetic,
    /// Memories and tables with 64-bit addresses.
    Memory64,
    /// Pages of one byte.
    CustomPageSizes,
    /// References to functions of a known type.
    FunctionReferences,
    /// Structures and arrays that are freed automatically.
    Gc,
    /// Exceptions.
    Exceptions,
    /// Atomic instructions and shared memories.
    Threads,
}

/// The engines on which modules may use a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// All.
    Everywhere,
    /// Code that is generated, for the processor or for the portable interpreter.
    Compiled,
    /// None.
    Nowhere,
}

impl On {
    /// Whether the interpreter has it.
    pub const fn interpreted(self) -> bool {
        matches!(self, Self::Everywhere)
    }

    /// Whether generated code has it.
    pub const fn compiled(self) -> bool {
        matches!(self, Self::Everywhere | Self::Compiled)
    }
}

impl Proposal {
    /// Where each is on.
    pub const ALL: [(Self, On); 12] = [
        (Self::Simd, On::Everywhere),
        (Self::RelaxedSimd, On::Everywhere),
        (Self::TailCalls, On::Everywhere),
        (Self::MultiMemory, On::Everywhere),
        (Self::ExtendedConst, On::Everywhere),
        (Self::WideArithmetic, On::Everywhere),
        (Self::Memory64, On::Compiled),
        (Self::FunctionReferences, On::Compiled),
        (Self::Gc, On::Compiled),
        (Self::Exceptions, On::Compiled),
        (Self::CustomPageSizes, On::Nowhere),
        (Self::Threads, On::Nowhere),
    ];
}

/// Sets all proposals in wasmi's `$config`. Those that are not named here are not in wasmi as it is built.
#[macro_export]
macro_rules! configure_interpreter {
    ($config:ident) => {
        for (proposal, on) in $crate::Proposal::ALL {
            let is_on = on.interpreted();
            match proposal {
                $crate::Proposal::Simd => $config.wasm_simd(is_on),
                $crate::Proposal::RelaxedSimd => $config.wasm_relaxed_simd(is_on),
                $crate::Proposal::TailCalls => $config.wasm_tail_call(is_on),
                $crate::Proposal::MultiMemory => $config.wasm_multi_memory(is_on),
                $crate::Proposal::ExtendedConst => $config.wasm_extended_const(is_on),
                $crate::Proposal::WideArithmetic => $config.wasm_wide_arithmetic(is_on),
                $crate::Proposal::CustomPageSizes => $config.wasm_custom_page_sizes(is_on),
                _ => &mut $config,
            };
        }
    };
}

/// The flag of a proposal in a parser's `$features`, a type of its own in each version of the parser.
#[macro_export]
macro_rules! flag {
    ($features:ident, $proposal:expr) => {
        match $proposal {
            $crate::Proposal::Simd => $features::SIMD,
            $crate::Proposal::RelaxedSimd => $features::RELAXED_SIMD,
            $crate::Proposal::TailCalls => $features::TAIL_CALL,
            $crate::Proposal::MultiMemory => $features::MULTI_MEMORY,
            $crate::Proposal::ExtendedConst => $features::EXTENDED_CONST,
            $crate::Proposal::WideArithmetic => $features::WIDE_ARITHMETIC,
            $crate::Proposal::Memory64 => $features::MEMORY64,
            $crate::Proposal::CustomPageSizes => $features::CUSTOM_PAGE_SIZES,
            $crate::Proposal::FunctionReferences => $features::FUNCTION_REFERENCES,
            $crate::Proposal::Gc => $features::GC,
            $crate::Proposal::Exceptions => $features::EXCEPTIONS,
            $crate::Proposal::Threads => $features::THREADS,
        }
    };
}
