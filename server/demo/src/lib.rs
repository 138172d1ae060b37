//! Demo data: records that a clinician would believe, the same for the same seed. What belongs here is the making of
//! resources; loading them is the server's business, and judging them the conformance kit's.

use serde_json::Value;

/// The directory first, since the patients' records refer to it.
const BUNDLES: [&str; 6] = [
    include_str!("../data/directory.json"),
    include_str!("../data/amelia-ortega.json"),
    include_str!("../data/ingrid-sorensen.json"),
    include_str!("../data/marcus-lee.json"),
    include_str!("../data/noah-ortega.json"),
    include_str!("../data/walter-brandt.json"),
];

/// A small clinic with its directory and a few patients, for a person to look at and for the conformance kit: each
/// resource after those that it cannot do without. Each has an id, and every reference is to another of them.
pub fn clinic(_seed: u64) -> impl Iterator<Item = Value> {
    BUNDLES.into_iter().flat_map(|text| {
        let mut bundle: Value = serde_json::from_str(text).unwrap_or_default();
        let entries = bundle["entry"].as_array_mut().map(std::mem::take).unwrap_or_default();
        entries.into_iter().map(|mut entry| entry["resource"].take())
    })
}

/// The seed that `vesta demo` and the tests use.
pub const SEED: u64 = 1;
