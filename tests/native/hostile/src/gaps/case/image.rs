//! A program generated here: a few instructions that read data, of which there may be much.
#![expect(unsafe_code, reason = "the program is written to a raw address")]

use capnp::message::Builder;
use capos_abi::Syscall;
use capos_schema::launch_capnp::launch_parameters;
use capos_schema::memory_capnp::{code_factory, memory_object};
use capos_schema::process_capnp::{limits, process, process_spawner};

const PAGE: u64 = 4096;
const CODE: u64 = 0x40_0000;
/// The data has another offset within its page than in the file.
const DATA: u64 = 0x1000_0128;
const DATA_OFFSET: u64 = 0x2840;
const BSS_BYTES: u64 = 1 << 20;

/// The amount of data of a program.
#[derive(Clone, Copy)]
pub(super) enum Size {
    Small,
    Large,
}

/// A program in a sealed memory object.
pub(super) struct Image {
    object: memory_object::Client,
    length: u64,
    spawner: process_spawner::Client,
}

/// The file: each word of the data contains its own index.
fn file(size: Size, status: u8) -> Vec<u8> {
    let words: u64 = match size {
        Size::Small => 64,
        Size::Large => (16 << 20) / 8 + 33,
    };
    let code = code(words, status);
    let mut file = Vec::new();
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    put(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    put(&[2, 0, 0x3e, 0, 1, 0, 0, 0]);
    [CODE + PAGE, 64, 0].iter().for_each(|word| put(&word.to_le_bytes()));
    // Flags; sizes of the header, of a program header and their number; no sections.
    put(&[0, 0, 0, 0, 64, 0, 56, 0, 2, 0, 64, 0, 0, 0, 0, 0]);
    let mut segment = |flags: u32, words: [u64; 6]| {
        put(&1_u32.to_le_bytes());
        put(&flags.to_le_bytes());
        words.iter().for_each(|word| put(&word.to_le_bytes()));
    };
    segment(5, [PAGE, CODE + PAGE, 0, PAGE, PAGE, PAGE]);
    segment(6, [DATA_OFFSET, DATA, 0, words * 8, words * 8 + BSS_BYTES, PAGE]);
    file.resize(PAGE as usize, 0);
    file.extend(code);
    file.resize(DATA_OFFSET as usize, 0);
    file.extend((0..words).flat_map(u64::to_le_bytes));
    file
}

/// Code that reads a word of each page of the data and the first word beyond the file, and exits.
fn code(words: u64, status: u8) -> Vec<u8> {
    let mut code = vec![0x48, 0xbe];
    code.extend(DATA.to_le_bytes());
    // xor ecx, ecx; cmp [rsi + 8 rcx], rcx; jne bad; add rcx, 513; cmp rcx, words; jb; cmp [rsi + 8 words], 0; jne bad
    code.extend([0x31, 0xc9, 0x48, 0x39, 0x0c, 0xce, 0x75, 36]);
    code.extend([0x48, 0x81, 0xc1, 1, 2, 0, 0, 0x48, 0x81, 0xf9]);
    code.extend((words as u32).to_le_bytes());
    code.extend([0x72, 0xea, 0x48, 0x81, 0xbe]);
    code.extend((words as u32 * 8).to_le_bytes());
    code.extend([0, 0, 0, 0, 0x75, 7]);
    // mov edi, status; jmp +5; bad: mov edi, 99; mov eax, ProcessExit; syscall; jmp $
    code.extend([0xbf, status, 0, 0, 0, 0xeb, 5, 0xbf, 99, 0, 0, 0, 0xb8]);
    code.extend((Syscall::ProcessExit as u32).to_le_bytes());
    code.extend([0x0f, 0x05, 0xeb, 0xfe]);
    code
}

impl Image {
    /// A program that exits with `status` if its data is right.
    pub(super) async fn new(size: Size, status: u8) -> capnp::Result<Self> {
        let file = file(size, status);
        let length = (file.len() as u64).next_multiple_of(PAGE);
        let factory: code_factory::Client = capos_rt::grant(capos_schema::grants::CODE_FACTORY)?;
        let mut request = factory.create_request();
        request.get().set_length(length);
        let object = request.send().promise.await?.get()?.get_object()?;
        let mut request = capos_rt::virtual_memory().map_object_request();
        request.get().set_object(object.clone());
        request.get().set_length(length);
        let mut protection = request.get().init_protection();
        protection.set_read(true);
        protection.set_write(true);
        let address = request.send().promise.await?.get()?.get_address();
        // SAFETY: the kernel mapped that many bytes there, writable, and nothing else refers to them.
        unsafe { core::ptr::copy_nonoverlapping(file.as_ptr(), address as *mut u8, file.len()) };
        let mut request = capos_rt::virtual_memory().unmap_request();
        request.get().set_address(address);
        request.get().set_length(length);
        request.send().promise.await?;
        object.seal_request().send().promise.await?;
        let spawner = capos_rt::grant(capos_schema::grants::PROCESS_SPAWNER)?;
        Ok(Self { object, length: file.len() as u64, spawner })
    }

    /// Starts it, with the minimum resources.
    pub(super) async fn start(&self) -> capnp::Result<process::Client> {
        let mut launch = Builder::new_default();
        launch.init_root::<launch_parameters::Builder<'_>>();
        let mut request = self.spawner.spawn_request();
        let mut params = request.get();
        params.set_image(self.object.clone());
        params.set_image_length(self.length);
        params.set_name("image");
        params.set_launch_parameters(&capnp::serialize::write_message_to_words(&launch));
        let mut limits: limits::Builder<'_> = params.init_limits();
        limits.set_frames(8192);
        limits.set_priority(1);
        request.send().promise.await?.get()?.get_process()
    }
}
