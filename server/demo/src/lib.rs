//! Demo data: records that a clinician would believe, the same for the same seed. What belongs here is the making of
//! resources; loading them is the server's business, and judging them the conformance kit's.

mod chart;
mod clinic;
mod directory;
mod document;
mod element;
mod population;
mod random;
mod rooms;
mod time;
mod version;

use serde_json::Value;

pub use population::{patient_id, record};

/// The seed that `vesta demo` and the tests use.
pub const SEED: u64 = 1;

/// A small clinic with its directory and a few patients, for a person to look at and for the conformance kit. Every
/// resource has an id, and every reference is to another of them. The seed decides what is by chance: numbers of
/// records and lots, and by how much a measured value is beside the usual one.
pub fn clinic(seed: u64) -> impl Iterator<Item = Value> {
    clinic::clinic(seed)
}

/// The clinic's further patients, for load: some hundred and fifty resources each, all of which refer to the clinic's
/// directory. A patient is the same whatever their number is.
pub fn population(patients: u32, seed: u64) -> impl Iterator<Item = Value> {
    (0..patients).flat_map(move |number| record(number, seed))
}
