//! What the guides want to be seen, and what is seen of it.

mod lists;
mod removal;

use std::path::Path;
use std::sync::LazyLock;

use vesta_conformance::guide::{Guide, Guides};

/// The repository's own `spec/`.
static GUIDES: LazyLock<Guides> =
    LazyLock::new(|| Guides::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")).unwrap());

fn us_core(version: &str) -> Guide<'static> {
    GUIDES.get("hl7.fhir.us.core", version).unwrap()
}
