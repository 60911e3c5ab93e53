//! The screen, for messages to a user at the machine: reasons for a failed start, and kernel panics. Programs cannot
//! access it.
//!
//! Text goes to the VGA's text memory if firmware left that mode on, otherwise to the linear framebuffer described by the
//! boot loader. Without a screen, nothing is shown.

use crate::mm::{kernel_space, physmap};
use core::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};
use font8x8::legacy::BASIC_LEGACY;
use x86_64::PhysAddr;

/// A framebuffer described by the boot loader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Framebuffer {
    /// Physical address of the first pixel or character.
    pub address: u64,
    /// Bytes from one line to the next.
    pub pitch: u32,
    /// Pixels or characters per line.
    pub width: u32,
    /// Number of lines.
    pub height: u32,
    /// Bits per pixel or character.
    pub bits: u8,
    /// Content of the memory.
    pub content: Content,
}

/// The layout of a framebuffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Characters, each with an attribute.
    Text,
    /// Red, green and blue pixels.
    Pixels,
}

impl Framebuffer {
    /// The VGA's text mode, the initial mode of PC firmware.
    pub(super) const VGA_TEXT: Self = Self {
        address: VGA_TEXT_ADDRESS,
        pitch: 160,
        width: 80,
        height: 25,
        bits: 16,
        content: Content::Text,
    };
}

pub(super) const VGA_TEXT_ADDRESS: u64 = 0xb8000;
/// Light grey on black.
const ATTRIBUTE: u16 = 0x0700;
/// Size of a character in the font, in pixels.
const GLYPH: u32 = 8;
/// Lines of text used; more would need more pages.
const MAX_LINES: u32 = 25;
const PAGE: u64 = 4096;
/// Until the kernel has its own page tables, this much physical memory is mapped.
const BOOT_MAPPED: u64 = 1 << 32;

/// The screen in use. Plain atomics, so that a panic can use it in any state.
struct Surface {
    /// Its mapped address; 0 without a screen.
    base: AtomicU64,
    pitch: AtomicU32,
    /// In characters.
    columns: AtomicU32,
    lines: AtomicU32,
    /// Bytes per pixel; 0 for text.
    pixel_bytes: AtomicU32,
    /// Screen pixels per font pixel, in both directions.
    zoom: AtomicU32,
    column: AtomicU32,
    line: AtomicU32,
}

static SURFACE: Surface = Surface {
    base: AtomicU64::new(0),
    pitch: AtomicU32::new(0),
    columns: AtomicU32::new(0),
    lines: AtomicU32::new(0),
    pixel_bytes: AtomicU32::new(0),
    zoom: AtomicU32::new(1),
    column: AtomicU32::new(0),
    line: AtomicU32::new(0),
};

/// Starts using the screen. The boot page tables must be in use.
pub(super) fn init(framebuffer: &Framebuffer) {
    let &Framebuffer { address, pitch, width, height, bits, content } = framebuffer;
    let zoom = (width / 640).max(1);
    let (cell, pixel_bytes) = match content {
        Content::Text => (1, 0),
        Content::Pixels => (GLYPH * zoom, u32::from(bits) / 8),
    };
    let end = address.saturating_add(u64::from(pitch) * u64::from(height));
    let is_known = match content {
        Content::Text => bits == 16,
        Content::Pixels => matches!(bits, 24 | 32),
    };
    let row_bytes = u64::from(width) * u64::from(bits) / 8;
    if end > BOOT_MAPPED || !is_known || u64::from(pitch) < row_bytes || width < cell || height < cell {
        return;
    }
    SURFACE.pitch.store(pitch, Ordering::Relaxed);
    SURFACE.columns.store(width / cell, Ordering::Relaxed);
    SURFACE.lines.store((height / cell).min(MAX_LINES), Ordering::Relaxed);
    SURFACE.pixel_bytes.store(pixel_bytes, Ordering::Relaxed);
    SURFACE.zoom.store(zoom, Ordering::Relaxed);
    let base = physmap::pointer::<u8>(PhysAddr::new_truncate(address));
    SURFACE.base.store(base.expose_provenance() as u64, Ordering::Relaxed);
}

/// Maps the screen in the kernel's own page tables, which have replaced the boot tables.
pub(super) fn remap(framebuffer: &Framebuffer) {
    if SURFACE.base.swap(0, Ordering::Relaxed) == 0 {
        return;
    }
    let last = framebuffer.address + used_bytes().saturating_sub(1);
    let mut base = None;
    for page in (framebuffer.address / PAGE..=last / PAGE).map(|page| page * PAGE) {
        let Some(at) = kernel_space::map_device_page(PhysAddr::new_truncate(page)) else { return };
        // Pages mapped consecutively have consecutive addresses.
        base.get_or_insert(at);
    }
    SURFACE.base.store(base.map_or(0, |base| base + framebuffer.address % PAGE), Ordering::Relaxed);
}

/// Bytes from the first to the last that text can reach.
fn used_bytes() -> u64 {
    let cell = if SURFACE.pixel_bytes.load(Ordering::Relaxed) == 0 {
        1
    } else {
        GLYPH * SURFACE.zoom.load(Ordering::Relaxed)
    };
    u64::from(SURFACE.lines.load(Ordering::Relaxed) * cell) * u64::from(SURFACE.pitch.load(Ordering::Relaxed))
}

/// Writes to the screen, starting at its first line.
pub struct Writer;

impl Writer {
    /// Clears the screen.
    pub fn begin() -> Self {
        SURFACE.line.store(0, Ordering::Relaxed);
        SURFACE.column.store(0, Ordering::Relaxed);
        for line in 0..SURFACE.lines.load(Ordering::Relaxed) {
            clear_line(line);
        }
        Self
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if SURFACE.base.load(Ordering::Relaxed) != 0 {
            text.chars().for_each(put);
        }
        Ok(())
    }
}

fn clear_line(line: u32) {
    for column in 0..SURFACE.columns.load(Ordering::Relaxed) {
        draw(line, column, b' ');
    }
}

/// Shows a character at the next position. Text beyond the last line is not shown.
fn put(character: char) {
    let (line, column) = (SURFACE.line.load(Ordering::Relaxed), SURFACE.column.load(Ordering::Relaxed));
    let is_full = column >= SURFACE.columns.load(Ordering::Relaxed);
    let (line, column) = if is_full { (line.saturating_add(1), 0) } else { (line, column) };
    if character == '\n' {
        SURFACE.line.store(line.saturating_add(1), Ordering::Relaxed);
        SURFACE.column.store(0, Ordering::Relaxed);
        return;
    }
    SURFACE.line.store(line, Ordering::Relaxed);
    let byte = u8::try_from(character).ok().filter(u8::is_ascii_graphic).unwrap_or(b' ');
    draw(line, column, byte);
    SURFACE.column.store(column + 1, Ordering::Relaxed);
}

fn draw(line: u32, column: u32, byte: u8) {
    let base = SURFACE.base.load(Ordering::Relaxed);
    if base == 0
        || line >= SURFACE.lines.load(Ordering::Relaxed)
        || column >= SURFACE.columns.load(Ordering::Relaxed)
    {
        return;
    }
    let pitch = u64::from(SURFACE.pitch.load(Ordering::Relaxed));
    let pixel_bytes = SURFACE.pixel_bytes.load(Ordering::Relaxed);
    if pixel_bytes == 0 {
        let at = base + u64::from(line) * pitch + u64::from(column) * 2;
        let place: *mut u16 = core::ptr::with_exposed_provenance_mut(at as usize);
        // SAFETY: line and column are on the screen (checked), which is mapped at `base`; nothing else refers to it.
        unsafe { place.write_volatile(ATTRIBUTE | u16::from(byte)) };
        return;
    }
    let zoom = SURFACE.zoom.load(Ordering::Relaxed);
    let glyph = BASIC_LEGACY.get(usize::from(byte)).copied().unwrap_or_default();
    for y in 0..GLYPH * zoom {
        let bits = glyph.get((y / zoom) as usize).copied().unwrap_or_default();
        let row = base + u64::from(line * GLYPH * zoom + y) * pitch;
        for x in 0..GLYPH * zoom {
            let shade = if bits >> (x / zoom) & 1 == 1 { 0xaa } else { 0 };
            let at = row + u64::from((column * GLYPH * zoom + x) * pixel_bytes);
            for part in 0..u64::from(pixel_bytes.min(3)) {
                let place: *mut u8 = core::ptr::with_exposed_provenance_mut((at + part) as usize);
                // SAFETY: as above: the pixel belongs to a character on the screen.
                unsafe { place.write_volatile(shade) };
            }
        }
    }
}
