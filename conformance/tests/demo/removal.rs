//! Whatever a version wants to be seen: taken out of the data wherever it stands, it is missed.

use serde_json::Value;
use vesta_conformance::coverage::{Counting, Coverage, Data, of_profile};
use vesta_conformance::item::remove;
use vesta_conformance::resources::Resources;

use super::{CLINIC, GUIDES};

/// Each resource that shows something shows it no longer once it is taken out; so do all of them together, and then the
/// coverage lacks it.
#[test]
fn what_is_taken_out_of_the_data_is_missed() {
    let resources = Resources::new(&*CLINIC);
    let data = Data::new(&resources);
    let mut tried = 0;
    for guide in GUIDES.all() {
        for profile in guide.profiles() {
            let Coverage { seen, .. } = data.coverage(of_profile(profile), Counting::Claimed);
            for (wanted, places) in seen {
                for place in places {
                    let mut changed: Value = CLINIC[place.resource].clone();
                    for pointer in &place.pointers {
                        remove(&mut changed, pointer);
                        remove(&mut changed, &beside(pointer));
                    }
                    let left = data.pointers(&wanted, &changed);
                    assert!(left.is_empty(), "{wanted} is still seen at {left:?} of {}", CLINIC[place.resource]["id"]);
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 2000, "{tried}");
}

/// Where the id and the extensions of a primitive stand: `/_birthDate` beside `/birthDate`.
fn beside(pointer: &str) -> String {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    if name.parse::<usize>().is_ok() {
        let (parent, list) = parent.rsplit_once('/').unwrap();
        return format!("{parent}/_{list}/{name}");
    }
    format!("{parent}/_{name}")
}
