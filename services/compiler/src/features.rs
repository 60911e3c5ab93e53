//! The processor's features that decide which instructions the compiler uses.

/// A bit for each feature that Cranelift asks for (`cranelift-native`), so that code for one processor is not given to
/// another one.
#[cfg(target_arch = "x86_64")]
pub(crate) fn features() -> u64 {
    macro_rules! bits {
        ($($name:tt)*) => {
            [$(std::arch::is_x86_feature_detected!($name)),*]
        };
    }
    let found = bits! {
        "sse3" "ssse3" "cmpxchg16b" "sse4.1" "sse4.2" "popcnt" "avx" "avx2" "fma" "bmi1" "bmi2" "avx512bitalg" "avx512dq"
        "avx512f" "avx512vl" "avx512vbmi" "lzcnt"
    };
    found.iter().rev().fold(0, |bits, &is_there| bits << 1 | u64::from(is_there))
}

/// Tests run on the host, where nothing is compiled.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn features() -> u64 {
    0
}
