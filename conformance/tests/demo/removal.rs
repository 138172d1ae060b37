//! Whatever a version wants to be seen: taken out of the data wherever it stands, it is missed.

use serde_json::Value;
use vesta_conformance::coverage::{Counting, Data, Need, wanted};
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
        for (wanted, places) in data.coverage(wanted(guide), Counting::Claimed).seen {
            for place in places {
                let mut changed: Value = CLINIC[place.resource].clone();
                place.pointers.iter().for_each(|pointer| remove(&mut changed, pointer));
                let left = data.pointers(&wanted, &changed);
                assert!(left.is_empty(), "{wanted} is still seen at {left:?} of {}", CLINIC[place.resource]["id"]);
            }
            tried += 1;
        }
    }
    assert!(tried > 2000, "{tried}");
}

/// The same in one piece: without any birth date each version names it, and the search by it, as lacking.
#[test]
fn an_element_that_is_gone_from_all_resources_is_lacking() {
    let mut clinic = CLINIC.clone();
    clinic.iter_mut().for_each(|resource| remove(resource, "/birthDate"));
    let resources = Resources::new(&clinic);
    let data = Data::new(&resources);
    for guide in GUIDES.all() {
        let lacking = data.coverage(wanted(guide), Counting::Claimed).lacking;
        let birth_date = lacking.iter().filter(|wanted| wanted.element == "Patient.birthDate");
        assert!(birth_date.clone().next().is_some(), "{} does not miss the birth date", guide.version());
        let searches = lacking.iter().filter(|wanted| matches!(wanted.need, Need::Search(_)));
        assert!(searches.clone().any(|wanted| wanted.to_string().contains("birthdate")), "{:?}", searches.count());
    }
}
