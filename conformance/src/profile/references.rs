//! Where a reference may point. <https://hl7.org/fhir/R4/references.html>

use super::{Rule, Walk, keeps};
use crate::guide::{Place, Profile};
use crate::item::Item;
use crate::resources::{contained, type_and_id};

impl<'a, 'v> Walk<'a, 'v> {
    pub(super) fn reference(&mut self, place: Place<'a>, item: &Item<'v>) {
        let Some(value) = item.value else { return };
        let literal = value["reference"].as_str();
        if let Some(literal) = literal.filter(|literal| literal.starts_with('#'))
            && contained(self.resource, literal).is_none()
        {
            let message = format!("{literal} is no resource that is contained in this one");
            return self.add(Rule::ReferenceTarget, place, item, message);
        }
        let inside = literal.and_then(|literal| contained(self.resource, literal));
        let named = inside.map_or_else(
            || literal.and_then(type_and_id).map(|(resource_type, _)| resource_type),
            |resource| resource["resourceType"].as_str(),
        );
        // A `urn:` or an identifier alone says no type unless the reference does.
        let Some(resource_type) = named.or(value["type"].as_str()) else { return };

        let targets = place.types().iter().filter(|one| one.name() == "Reference").flat_map(|one| &one.target_profile);
        let targets: Vec<&str> = targets.map(|target| target.profile.as_str()).collect();
        if targets.is_empty() {
            return;
        }
        let profiles: Vec<Option<Profile<'a>>> = targets.iter().map(|target| place.guide().profile(target)).collect();
        let bases = place.guide().type_and_bases(resource_type);
        let of_type = |profile: &Profile<'a>| bases.contains(&profile.type_name());
        let fitting: Vec<Profile<'a>> = profiles.iter().flatten().copied().filter(of_type).collect();
        if fitting.is_empty() {
            let message = if profiles.iter().any(Option::is_none) {
                let message = format!("whether a {resource_type} may be meant: a target is not in spec/");
                return self.add(Rule::NotChecked, place, item, message);
            } else {
                format!("points to a {resource_type}; it may point to {}", targets.join(", "))
            };
            return self.add(Rule::ReferenceTarget, place, item, message);
        }

        let (Some(resources), None, Some(literal)) = (self.resources, inside, literal) else { return };
        let Some(target) = resources.get(literal) else {
            return self.add(Rule::ReferenceTarget, place, item, format!("{literal} does not resolve"));
        };
        let meets = |profile: &Profile<'a>| {
            profile.structure().defines_type() || profile.is_claimed_by(target) || keeps(target, *profile)
        };
        if !fitting.iter().any(meets) {
            let message = format!("{literal} keeps the rules of none of {}", targets.join(", "));
            self.add(Rule::ReferenceTarget, place, item, message);
        }
    }
}
