//! Size of the kernel's source, and the number of its unsafe blocks.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::Measure;
use crate::project::Project;

/// The lines counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    lines: u64,
    unsafe_blocks: u64,
}

/// Lines of the kernel, of its safe core, and its unsafe blocks. Blank lines, comments and tests do not count.
pub(super) fn measure(project: &Project) -> Result<Vec<Measure>> {
    let mut kernel = Count::default();
    let mut core = Count::default();
    count_folder(&project.root().join("kernel/src"), &mut kernel)?;
    count_folder(&project.root().join("kernel/core/src"), &mut core)?;
    Ok(vec![
        Measure::new("kernel_lines", kernel.lines, "lines"),
        Measure::new("kernel_core_lines", core.lines, "lines"),
        Measure::new("kernel_unsafe_blocks", kernel.unsafe_blocks + core.unsafe_blocks, "blocks"),
    ])
}

fn count_folder(folder: &Path, count: &mut Count) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            count_folder(&path, count)?;
        } else if (name.ends_with(".rs") && name != "tests.rs") || name.ends_with(".s") {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            count_text(&text, count);
        }
    }
    Ok(())
}

fn count_text(text: &str, count: &mut Count) {
    // Tests are at the end of their file, as everywhere in this tree.
    let (code, _) = text.split_once("\n#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
    for line in code.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("//")
            || line.starts_with('#') && !line.starts_with("#[") && !line.starts_with("#!")
        {
            continue;
        }
        count.lines += 1;
        count.unsafe_blocks += line.matches("unsafe {").count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_counts_and_nothing_else() {
        let text = "//! Doc.\n\nuse a;\n// SAFETY: so\nlet x = unsafe { y };\n#[inline]\nunsafe fn z() {}\n# assembly comment\n\
                    \n#[cfg(test)]\nmod tests {\n    unsafe { t }\n}\n";
        let mut count = Count::default();
        count_text(text, &mut count);
        assert_eq!(count, Count { lines: 4, unsafe_blocks: 1 });
    }
}
