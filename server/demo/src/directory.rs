//! What patients' records refer to and share: organizations, places, people, medications, the intake form.

use jiff::civil::{DateTime, date};
use serde_json::{Value, json};

use crate::chart::resource;
use crate::element::{Code, address, code, coding, concept, loinc, phone, reference, rxnorm, us_core};
use crate::version::{Versions, claims};

pub(crate) const CLINIC: &str = "Organization/demo-clinic";
pub(crate) const LABORATORY: &str = "Organization/demo-laboratory";
pub(crate) const HOSPITAL: &str = "Organization/demo-hospital";
pub(crate) const PHARMACY: &str = "Organization/demo-pharmacy";
pub(crate) const INSURER: &str = "Organization/demo-insurer";

pub(crate) const CLINIC_FLOOR: &str = "Location/demo-clinic-main";
pub(crate) const WARD: &str = "Location/demo-hospital-ward";

/// Family medicine.
pub(crate) const OKAFOR: &str = "Practitioner/demo-okafor";
/// Cardiology.
pub(crate) const LIND: &str = "Practitioner/demo-lind";
/// Registered nurse.
pub(crate) const RUIZ: &str = "Practitioner/demo-ruiz";
/// Pathology and laboratory medicine.
pub(crate) const HADDAD: &str = "Practitioner/demo-haddad";
/// Radiology.
pub(crate) const YOON: &str = "Practitioner/demo-yoon";
/// Pharmacist.
pub(crate) const PETROV: &str = "Practitioner/demo-petrov";

pub(crate) const OKAFOR_AT_CLINIC: &str = "PractitionerRole/demo-okafor-family-medicine";
pub(crate) const LIND_AT_CLINIC: &str = "PractitionerRole/demo-lind-cardiology";

pub(crate) const METFORMIN: &str = "Medication/demo-metformin";
pub(crate) const METFORMIN_CODE: Code =
    rxnorm("860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet");
pub(crate) const WARFARIN: &str = "Medication/demo-warfarin";
pub(crate) const WARFARIN_CODE: Code = rxnorm("855332", "warfarin sodium 5 MG Oral Tablet");

pub(crate) const INTAKE_FORM: &str = "https://harborstreet.example/fhir/Questionnaire/social-needs";

/// When the directory was written.
const WRITTEN: DateTime = date(2024, 1, 2).at(8, 0, 0, 0);

pub(crate) fn directory() -> Vec<Value> {
    let mut all = organizations();
    all.push(endpoint());
    all.extend(locations());
    all.extend(practitioners());
    all.extend(roles());
    all.push(healthcare_service());
    all.push(medication("demo-metformin", &METFORMIN_CODE));
    all.push(medication("demo-warfarin", &WARFARIN_CODE));
    all.push(intake_form());
    all
}

/// Two patients at least, so that bulk export of a group has something to choose from.
pub(crate) fn panel(patients: &[String]) -> Value {
    let members: Vec<Value> = patients.iter().map(|patient| json!({ "entity": reference(patient) })).collect();
    let body = json!({
        "identifier": [{ "system": "https://harborstreet.example/panels", "value": "OKAFOR" }],
        "active": true,
        "type": "person",
        "actual": true,
        "name": "Patients of Dr. Okafor",
        "quantity": members.len(),
        "managingEntity": reference(CLINIC),
        "member": members,
    });
    resource("Group", "demo-panel", Value::Null, WRITTEN, body)
}

fn made(resource_type: &str, id: &str, profile: &str, body: Value) -> Value {
    resource(resource_type, id, claims(&[profile], Versions::ALL), WRITTEN, body)
}

fn organizations() -> Vec<Value> {
    let organization =
        |id: &str, kind: &Code, name: &str, identifiers: Vec<Value>, number: &str, line: &str, zip: &str| {
            let body = json!({
                "identifier": identifiers,
                "active": true,
                "type": [concept(kind)],
                "name": name,
                "telecom": [phone(number, "phone", "work"), phone(&format!("desk@{id}.example"), "email", "work")],
                "address": [address(line, "Portland", "ME", zip)],
            });
            made("Organization", id, "us-core-organization", body)
        };
    const PROVIDER: Code =
        code("http://terminology.hl7.org/CodeSystem/organization-type", "prov", "Healthcare Provider");
    const INSURANCE: Code = code("http://terminology.hl7.org/CodeSystem/organization-type", "ins", "Insurance Company");
    let identifier = |system: &str, value: &str| json!({ "system": system, "value": value });
    // The NPI's, CLIA's and NAIC's own: https://hl7.org/fhir/us/core/STU8/StructureDefinition-us-core-organization.html
    let npi = |digits: &str| identifier(NPI, &npi(digits));
    let clia = |value: &str| identifier("urn:oid:2.16.840.1.113883.4.7", value);
    let naic = |value: &str| identifier("urn:oid:2.16.840.1.113883.6.300", value);
    let mut clinic = organization(
        "demo-clinic",
        &PROVIDER,
        "Harbor Street Family Clinic",
        vec![npi("145678901"), clia("20D0654321")],
        "(555) 010-2200",
        "120 HARBOR ST",
        "04101",
    );
    clinic["endpoint"] = json!([reference("Endpoint/demo-clinic-direct")]);
    let laboratory = vec![npi("167890123"), clia("20D1234567")];
    vec![
        clinic,
        organization(
            "demo-laboratory",
            &PROVIDER,
            "Casco Bay Laboratory",
            laboratory,
            "(555) 010-2300",
            "8 WHARF RD",
            "04101",
        ),
        organization(
            "demo-hospital",
            &PROVIDER,
            "Back Cove Hospital",
            vec![npi("178901234")],
            "(555) 010-2400",
            "400 COVE AVE",
            "04103",
        ),
        organization(
            "demo-pharmacy",
            &PROVIDER,
            "Congress Street Pharmacy",
            vec![npi("189012345")],
            "(555) 010-2500",
            "77 CONGRESS ST",
            "04101",
        ),
        organization(
            "demo-insurer",
            &INSURANCE,
            "Pine Tree Health Plan",
            vec![naic("95999")],
            "(555) 010-2600",
            "1 MONUMENT SQ STE 900",
            "04101",
        ),
    ]
}

const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

/// Nine digits and their check digit, by Luhn's rule over them with the prefix 80840 that stands for the United States.
fn npi(nine: &str) -> String {
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let digits = nine.bytes().rev().map(|byte| u32::from(byte - b'0')).enumerate();
    let sum: u32 = digits.map(|(place, digit)| if place % 2 == 0 { doubled(digit) } else { digit }).sum();
    format!("{nine}{}", (10 - (sum + 24) % 10) % 10)
}

/// A Direct address, as `PractitionerRole.endpoint` wants one.
fn endpoint() -> Value {
    let body = json!({
        "extension": [{ "url": us_core("us-core-direct"), "valueBoolean": true }],
        "status": "active",
        "connectionType": coding(&code(
            "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "direct-project", "Direct Project")),
        "name": "Harbor Street by Direct",
        "managingOrganization": reference(CLINIC),
        "payloadType": [concept(&code(
            "http://terminology.hl7.org/CodeSystem/endpoint-payload-type", "any", "Any"))],
        "address": "mailto:desk@direct.harborstreet.example",
    });
    resource("Endpoint", "demo-clinic-direct", Value::Null, WRITTEN, body)
}

fn locations() -> Vec<Value> {
    let location = |id: &str, name: &str, value: &str, kind: &Code, number: &str, of: Value, by: &str| {
        let body = json!({
            "identifier": [{ "system": "https://harborstreet.example/locations", "value": value }],
            "status": "active",
            "name": name,
            "type": [concept(kind)],
            "telecom": [phone(number, "phone", "work")],
            "address": of,
            "managingOrganization": reference(by),
        });
        made("Location", id, "us-core-location", body)
    };
    const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
    let clinic = address("120 HARBOR ST", "Portland", "ME", "04101");
    let hospital = address("400 COVE AVE", "Portland", "ME", "04103");
    let primary_care = code(ROLE, "PC", "Primary care clinic");
    let ward = code(ROLE, "HU", "Hospital unit");
    vec![
        location(
            "demo-clinic-main",
            "Harbor Street, first floor",
            "MAIN",
            &primary_care,
            "(555) 010-2200",
            clinic,
            CLINIC,
        ),
        location(
            "demo-hospital-ward",
            "Back Cove Hospital, ward 4",
            "WARD4",
            &ward,
            "(555) 010-2404",
            hospital,
            HOSPITAL,
        ),
    ]
}

fn practitioners() -> Vec<Value> {
    let practitioner = |id: &str, digits: &str, family: &str, given: &[&str], prefix: &str, gender: &str| {
        let body = json!({
            "identifier": [{ "system": NPI, "value": npi(digits) }],
            "active": true,
            "name": [{ "use": "official", "family": family, "given": given, "prefix": [prefix] }],
            "telecom": [
                phone("(555) 010-2210", "phone", "work"),
                phone(&format!("{}@harborstreet.example", family.to_lowercase()), "email", "work"),
            ],
            "address": [address("120 HARBOR ST", "Portland", "ME", "04101")],
            "gender": gender,
        });
        made("Practitioner", id, "us-core-practitioner", body)
    };
    vec![
        practitioner("demo-okafor", "123456780", "Okafor", &["Ngozi"], "Dr.", "female"),
        practitioner("demo-lind", "134567892", "Lind", &["Erik", "Johan"], "Dr.", "male"),
        practitioner("demo-ruiz", "156789014", "Ruiz", &["Carmen"], "RN", "female"),
        practitioner("demo-haddad", "112233445", "Haddad", &["Samir"], "Dr.", "male"),
        practitioner("demo-yoon", "122334455", "Yoon", &["Grace"], "Dr.", "female"),
        practitioner("demo-petrov", "133445566", "Petrov", &["Daria"], "PharmD", "female"),
    ]
}

fn roles() -> Vec<Value> {
    const TAXONOMY: &str = "http://nucc.org/provider-taxonomy";
    let role = |id: &str, who: &str, specialty: Code, at: &str, place: &str| {
        let body = json!({
            "active": true,
            "practitioner": reference(who),
            "organization": reference(at),
            "code": [concept(&specialty)],
            "specialty": [concept(&specialty)],
            "location": [reference(place)],
            "telecom": [phone("(555) 010-2210", "phone", "work")],
            "endpoint": [reference("Endpoint/demo-clinic-direct")],
        });
        made("PractitionerRole", id, "us-core-practitionerrole", body)
    };
    let specialty = |number, display| code(TAXONOMY, number, display);
    vec![
        role(
            "demo-okafor-family-medicine",
            OKAFOR,
            specialty("207Q00000X", "Family Medicine Physician"),
            CLINIC,
            CLINIC_FLOOR,
        ),
        role(
            "demo-lind-cardiology",
            LIND,
            specialty("207RC0000X", "Cardiovascular Disease Physician"),
            CLINIC,
            CLINIC_FLOOR,
        ),
        role("demo-ruiz-nursing", RUIZ, specialty("163W00000X", "Registered Nurse"), CLINIC, CLINIC_FLOOR),
        role(
            "demo-haddad-pathology",
            HADDAD,
            specialty("207ZP0102X", "Anatomic Pathology & Clinical Pathology Physician"),
            HOSPITAL,
            WARD,
        ),
        role("demo-yoon-radiology", YOON, specialty("2085R0202X", "Diagnostic Radiology Physician"), HOSPITAL, WARD),
        role("demo-petrov-pharmacy", PETROV, specialty("183500000X", "Pharmacist"), PHARMACY, CLINIC_FLOOR),
    ]
}

fn healthcare_service() -> Value {
    let body = json!({
        "active": true,
        "providedBy": reference(CLINIC),
        "category": [concept(&code(
            "http://terminology.hl7.org/CodeSystem/service-category", "17", "General Practice"))],
        "location": [reference(CLINIC_FLOOR)],
        "name": "Family medicine at Harbor Street",
        "telecom": [phone("(555) 010-2200", "phone", "work")],
        "endpoint": [reference("Endpoint/demo-clinic-direct")],
    });
    resource("HealthcareService", "demo-family-medicine", Value::Null, WRITTEN, body)
}

fn medication(id: &str, code: &Code) -> Value {
    made("Medication", id, "us-core-medication", json!({ "code": concept(code), "status": "active" }))
}

pub(crate) const OFTEN_TRUE: Code = loinc("LA28397-0", "Often true");
pub(crate) const SOMETIMES_TRUE: Code = loinc("LA6729-3", "Sometimes true");
pub(crate) const NEVER_TRUE: Code = loinc("LA28398-8", "Never true");
pub(crate) const FOOD_WORRY: Code = loinc(
    "88122-7",
    "Within the past 12 months we worried whether our food would run out before we got money to buy more [U.S. FSS]",
);
pub(crate) const FOOD_DID_NOT_LAST: Code = loinc(
    "88123-5",
    "Within the past 12 months the food we bought just didn't last and we didn't have money to get more [U.S. FSS]",
);

/// The form that patients fill in at the desk; the answers are in `rooms::screening`.
fn intake_form() -> Value {
    let options: Vec<Value> = [OFTEN_TRUE, SOMETIMES_TRUE, NEVER_TRUE]
        .iter()
        .map(|option| json!({ "valueCoding": coding(option) }))
        .collect();
    let body = json!({
        "url": INTAKE_FORM,
        "name": "SocialNeeds",
        "title": "Social needs at intake",
        "status": "active",
        "subjectType": ["Patient"],
        "date": "2024-01-02",
        "publisher": "Harbor Street Family Clinic",
        "item": [
            { "linkId": "food-worry", "code": [coding(&FOOD_WORRY)], "text": FOOD_WORRY.display, "type": "choice",
              "answerOption": options, "item": [
                { "linkId": "food-help", "text": "What would help you most?", "type": "string" },
            ] },
            { "linkId": "food", "text": "Food at home", "type": "group", "item": [
                { "linkId": "food-lasted", "code": [coding(&FOOD_DID_NOT_LAST)], "text": FOOD_DID_NOT_LAST.display,
                  "type": "choice", "answerOption": options },
            ] },
            { "linkId": "meals", "text": "How many meals do you eat on an ordinary day?", "type": "decimal" },
            { "linkId": "else", "text": "Is there anything else we should know?", "type": "string" },
        ],
    });
    resource("Questionnaire", "demo-social-needs", Value::Null, WRITTEN, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// us-core-17; 1234567893 is the example of the NPI's standard.
    #[test]
    fn the_check_digit_of_an_npi_is_luhns() {
        assert_eq!(npi("123456789"), "1234567893");
    }
}
