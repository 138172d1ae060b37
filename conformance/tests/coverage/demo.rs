//! The demo data: whatever one takes out of them is missed.

use serde_json::Value;
use vesta_conformance::coverage::{Counting, Data, Need, wanted};
use vesta_conformance::item::remove;
use vesta_conformance::resources::Resources;

use super::GUIDES;

/// For each thing that a version wants to be seen, all places that show it are taken out of the resources that do: then
/// none of them shows it, and it would be named as lacking.
#[test]
fn what_is_taken_out_of_the_demo_data_is_missed() {
    let clinic: Vec<Value> = vesta_demo::clinic(vesta_demo::SEED).collect();
    let resources = Resources::new(&clinic);
    let data = Data::new(&resources);
    let mut removed = 0;
    let mut kept = Vec::new();
    for guide in GUIDES.all() {
        for (wanted, seen) in data.coverage(wanted(guide), Counting::Claimed).seen {
            for seen in seen {
                let mut changed = clinic[seen.resource].clone();
                seen.pointers.iter().for_each(|pointer| remove(&mut changed, pointer));
                removed += 1;
                if !data.pointers(&wanted, &changed).is_empty() {
                    kept.push(format!(
                        "{wanted}: {} {} without {:?}",
                        changed["resourceType"], changed["id"], seen.pointers
                    ));
                }
            }
        }
    }
    assert!(removed > 100, "{removed}");
    assert!(kept.is_empty(), "still seen: {kept:#?}");
}

/// The same in one piece: without any birth date each version names it, and the search by it, as lacking.
#[test]
fn an_element_that_is_gone_from_all_resources_is_lacking() {
    let mut clinic: Vec<Value> = vesta_demo::clinic(vesta_demo::SEED).collect();
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
