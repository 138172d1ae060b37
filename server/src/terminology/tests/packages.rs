//! What the packages carry, through the engine.

use std::collections::BTreeMap;

use super::*;

/// All that a value set names, without a store.
fn gather(packaged: &Packaged, url: &str) -> Library {
    let mut library = Library::default();
    let mut open = vec![(Kind::ValueSet, url.to_owned())];
    while let Some((kind, url)) = open.pop() {
        if !library.knows(kind, &url) {
            let held = packaged.find(kind, &url);
            open.extend(held.iter().flat_map(site::named));
            library.add(kind, &url, held);
        }
    }
    library
}

/// Each value set that a package carries expands, or says which code system is not carried.
#[test]
fn every_packaged_value_set_expands_or_names_what_is_not_carried() {
    let packaged = Packaged::new(vesta_guides::GUIDES);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for Summary { url, version, .. } in packaged.summaries(Kind::ValueSet) {
        let library = gather(&packaged, &url);
        let versions = Versions::default();
        let engine = Engine::new(&library, &versions);
        let set = library.value_set(&Canonical::new(&url, version.as_deref())).unwrap();
        let reason = match engine.members(set) {
            Ok(members) => {
                // One code at a time decides the same.
                for member in members.iter().step_by(20) {
                    let found = engine.contains(set, member.system, member.code).unwrap();
                    assert_eq!(found.map(|found| found.code), Some(member.code), "{url}");
                }
                "expands".to_owned()
            }
            Err(TerminologyError::NotCarried { system, content }) => format!("{content}: {system}"),
            Err(TerminologyError::Unknown { kind, canonical }) => format!("no {kind} {canonical}"),
            Err(error) => error.to_string(),
        };
        *reasons.entry(reason).or_default() += 1;
    }
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    insta::assert_snapshot!(reasons.join("\n"));
}

/// <https://hl7.org/fhir/us/core/STU8/>: three versions under one canonical; without a version the newest counts.
#[test]
fn a_site_has_the_packages_of_its_guides() {
    let url = "http://hl7.org/fhir/us/core/ValueSet/us-core-clinical-note-type";
    let versions = |packaged: &Packaged| {
        let library = gather(packaged, url);
        library
            .versions(Kind::ValueSet, url)
            .iter()
            .filter_map(Resource::version)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(&Packaged::new(vesta_guides::GUIDES)), ["8.0.0", "7.0.0", "6.1.0"]);
    let older = vesta_guides::guides::get("hl7.fhir.us.core", "7.0.0").unwrap();
    assert_eq!(versions(&Packaged::new(&[older])), ["7.0.0"]);
    assert_eq!(versions(&Packaged::new(&[])), Vec::<String>::new());
    assert_eq!(Packaged::new(&[]).find(Kind::ValueSet, "http://hl7.org/fhir/ValueSet/administrative-gender").len(), 1);
}

/// <https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.valueSet>
#[test]
fn a_code_system_is_known_by_its_value_set_too() {
    let packaged = Packaged::new(&[]);
    let of = packaged.code_system_of("http://hl7.org/fhir/ValueSet/administrative-gender").unwrap();
    assert_eq!(of.to_string(), "http://hl7.org/fhir/administrative-gender|4.0.1");
}

/// v2 and v3 code systems as published: <https://hl7.org/fhir/R4/terminologies-systems.html>
#[test]
fn packaged_code_systems_keep_hierarchy_properties_and_languages() {
    let packaged = Packaged::new(&[]);
    let library = {
        let mut library = Library::default();
        for url in
            ["http://terminology.hl7.org/CodeSystem/v3-RoleCode", "http://terminology.hl7.org/CodeSystem/v2-0001"]
        {
            library.add(Kind::CodeSystem, url, packaged.find(Kind::CodeSystem, url));
        }
        library
    };
    let versions = Versions::default();
    let engine = Engine::new(&library, &versions);
    let role = Canonical::parse("http://terminology.hl7.org/CodeSystem/v3-RoleCode");
    assert_eq!(engine.subsumes(&role, "PRN", "MTH").unwrap(), Subsumption::Subsumes);
    let sex = engine.lookup(&Canonical::parse("http://terminology.hl7.org/CodeSystem/v2-0001"), "F").unwrap();
    assert_eq!(sex.member.display(None), Some("Female"));
    assert_eq!(sex.member.display(Some("nl")), Some("Vrouw"));
}
