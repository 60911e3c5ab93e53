//! The x87 and vector registers of threads.
//!
//! They are saved and restored at every switch. XSAVE records which parts are in their initial state, and XRSTOR
//! initialises those without reading them. XSAVEOPT does not write them either, so a thread pays only for registers that it
//! uses.

use super::context::{ThreadState, VECTORS};
use capos_kernel_core::vectors::components;
use core::{
    arch::{
        asm,
        x86_64::{__cpuid, __cpuid_count},
    },
    mem::MaybeUninit,
    sync::atomic::{AtomicU8, AtomicUsize, Ordering},
};
use x86_64::registers::control::Cr4Flags;

/// The instructions that save registers.
static METHOD: AtomicU8 = AtomicU8::new(FXSAVE);
const FXSAVE: u8 = 0;
const XSAVE: u8 = 1;
const XSAVEOPT: u8 = 2;

/// CPUID leaf 1, ECX: XSAVE exists. Leaf 0xD, part 1, EAX: XSAVEOPT exists.
const HAS_XSAVE: u32 = 1 << 26;
const HAS_XSAVEOPT: u32 = 1 << 0;
const STATE_LEAF: u32 = 0xd;

/// Size of the area of an FXSAVE.
const LEGACY_BYTES: usize = 512;
/// Alignment of an XSAVE's area.
pub(super) const AREA_ALIGNMENT: usize = 64;
static AREA_BYTES: AtomicUsize = AtomicUsize::new(LEGACY_BYTES);
/// The start of an area with all registers initial and all exceptions masked, until after the control words: x87 control word
/// 0x037f, MXCSR 0x1f80. The rest is zero.
const INITIAL: [u8; 32] = {
    let mut bytes = [0; 32];
    (bytes[0], bytes[1]) = (0x7f, 0x03);
    (bytes[24], bytes[25]) = (0x80, 0x1f);
    bytes
};
/// Size of an XSAVE's header after the legacy part. When it is zero, no component is marked as saved, nor is the compact form.
const HEADER_BYTES: usize = 64;

fn has_xsave() -> bool {
    __cpuid(1).ecx & HAS_XSAVE != 0
}

/// The control bits that enabling the registers needs.
pub(super) fn control_flags() -> Cr4Flags {
    if has_xsave() { Cr4Flags::OSXSAVE } else { Cr4Flags::empty() }
}

/// Enables the registers that the processor has. The [control bits](control_flags) must be set.
pub(super) fn init() {
    if has_xsave() {
        let supported = __cpuid_count(STATE_LEAF, 0);
        let chosen = components(u64::from(supported.edx) << 32 | u64::from(supported.eax));
        // SAFETY: CR4.OSXSAVE is on, and the processor supports these components. The kernel uses none of them itself.
        unsafe {
            asm!("xsetbv", in("ecx") 0, in("eax") chosen as u32, in("edx") (chosen >> 32) as u32,
                 options(nostack, preserves_flags));
        }
        // The size for the enabled components.
        let bytes = (__cpuid_count(STATE_LEAF, 0).ebx as usize).next_multiple_of(AREA_ALIGNMENT);
        let has_xsaveopt = __cpuid_count(STATE_LEAF, 1).eax & HAS_XSAVEOPT != 0;
        AREA_BYTES.store(bytes, Ordering::Relaxed);
        METHOD.store(if has_xsaveopt { XSAVEOPT } else { XSAVE }, Ordering::Relaxed);
    }
    let name = match METHOD.load(Ordering::Relaxed) {
        XSAVEOPT => "XSAVEOPT",
        XSAVE => "XSAVE",
        _ => "FXSAVE",
    };
    crate::klog!("vector registers: saved by {name} in {} bytes", area_bytes());
}

/// The size of a thread's area.
pub(super) fn area_bytes() -> usize {
    AREA_BYTES.load(Ordering::Relaxed)
}

/// Makes an area one with all registers in their initial state. Of components that are not marked as saved, XRSTOR reads
/// nothing but MXCSR, so their bytes are left as they are.
pub(super) fn initialize(area: &mut [MaybeUninit<u8>]) {
    if METHOD.load(Ordering::Relaxed) == FXSAVE {
        area.fill(MaybeUninit::new(0));
    } else if let Some((_, after)) = area.split_at_mut_checked(LEGACY_BYTES)
        && let Some(header) = after.first_chunk_mut::<HEADER_BYTES>()
    {
        *header = [MaybeUninit::new(0); _];
    }
    if let Some(start) = area.first_chunk_mut() {
        *start = INITIAL.map(MaybeUninit::new);
    }
}

// EDX:EAX selects components among those in XCR0, where all of the upper half are disabled: EDX may be anything. These
// functions are part of every switch, so they are as short as possible for the newest processors, and their exceptions are
// elsewhere.

/// Loads the registers of a thread.
#[inline(always)]
pub(super) fn load(thread: &ThreadState) {
    // SAFETY: the area is as long and as aligned as the instruction needs, and only `initialize` and `save` have written it.
    unsafe {
        asm!(
            "cmp byte ptr [rip + {method}], {fxsave}",
            "je 2f",
            "mov eax, -1",
            "xrstor64 [{thread} + {area}]",
            "3:",
            ".pushsection .text.cold, \"ax\"",
            "2: fxrstor64 [{thread} + {area}]",
            "jmp 3b",
            ".popsection",
            thread = in(reg) (&raw const *thread).cast::<u8>(),
            method = sym METHOD,
            fxsave = const FXSAVE,
            area = const VECTORS,
            out("eax") _,
            options(nostack),
        );
    }
}

/// Clears what loading registers may leave: the x87 pointers to the last instruction.
#[inline(always)]
pub(super) fn forget() {
    // SAFETY: the kernel does not use these registers.
    unsafe { asm!("fninit", options(nomem, nostack, preserves_flags)) };
}

/// Saves the registers of a thread, which must be those in the processor, [forgets](forget) them and loads those of another.
#[inline(always)]
pub(super) fn exchange(left: &mut ThreadState, entered: &ThreadState) {
    // SAFETY: as for `save` and `load`.
    unsafe {
        asm!(
            "mov eax, -1",
            "cmp byte ptr [rip + {method}], {xsaveopt}",
            "jne 2f",
            "xsaveopt64 [{left} + {area}]",
            "fninit",
            "xrstor64 [{entered} + {area}]",
            "3:",
            ".pushsection .text.cold, \"ax\"",
            "2: cmp byte ptr [rip + {method}], {xsave}",
            "jne 4f",
            "xsave64 [{left} + {area}]",
            "fninit",
            "xrstor64 [{entered} + {area}]",
            "jmp 3b",
            "4: fxsave64 [{left} + {area}]",
            "fninit",
            "fxrstor64 [{entered} + {area}]",
            "jmp 3b",
            ".popsection",
            left = in(reg) (&raw mut *left).cast::<u8>(),
            entered = in(reg) (&raw const *entered).cast::<u8>(),
            method = sym METHOD,
            xsaveopt = const XSAVEOPT,
            xsave = const XSAVE,
            area = const VECTORS,
            out("eax") _,
            options(nostack),
        );
    }
}

/// Saves the registers of a thread, which must be those in the processor.
#[inline(always)]
pub(super) fn save(thread: &mut ThreadState) {
    // SAFETY: the area is as long and as aligned as the instruction needs, and its header is as XSAVE left it, or zero.
    unsafe {
        asm!(
            "mov eax, -1",
            "cmp byte ptr [rip + {method}], {xsaveopt}",
            "jne 2f",
            "xsaveopt64 [{thread} + {area}]",
            "3:",
            ".pushsection .text.cold, \"ax\"",
            "2: cmp byte ptr [rip + {method}], {xsave}",
            "jne 4f",
            "xsave64 [{thread} + {area}]",
            "jmp 3b",
            "4: fxsave64 [{thread} + {area}]",
            "jmp 3b",
            ".popsection",
            thread = in(reg) (&raw mut *thread).cast::<u8>(),
            method = sym METHOD,
            xsaveopt = const XSAVEOPT,
            xsave = const XSAVE,
            area = const VECTORS,
            out("eax") _,
            options(nostack),
        );
    }
}
