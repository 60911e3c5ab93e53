//! Tests of the volume's public interface: against a model, through crashes, on bad media, and when full.

mod corruption;
mod crash;
mod device;
mod full;
mod model;
mod model_test;
mod ops;
mod paths;
mod semantics;
mod snapshot;
