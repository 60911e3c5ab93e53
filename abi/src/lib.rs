//! The binary contract between the capOS kernel and userspace.
#![no_std]
