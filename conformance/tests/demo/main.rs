//! The demo data, judged by the kit: every resource keeps the profiles that it claims, and for each version of the guide
//! they hold all that it wants to be seen.

mod removal;

use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use vesta_conformance::coverage::{Counting, Data, wanted};
use vesta_conformance::guide::Guides;
use vesta_conformance::profile::check_claims;
use vesta_conformance::resources::Resources;

/// The repository's own `spec/`.
static GUIDES: LazyLock<Guides> =
    LazyLock::new(|| Guides::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")).unwrap());
static CLINIC: LazyLock<Vec<Value>> = LazyLock::new(|| vesta_demo::clinic(vesta_demo::SEED).collect());

#[test]
fn every_resource_keeps_the_profiles_that_it_claims() {
    let population: Vec<Value> = vesta_demo::population(12, vesta_demo::SEED).collect();
    let all: Vec<&Value> = CLINIC.iter().chain(&population).collect();
    let resources = Resources::new(all.iter().copied());
    let mut wrong = Vec::new();
    for resource in all {
        let found = check_claims(resource, &GUIDES, Some(&resources));
        wrong.extend(
            found.iter().filter(|finding| finding.is_error()).map(|finding| format!("{} {finding}", resource["id"])),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn everything_that_a_version_wants_to_be_seen_is_there() {
    let resources = Resources::new(&*CLINIC);
    let data = Data::new(&resources);
    let lacking = |guide| data.coverage(wanted(guide), Counting::Claimed).lacking;
    let lacking: Vec<String> = GUIDES.all().flat_map(lacking).map(|wanted| wanted.to_string()).collect();
    assert!(lacking.is_empty(), "{} are lacking: {lacking:#?}", lacking.len());
}
