//! The clinic: its directory, and a few patients whose records together hold what the guides ask for. What each is for
//! stands at the head of its file.

mod amelia_ortega;
mod ingrid_sorensen;
mod lucia_ortega;
mod marcus_lee;
mod noah_ortega;
mod rose_begay;
mod sam_nguyen;
mod unknown;
mod walter_brandt;

use serde_json::Value;

use crate::chart::Chart;
use crate::directory::{directory, panel};

/// Each record, made from the seed.
const RECORDS: [fn(u64) -> Chart; 9] = [
    amelia_ortega::record,
    ingrid_sorensen::record,
    lucia_ortega::record,
    marcus_lee::record,
    noah_ortega::record,
    rose_begay::record,
    sam_nguyen::record,
    unknown::record,
    walter_brandt::record,
];

pub(crate) fn clinic(seed: u64) -> impl Iterator<Item = Value> {
    let records = RECORDS.into_iter().flat_map(move |record| record(seed).into_resources());
    let patients = ["Patient/demo-amelia-ortega", "Patient/demo-ingrid-sorensen", "Patient/demo-marcus-lee"];
    let panel = panel(&patients.map(str::to_owned));
    directory().into_iter().chain(records).chain([panel])
}
