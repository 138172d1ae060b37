//! The types and parameters of R4 and of the guides that a site has enabled, from the generated tables.

use vesta_fhir::SCHEMA;
use vesta_fhir::types::ResourceType;
use vesta_guides::boundary::PATIENT;
use vesta_runtime::guide::Guide;

use super::table::{Rule, TypeBoundary, TypeEntry};

/// Every resource type of R4. Where a guide derives a parameter from a standard one the standard one serves; of several
/// versions of a guide the newest counts.
pub fn types(guides: &[&Guide]) -> Vec<TypeEntry> {
    let mut guides = guides.to_vec();
    guides.sort_by_key(|guide| std::cmp::Reverse((guide.name, release(guide.version))));
    SCHEMA
        .types
        .iter()
        .filter_map(|definition| ResourceType::from_str(SCHEMA.resource(definition.name)?.name))
        .map(|of| {
            let name = of.as_str();
            let mut parameters = vesta_fhir::search::parameters(name).to_vec();
            for guide in &guides {
                let own = vesta_guides::search::parameters(guide.name, guide.version);
                parameters.extend(own.iter().copied().filter(|parameter| parameter.base == name));
            }
            let nothing = TypeBoundary { rule: Rule::Nothing, parameters: &[], mask: 0, date: None };
            TypeEntry {
                name,
                number: of.as_u16(),
                parameters,
                boundary: PATIENT.get(name).map_or(nothing, TypeBoundary::from),
            }
        })
        .collect()
}

/// `10.0.0` comes after `9.0.0`.
fn release(version: &str) -> Vec<u32> {
    version.split(['.', '-']).map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_type_has_its_own_number_and_the_guides_parameters_are_there() {
        let types = types(vesta_guides::GUIDES);
        let numbers: BTreeSet<u16> = types.iter().map(|of| of.number).collect();
        assert_eq!((types.len(), numbers.len()), (146, 146));
        let has = |of: &str, code: &str| {
            types.iter().any(|entry| entry.name == of && entry.parameters.iter().any(|known| known.code == code))
        };
        for (of, code) in [("Patient", "race"), ("CareTeam", "role"), ("Goal", "description"), ("Observation", "_id")] {
            assert!(has(of, code), "{of}.{code}");
        }
    }
}
