//! Finds the machine's PCI functions: the kernel says what is at an address, and this crate knows where to look.

use capos_schema::device_capnp::pci_bus;

const DEVICES: u16 = 32;
const FUNCTIONS: u16 = 8;
const BUSES: usize = 256;
const CLASS: usize = 9;
const HEADER_KIND: usize = 14;
const SECONDARY_BUS: usize = 25;
const BRIDGE: u8 = 1;
const MANY_FUNCTIONS: u8 = 0x80;

/// A function that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its address: bus, device and function in 8, 5 and 3 bits.
    pub address: u16,
    /// Vendor identifier.
    pub vendor: u16,
    /// Device identifier, assigned by the vendor.
    pub device: u16,
    /// Base class, subclass and programming interface, 8 bits each.
    pub class: u32,
}

/// All functions that can be reached, including those behind bridges, in the order of [`search`].
///
/// # Errors
/// If the bus does not answer.
pub async fn functions(bus: &pci_bus::Client) -> capnp::Result<Vec<Function>> {
    let mut found = Vec::new();
    search(bus, |function| {
        found.push(*function);
        false
    })
    .await?;
    Ok(found)
}

/// The first function that is wanted, in the order of their addresses if each bridge leads to a bus with a higher number, as
/// bridges do. The rest of the machine is not searched.
///
/// # Errors
/// If the bus does not answer.
pub async fn search(
    bus: &pci_bus::Client,
    is_wanted: impl FnMut(&Function) -> bool,
) -> capnp::Result<Option<Function>> {
    let header = async |address| {
        let mut request = bus.header_request();
        request.get().set_address(address);
        Ok(request.send().promise.await?.get()?.get_bytes()?.to_vec())
    };
    search_headers(header, is_wanted).await
}

/// As [`search`], where `header` reads the header of the function at an address, which is empty if there is none.
async fn search_headers(
    header: impl AsyncFn(u16) -> capnp::Result<Vec<u8>>,
    mut is_wanted: impl FnMut(&Function) -> bool,
) -> capnp::Result<Option<Function>> {
    // By the number of a bus: it was found, and is still to be searched. A bridge that leads to a known bus is not followed.
    let (mut known, mut waiting) = ([false; BUSES], [false; BUSES]);
    (known[0], waiting[0]) = (true, true);
    while let Some(bus) = (0_u8..=u8::MAX).find(|&bus| waiting[usize::from(bus)]) {
        waiting[usize::from(bus)] = false;
        for device in 0..DEVICES {
            for function in 0..FUNCTIONS {
                let address = u16::from(bus) << 8 | device << 3 | function;
                let bytes = header(address).await?;
                let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
                if !bytes.is_empty() {
                    let found = Function {
                        address,
                        vendor: u16::from_le_bytes([byte(0), byte(1)]),
                        device: u16::from_le_bytes([byte(2), byte(3)]),
                        class: u32::from_le_bytes([byte(CLASS), byte(CLASS + 1), byte(CLASS + 2), 0]),
                    };
                    if is_wanted(&found) {
                        return Ok(Some(found));
                    }
                    let next = usize::from(byte(SECONDARY_BUS));
                    let leads_on = byte(HEADER_KIND) & !MANY_FUNCTIONS == BRIDGE;
                    if leads_on && !std::mem::replace(&mut known[next], true) {
                        waiting[next] = true;
                    }
                }
                // Every device has a function 0, which says whether there are others.
                if function == 0 && byte(HEADER_KIND) & MANY_FUNCTIONS == 0 {
                    break;
                }
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Headers by address.
    #[derive(Default)]
    struct Machine(BTreeMap<u16, Vec<u8>>);

    impl Machine {
        fn add(&mut self, bus: u8, device: u16, function: u16, number: u8, kind: u8, secondary: u8) {
            let mut header = vec![0; 64];
            header[..4].copy_from_slice(&[0xf4, 0x1a, number, 0]);
            (header[CLASS], header[CLASS + 2]) = (2, 1);
            (header[HEADER_KIND], header[SECONDARY_BUS]) = (kind, secondary);
            self.0.insert(u16::from(bus) << 8 | device << 3 | function, header);
        }

        /// The devices' numbers, up to the one that is wanted.
        fn numbers(&self, wanted: u16) -> Vec<u16> {
            let header = async |address| Ok(self.0.get(&address).cloned().unwrap_or_default());
            let mut numbers = Vec::new();
            let search = search_headers(header, |function| {
                assert!(function.vendor == 0x1af4 && function.class == 0x01_0002);
                numbers.push(function.device);
                function.device == wanted
            });
            let found = pin!(search).poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Ok(found)) = found else { panic!("the headers are there") };
            assert_eq!(
                found.map(|function| function.device),
                numbers.last().copied().filter(|&last| last == wanted)
            );
            numbers
        }
    }

    #[test]
    fn bridges_are_followed_and_loops_are_not() {
        let mut machine = Machine::default();
        machine.add(0, 0, 0, 1, 0, 0);
        machine.add(0, 3, 0, 2, BRIDGE, 5);
        machine.add(5, 0, 0, 3, MANY_FUNCTIONS, 0);
        machine.add(5, 0, 7, 4, 0, 0);
        // Behind the bridge, one bridge leads back to bus 0 and another to its own bus.
        machine.add(5, 1, 0, 5, BRIDGE, 0);
        machine.add(5, 2, 0, 6, BRIDGE, 5);
        // Without function 0 there is no device; a device with a single function is not searched for function 1.
        machine.add(0, 9, 1, 7, 0, 0);
        machine.add(5, 1, 1, 8, 0, 0);
        machine.add(0, 31, 0, 9, 0, 0);
        assert_eq!(machine.numbers(0), [1, 2, 9, 3, 4, 5, 6]);
        assert_eq!(machine.numbers(9), [1, 2, 9]);
    }

    #[test]
    fn a_machine_without_pci_has_nothing() {
        assert!(Machine::default().numbers(0).is_empty());
    }
}
