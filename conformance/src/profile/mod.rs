//! Whether a resource keeps the rules of a profile: cardinalities, types, fixed values and patterns, slices, required
//! bindings, targets of references, extensions. The definitions are interpreted as they stand in the digests: the
//! server's own validation, generated from the same, is not used, so that a mistake there is found here.
//!
//! Invariants are not evaluated. What the packages do not let one decide (a value set that they do not hold, an
//! extension of another guide) is a finding of its own, [`Rule::NotChecked`].

use std::collections::HashSet;

use serde_json::Value;

use crate::guide::{Guides, Place, Profile};
use crate::item::Item;
use crate::resources::Resources;

mod extensions;
mod references;
mod slicing;
mod values;
mod walk;

pub(crate) use slicing::in_slice;
pub(crate) use walk::items_of;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Fewer or more than the profile says, in all or in a slice.
    Cardinality,
    /// A property that the type does not have.
    UnknownElement,
    /// A value of another type, or without the type's form.
    Type,
    FixedValue,
    Pattern,
    /// An item of a closed slicing that is in none of its slices.
    Slicing,
    /// A code outside a value set that is required.
    Binding,
    ReferenceTarget,
    /// An extension where it may not stand.
    ExtensionContext,
    /// A claimed profile for another type.
    Profile,
    /// Could not be decided, which is no fault of the resource.
    NotChecked,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Finding {
    pub rule: Rule,
    /// Where in the resource: `Patient.name[0].family`.
    pub location: String,
    /// The element definition: `Patient.name.family`.
    pub element: String,
    /// `url|version` of the profile that the resource was checked against.
    pub profile: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Finding {
    /// Whether the resource breaks a rule, rather than that one could not be checked.
    pub fn is_error(&self) -> bool {
        self.rule != Rule::NotChecked
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finding { rule, location, element, profile, message } = self;
        write!(formatter, "{location}: {message} ({rule:?}, {element} in {profile})")
    }
}

/// All findings of a resource against a profile (or against a type: [`crate::guide::Guide::type_definition`]).
/// References are checked by the type that they name.
pub fn check(resource: &Value, profile: Profile<'_>) -> Vec<Finding> {
    findings(resource, profile, None)
}

/// The same, and each literal reference has to resolve among `resources`, to a resource that keeps one of the target
/// profiles.
pub fn check_within(resource: &Value, profile: Profile<'_>, resources: &Resources<'_>) -> Vec<Finding> {
    findings(resource, profile, Some(resources))
}

/// The findings against the resource's type and against each profile that it claims.
pub fn check_claims(resource: &Value, guides: &Guides, resources: Option<&Resources<'_>>) -> Vec<Finding> {
    let resource_type = resource["resourceType"].as_str().unwrap_or_default();
    let finding = |rule, profile: &str, message: String| Finding {
        rule,
        location: resource_type.to_owned(),
        element: resource_type.to_owned(),
        profile: profile.to_owned(),
        message,
    };
    let Some(base) = guides.core().type_definition(resource_type) else {
        return vec![finding(Rule::Type, "", format!("R4 has no resource type {resource_type:?}"))];
    };
    let claims = resource["meta"]["profile"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut found = Vec::new();
    let mut profiles = Vec::new();
    for claim in claims {
        match guides.claimed(claim) {
            Some(profile) => profiles.push(profile),
            None => found.push(finding(Rule::NotChecked, claim, "no package in spec/ holds this profile".to_owned())),
        }
    }
    // A profile has all rules of its type.
    if profiles.is_empty() {
        profiles.push(base);
    }
    found.extend(profiles.into_iter().flat_map(|profile| findings(resource, profile, resources)));
    found
}

/// Whether no rule of the profile is broken.
pub(crate) fn keeps(resource: &Value, profile: Profile<'_>) -> bool {
    !check(resource, profile).iter().any(Finding::is_error)
}

fn findings(resource: &Value, profile: Profile<'_>, resources: Option<&Resources<'_>>) -> Vec<Finding> {
    let mut walk = Walk { resource, profile, resources, stack: Vec::new(), findings: Vec::new() };
    let resource_type = resource["resourceType"].as_str().unwrap_or_default();
    if resource_type == profile.type_name() {
        walk.item(profile.root(), &Item::root(resource), resource_type);
    } else {
        let message = format!("is a {resource_type}; the profile is for {}", profile.type_name());
        walk.add(Rule::Profile, profile.root(), &Item::root(resource), message);
    }
    // An item is looked at by the definition of the list and by that of its slice.
    let mut known = HashSet::new();
    let key = |finding: &Finding| (finding.rule, finding.location.clone(), finding.message.clone());
    walk.findings.retain(|finding| known.insert(key(finding)));
    walk.findings
}

/// On the way through a resource.
struct Walk<'a, 'v> {
    resource: &'v Value,
    profile: Profile<'a>,
    resources: Option<&'v Resources<'v>>,
    /// From the resource to the present item: the name of each element, and its type.
    stack: Vec<(String, String)>,
    findings: Vec<Finding>,
}

impl<'a, 'v> Walk<'a, 'v> {
    fn add(&mut self, rule: Rule, place: Place<'a>, item: &Item<'v>, message: String) {
        let resource_type = self.resource["resourceType"].as_str().unwrap_or_default();
        self.findings.push(Finding {
            rule,
            location: item.location(resource_type),
            element: place.id().to_owned(),
            profile: self.profile.canonical(),
            message,
        });
    }
}
