//! Units of fuel in wasmi's own.

/// wasmi's fuel for a unit: units are defined by wasmi's costs as configured and patched here.
pub(super) const FUEL_PER_UNIT: u64 = 1;

/// Uses fuel for the host's work for the guest. Returns the units for which the store had no fuel left.
pub(super) fn burn<T>(store: &mut wasmi::StoreContextMut<'_, T>, units: u64) -> u64 {
    let fuel = units.saturating_mul(FUEL_PER_UNIT);
    // An error would mean that metering is off, but it is always on.
    let left = store.get_fuel().unwrap_or(0);
    let _ = store.set_fuel(left.saturating_sub(fuel));
    let mut missing = fuel.saturating_sub(left);
    if let Some(slices) = store.slices_mut() {
        let taken = missing.min(slices.reserve);
        slices.reserve -= taken;
        missing -= taken;
    }
    missing.div_ceil(FUEL_PER_UNIT)
}
