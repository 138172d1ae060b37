//! Which slice an item of a list belongs to. <https://hl7.org/fhir/R4/profiling.html#slicing>

use serde_json::Value;
use vesta_codegen::digest::Discriminator;

use super::values::{binding_sets, has_pattern, is_bound, is_equal};
use super::{items_of, keeps};
use crate::guide::{Membership, Place};
use crate::item::Item;
use crate::resources::{Resources, contained, type_and_id};

/// Whether an item belongs to a slice of `sliced`. `resource` is what it stands in; without `resources` references out
/// of it are not followed.
pub(crate) fn in_slice(
    sliced: Place<'_>,
    slice: Place<'_>,
    item: &Item<'_>,
    type_name: &str,
    resource: &Value,
    resources: Option<&Resources<'_>>,
) -> Membership {
    if let Some(membership) = by_url(slice, item) {
        return membership;
    }
    let discriminators = sliced.element().slicing.as_ref().map(|slicing| slicing.discriminator.as_slice());
    let scope = Scope { resource, resources };
    match discriminators.unwrap_or_default() {
        // The types of a choice are slices by nature, and so are extensions by their URL.
        [] if sliced.choice().is_some() => of_type(slice, type_name),
        // A slice of a slice: no discriminator of its own, what it fixes decides.
        [] => fits(slice, item, type_name).unwrap_or(Membership::Unknown),
        all => Membership::all(all.iter().map(|one| scope.discriminated(one, slice, item, type_name))),
    }
}

/// An extension's url is the canonical of its definition, which need not be at hand.
/// <https://hl7.org/fhir/R4/defining-extensions.html>
fn by_url(slice: Place<'_>, item: &Item<'_>) -> Option<Membership> {
    let profiles: Vec<&String> =
        slice.types().iter().filter(|one| one.name() == "Extension").flat_map(|one| &one.profile).collect();
    let url = item.value?["url"].as_str()?;
    (!profiles.is_empty()).then(|| Membership::of(profiles.iter().any(|profile| *profile == url)))
}

fn of_type(slice: Place<'_>, type_name: &str) -> Membership {
    Membership::of(slice.types().iter().any(|one| one.name() == type_name))
}

struct Scope<'r> {
    resource: &'r Value,
    resources: Option<&'r Resources<'r>>,
}

/// An item with its type; none where the type is not known.
type Typed<'v> = (Item<'v>, String);

impl Scope<'_> {
    fn discriminated(&self, by: &Discriminator, slice: Place<'_>, item: &Item<'_>, type_name: &str) -> Membership {
        let mut places = vec![slice];
        let mut items = vec![(item.clone(), type_name.to_owned())];
        for step in steps(&by.path) {
            let Some(next) = self.step(&step, &places, &items) else { return Membership::Unknown };
            (places, items) = next;
        }
        match by.kind.as_str() {
            "value" | "pattern" => {
                // Each definition of the element (the profile's, that of the extension it names) has its say.
                let fits_all = |(item, type_name): &Typed<'_>| {
                    let answers: Vec<_> = places.iter().filter_map(|place| fits(*place, item, type_name)).collect();
                    if answers.is_empty() { Membership::Unknown } else { Membership::all(answers) }
                };
                Membership::any(items.iter().map(fits_all))
            }
            "exists" => {
                let demanded = places.iter().any(|place| place.element().min > 0);
                let excluded = places.iter().any(|place| place.max() == Some(0));
                match (demanded, excluded) {
                    (true, _) => Membership::of(!items.is_empty()),
                    (_, true) => Membership::of(items.is_empty()),
                    _ => Membership::Unknown,
                }
            }
            "type" => Membership::any(items.iter().map(|(_, type_name)| {
                Membership::any(places.iter().map(|place| {
                    let is_root = place.element().types.is_empty();
                    let own = || Membership::of(place.profile().type_name() == type_name);
                    if is_root { own() } else { of_type(*place, type_name) }
                }))
            })),
            "profile" => {
                let is_whole = |item: &Item<'_>| item.value.is_some_and(|value| value.get("resourceType").is_some());
                if items.iter().any(|(item, _)| !is_whole(item)) {
                    return Membership::Unknown;
                }
                Membership::any(
                    items
                        .iter()
                        .filter_map(|(item, _)| item.value)
                        .map(|resource| Membership::of(places.iter().any(|place| keeps(resource, place.profile())))),
                )
            }
            _ => Membership::Unknown,
        }
    }

    /// One step of a discriminator's path, through definitions and items alike; none where it leads to what is not here.
    fn step<'a, 'v>(
        &'v self,
        step: &Step<'_>,
        places: &[Place<'a>],
        items: &[Typed<'v>],
    ) -> Option<(Vec<Place<'a>>, Vec<Typed<'v>>)> {
        match step {
            Step::Name(name) => {
                let children = |place: &Place<'a>| {
                    let types: Vec<String> = items.iter().map(|(_, type_name)| type_name.clone()).collect();
                    let type_name = types.first().map_or("", String::as_str);
                    let below = place.content(type_name).into_iter().flat_map(|content| content.children());
                    let named = |child: &Place<'a>| child.element().name() == *name || child.choice() == Some(*name);
                    below.filter(named).collect::<Vec<_>>()
                };
                let next: Vec<Place<'a>> = places.iter().flat_map(children).collect();
                let first = *next.first()?;
                let found = items.iter().flat_map(|(item, _)| items_of(first, item)).collect();
                Some((next, found))
            }
            Step::Extension(url) => {
                let slices = places.iter().flat_map(|place| place.content("Extension"));
                let lists =
                    slices.flat_map(|content| content.children()).filter(|child| child.element().name() == "extension");
                let named = lists
                    .flat_map(|list| list.slices())
                    .filter(|slice| slice.types().iter().any(|one| one.profile.iter().any(|profile| profile == url)));
                let next: Vec<Place<'a>> = named.collect();
                let found = items.iter().flat_map(|(item, _)| item.property("extension"));
                let found = found.filter(|item| item.value.is_some_and(|value| value["url"] == *url));
                Some((next, found.map(|item| (item, "Extension".to_owned())).collect()))
            }
            Step::Type(type_name) => {
                let found = items.iter().filter(|(_, own)| own == type_name).cloned().collect();
                Some((places.to_vec(), found))
            }
            Step::Resolve => {
                let targets = places.iter().flat_map(|place| {
                    let targets = place.types().iter().flat_map(|one| &one.target_profile);
                    targets.filter_map(|target| place.guide().profile(&target.profile))
                });
                let next: Vec<Place<'a>> = targets.map(|target| target.root()).collect();
                let mut found = Vec::new();
                for (item, _) in items {
                    let reference = item.value?["reference"].as_str()?;
                    let resource = match self.resources {
                        _ if reference.starts_with('#') => contained(self.resource, reference)?,
                        Some(resources) => resources.get(reference)?,
                        // The type alone can be told without following.
                        None => {
                            let (resource_type, _) = type_and_id(reference)?;
                            found.push((
                                Item { value: None, extra: None, pointer: String::new() },
                                resource_type.to_owned(),
                            ));
                            continue;
                        }
                    };
                    let resource_type = resource["resourceType"].as_str()?.to_owned();
                    found.push((Item::root(resource), resource_type));
                }
                Some((next, found))
            }
        }
    }
}

enum Step<'p> {
    Name(&'p str),
    Extension(&'p str),
    Type(&'p str),
    Resolve,
}

/// The subset of FHIRPath that a discriminator's path is in.
/// <https://hl7.org/fhir/R4/profiling.html#discriminator>
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        // The URL in `extension('http://…')` has dots of its own.
        let end = rest.find(['.', '(']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (argument, after) = match after.strip_prefix('(') {
            Some(inside) => inside.split_once(')').unwrap_or((inside, "")),
            None => ("", after),
        };
        let argument = argument.trim_matches(['\'', '"', ' ']);
        match name {
            "$this" => {}
            "extension" if !argument.is_empty() => steps.push(Step::Extension(argument)),
            "ofType" | "as" => steps.push(Step::Type(argument)),
            "resolve" => steps.push(Step::Resolve),
            name => steps.push(Step::Name(name)),
        }
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    steps
}

/// Whether an item has what a definition itself fixes, in it and below it; none where it fixes nothing.
fn fits(place: Place<'_>, item: &Item<'_>, type_name: &str) -> Option<Membership> {
    let element = place.element();
    let mut answers = Vec::new();
    if let Some(fixed) = &element.fixed {
        answers.push(Membership::of(item.value.is_some_and(|value| is_equal(value, &fixed.value))));
    }
    if let Some(pattern) = &element.pattern {
        answers.push(Membership::of(item.value.is_some_and(|value| has_pattern(value, &pattern.value))));
    }
    for value_set in element.binding.iter().flat_map(binding_sets) {
        let bound = |value| is_bound(place.guide(), value_set, value, type_name);
        answers.push(item.value.map_or(Membership::Out, bound));
    }
    for child in place.children() {
        let items = items_of(child, item);
        if child.element().min > 0 && items.is_empty() {
            answers.push(Membership::Out);
        }
        if child.max() == Some(0) {
            answers.push(Membership::of(items.is_empty()));
        }
        answers.extend(items.iter().filter_map(|(item, type_name)| fits(child, item, type_name)));
        for slice in child.slices().filter(|slice| slice.element().min > 0) {
            let fitting = items.iter().map(|(item, type_name)| fits(slice, item, type_name));
            answers.push(Membership::any(fitting.map(|answer| answer.unwrap_or(Membership::In))));
        }
    }
    (!answers.is_empty()).then(|| Membership::all(answers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_step_by_step() {
        let shown = |path| {
            let steps = steps(path).into_iter().map(|step| match step {
                Step::Name(name) => name.to_owned(),
                Step::Extension(url) => format!("[{url}]"),
                Step::Type(name) => format!("<{name}>"),
                Step::Resolve => "->".to_owned(),
            });
            steps.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("$this"), "");
        assert_eq!(shown("coding.code"), "coding code");
        assert_eq!(shown("$this.resolve().code"), "-> code");
        assert_eq!(shown("extension('http://e.org/x.y').value.ofType(Coding)"), "[http://e.org/x.y] value <Coding>");
    }
}
