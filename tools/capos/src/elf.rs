//! Native programs: checks that the system can load them, and strips the rest.

use object::LittleEndian;
use object::elf::{EM_X86_64, ET_EXEC, FileHeader64, PT_DYNAMIC, PT_INTERP, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

const PAGE_BYTES: u64 = 4096;
/// End of user addresses.
const USER_END: u64 = 1 << 47;

/// Checks that `bytes` is a static ELF64 program for x86_64 whose segments can be mapped page by page in
/// place, and returns it without section headers, symbols and debug information.
pub fn loadable_part(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let header = FileHeader64::<LittleEndian>::parse(bytes).map_err(|_| "not an ELF64 file".to_owned())?;
    let endian = header.endian().map_err(|_| "not a little-endian ELF file".to_owned())?;
    if header.e_machine(endian) != EM_X86_64 {
        return Err("not built for x86_64".to_owned());
    }
    if header.e_type(endian) != ET_EXEC {
        return Err("not a statically linked, non-relocatable executable".to_owned());
    }
    let segments =
        header.program_headers(endian, bytes).map_err(|_| "its program headers are damaged".to_owned())?;
    let table = u64::from(header.e_phentsize(endian)) * segments.len() as u64;
    let mut end = header.e_phoff(endian).saturating_add(table);
    let mut loads = 0u32;
    let mut entry_found = false;
    for (index, segment) in segments.iter().enumerate() {
        let in_segment = |reason: &str| format!("program header {index}: {reason}");
        let kind = segment.p_type(endian);
        if matches!(kind, PT_INTERP | PT_DYNAMIC) {
            return Err(in_segment("dynamically linked"));
        }
        let (offset, file_size) = (segment.p_offset(endian), segment.p_filesz(endian));
        let file_end = offset.checked_add(file_size).filter(|end| *end <= bytes.len() as u64);
        let file_end = file_end.ok_or_else(|| in_segment("reaches past the end of the file"))?;
        if file_size > 0 {
            end = end.max(file_end);
        }
        if kind != PT_LOAD {
            continue;
        }
        loads += 1;
        let (address, memory_size) = (segment.p_vaddr(endian), segment.p_memsz(endian));
        if file_size > memory_size {
            return Err(in_segment("has more bytes in the file than in memory"));
        }
        if address.checked_add(memory_size).is_none_or(|end| end > USER_END) {
            return Err(in_segment("reaches past the end of user addresses"));
        }
        if offset % PAGE_BYTES != address % PAGE_BYTES {
            return Err(in_segment("its file offset and address differ within the page"));
        }
        entry_found |= (address..address + memory_size).contains(&header.e_entry(endian));
    }
    if loads == 0 {
        return Err("it has no loadable segment".to_owned());
    }
    if !entry_found {
        return Err("its entry point is in no segment".to_owned());
    }
    let mut part =
        usize::try_from(end).ok().and_then(|end| bytes.get(..end)).map(<[u8]>::to_vec).unwrap_or_default();
    clear_section_headers(&mut part);
    Ok(part)
}

/// The memory size of an ELF64 program's segments. Zero for an invalid program, which is refused elsewhere.
pub fn loaded_bytes(bytes: &[u8]) -> u64 {
    let segments = FileHeader64::<LittleEndian>::parse(bytes).ok().and_then(|header| {
        let endian = header.endian().ok()?;
        let segments = header.program_headers(endian, bytes).ok()?;
        let loaded = segments.iter().filter(|segment| segment.p_type(endian) == PT_LOAD);
        Some(loaded.map(|segment| segment.p_memsz(endian)).fold(0, u64::saturating_add))
    });
    segments.unwrap_or(0)
}

/// Clears the section headers' fields in the ELF header: `e_shoff`, `e_shentsize`, `e_shnum`, `e_shstrndx`.
fn clear_section_headers(elf: &mut [u8]) {
    for field in [40..48, 58..64] {
        if let Some(bytes) = elf.get_mut(field) {
            bytes.fill(0);
        }
    }
}
