use super::arena::HEADER_BYTES;
use super::{Message, Part};
use capnp::message::{Reader, ReaderOptions, ReaderSegments};
use capnp::private::capability::ClientHook;
use capnp::serialize::NoAllocBufferSegments;
use capnp::traits::Imbue;
use capnp::{Error, ErrorKind, Result, any_pointer};

/// The capabilities beside a message, by index.
pub(crate) type CapTable = Vec<Option<Box<dyn ClientHook>>>;

/// A message to read, with its capabilities.
pub(crate) struct Received {
    body: Body,
    capabilities: CapTable,
}

enum Body {
    /// From another process: every pointer in it is checked.
    Foreign(Reader<Segments>),
    /// Built in this process.
    Own(Message),
}

/// The segments of a message from another process.
enum Segments {
    /// One, of `length` bytes behind the segment table; what this runtime sends.
    Single(Part),
    Several(NoAllocBufferSegments<ForeignBytes>),
}

impl Segments {
    #[inline]
    fn new(message: Message, length: usize, options: ReaderOptions) -> Result<Self> {
        if let Some(&[0, 0, 0, 0, a, b, c, d]) = message.bytes(length).first_chunk() {
            let segment = u32::from_le_bytes([a, b, c, d]) as usize * 8;
            if segment <= length - HEADER_BYTES {
                let part = Part::new(message, HEADER_BYTES, segment);
                return part
                    .map(Self::Single)
                    .ok_or_else(|| Error::from_kind(ErrorKind::MessageEndsPrematurely(0, 0)));
            }
        }
        NoAllocBufferSegments::from_buffer(ForeignBytes { message, length }, options).map(Self::Several)
    }
}

impl ReaderSegments for Segments {
    #[inline]
    fn get_segment(&self, index: u32) -> Option<&[u8]> {
        match self {
            Self::Single(part) => (index == 0).then(|| part.bytes()),
            Self::Several(segments) => segments.get_segment(index),
        }
    }
}

/// The first `length` bytes of a message.
struct ForeignBytes {
    message: Message,
    length: usize,
}

impl AsRef<[u8]> for ForeignBytes {
    fn as_ref(&self) -> &[u8] {
        self.message.bytes(self.length)
    }
}

impl Received {
    /// A message of `length` bytes that came from another process.
    ///
    /// # Errors
    /// If its segment table is malformed.
    #[inline]
    pub(crate) fn foreign(message: Message, length: u32, capabilities: CapTable) -> Result<Self> {
        let options = ReaderOptions::new();
        let segments = Segments::new(message, length as usize, options)?;
        Ok(Self { body: Body::Foreign(Reader::new(segments, options)), capabilities })
    }

    /// A message that was built here.
    pub(crate) fn own(message: Message, capabilities: CapTable) -> Self {
        Self { body: Body::Own(message), capabilities }
    }

    /// The root, with capabilities in reach.
    pub(crate) fn root(&self) -> Result<any_pointer::Reader<'_>> {
        let mut root: any_pointer::Reader<'_> = match &self.body {
            Body::Foreign(reader) => reader.get_root()?,
            Body::Own(message) => message.built_root()?,
        };
        root.imbue(&self.capabilities);
        Ok(root)
    }
}
