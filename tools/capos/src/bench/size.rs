//! Sizes of the built files.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use object::LittleEndian;
use object::elf::{FileHeader64, PF_X, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

use super::Measure;
use crate::image;
use crate::project::Project;
use crate::qemu::ConsoleLine;

/// The parts of the image of `manifest`, the kernel's loaded part, and its code.
pub(super) fn measure(project: &Project, manifest: &Path) -> Result<Vec<Measure>> {
    let checked = image::check(project, manifest, ConsoleLine::Serial)?;
    let package = image::build(&checked)?;
    let bytes = |name: &str, length: usize| Measure::new(name, length as u64, "bytes");
    let mut measures = vec![bytes("image_init", checked.images.init.len())];
    for image in &checked.images.programs {
        let name: String =
            image.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        measures.push(bytes(&format!("image_{name}"), image.bytes.len()));
    }
    measures.push(bytes("image_package", package.len()));

    let kernel = fs::read(project.kernel()).with_context(|| project.kernel().display().to_string())?;
    let (loaded, text) = segments(&kernel).context("reading the kernel's program headers")?;
    measures.push(Measure::new("image_kernel", loaded, "bytes"));
    measures.push(Measure::new("kernel_text", text, "bytes"));
    Ok(measures)
}

/// File bytes of all loaded segments, and of the executable ones.
fn segments(elf: &[u8]) -> object::Result<(u64, u64)> {
    let header = FileHeader64::<LittleEndian>::parse(elf)?;
    let endian = header.endian()?;
    let (mut loaded, mut text) = (0, 0);
    for segment in
        header.program_headers(endian, elf)?.iter().filter(|segment| segment.p_type(endian) == PT_LOAD)
    {
        loaded += segment.p_filesz(endian);
        if segment.p_flags(endian).contains(PF_X) {
            text += segment.p_filesz(endian);
        }
    }
    Ok((loaded, text))
}
