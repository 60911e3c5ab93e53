//! The engine under test, which is chosen once for the whole suite: the same tests run on each.

#[cfg(feature = "compiled-code")]
use super::machine::InProcess;
use capos_wasm::EngineKind;
#[cfg(feature = "compiled-code")]
use std::rc::Rc;

/// The environment variable that names the engine; wasmi if it is not set.
const VARIABLE: &str = "CAPOS_WASM_ENGINE";

/// The engine under test.
pub fn engine() -> EngineKind {
    match std::env::var(VARIABLE).as_deref() {
        Err(_) | Ok("wasmi") => EngineKind::Wasmi,
        #[cfg(feature = "compiled-code")]
        Ok("wasmtime") => EngineKind::Wasmtime(Rc::new(InProcess::new(true))),
        #[cfg(feature = "compiled-code")]
        Ok("compiled") => EngineKind::Wasmtime(Rc::new(InProcess::new(false))),
        Ok(other) => panic!("{VARIABLE}: this build has no engine {other:?}"),
    }
}

/// A machine for instances that are to move to compiled code: that of the engine under test, if it is one.
#[cfg(feature = "compiled-code")]
pub fn second_machine() -> InProcess {
    InProcess::new(std::env::var(VARIABLE).as_deref() != Ok("compiled"))
}

/// The value for the engine under test, where engines may differ; the test says why.
pub fn by_engine<T>(wasmi: T, wasmtime: T) -> T {
    match engine() {
        EngineKind::Wasmi => wasmi,
        #[cfg(feature = "compiled-code")]
        EngineKind::Wasmtime(_) => wasmtime,
    }
}
