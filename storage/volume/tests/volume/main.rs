//! The volume as its users see it: against a model, through crashes, on bad media, and full to the brim.

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
