//! The demo data, judged by the kit: every resource keeps the profiles that it claims, and for each version of the guide
//! they hold all that it wants to be seen.

mod removal;

use std::collections::BTreeSet;
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

/// What no resource can show that keeps the rules, and why.
const CANNOT_BE_SEEN: [(&str, &str); 1] = [(
    "QuestionnaireResponse.item.answer.extension:ordinalValue",
    "SDC's profile, which US Core's is based on, names it; R4's definition of the extension does not allow it there: \
     https://hl7.org/fhir/R4/extension-ordinalvalue.html",
)];

#[test]
fn everything_that_a_version_wants_to_be_seen_is_there() {
    let resources = Resources::new(&*CLINIC);
    let data = Data::new(&resources);
    let mut excused = BTreeSet::new();
    let mut lacking = Vec::new();
    for guide in GUIDES.all() {
        for wanted in data.coverage(wanted(guide), Counting::Claimed).lacking {
            match CANNOT_BE_SEEN.iter().find(|(element, _)| *element == wanted.element) {
                Some((element, _)) => drop(excused.insert(*element)),
                None => lacking.push(wanted.to_string()),
            }
        }
    }
    assert!(lacking.is_empty(), "{} are lacking: {lacking:#?}", lacking.len());
    assert_eq!(excused.len(), CANNOT_BE_SEEN.len(), "something can be seen after all");
}
