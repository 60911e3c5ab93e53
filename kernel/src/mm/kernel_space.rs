//! The kernel's part of every address space (the upper half):
//!
//! | from | what |
//! |---|---|
//! | `physmap::BASE` | all RAM, read-write, never executable |
//! | [`HEAP_BASE`] | the growing heap |
//! | `0xffff_ffff_8000_0000` | the kernel's image: text read-execute, constants read-only, data read-write |
//! | [`DEVICE_BASE`] | device registers, uncached |

use super::{
    frames::{self, Frame},
    physmap,
    tables::{self, Entry, index},
};
use crate::arch::{self, Lock, MemoryRegion};
use x86_64::{PhysAddr, structures::paging::PageTableFlags as Flags};

/// Start of the growing heap.
pub(super) const HEAP_BASE: u64 = 0xffff_c000_0000_0000;
/// Address at which device registers are mapped.
const DEVICE_BASE: u64 = 0xffff_ffff_c000_0000;
/// The first root entry of the upper half.
pub(super) const FIRST_KERNEL_ENTRY: usize = 256;

const DATA: Flags = Flags::PRESENT.union(Flags::WRITABLE).union(Flags::NO_EXECUTE);
const TABLE: Flags = Flags::PRESENT.union(Flags::WRITABLE);
const SIZE_2M: u64 = 1 << 21;
const SIZE_1G: u64 = 1 << 30;
const SIZE_512G: u64 = 1 << 39;

struct KernelSpace {
    root: Option<Frame>,
    next_device: u64,
}

static SPACE: Lock<KernelSpace> = Lock::new(KernelSpace { root: None, next_device: DEVICE_BASE });

/// Allocates zeroed frames for tables before there is a frame allocator.
pub(super) type TakeFrame<'a> = &'a mut dyn FnMut() -> Option<Frame>;

fn next_table(table: Frame, index: usize, take: TakeFrame<'_>) -> Option<Frame> {
    let entry = tables::get(table, index);
    if entry.is_present() {
        return Some(entry.frame());
    }
    let new = take()?;
    tables::set(table, index, Entry::new(new.address(), TABLE));
    Some(new)
}

/// Maps one page of the size for tables at `level`.
fn map(root: Frame, address: u64, level: u32, entry: Entry, take: TakeFrame<'_>) -> Option<()> {
    let mut table = root;
    for upper in (level + 1..=4).rev() {
        table = next_table(table, index(address, upper), take)?;
    }
    tables::set(table, index(address, level), entry);
    Some(())
}

/// Builds the kernel's page tables and switches to them; the boot tables and their identity map are gone
/// then.
pub(super) fn init(regions: &[MemoryRegion], take: TakeFrame<'_>) -> Option<()> {
    let root = take()?;
    for entry in [index(physmap::BASE, 4), index(HEAP_BASE, 4), index(DEVICE_BASE, 4)] {
        next_table(root, entry, take)?;
    }
    for region in regions {
        map_ram(root, *region, take)?;
    }
    for part in arch::image_parts() {
        let protection = match (part.writable, part.executable) {
            (false, true) => Flags::PRESENT,
            (false, false) => Flags::PRESENT | Flags::NO_EXECUTE,
            _ => DATA,
        };
        for page in (part.start..part.end).step_by(frames::FRAME_BYTES) {
            let frame = PhysAddr::new_truncate(page - arch::KERNEL_BASE);
            map(root, page, 1, Entry::new(frame, protection | Flags::GLOBAL), take)?;
        }
    }
    // SAFETY: the new tables map the running code, its data and stack, and all of RAM at the same addresses
    // as the old ones.
    unsafe { arch::load_root(root.address()) };
    SPACE.lock().root = Some(root);
    Some(())
}

fn map_ram(root: Frame, region: MemoryRegion, take: TakeFrame<'_>) -> Option<()> {
    let flags = DATA | Flags::HUGE_PAGE | Flags::GLOBAL;
    let mut start = region.start & !(SIZE_2M - 1);
    while start < region.end {
        let is_whole_gib =
            start.is_multiple_of(SIZE_1G) && start >= region.start && region.end - start >= SIZE_1G;
        let (level, size) = if is_whole_gib && arch::has_1g_pages() { (3, SIZE_1G) } else { (2, SIZE_2M) };
        map(root, physmap::BASE + start, level, Entry::new(PhysAddr::new_truncate(start), flags), take)?;
        start += size;
    }
    Some(())
}

fn take_kernel_frame() -> Option<Frame> {
    let frame = frames::allocate_for_kernel()?;
    frame.zero();
    Some(frame)
}

/// Maps a page of the heap. `false` if there is no frame for a table.
pub(super) fn map_heap_page(address: u64, frame: Frame) -> bool {
    let space = SPACE.lock();
    let entry = Entry::new(frame.address(), DATA | Flags::GLOBAL);
    space.root.and_then(|root| map(root, address, 1, entry, &mut take_kernel_frame)).is_some()
}

/// Unmaps a page of the heap and returns its frame. The caller must flush the translation.
pub(super) fn unmap_heap_page(address: u64) -> Option<Frame> {
    let mut table = SPACE.lock().root?;
    for level in (2..=4).rev() {
        let entry = tables::get(table, index(address, level));
        if !entry.is_present() {
            return None;
        }
        table = entry.frame();
    }
    let entry = tables::get(table, index(address, 1));
    tables::set(table, index(address, 1), Entry::EMPTY);
    entry.is_present().then(|| entry.frame())
}

/// Moves the page table for the heap range at `from` to `to`, which has no pages: both are the beginning of a table's
/// range, and nothing is copied. `false`, without any change, if there is no frame for a table above it. The caller must
/// flush the translations.
pub(super) fn move_heap_table(from: u64, to: u64) -> bool {
    let space = SPACE.lock();
    let Some(root) = space.root else { return false };
    let mut old = root;
    for level in [4, 3] {
        old = tables::get(old, index(from, level)).frame();
    }
    let mut new = root;
    for level in [4, 3] {
        match next_table(new, index(to, level), &mut take_kernel_frame) {
            Some(table) => new = table,
            None => return false,
        }
    }
    // There may be an empty table from an earlier use.
    let (moved, spare) = (tables::get(old, index(from, 2)), tables::get(new, index(to, 2)));
    tables::set(new, index(to, 2), moved);
    tables::set(old, index(from, 2), spare);
    true
}

/// Maps the page of device registers at `address`, uncached, and returns its virtual address.
pub fn map_device_page(address: PhysAddr) -> Option<u64> {
    let mut space = SPACE.lock();
    let flags = DATA | Flags::NO_CACHE | Flags::WRITE_THROUGH | Flags::GLOBAL;
    let page = address.as_u64() & !(frames::FRAME_BYTES as u64 - 1);
    let at = space.next_device;
    map(space.root?, at, 1, Entry::new(PhysAddr::new_truncate(page), flags), &mut take_kernel_frame)?;
    space.next_device += frames::FRAME_BYTES as u64;
    Some(at + (address.as_u64() - page))
}

/// Whether this range overlaps RAM.
pub fn is_ram(addresses: &core::ops::Range<u64>) -> bool {
    let Some(root) = root() else { return true };
    let mut at = addresses.start / SIZE_2M * SIZE_2M;
    // Everything beyond the direct map is unknown to the kernel.
    while at < addresses.end.min(HEAP_BASE - physmap::BASE) {
        match mapped_or_next(root, at) {
            Some(next) => at = next,
            None => return true,
        }
    }
    false
}

/// `None` if the direct map has a page, of 1 GiB or 2 MiB, for the physical address `at`; otherwise the next possible
/// address. The range of a missing table is skipped at once, so unmapped ranges take no time.
fn mapped_or_next(root: Frame, at: u64) -> Option<u64> {
    let mut table = root;
    for (level, size) in [(4, SIZE_512G), (3, SIZE_1G), (2, SIZE_2M)] {
        let entry = tables::get(table, index(physmap::BASE + at, level));
        if !entry.is_present() {
            return Some((at / size + 1) * size);
        }
        if entry.flags().contains(Flags::HUGE_PAGE) {
            return None;
        }
        table = entry.frame();
    }
    None
}

fn root() -> Option<Frame> {
    SPACE.lock().root
}

/// Loads the tables that contain only the kernel's part, for when no process runs.
pub fn load_kernel_space() {
    if let Some(root) = root() {
        // SAFETY: `init` created these tables; they map the whole kernel.
        unsafe { arch::load_root(root.address()) };
    }
}

/// Makes a new root share the kernel's part of the address space.
pub(super) fn share_with(new_root: Frame) {
    if let Some(root) = root() {
        let start = FIRST_KERNEL_ENTRY * 8;
        new_root.copy_from(start, root, start, frames::FRAME_BYTES - start);
    }
}
