//! Checks of requests to the disk, which come from untrusted clients.

use capos_schema::errno_capnp::Errno;

/// The protocol's unit of addressing.
pub(crate) const UNIT_BYTES: u64 = 512;

/// The geometry of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// A power of two, at least [`UNIT_BYTES`].
    pub(crate) sector_bytes: u32,
    pub(crate) sectors: u64,
    pub(crate) read_only: bool,
    /// Bytes of the transfer buffer.
    pub(crate) buffer_bytes: usize,
}

/// A request within the bounds of the disk and the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// The first unit of [`UNIT_BYTES`] on the disk.
    pub(crate) unit: u64,
    /// Offset of the data in the transfer buffer.
    pub(crate) offset: usize,
    /// Never zero.
    pub(crate) length: usize,
}

impl Geometry {
    /// The geometry from the device's values, sanitised: `units` of [`UNIT_BYTES`], and the sector size if
    /// given.
    pub(crate) fn new(units: u64, block_bytes: Option<u32>, read_only: bool, buffer_bytes: usize) -> Self {
        let is_usable = |bytes: &u32| {
            bytes.is_power_of_two() && u64::from(*bytes) >= UNIT_BYTES && *bytes as usize <= buffer_bytes
        };
        let sector_bytes = block_bytes.filter(is_usable).unwrap_or(UNIT_BYTES as u32);
        Self {
            sector_bytes,
            sectors: units / (u64::from(sector_bytes) / UNIT_BYTES),
            read_only,
            buffer_bytes,
        }
    }

    /// Checks a request for `sectors` sectors from `sector` on, with data at `offset` of the buffer.
    pub(crate) fn transfer(&self, sector: u64, sectors: u32, offset: u64) -> Result<Transfer, Errno> {
        let end = sector.checked_add(u64::from(sectors)).ok_or(Errno::Invalid)?;
        // The product of two 32-bit numbers fits.
        let length = u64::from(sectors) * u64::from(self.sector_bytes);
        let buffer_end = offset.checked_add(length).ok_or(Errno::Invalid)?;
        if sectors == 0 || end > self.sectors || buffer_end > self.buffer_bytes as u64 {
            return Err(Errno::Invalid);
        }
        let unit = sector.checked_mul(u64::from(self.sector_bytes) / UNIT_BYTES).ok_or(Errno::Invalid)?;
        match (usize::try_from(offset), usize::try_from(length)) {
            (Ok(offset), Ok(length)) => Ok(Transfer { unit, offset, length }),
            _ => Err(Errno::Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Geometry =
        Geometry { sector_bytes: 4096, sectors: 100, read_only: false, buffer_bytes: 65536 };

    #[test]
    fn what_fits_is_allowed() {
        assert_eq!(DISK.transfer(0, 1, 0), Ok(Transfer { unit: 0, offset: 0, length: 4096 }));
        assert_eq!(DISK.transfer(99, 1, 61440), Ok(Transfer { unit: 792, offset: 61440, length: 4096 }));
        assert_eq!(DISK.transfer(84, 16, 0), Ok(Transfer { unit: 672, offset: 0, length: 65536 }));
        // Data need not be aligned in the buffer.
        assert_eq!(DISK.transfer(1, 1, 1), Ok(Transfer { unit: 8, offset: 1, length: 4096 }));
    }

    #[test]
    fn what_does_not_fit_is_not() {
        for (sector, sectors, offset) in [
            (0, 0, 0),
            (99, 2, 0),
            (100, 1, 0),
            (u64::MAX, 1, 0),
            (u64::MAX, u32::MAX, u64::MAX),
            (u64::MAX / 8 + 1, 1, 0),
            (0, 17, 0),
            (0, 1, 61441),
            (0, 1, u64::MAX),
            (0, 1, u64::MAX - 4095),
            (0, u32::MAX, 0),
        ] {
            assert_eq!(
                DISK.transfer(sector, sectors, offset),
                Err(Errno::Invalid),
                "{sector} {sectors} {offset}"
            );
        }
    }

    #[test]
    fn odd_devices_are_made_sense_of() {
        for (bytes, expected) in
            [(None, 512), (Some(0), 512), (Some(256), 512), (Some(520), 512), (Some(1 << 31), 512)]
        {
            let geometry = Geometry::new(9, bytes, true, 65536);
            assert_eq!((geometry.sector_bytes, geometry.sectors), (expected, 9));
        }
        let geometry = Geometry::new(u64::MAX, Some(4096), false, 65536);
        assert_eq!(geometry.sectors, u64::MAX / 8);
        assert!(geometry.transfer(geometry.sectors - 1, 1, 0).is_ok());
    }
}
