//! The state of one instance's functions: its descriptors and other resources.

use super::{
    descriptor::{Descriptor, Descriptors},
    snapshot::Snapshot,
};
use crate::{
    Grants, Launch,
    account::{Control, Missing, Refusal},
    resources::{Clocks, Entropy, Holdings},
};
use std::rc::Rc;

/// The state of one instance's functions.
pub(crate) struct Context {
    pub(super) launch: Launch,
    pub(super) clocks: Clocks,
    pub(super) entropy: Option<Entropy>,
    pub(super) descriptors: Descriptors,
    pub(super) control: Rc<Control>,
    /// The snapshot to which the function being served belongs.
    pub(super) snapshot: Snapshot,
    /// The function being served.
    pub(super) import: &'static str,
    /// A bit for each standard stream that was not granted.
    pub(super) ungranted_streams: u32,
}

impl Context {
    /// Standard streams become descriptors 0 to 2, directories those from 3 on.
    pub(crate) fn new(launch: Launch, grants: Grants, descriptors: u32, control: Rc<Control>) -> Self {
        let Holdings { streams, directories, clocks, entropy } = grants.into();
        let missing = |(fd, stream): (u32, &Option<_>)| u32::from(stream.is_none()) << fd;
        let ungranted_streams = (0..).zip(&streams).map(missing).sum();
        let mut table = Descriptors::new(descriptors);
        for stream in streams {
            table.grant(stream.map(Descriptor::standard_stream));
        }
        for (path, directory) in directories {
            table.grant(Some(Descriptor::preopen(directory, path.into())));
        }
        Self {
            launch,
            clocks,
            entropy,
            descriptors: table,
            control,
            snapshot: Snapshot::default(),
            import: "",
            ungranted_streams,
        }
    }

    /// Records that the function being served lacked something, in case the instance fails.
    pub(super) fn refuse(&self, missing: Missing) {
        self.control.refuse(Refusal { import: self.import, missing });
    }
}
