//! Versions of US Core, and which of them a resource claims to keep.

use serde_json::{Value, json};

/// A set of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions(u8);

impl Versions {
    pub(crate) const V6_1: Versions = Versions(1);
    pub(crate) const V7_0: Versions = Versions(2);
    pub(crate) const V8_0: Versions = Versions(4);
    pub(crate) const ALL: Versions = Versions(7);
    /// Those in which `us-core-sex` has a `valueCode`; in 8.0.0 it has a `valueCoding`, so that no Patient keeps both.
    pub(crate) const UP_TO_7_0: Versions = Versions::V6_1.or(Versions::V7_0);

    pub(crate) const fn or(self, other: Versions) -> Versions {
        Versions(self.0 | other.0)
    }

    pub(crate) const fn and(self, other: Versions) -> Versions {
        Versions(self.0 & other.0)
    }

    const fn has(self, other: Versions) -> bool {
        self.0 & other.0 != 0
    }
}

const NEWEST_FIRST: [(Versions, &str); 3] =
    [(Versions::V8_0, "8.0.0"), (Versions::V7_0, "7.0.0"), (Versions::V6_1, "6.1.0")];

/// Profiles that 6.1.0 does not have.
const ADDED: [(&str, Versions); 5] = [
    ("us-core-average-blood-pressure", Versions::V7_0.or(Versions::V8_0)),
    ("us-core-care-experience-preference", Versions::V7_0.or(Versions::V8_0)),
    ("us-core-treatment-intervention-preference", Versions::V7_0.or(Versions::V8_0)),
    ("us-core-adi-documentreference", Versions::V8_0),
    ("us-core-observation-adi-documentation", Versions::V8_0),
];

/// `meta.profile`: the profiles, each in those of the versions that have it.
pub(crate) fn claims(profiles: &[&str], versions: Versions) -> Value {
    let mut claims = Vec::new();
    for profile in profiles {
        let in_versions = ADDED.iter().find(|(name, _)| name == profile).map_or(Versions::ALL, |(_, added)| *added);
        for (version, number) in NEWEST_FIRST {
            if versions.and(in_versions).has(version) {
                claims.push(format!("http://hl7.org/fhir/us/core/StructureDefinition/{profile}|{number}"));
            }
        }
    }
    if claims.is_empty() { Value::Null } else { json!(claims) }
}
