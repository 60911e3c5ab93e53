//! Checks a module with the parser of the other engine.
//!
//! wasmtime's own parser is newer and bounds less of what is processed at once. So a module is accepted or refused alike by
//! all engines, with the same reason, before the compiler sees it.

use crate::pace::{Pace, STOPPED};
use capos_proposals::{Proposal, flag};
use wasmparser::{FuncValidatorAllocations, Parser, ValidPayload, Validator, WasmFeatures};

/// Validates a module, in turns with other tasks between its sections and functions.
pub(super) async fn validate(module: &[u8], pace: &mut Pace) -> Result<(), String> {
    let mut validator = Validator::new_with_features(features());
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|error| error.to_string())?;
        let valid = validator.payload(&payload).map_err(|error| error.to_string())?;
        let mut length = payload.as_section().map_or(0, |(_, range)| range.len());
        if let ValidPayload::Func(function, body) = valid {
            let mut function = function.into_validator(allocations);
            function.validate(&body).map_err(|error| error.to_string())?;
            allocations = function.into_allocations();
            length = body.range().len();
        }
        pace.spend(length).await;
        if pace.is_stopped() {
            return Err(STOPPED.to_owned());
        }
    }
    Ok(())
}

fn features() -> WasmFeatures {
    let mut features = WasmFeatures::WASM2;
    for (proposal, on) in Proposal::ALL {
        features.set(flag!(WasmFeatures, proposal), on.compiled());
    }
    features
}
