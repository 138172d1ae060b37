//! Where in a resource something is seen.

use serde_json::Value;

use super::wanted::Step;
use super::{Data, Wanted, What, search};
use crate::guide::{Guide, Membership};
use crate::item::Item;
use crate::profile::{in_slice, items_of};
use crate::resources::contained;

impl Data<'_> {
    /// JSON pointers of what shows `wanted` in a resource (which need not be one of the set: references are followed
    /// into the set). Empty if nothing does.
    pub fn pointers(&self, wanted: &Wanted<'_>, resource: &Value) -> Vec<String> {
        if let What::Search(parameters) = &wanted.what {
            return search::pointers(wanted, parameters, resource);
        }
        let items = items_at(&wanted.way, resource);
        let shows = |(item, type_name): &(Item<'_>, String)| match &wanted.what {
            What::Element => true,
            What::Type(wanted) => type_name == wanted,
            What::Target(target) => self.leads_to(wanted.profile.guide(), item, resource, target),
            What::Search(_) => false,
        };
        items.iter().filter(|item| shows(item)).flat_map(|(item, _)| places(item)).collect()
    }

    fn leads_to(&self, guide: Guide<'_>, item: &Item<'_>, resource: &Value, target: &str) -> bool {
        let Some(reference) = item.value.and_then(|value| value["reference"].as_str()) else { return false };
        let Some(profile) = guide.profile(target) else { return false };
        let is_of_type = |found: &Value| {
            let bases = guide.type_and_bases(found["resourceType"].as_str().unwrap_or_default());
            bases.contains(&profile.type_name())
        };
        match contained(resource, reference) {
            // What is contained claims nothing.
            Some(inside) => is_of_type(inside),
            None => self.resources.get(reference).is_some_and(|found| is_of_type(found) && self.is_of(found, profile)),
        }
    }
}

/// Where an item stands: a primitive in up to two properties.
fn places(item: &Item<'_>) -> impl Iterator<Item = String> {
    let extra = item.extra.map(|_| item.extra_pointer());
    item.value.map(|_| item.pointer.clone()).into_iter().chain(extra)
}

/// The items at the end of a way, each with its type.
fn items_at<'v>(way: &[Step<'_>], resource: &'v Value) -> Vec<(Item<'v>, String)> {
    let mut items = vec![(Item::root(resource), String::new())];
    for step in way {
        items = match step {
            Step::Child(place) => items.iter().flat_map(|(item, _)| items_of(*place, item)).collect(),
            Step::Slice { sliced, slice } => {
                // What cannot be told does not count as seen, unless only the codes of the slice are not to be had: then
                // no data could ever be told to show it.
                let belongs = |(item, type_name): &(Item<'v>, String)| match in_slice(
                    *sliced, *slice, item, type_name, resource, None,
                ) {
                    Membership::In => true,
                    Membership::Unknown => slice.element().binding.is_some(),
                    Membership::Out => false,
                };
                items.into_iter().filter(belongs).collect()
            }
        };
    }
    // An empty object shows nothing.
    let is_there =
        |item: &Item<'_>| item.extra.is_some() || item.value.is_some_and(|value| *value != serde_json::json!({}));
    items.retain(|(item, _)| is_there(item));
    items
}
