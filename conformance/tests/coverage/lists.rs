//! The list of what is wanted, against the guide's own pages.

use std::collections::BTreeSet;

use vesta_conformance::coverage::wanted;

use super::us_core;

/// The lines of a version, shortened: `us-core-patient Patient.name.family (must-support)`.
fn lines(version: &str) -> BTreeSet<String> {
    let short = |line: String| {
        let line = line.replace("http://hl7.org/fhir/us/core/StructureDefinition/", "");
        line.replace(&format!("|{version}:"), "")
    };
    wanted(us_core(version)).iter().map(|wanted| short(wanted.to_string())).collect()
}

/// <https://hl7.org/fhir/us/core/STU8/must-support.html>: flagged elements, types and targets, slices, extensions and
/// what is flagged inside them; additional USCDI requirements count as well.
#[test]
fn every_kind_of_wish_is_on_the_list() {
    let lines = lines("8.0.0");
    for line in [
        "us-core-patient Patient.name.family (must-support)",
        "us-core-patient Patient.name.suffix (additional USCDI requirement)",
        "us-core-patient Patient.extension:race (additional USCDI requirement)",
        "us-core-patient Patient.extension:race.extension:ombCategory (must-support)",
        "us-core-careteam CareTeam.participant.member to us-core-relatedperson (must-support)",
        "us-core-observation-lab Observation.value[x] as string (must-support)",
        "us-core-smokingstatus Observation.effective[x] as Period (named by the profile)",
        "us-core-smokingstatus Observation.value[x]:valueQuantity (must-support)",
        "us-core-medicationrequest MedicationRequest.medication[x] as Reference (named by the profile)",
        "us-core-medicationrequest MedicationRequest.medication[x] to us-core-medication (must-support)",
        "us-core-blood-pressure Observation.component:systolic.dataAbsentReason (must-support)",
        "us-core-pulse-oximetry Observation.code.coding:O2Sat (must-support)",
        "us-core-organization Organization.identifier:NPI (must-support)",
        "us-core-organization Organization.identifier:CLIA.value (named by the profile)",
        "us-core-provenance Provenance.agent:ProvenanceTransmitter.who to us-core-organization (must-support)",
        "us-core-questionnaireresponse QuestionnaireResponse.questionnaire.extension:url (must-support)",
        "us-core-observation-adi-documentation Observation.extension:supporting-info.value[x] to \
         us-core-adi-documentreference (must-support)",
    ] {
        assert!(lines.contains(line), "not on the list: {line}");
    }
    // Where the guide flags some, the others need not be there; what R4 leaves open is no wish.
    for start in [
        "us-core-observation-lab Observation.value[x] as Range",
        "us-core-encounter Encounter.participant.individual to us-core-relatedperson",
        "us-core-smokingstatus Observation.value[x] as Ratio",
        "us-core-patient Patient.contact",
        "us-core-patient Patient.extension:race.extension:detailed",
    ] {
        assert!(!lines.iter().any(|line| line.starts_with(start)), "on the list: {start}");
    }
}

/// <https://hl7.org/fhir/us/core/STU8/changes.html>: what a version flags is that version's wish alone.
#[test]
fn each_version_has_its_own_list() {
    let [old, new] = ["6.1.0", "8.0.0"].map(lines);
    for line in [
        "us-core-patient Patient.gender (must-support)",
        "us-core-patient Patient.extension:genderIdentity (additional USCDI requirement)",
        "us-core-patient Patient.extension:birthsex (named by the profile)",
        "us-core-diagnosticreport-note DiagnosticReport.media.link (must-support)",
    ] {
        assert!(old.contains(line) && !new.contains(line), "{line}");
    }
    let extension = "us-core-medicationrequest MedicationRequest.extension:medicationAdherence";
    assert!(new.iter().any(|line| line.starts_with(extension)) && !old.iter().any(|line| line.starts_with(extension)));
}
