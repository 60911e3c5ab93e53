//! The model's capability table: a flat list with linear search.

use super::{read, write};
use capos_rt::abi::{
    CapDescriptor, CompletionFlags, ErrorCode, Handle, Rights, SubmissionEntry, TransferMode,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Object {
    Endpoint(usize),
    Factory,
}

struct Cap {
    process: usize,
    handle: Handle,
    object: Object,
    rights: Rights,
    badge: u64,
    parent: Option<usize>,
    alive: bool,
    /// Revoked rather than released; accesses return that error.
    revoked: bool,
}

/// A capability in transit: its parent, rights and badge.
pub(crate) type Sent = Option<(usize, Rights, u64)>;

#[derive(Default)]
pub(crate) struct Table {
    caps: Vec<Cap>,
    dropped: Vec<(usize, u64)>,
}

impl Table {
    pub(crate) fn insert(
        &mut self,
        process: usize,
        object: Object,
        rights: Rights,
        badge: u64,
        parent: Option<usize>,
    ) -> Handle {
        let index = self.caps.iter().filter(|cap| cap.process == process).count();
        let handle = Handle::new(index as u32, 1);
        self.caps.push(Cap { process, handle, object, rights, badge, parent, alive: true, revoked: false });
        handle
    }

    fn find(&self, process: usize, handle: Handle) -> Result<usize, ErrorCode> {
        let found = self.caps.iter().position(|cap| cap.process == process && cap.handle == handle);
        let index = found.ok_or(ErrorCode::BadCapability)?;
        match &self.caps[index] {
            cap if cap.revoked => Err(ErrorCode::Revoked),
            cap if !cap.alive => Err(ErrorCode::BadCapability),
            _ => Ok(index),
        }
    }

    pub(crate) fn object(
        &self,
        process: usize,
        handle: Handle,
        rights: Rights,
    ) -> Result<(Object, u64), ErrorCode> {
        let cap = &self.caps[self.find(process, handle)?];
        if !cap.rights.contains(rights) {
            return Err(ErrorCode::MissingRights);
        }
        Ok((cap.object, cap.badge))
    }

    pub(crate) fn endpoint(
        &self,
        process: usize,
        cap: u64,
        rights: Rights,
    ) -> Result<(usize, u64), ErrorCode> {
        match self.object(process, Handle(cap), rights)? {
            (Object::Endpoint(endpoint), badge) => Ok((endpoint, badge)),
            (Object::Factory, _) => Err(ErrorCode::BadCapability),
        }
    }

    pub(crate) fn derive(
        &mut self,
        process: usize,
        handle: Handle,
        rights: u32,
        badge: Option<u64>,
    ) -> Result<Handle, ErrorCode> {
        let parent = self.find(process, handle)?;
        let sent = self.send(parent, rights, badge)?;
        Ok(self.place(process, sent))
    }

    fn send(
        &self,
        parent: usize,
        rights: u32,
        badge: Option<u64>,
    ) -> Result<(usize, Rights, u64), ErrorCode> {
        let cap = &self.caps[parent];
        if badge.is_some() && !cap.rights.contains(Rights::MINT) {
            return Err(ErrorCode::MissingRights);
        }
        let rights = Rights::from_bits_truncate(rights);
        let rights = if badge.is_some() { rights } else { rights & cap.rights };
        Ok((parent, rights, badge.unwrap_or(cap.badge)))
    }

    fn place(&mut self, process: usize, (parent, rights, badge): (usize, Rights, u64)) -> Handle {
        self.insert(process, self.caps[parent].object, rights, badge, Some(parent))
    }

    /// Resolves the capability list of `entry`.
    pub(crate) fn take_along(&self, process: usize, entry: &SubmissionEntry) -> Result<Vec<Sent>, ErrorCode> {
        (0..u64::from(entry.send_cap_count))
            .map(|index| {
                let bytes = read(entry.send_caps + index * size_of::<CapDescriptor>() as u64, 24);
                let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
                let (handle, badge, rest) = (word(0), word(8), word(16));
                if handle == 0 {
                    return Ok(None);
                }
                let parent = self.find(process, Handle(handle))?;
                if !self.caps[parent].rights.contains(Rights::TRANSFER) {
                    return Err(ErrorCode::MissingRights);
                }
                let mint = (rest >> 32) as u32 == TransferMode::Mint as u32;
                self.send(parent, rest as u32, mint.then_some(badge)).map(Some)
            })
            .collect()
    }

    /// Adds capabilities that came with a message to `process`; their handles are written at `address`. Returns their
    /// number and the completion's flags.
    pub(crate) fn arrive(&mut self, process: usize, sent: &[Sent], address: u64) -> (u32, CompletionFlags) {
        let mut flags = CompletionFlags::empty();
        for (index, sent) in sent.iter().enumerate() {
            let handle = sent.map_or(Handle::NULL, |sent| self.place(process, sent));
            write(address + index as u64 * 8, &handle.0.to_le_bytes());
            if sent.is_some_and(|(parent, ..)| self.receives(process, self.caps[parent].object)) {
                flags |= CompletionFlags::OWN_CAPABILITY;
            }
        }
        (sent.len() as u32, flags)
    }

    fn receives(&self, process: usize, object: Object) -> bool {
        let receives = |cap: &Cap| {
            cap.alive
                && cap.process == process
                && cap.object == object
                && cap.rights.contains(Rights::RECEIVE)
        };
        matches!(object, Object::Endpoint(_)) && self.caps.iter().any(receives)
    }

    /// The badge of `client`, if it belongs to `endpoint`.
    pub(crate) fn identify(&self, process: usize, endpoint: u64, client: u64) -> Result<u64, ErrorCode> {
        let own = self.endpoint(process, endpoint, Rights::RECEIVE)?.0;
        let (object, badge) = self.object(process, Handle(client), Rights::CALL)?;
        if object == Object::Endpoint(own) { Ok(badge) } else { Err(ErrorCode::NotFound) }
    }

    pub(crate) fn release(&mut self, process: usize, handle: Handle) -> Result<(), ErrorCode> {
        let index = match self.find(process, handle) {
            Err(ErrorCode::Revoked) => return Ok(()),
            found => found?,
        };
        self.end(index);
        Ok(())
    }

    fn end(&mut self, index: usize) {
        self.caps[index].alive = false;
        let (object, badge) = (self.caps[index].object, self.caps[index].badge);
        let held = self.caps.iter().any(|cap| cap.alive && cap.object == object && cap.badge == badge);
        if let (Object::Endpoint(endpoint), false) = (object, held || badge == 0) {
            self.dropped.push((endpoint, badge));
        }
    }

    pub(crate) fn revoke(&mut self, process: usize, handle: Handle) -> Result<(), ErrorCode> {
        let root = self.find(process, handle)?;
        for index in 0..self.caps.len() {
            let mut ancestor = self.caps[index].parent;
            while let Some(parent) = ancestor {
                if parent == root && self.caps[index].alive {
                    self.caps[index].revoked = true;
                    self.end(index);
                }
                ancestor = self.caps[parent].parent;
            }
        }
        Ok(())
    }

    pub(crate) fn take_dropped(&mut self) -> Vec<(usize, u64)> {
        std::mem::take(&mut self.dropped)
    }
}
