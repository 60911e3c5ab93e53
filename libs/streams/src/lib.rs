//! The protocol between a machine and the host command that runs it: a program's standard streams, kept apart on one
//! line of bytes such as a virtio console or a serial line.
//!
//! Each side sends frames: eight bytes of header ([`HEADER_BYTES`]: the kind, the stream, two zeros, and the payload's
//! length in little-endian order), then the payload. The machine begins with [`HELLO`]; the host answers with
//! [`Message::Terminals`], and again when a terminal's size changes. Output is sent in order across streams, and at
//! most [`WINDOW_BYTES`] ahead of what the host has dealt with ([`Message::Taken`]): a line may lose what its other end
//! does not take in time, as QEMU's virtio console does. Input comes only as far as it was asked for ([`Message::Want`]), so a machine
//! that does not read leaves the host's input alone and never has to store more than it asked for.
//!
//! Nothing that arrives is trusted: [`Decoder`] holds a bounded number of bytes, and what no side can have meant is
//! [`Malformed`].

mod decoder;
mod message;

pub use decoder::Decoder;
pub use message::{
    HEADER_BYTES, HELLO, Malformed, Message, Output, Terminal, Terminals, WINDOW_BYTES, input_header,
    output_header,
};
