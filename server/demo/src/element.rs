//! The data types that resources are made of: <https://hl7.org/fhir/R4/datatypes.html>

use std::str::FromStr;

use serde_json::{Number, Value, json};

pub(crate) const SNOMED: &str = "http://snomed.info/sct";
pub(crate) const LOINC: &str = "http://loinc.org";
pub(crate) const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
pub(crate) const UCUM: &str = "http://unitsofmeasure.org";
pub(crate) const US_CORE_CATEGORY: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";

/// A code with its system and the system's words for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code {
    pub(crate) system: &'static str,
    pub(crate) code: &'static str,
    pub(crate) display: &'static str,
}

pub(crate) const fn code(system: &'static str, code: &'static str, display: &'static str) -> Code {
    Code { system, code, display }
}

pub(crate) const fn snomed(number: &'static str, display: &'static str) -> Code {
    code(SNOMED, number, display)
}

pub(crate) const fn loinc(number: &'static str, display: &'static str) -> Code {
    code(LOINC, number, display)
}

pub(crate) const fn rxnorm(number: &'static str, display: &'static str) -> Code {
    code(RXNORM, number, display)
}

pub(crate) const fn icd10(number: &'static str, display: &'static str) -> Code {
    code("http://hl7.org/fhir/sid/icd-10-cm", number, display)
}

/// A unit in words, and in UCUM.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub(crate) unit: &'static str,
    pub(crate) code: &'static str,
}

pub(crate) const fn unit(unit: &'static str, code: &'static str) -> Unit {
    Unit { unit, code }
}

pub(crate) fn coding(code: &Code) -> Value {
    json!({ "system": code.system, "code": code.code, "display": code.display })
}

/// A CodeableConcept: codings of the same meaning, and the words of the first.
pub(crate) fn concept_of(codes: &[Code]) -> Value {
    json!({ "coding": codes.iter().map(coding).collect::<Vec<_>>(), "text": codes[0].display })
}

pub(crate) fn concept(code: &Code) -> Value {
    concept_of(&[*code])
}

/// The code for data that are missing where there must be some:
/// <https://hl7.org/fhir/us/core/STU8/general-requirements.html#missing-data>
pub(crate) fn absent(reason: &'static str, display: &'static str) -> Value {
    concept(&code("http://terminology.hl7.org/CodeSystem/data-absent-reason", reason, display))
}

pub(crate) fn reference(to: &str) -> Value {
    json!({ "reference": to })
}

/// The digits as they are given: `7.0` stays `7.0`.
pub(crate) fn number(digits: &str) -> Value {
    Number::from_str(digits).map_or(Value::Null, Value::Number)
}

pub(crate) fn quantity(digits: &str, unit: Unit) -> Value {
    json!({ "value": number(digits), "unit": unit.unit, "system": UCUM, "code": unit.code })
}

pub(crate) fn extension(url: &str, name: &str, value: Value) -> Value {
    json!({ "url": url, name: value })
}

/// An extension of US Core with parts.
pub(crate) fn us_core_extension(name: &str, parts: Vec<Value>) -> Value {
    json!({ "url": us_core(name), "extension": parts })
}

pub(crate) fn us_core(name: &str) -> String {
    format!("http://hl7.org/fhir/us/core/StructureDefinition/{name}")
}

pub(crate) fn phone(number: &str, system: &str, use_: &str) -> Value {
    json!({ "system": system, "value": number, "use": use_ })
}

/// An address in the style of Project US@: <https://oncprojectracking.healthit.gov/wiki/pages/viewpage.action?pageId=180486153>
pub(crate) fn address(line: &str, city: &str, state: &str, postal_code: &str) -> Value {
    json!({ "line": [line], "city": city, "state": state, "postalCode": postal_code, "country": "US" })
}

/// Takes out what is null, so that optional elements can be written in their place.
pub(crate) fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
