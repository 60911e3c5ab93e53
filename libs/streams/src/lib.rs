//! The protocol between a machine and the host command that runs it: a program's standard streams, kept separate on
//! one line of bytes such as a virtio console or a serial line.
//!
//! Each side sends frames: an eight-byte header ([`HEADER_BYTES`]: the kind, the stream, two zeros, and the payload's
//! length in little-endian order), then the payload. The machine begins with [`HELLO`]; the host answers with
//! [`Message::Terminals`], and again when a terminal's size changes. Output is sent in order across streams, and at most
//! [`WINDOW_BYTES`] ahead of the host's acknowledgements ([`Message::Taken`]): a line may lose data that its other end
//! does not accept in time, as QEMU's virtio console does. Input is sent only as requested ([`Message::Want`]), so a
//! machine that does not read leaves the host's input alone and never stores more than it requested.
//!
//! Nothing that arrives is trusted: [`Decoder`] holds a bounded number of bytes, and invalid frames are
//! [`Malformed`].

mod decoder;
mod message;

pub use decoder::Decoder;
pub use message::{
    HEADER_BYTES, HELLO, Malformed, Message, Output, Terminal, Terminals, WINDOW_BYTES, input_header,
    output_header,
};
