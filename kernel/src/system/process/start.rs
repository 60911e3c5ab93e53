//! How processes start.

use super::{ExitCause, LoadError, Process, ProcessId, load, teardown::Phase};
use crate::{
    budget::Budget,
    kernel::Kernel,
    mm::{self, AddressSpace, ObjectId},
    system::{
        System,
        thread::{FutexWaiters, NewThread},
    },
};
use alloc::{string::String, vec::Vec};
use capos_abi::{
    BOOTSTRAP_ADDRESS, BOOTSTRAP_MAX_BYTES, BootstrapHeader, Handle, MAIN_STACK_BYTES, MAIN_STACK_TOP,
    PAGE_SIZE,
};
use capos_kernel_core::regions::Protection;

/// The limits of a process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessLimits {
    /// Number of frames, including page tables.
    pub frames: u32,
    /// Number of threads.
    pub threads: u32,
    /// The highest priority of its threads.
    pub priority: u8,
}

/// The parameters of a new process.
pub struct NewProcess<'a> {
    /// The object that contains its program.
    pub image: ObjectId,
    /// Offset of the program in the object.
    pub image_offset: u64,
    /// Length of the program in bytes.
    pub image_length: u64,
    /// The name, for the log.
    pub name: &'a str,
    /// Its limits.
    pub limits: ProcessLimits,
    /// Whether it may map sealed memory objects executable.
    pub executable: bool,
}

/// The reason that a process could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartError {
    /// The program could not be loaded.
    Load(LoadError),
    /// The launch parameters or grants are too large for the bootstrap pages.
    BootstrapTooLarge,
    /// A budget or the machine's memory does not suffice.
    OutOfMemory,
}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::OutOfMemory => Self::OutOfMemory,
            other => Self::Load(other),
        }
    }
}

/// The handles that a process finds in its bootstrap page.
pub struct Bootstrap<'a> {
    /// Its grants.
    pub grants: &'a [Handle],
    /// Its own `VirtualMemory`, `ThreadSpawner` and `EndpointFactory`.
    pub own: [Handle; 3],
    /// The `LaunchParameters` message.
    pub launch: &'a [u8],
}

const MAX_THREADS: u32 = 4096;

impl System {
    /// Creates a process and loads its program. It has no thread until [`Kernel::start_process`]; in between, the
    /// caller inserts its capabilities. Returns the process and its entry point.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn create_process(&mut self, new: &NewProcess<'_>) -> Result<(ProcessId, u64), StartError> {
        if mm::frames::is_low() {
            return Err(StartError::OutOfMemory);
        }
        let mut space = AddressSpace::new(new.limits.frames).ok_or(StartError::OutOfMemory)?;
        let image = load::Image { object: new.image, offset: new.image_offset, length: new.image_length };
        let stack = MAIN_STACK_TOP - MAIN_STACK_BYTES;
        let usage = Protection::READ | Protection::WRITE;
        let loaded = load::load(&mut space, &mut self.objects, image).and_then(|entry| {
            space.reserve(stack, MAIN_STACK_BYTES, usage, usage)?;
            Ok(entry)
        });
        let created = loaded.map_err(StartError::from).and_then(|entry| {
            let mut threads = Vec::new();
            let count = new.limits.threads.clamp(1, MAX_THREADS) as usize;
            threads.try_reserve_exact(count).map_err(|_| StartError::OutOfMemory)?;
            threads.resize(count, None);
            let mut name = String::new();
            name.try_reserve(new.name.len()).map_err(|_| StartError::OutOfMemory)?;
            name.push_str(new.name);
            self.processes.all.reserve(1).map_err(|_| StartError::OutOfMemory)?;
            Ok((entry, threads, name))
        });
        let (entry, threads, name) = match created {
            Ok(parts) => parts,
            Err(error) => {
                self.discard_space(space);
                return Err(error);
            }
        };
        let process = Process {
            name,
            space,
            threads,
            priority_limit: new.limits.priority,
            may_read_tsc: false,
            fault_handler: 0,
            end: None,
            phase: Phase::Threads,
            next_orphan: None,
            last_thread: None,
            held: true,
            futex_waiters: FutexWaiters::new(),
            waiters: None,
            cpu_tsc: 0,
        };
        let id = self.processes.all.insert(process).map_err(|_| StartError::OutOfMemory)?;
        Ok((id, entry))
    }

    /// Frees an address space that was set up but never used and therefore contains little.
    fn discard_space(&mut self, mut space: AddressSpace) {
        self.ending_objects(|system| while !space.destroy_step(&mut system.objects, &Budget::start()) {});
    }
}

impl Kernel {
    /// Fills a new process's bootstrap pages and starts its first thread at `entry`. On an error the process is
    /// removed.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_process(
        &mut self,
        id: ProcessId,
        entry: u64,
        bootstrap: &Bootstrap<'_>,
    ) -> Result<(), StartError> {
        let started = self.try_start(id, entry, bootstrap);
        if started.is_err() {
            self.system.end_process(id, ExitCause::Killed);
        }
        started
    }

    fn try_start(&mut self, id: ProcessId, entry: u64, bootstrap: &Bootstrap<'_>) -> Result<(), StartError> {
        let process = self.system.processes.get_mut(id).ok_or(StartError::OutOfMemory)?;
        let page = bootstrap_bytes(bootstrap)?;
        let pages = (page.len() as u64).div_ceil(PAGE_SIZE);
        process
            .space
            .place_fixed(BOOTSTRAP_ADDRESS, pages, Protection::READ, |index, frame| {
                let start = (index * PAGE_SIZE) as usize;
                let end = page.len().min(start + PAGE_SIZE as usize);
                frame.write(0, page.get(start..end).unwrap_or_default());
            })
            .map_err(|_| StartError::OutOfMemory)?;
        let thread = NewThread {
            entry,
            // The stack alignment on entry to a function: RSP + 8 is a multiple of 16.
            stack: MAIN_STACK_TOP - 8,
            argument: BOOTSTRAP_ADDRESS,
            thread_pointer: 0,
            priority: process.priority_limit,
        };
        self.spawn_thread(id, thread).map_err(|_| StartError::OutOfMemory)?;
        Ok(())
    }
}

/// The contents of the bootstrap pages: header, handles, launch parameters.
fn bootstrap_bytes(bootstrap: &Bootstrap<'_>) -> Result<Vec<u8>, StartError> {
    let grants_offset = size_of::<BootstrapHeader>();
    let launch_offset = grants_offset + size_of_val(bootstrap.grants);
    let total = launch_offset + bootstrap.launch.len();
    if total as u64 > BOOTSTRAP_MAX_BYTES {
        return Err(StartError::BootstrapTooLarge);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(total).map_err(|_| StartError::OutOfMemory)?;
    bytes.extend(BootstrapHeader::MAGIC.to_le_bytes());
    let words = [
        BootstrapHeader::VERSION,
        bootstrap.grants.len() as u32,
        grants_offset as u32,
        launch_offset as u32,
        bootstrap.launch.len() as u32,
        MAIN_STACK_BYTES as u32,
    ];
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(bootstrap.own.iter().chain(bootstrap.grants).flat_map(|handle| handle.0.to_le_bytes()));
    bytes.extend(bootstrap.launch);
    Ok(bytes)
}
