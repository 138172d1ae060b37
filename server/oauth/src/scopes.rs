//! Scopes as clients ask for them and people grant them: which there are, what a client may ask for, and what is left
//! when a person grants less. What a scope of resources means is [`crate::scope`]'s.

use std::collections::HashSet;

use vesta_fhir::SCHEMA;

use crate::error::OAuthError;
use crate::scope::{Level, Scope, parse_scope, says_nothing_of_resources};

/// One scope, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// `openid`, `launch/patient`, `system/Patient.$export`.
    Other(String),
    Resource(Scope),
}

impl Named {
    /// At which level it gives access: `system/Patient.$export` as much as `system/Patient.rs`.
    pub fn level(&self) -> Option<Level> {
        match self {
            Named::Resource(scope) => Some(scope.level),
            Named::Other(other) => {
                let (level, _) = other.split_once('/')?;
                [Level::Patient, Level::User, Level::System].into_iter().find(|known| known.as_str() == level)
            }
        }
    }
}

/// Each of those asked for is compared with each of those registered.
const MOST: usize = 1_000;

/// The scopes of a parameter, each once. RFC 6749, 3.3: there is at least one.
pub(crate) fn split(text: &str) -> Result<Vec<String>, OAuthError> {
    let mut scopes: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    scopes.extend(text.split_ascii_whitespace().filter(|scope| seen.insert(*scope)).map(str::to_owned));
    if scopes.len() > MOST {
        return Err(OAuthError::invalid_scope(format!(
            "at most {MOST} scopes at once: a wildcard says the same in one"
        )));
    }
    if scopes.is_empty() { Err(OAuthError::invalid_scope("the parameter scope names no scope")) } else { Ok(scopes) }
}

/// Reads all scopes of a text; one that is not understood is an error.
pub(crate) fn read_all(text: &str) -> Result<Vec<Named>, OAuthError> {
    text.split_ascii_whitespace().map(read).collect()
}

pub fn read(scope: &str) -> Result<Named, OAuthError> {
    if says_nothing_of_resources(scope) {
        return Ok(Named::Other(scope.to_owned()));
    }
    let scope = parse_scope(scope).map_err(|error| OAuthError::invalid_scope(error.to_string()))?;
    Ok(Named::Resource(scope))
}

/// Whether one of these scopes grants at least what the other does.
pub fn covers<'a>(having: impl IntoIterator<Item = &'a str>, scope: &str) -> bool {
    beyond(having, [scope]).is_none()
}

/// The first scope that none of those that somebody has covers, as far as it may be shown: what stands behind `?` may name
/// a person. Those had are read once for all.
pub(crate) fn beyond<'a, 'b>(
    having: impl IntoIterator<Item = &'a str>,
    wanted: impl IntoIterator<Item = &'b str>,
) -> Option<&'b str> {
    let having: HashSet<&str> = having.into_iter().collect();
    let mut understood = None::<Vec<Scope>>;
    let mut covered = |scope: &&str| {
        having.contains(scope)
            || parse_scope(scope).is_ok_and(|wanted| {
                let had =
                    understood.get_or_insert_with(|| having.iter().filter_map(|had| parse_scope(had).ok()).collect());
                had.iter().any(|had| had.covers(&wanted))
            })
    };
    let found = wanted.into_iter().find(|scope| !covered(scope))?;
    Some(found.split('?').next().unwrap_or_default())
}

/// Whether it names an identity, a launch or a lifetime, so that a person is not asked for it as for data.
pub(crate) fn has(scopes: &[String], scope: &str) -> bool {
    scopes.iter().any(|had| had == scope)
}

/// Whether any scope is of this level.
pub(crate) fn has_level(scopes: &[String], level: Level) -> bool {
    scopes.iter().any(|scope| read(scope).is_ok_and(|named| named.level() == Some(level)))
}

/// What discovery names. "scopes_supported ... all listed must work": wildcards, and each type that US Core has, with the granular
/// ones of its table.
pub(crate) fn supported(granular: &[impl AsRef<str>], system: bool) -> Vec<String> {
    const IDENTITY: [&str; 9] = [
        "openid",
        "profile",
        "email",
        "fhirUser",
        "launch",
        "launch/patient",
        "launch/encounter",
        "offline_access",
        "online_access",
    ];
    let mut scopes: Vec<String> = IDENTITY.iter().map(|scope| (*scope).to_owned()).collect();
    let levels: &[&str] = if system { &["patient", "user", "system"] } else { &["patient", "user"] };
    for level in levels {
        let letters = ["rs", "cruds", "read", "write"];
        scopes.extend(letters.iter().map(|letters| format!("{level}/*.{letters}")));
        let types = TYPES.iter().filter(|name| SCHEMA.resource(name).is_some());
        scopes.extend(types.flat_map(|name| [format!("{level}/{name}.rs"), format!("{level}/{name}.read")]));
        scopes.extend(granular.iter().map(|scope| format!("{level}/{}", scope.as_ref())));
    }
    scopes
}

/// The types of US Core's table of scopes: <https://hl7.org/fhir/us/core/STU8/scopes.html>
const TYPES: [&str; 31] = [
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Endpoint",
    "Goal",
    "HealthcareService",
    "Immunization",
    "Location",
    "Media",
    "Medication",
    "MedicationDispense",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
    "ValueSet",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrower_scope_is_covered_and_a_wider_is_not() {
        let vital_signs =
            "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs";
        let covered = |having: &str, scope: &str| covers(having.split(' '), scope);
        assert!(covered("patient/*.rs", "patient/Observation.r"));
        assert!(covered("patient/Observation.read", vital_signs));
        assert!(covered("patient/Observation.rs", "patient/Observation.read"), "the same in the words of SMART 1");
        assert!(covered("openid launch/patient", "launch/patient"));
        assert!(!covered(vital_signs, "patient/Observation.rs"));
        assert!(!covered(vital_signs, "patient/Observation.rs?category=laboratory"));
        assert!(!covered("patient/Observation.r", "patient/Observation.rs"));
        assert!(!covered("patient/*.rs", "user/Observation.rs"));
        assert!(!covered("patient/Observation.rs", "patient/*.rs"));
        assert!(!covered("openid", "fhirUser"));
    }

    #[test]
    fn every_scope_that_discovery_names_is_understood() {
        let granular =
            ["Condition.rs?category=http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern"];
        for scope in supported(&granular, true) {
            read(&scope).unwrap();
        }
    }
}
