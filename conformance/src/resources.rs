//! A set of resources, in which references are followed.

use std::collections::HashMap;

use serde_json::Value;

#[derive(Debug, Clone, Default)]
pub struct Resources<'r> {
    all: Vec<&'r Value>,
    addresses: HashMap<String, &'r Value>,
}

impl<'r> Resources<'r> {
    pub fn new(resources: impl IntoIterator<Item = &'r Value>) -> Resources<'r> {
        let all: Vec<&Value> = resources.into_iter().collect();
        let address = |resource: &&'r Value| {
            Some((format!("{}/{}", resource["resourceType"].as_str()?, resource["id"].as_str()?), *resource))
        };
        Resources { addresses: all.iter().filter_map(address).collect(), all }
    }

    pub fn all(&self) -> &[&'r Value] {
        &self.all
    }

    /// `Patient/1`, also as the end of an absolute URL or with a version behind it.
    pub fn get(&self, reference: &str) -> Option<&'r Value> {
        let (resource_type, id) = type_and_id(reference)?;
        self.addresses.get(&format!("{resource_type}/{id}")).copied()
    }
}

/// Type and id of a literal reference; none for a `urn:` and for what stands in the resource itself (`#1`).
/// <https://hl7.org/fhir/R4/references.html#literal>
pub fn type_and_id(reference: &str) -> Option<(&str, &str)> {
    let current = reference.split_once("/_history/").map_or(reference, |(current, _)| current);
    let (before, id) = current.rsplit_once('/')?;
    let resource_type = before.rsplit('/').next().unwrap_or(before);
    let is_type = resource_type.starts_with(|first: char| first.is_ascii_uppercase())
        && resource_type.chars().all(|one| one.is_ascii_alphabetic());
    (is_type && !id.is_empty() && !id.starts_with('#')).then_some((resource_type, id))
}

/// The resource inside `container` that `#id` means; `#` alone is the container.
/// <https://hl7.org/fhir/R4/references.html#contained>
pub(crate) fn contained<'r>(container: &'r Value, reference: &str) -> Option<&'r Value> {
    let id = reference.strip_prefix('#')?;
    if id.is_empty() {
        return Some(container);
    }
    container["contained"].as_array()?.iter().find(|resource| resource["id"] == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_references_are_relative_absolute_or_versioned() {
        assert_eq!(type_and_id("Patient/1"), Some(("Patient", "1")));
        assert_eq!(type_and_id("https://e.org/fhir/Patient/1/_history/2"), Some(("Patient", "1")));
        for other in ["#1", "urn:uuid:1", "Patient", "https://e.org/fhir/1", "Patient/"] {
            assert_eq!(type_and_id(other), None, "{other}");
        }
    }
}
