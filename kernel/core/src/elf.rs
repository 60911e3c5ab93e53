//! Reads the start of an ELF64 file and produces a list of segments that are safe to load. The file is
//! untrusted.

use crate::regions::Protection;
use capos_abi::{PAGE_SIZE, USER_END, USER_START};
use elf::{
    abi::{EM_X86_64, ET_EXEC, PF_R, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD},
    endian::LittleEndian,
    file::{Class, ELF64_EHDR_TAILSIZE, FileHeader, parse_ident},
    segment::{ProgramHeader, SegmentTable},
};

#[cfg(test)]
mod tests;

/// The most loadable segments in a program.
pub const MAX_SEGMENTS: usize = 16;
/// The most program headers that are read.
const MAX_PROGRAM_HEADERS: u16 = 64;
const IDENT_BYTES: usize = 16;
const PROGRAM_HEADER_BYTES: usize = 56;

/// A segment of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Offset of its contents in the file.
    pub file_offset: u64,
    /// Bytes of contents; the rest is zero.
    pub file_bytes: u64,
    /// Its address in memory.
    pub address: u64,
    /// Bytes in memory, at least `file_bytes` and not zero.
    pub memory_bytes: u64,
    /// The allowed access to its pages; never both writable and executable.
    pub protection: Protection,
}

impl Segment {
    /// Address of its first page.
    #[must_use]
    pub const fn page_start(&self) -> u64 {
        self.address & !(PAGE_SIZE - 1)
    }

    /// The address after its last page.
    #[must_use]
    pub const fn page_end(&self) -> u64 {
        (self.address + self.memory_bytes).next_multiple_of(PAGE_SIZE)
    }

    const UNUSED: Self =
        Self { file_offset: 0, file_bytes: 0, address: 0, memory_bytes: 0, protection: Protection::empty() };
}

/// The segments to load with their addresses, and the entry point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadPlan {
    /// Address of the first instruction, inside an executable segment.
    pub entry: u64,
    segments: [Segment; MAX_SEGMENTS],
    count: usize,
}

impl LoadPlan {
    /// The segments in order of address; no two share a page.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        self.segments.get(..self.count).unwrap_or(&[])
    }
}

/// Plans the loading of a program from the first bytes of its file (one page suffices for the output of
/// common linkers) and the file's length.
///
/// # Errors
/// A message that says what is wrong with the file.
pub fn plan(header: &[u8], file_bytes: u64) -> Result<LoadPlan, &'static str> {
    let file = file_header(header)?;
    if file.e_phentsize as usize != PROGRAM_HEADER_BYTES || file.e_phnum > MAX_PROGRAM_HEADERS {
        return Err("the program headers have an unknown size, or there are too many");
    }
    let start = usize::try_from(file.e_phoff).map_err(|_| "the program headers lie outside the file")?;
    let table = start
        .checked_add(file.e_phnum as usize * PROGRAM_HEADER_BYTES)
        .and_then(|end| header.get(start..end))
        .ok_or("the program headers are not at the start of the file")?;
    let mut plan = LoadPlan { entry: file.e_entry, segments: [Segment::UNUSED; MAX_SEGMENTS], count: 0 };
    for program_header in SegmentTable::new(LittleEndian, Class::ELF64, table) {
        match program_header.p_type {
            PT_INTERP | PT_DYNAMIC => return Err("the program is dynamically linked"),
            PT_LOAD if program_header.p_memsz > 0 => {
                let segment = segment(&program_header, file_bytes)?;
                if plan.segments().last().is_some_and(|last| last.page_end() > segment.page_start()) {
                    return Err("two segments share a page or are out of order");
                }
                *plan.segments.get_mut(plan.count).ok_or("the program has too many segments")? = segment;
                plan.count += 1;
            }
            _ => {}
        }
    }
    let in_code = plan.segments().iter().any(|segment| {
        segment.protection.contains(Protection::EXECUTE)
            && (segment.address..segment.address + segment.memory_bytes).contains(&plan.entry)
    });
    if in_code { Ok(plan) } else { Err("the entry point is not in an executable segment") }
}

fn file_header(header: &[u8]) -> Result<FileHeader<LittleEndian>, &'static str> {
    let ident = header.get(..IDENT_BYTES).ok_or("the file is too short for an ELF header")?;
    let ident = parse_ident::<LittleEndian>(ident).map_err(|_| "not a little-endian ELF file")?;
    if ident.1 != Class::ELF64 {
        return Err("not an ELF64 file");
    }
    let tail = header
        .get(IDENT_BYTES..IDENT_BYTES + ELF64_EHDR_TAILSIZE)
        .ok_or("the file is too short for an ELF header")?;
    let file = FileHeader::parse_tail(ident, tail).map_err(|_| "the ELF header is damaged")?;
    if file.e_machine != EM_X86_64 {
        return Err("not a program for x86_64");
    }
    if file.e_type != ET_EXEC {
        return Err("not a statically linked executable");
    }
    Ok(file)
}

fn segment(header: &ProgramHeader, file_bytes: u64) -> Result<Segment, &'static str> {
    if header.p_filesz > header.p_memsz {
        return Err("a segment has more contents than memory");
    }
    if header.p_offset.checked_add(header.p_filesz).is_none_or(|end| end > file_bytes) {
        return Err("a segment's contents are outside the file");
    }
    let end = header.p_vaddr.checked_add(header.p_memsz);
    if header.p_vaddr < USER_START || end.is_none_or(|end| end > USER_END) {
        return Err("a segment is outside user space");
    }
    let mut protection = Protection::empty();
    protection.set(Protection::READ, header.p_flags & PF_R != 0);
    protection.set(Protection::WRITE, header.p_flags & PF_W != 0);
    protection.set(Protection::EXECUTE, header.p_flags & PF_X != 0);
    if protection.breaks_wx() {
        return Err("a segment is both writable and executable");
    }
    Ok(Segment {
        file_offset: header.p_offset,
        file_bytes: header.p_filesz,
        address: header.p_vaddr,
        memory_bytes: header.p_memsz,
        protection,
    })
}
