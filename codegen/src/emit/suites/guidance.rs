//! What US Core asks in its pages of guidance and in no definition.

use serde_json::json;

use super::{Group, Suite};
use crate::digest::Expectation;

const SHALL: Option<Expectation> = Some(Expectation::Shall);

impl Suite<'_> {
    pub(super) fn guidance(&mut self) {
        if self.guide.name != "hl7.fhir.us.core" {
            return;
        }
        self.clinical_notes();
        self.missing_data();
    }

    fn page(&self, name: &str) -> String {
        let statement = self.statement_page.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{statement}/{name}.html")
    }

    fn codes(&self, value_set: &str) -> Vec<(String, String)> {
        let set = self.guide.value_sets.get(value_set);
        let included = set.iter().flat_map(|set| &set.include);
        let codes = included.flat_map(|include| {
            let system = include.system.clone().unwrap_or_default();
            include.concept.iter().map(move |concept| (system.clone(), concept.code.clone()))
        });
        codes.collect()
    }

    fn clinical_notes(&mut self) {
        let mut group = Group::new("clinical-notes", &self.page("clinical-notes"));
        for (system, code) in self.codes("us-core-clinical-note-type") {
            let requirement = format!("Clinical notes of the common type {code} are found as DocumentReferences.");
            let check = json!({
                "kind": "clinical-note", "type": "DocumentReference", "parameter": "type",
                "system": system, "code": code,
            });
            group.test(&format!("DocumentReference/{code}"), SHALL, &requirement, check);
        }
        for (system, code) in self.codes("us-core-diagnosticreport-category") {
            let requirement = format!("Reports of the category {code} are found as DiagnosticReports.");
            let check = json!({
                "kind": "clinical-note", "type": "DiagnosticReport", "parameter": "category",
                "system": system, "code": code,
            });
            group.test(&format!("DiagnosticReport/{code}"), SHALL, &requirement, check);
        }
        let requirement = "A narrative report is reached both ways: its attachment's url stands in a DiagnosticReport's \
                           presentedForm and in a DocumentReference's content, and can be fetched.";
        let check = json!({ "kind": "note-attachments" });
        group.test("attachments", SHALL, requirement, check);
        let requirement = "A DocumentReference names the organization that is responsible for it: in custodian, or by a \
                           Provenance.";
        let check = json!({ "kind": "note-custodians" });
        group.test("custodian", SHALL, requirement, check);
        self.groups.push(group);
    }

    fn missing_data(&mut self) {
        let mut group = Group::new("missing-data", &self.page("general-requirements"));
        let requirement = "A mandatory element whose value is unknown carries the data-absent-reason extension with the \
                           code unknown.";
        let check = json!({ "kind": "missing-data", "form": "extension" });
        group.test("extension", SHALL, requirement, check);
        let requirement = "A mandatory CodeableConcept whose value is unknown carries the code unknown of the code \
                           system data-absent-reason.";
        let check = json!({ "kind": "missing-data", "form": "code" });
        group.test("code", SHALL, requirement, check);
        self.groups.push(group);
    }
}
