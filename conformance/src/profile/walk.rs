//! The way through a resource and its definition, and how often each element may stand.

use std::collections::HashSet;

use super::{Rule, Walk, in_slice};
use crate::guide::{Membership, Place};
use crate::item::Item;

/// The items of an element inside `item`, each with its type: of a choice, those of the types that it may have.
pub(crate) fn items_of<'v>(place: Place<'_>, item: &Item<'v>) -> Vec<(Item<'v>, String)> {
    let types = place.types();
    let Some(choice) = place.choice() else {
        let type_name = types.first().map_or("", |one| one.name());
        let items = item.property(place.element().name());
        return items.into_iter().map(|item| (item, type_name.to_owned())).collect();
    };
    let of_type = |type_name: &str| {
        let items = item.property(&format!("{choice}{}", capitalized(type_name)));
        items.into_iter().map(|item| (item, type_name.to_owned())).collect::<Vec<_>>()
    };
    types.iter().flat_map(|one| of_type(one.name())).collect()
}

pub(crate) fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

impl<'a, 'v> Walk<'a, 'v> {
    /// An item by its definition, and all that stands below it.
    pub(super) fn item(&mut self, place: Place<'a>, item: &Item<'v>, type_name: &str) {
        self.value(place, item, type_name);
        if type_name == "Reference" {
            self.reference(place, item);
        }
        let name = place.element().name().trim_end_matches("[x]").to_owned();
        self.stack.push((name, type_name.to_owned()));
        for content in self.content_of(place, item, type_name) {
            self.content(content, item);
        }
        self.stack.pop();
    }

    /// The definitions of what stands inside.
    fn content_of(&mut self, place: Place<'a>, item: &Item<'v>, type_name: &str) -> Vec<Place<'a>> {
        if type_name == "Resource" {
            // A contained resource has the rules of its own type.
            let own = item.property("resourceType");
            let own = own.first().and_then(Item::text).unwrap_or_default();
            let Some(definition) = place.guide().type_definition(own) else {
                self.add(Rule::Type, place, item, format!("R4 has no resource type {own:?}"));
                return Vec::new();
            };
            return vec![definition.root()];
        }
        let profiles = place.types().iter().find(|one| one.name() == type_name).map(|one| one.profile.as_slice());
        for profile in profiles.unwrap_or_default() {
            if place.guide().profile(profile).is_none() {
                self.add(Rule::NotChecked, place, item, format!("no package in spec/ holds the profile {profile}"));
            }
        }
        place.content(type_name)
    }

    fn content(&mut self, place: Place<'a>, item: &Item<'v>) {
        let is_primitive = |name: &str| place.guide().guides.primitives.contains(name);
        let of_primitive = self.stack.last().is_some_and(|(_, type_name)| is_primitive(type_name));
        let mut known: HashSet<String> = HashSet::new();
        for child in place.children() {
            // The value of a primitive is no property of it in JSON.
            if of_primitive && child.element().name() == "value" {
                continue;
            }
            let items = items_of(child, item);
            for (item, _) in &items {
                let property = item.pointer.split('/').rfind(|part| part.parse::<usize>().is_err());
                known.extend(property.map(|property| property.trim_start_matches('_').to_owned()));
            }
            self.cardinality(child, item, items.len(), 0);
            for (item, type_name) in &items {
                self.item(child, item, type_name);
            }
            self.slices(child, item, &items);
            if matches!(child.element().name(), "extension" | "modifierExtension") {
                self.extensions(child, &items);
            }
        }
        let is_resource = item.members().is_some_and(|members| members.contains_key("resourceType"));
        for name in item.members().into_iter().flat_map(|members| members.keys()) {
            let name = name.strip_prefix('_').unwrap_or(name);
            let is_the_type = name == "resourceType" && is_resource;
            if !is_the_type && !known.contains(name) {
                self.unknown(place, item, name);
            }
        }
    }

    /// A property that no child is.
    fn unknown(&mut self, place: Place<'a>, item: &Item<'v>, name: &str) {
        let choice = place.children().find(|child| {
            let rest = child.choice().and_then(|choice| name.strip_prefix(choice));
            rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
        });
        let Some(choice) = choice else {
            let message = format!("{} has no element {name}", place.id());
            return self.add(Rule::UnknownElement, place, item, message);
        };
        let types: Vec<&str> = choice.types().iter().map(|one| one.name()).collect();
        let message = match types.as_slice() {
            [] => format!("{name} may not be there"),
            types => format!("{name} is of a type that the element may not have; it may be {}", types.join(", ")),
        };
        self.add(Rule::Type, choice, item, message);
    }

    /// `unknown` are the items of which it cannot be told whether they count.
    fn cardinality(&mut self, place: Place<'a>, parent: &Item<'v>, count: usize, unknown: usize) {
        let minimum = place.element().min as usize;
        let name = place.id().rsplit('.').next().unwrap_or_default();
        let there = |count: usize| format!("{count} {} there", if count == 1 { "is" } else { "are" });
        if count < minimum && count + unknown >= minimum {
            let message = format!("{name}: whether there are {minimum} depends on a value set that is not in spec/");
            self.add(Rule::NotChecked, place, parent, message);
        } else if count < minimum {
            let message = format!("{name}: at least {minimum} must be there, {}", there(count));
            self.add(Rule::Cardinality, place, parent, message);
        } else if let Some(maximum) = place.max().filter(|maximum| count > *maximum) {
            let message = format!("{name}: at most {maximum} may be there, {}", there(count));
            self.add(Rule::Cardinality, place, parent, message);
        }
    }

    /// Each slice of a list (or of a choice): its items, and how many they are.
    fn slices(&mut self, sliced: Place<'a>, parent: &Item<'v>, items: &[(Item<'v>, String)]) {
        let mut placed: Vec<Membership> = vec![Membership::Out; items.len()];
        let mut any = false;
        for slice in sliced.slices() {
            any = true;
            let mut own = Vec::new();
            let mut unknown = 0;
            for ((item, type_name), placed) in items.iter().zip(&mut placed) {
                let membership = in_slice(sliced, slice, item, type_name, self.resource, self.resources);
                *placed = Membership::any([*placed, membership]);
                match membership {
                    Membership::In => own.push((item.clone(), type_name.clone())),
                    Membership::Unknown => unknown += 1,
                    Membership::Out => {}
                }
            }
            self.cardinality(slice, parent, own.len(), unknown);
            for (item, type_name) in &own {
                self.item(slice, item, type_name);
            }
            self.slices(slice, parent, &own);
        }
        let is_closed = sliced.element().slicing.as_ref().is_some_and(|slicing| slicing.rules == "closed");
        if any && is_closed {
            for ((item, _), placed) in items.iter().zip(placed) {
                if placed == Membership::Out {
                    let names: Vec<_> = sliced.slices().filter_map(|s| s.element().slice_name.as_deref()).collect();
                    let message = format!("is in none of the slices {}, and others may not be there", names.join(", "));
                    self.add(Rule::Slicing, sliced, item, message);
                }
            }
        }
    }
}
