use bitflags::bitflags;

bitflags! {
    /// The operations that a capability permits. A copy never has more rights than its source.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Rights: u32 {
        /// Call methods that only observe: read a console, map memory readable.
        const READ = 1 << 0;
        /// Call methods that modify: write a console, map memory writable.
        const WRITE = 1 << 1;
        /// Map memory executable, or (on a VirtualMemory) make pages executable at all.
        const EXECUTE = 1 << 2;
        /// Make calls on an endpoint capability.
        const CALL = 1 << 3;
        /// Receive calls from an endpoint and reply to them.
        const RECEIVE = 1 << 4;
        /// Make badged client capabilities of an endpoint.
        const MINT = 1 << 5;
        /// Copy the capability to another process. Without it, it can only be used or moved back.
        const TRANSFER = 1 << 6;
    }
}
