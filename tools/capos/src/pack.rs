//! Lays out a boot package: one Cap'n Proto message in one segment, every program on separate pages.

use anyhow::{Result, bail, ensure};
use capnp::message::{Builder, HeapAllocator};
use capos_schema::manifest_capnp::boot_package;
use capos_schema::names;
use xxhash_rust::xxh3::xxh3_128;

use crate::binaries::{Image, Images};
use crate::manifest::{Instance, Manifest, convert};

/// Alignment of programs, from the start of the package.
pub const PAGE_BYTES: usize = 4096;
const WORD_BYTES: usize = 8;
/// The segment table of a message with one segment.
const HEADER_BYTES: usize = 8;
/// Maximum length of a Cap'n Proto Data.
const MOST_DATA_BYTES: usize = (1 << 29) - 1;
/// Allowance for everything in a package except programs and instances' arguments. The rest of the size is known.
const METADATA_ALLOWANCE: usize = 16 << 20;

type Message = Builder<HeapAllocator>;

/// The package: standard framing, a whole number of pages. `volumes` are the images of packed volumes.
pub fn pack(manifest: &Manifest, images: &Images, volumes: &[Image]) -> Result<Vec<u8>> {
    let named = || images.programs.iter().chain(volumes);
    let all = || std::iter::once(&images.init).chain(named().map(|image| &image.bytes));
    ensure!(
        all().all(|bytes| bytes.len() <= MOST_DATA_BYTES),
        "a program or volume is larger than {MOST_DATA_BYTES} bytes"
    );
    let manifest = &with_revision(manifest, images);
    let programs: usize = all().map(|bytes| bytes.len() + 2 * PAGE_BYTES).sum();
    let hosts = manifest.processes.iter().filter_map(|process| process.wasm_host.as_ref());
    let launch: u64 = hosts.flat_map(|host| &host.instances).map(Instance::launch_bytes).sum();
    let words = u32::try_from((programs + METADATA_ALLOWANCE + usize::try_from(launch)?) / WORD_BYTES)?;
    let mut message = Message::new(HeapAllocator::new().first_segment_words(words));

    let mut package: boot_package::Builder<'_> = message.init_root();
    let size = |name: &str| {
        let image = images.programs.iter().find(|image| image.name == name);
        image.map_or(0, |image| image.bytes.len() as u64)
    };
    convert::convert(manifest, &size, package.reborrow().init_manifest())?;
    let mut entries = package.init_binaries(u32::try_from(named().count())?);
    for (index, image) in (0..).zip(named()) {
        entries.reborrow().get(index).set_name(&image.name);
    }

    place(&mut message, &images.init, |mut package, bytes| {
        package.set_init(bytes);
        Ok(())
    })?;
    for (index, image) in (0..).zip(named()) {
        place(&mut message, &image.bytes, |package, bytes| {
            package.get_binaries()?.get(index).set_image(bytes);
            Ok(())
        })?;
    }
    frame(&message)
}

/// The manifest with the hash of the program that compiles: the compiler's cache is for code of that program alone.
fn with_revision(manifest: &Manifest, images: &Images) -> Manifest {
    let mut manifest = manifest.clone();
    let worker = images.programs.iter().find(|image| image.name == names::COMPILER_WORKER);
    if let (Some(compiler), Some(worker)) = (&mut manifest.compiler, worker) {
        compiler.revision = format!("{:032x}", xxh3_128(&worker.bytes));
    }
    manifest
}

/// Sets a Data field such that its bytes are page-aligned.
///
/// Cap'n Proto allocates upwards, so a first, zeroed Data as long as the rest of the page moves the second one
/// to the page's end; replacing the first leaves a gap that nothing refers to.
fn place(
    message: &mut Message,
    bytes: &[u8],
    set: impl Fn(boot_package::Builder<'_>, &[u8]) -> capnp::Result<()>,
) -> Result<()> {
    let gap = HEADER_BYTES.wrapping_add(segment(message)?.len()).wrapping_neg() % PAGE_BYTES;
    set(message.get_root()?, &vec![0; gap])?;
    set(message.get_root()?, bytes)?;
    let begin = HEADER_BYTES + segment(message)?.len() - bytes.len().next_multiple_of(WORD_BYTES);
    ensure!(begin.is_multiple_of(PAGE_BYTES), "a program was placed at {begin}, which is not page-aligned");
    Ok(())
}

fn segment(message: &Message) -> Result<&[u8]> {
    match *message.get_segments_for_output() {
        [segment] => Ok(segment),
        _ => bail!("the manifest is too large for one segment"),
    }
}

/// Prepends the segment table, and appends zeros so that the last program shares its last page with nothing
/// else. The zeros count as part of the segment.
fn frame(message: &Message) -> Result<Vec<u8>> {
    let segment = segment(message)?;
    let total = (HEADER_BYTES + segment.len()).next_multiple_of(PAGE_BYTES);
    let words = u32::try_from((total - HEADER_BYTES) / WORD_BYTES)?;
    let mut framed = Vec::with_capacity(total);
    framed.extend_from_slice(&0u32.to_le_bytes());
    framed.extend_from_slice(&words.to_le_bytes());
    framed.extend_from_slice(segment);
    framed.resize(total, 0);
    Ok(framed)
}
