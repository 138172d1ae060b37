//! The profile checker: what keeps a profile has no finding, and each way of breaking it is found, at its place.

mod examples;
mod guides;
mod rules;

use std::path::Path;
use std::sync::LazyLock;

use vesta_conformance::guide::{Guide, Guides};

/// The repository's own `spec/`.
static GUIDES: LazyLock<Guides> =
    LazyLock::new(|| Guides::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")).unwrap());

fn us_core(version: &str) -> Guide<'static> {
    GUIDES.get("hl7.fhir.us.core", version).unwrap()
}

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition";
