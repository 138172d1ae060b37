//! What must be true of the data by itself. Whether they keep the profiles they claim, and hold all that the guides
//! ask for, is judged by the conformance kit.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

const PATIENTS: u32 = 40;

fn all() -> Vec<Value> {
    vesta_demo::clinic(vesta_demo::SEED).chain(vesta_demo::population(PATIENTS, vesta_demo::SEED)).collect()
}

fn address(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

/// Every value in the resource, with the name of its element.
fn walk<'a>(name: &'a str, value: &'a Value, visit: &mut dyn FnMut(&'a str, &'a Value)) {
    visit(name, value);
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| walk(name, value, visit)),
        Value::Array(items) => items.iter().for_each(|item| walk(name, item, visit)),
        _ => {}
    }
}

#[test]
fn the_same_seed_makes_the_same_data_and_another_makes_others() {
    let clinic = |seed| vesta_demo::clinic(seed).collect::<Vec<_>>();
    assert_eq!(clinic(1), clinic(1));
    assert_ne!(clinic(1), clinic(2));
    let ids = |seed| clinic(seed).iter().map(address).collect::<Vec<_>>();
    assert_eq!(ids(1), ids(2), "the seed decides values, and not what there is");
    assert_ne!(vesta_demo::record(0, 1), vesta_demo::record(0, 2));
}

#[test]
fn a_patient_is_the_same_in_a_population_of_any_size() {
    let few: Vec<Value> = vesta_demo::population(3, 1).collect();
    let many: Vec<Value> = vesta_demo::population(5, 1).take(few.len()).collect();
    assert_eq!(few, many);
    let last = vesta_demo::record(2, 1);
    assert_eq!(few[few.len() - last.len()..], last);
    assert_eq!(last[0]["id"], vesta_demo::patient_id(2).as_str());
}

#[test]
fn every_id_stands_once_and_every_reference_leads_to_one() {
    let all = all();
    let mut addresses = HashSet::new();
    for resource in &all {
        assert!(addresses.insert(address(resource)), "{} stands twice", address(resource));
    }
    let mut references = 0;
    for resource in &all {
        walk("", resource, &mut |name, value| {
            let Value::String(to) = value else { return };
            if name == "reference" || (name == "url" && to.starts_with("Binary/")) {
                references += 1;
                assert!(addresses.contains(to), "{} refers to {to}", address(resource));
            }
        });
    }
    assert!(references > 1000);
}

/// No empty arrays, objects or texts: <https://hl7.org/fhir/R4/json.html>
#[test]
fn nothing_is_empty() {
    for resource in all() {
        walk("", &resource, &mut |name, value| {
            let is_empty = match value {
                Value::Null => true,
                Value::String(text) => text.trim().is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(members) => members.is_empty(),
                _ => false,
            };
            assert!(!is_empty, "{}: {name} is empty", address(&resource));
        });
    }
}

#[test]
fn each_attachment_opens() {
    let all = all();
    let by_address: HashMap<String, &Value> = all.iter().map(|resource| (address(resource), resource)).collect();
    let mut kinds = HashSet::new();
    for resource in &all {
        walk("", resource, &mut |_, value| {
            let Some(content_type) = value.get("contentType").and_then(Value::as_str) else { return };
            let data = match value.get("url").and_then(Value::as_str) {
                Some(url) => {
                    let binary = by_address[url];
                    assert_eq!(binary["contentType"], content_type, "{url}");
                    &binary["data"]
                }
                None => &value["data"],
            };
            let bytes = base64(data.as_str().unwrap());
            if let Some(size) = value["size"].as_u64() {
                assert_eq!(bytes.len() as u64, size, "{}", address(resource));
            }
            let start: &[u8] = match content_type {
                "application/pdf" => b"%PDF-",
                "text/html" => b"<!DOCTYPE html>",
                "image/svg+xml" => b"<svg ",
                "text/plain" => b"",
                other => panic!("{other} is not for reading"),
            };
            assert!(bytes.starts_with(start), "{}", address(resource));
            kinds.insert(content_type);
        });
    }
    assert_eq!(kinds.len(), 4);
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// <https://hl7.org/fhir/us/core/STU8/basic-provenance.html>
#[test]
fn every_entry_of_a_record_has_an_author() {
    let all = all();
    let mut signed = HashSet::new();
    for provenance in all.iter().filter(|resource| resource["resourceType"] == "Provenance") {
        signed.extend(
            provenance["target"].as_array().unwrap().iter().map(|target| target["reference"].as_str().unwrap()),
        );
    }
    for resource in &all {
        let is_of_a_patient = ["subject", "patient", "beneficiary"].iter().any(|name| resource.get(name).is_some());
        if is_of_a_patient || resource["resourceType"] == "Patient" {
            assert!(signed.contains(address(resource).as_str()), "{} has no author", address(resource));
        }
    }
}

/// Nothing is measured before someone is born, or done after they died.
#[test]
fn times_fit_a_life() {
    let all = all();
    let patients: HashMap<String, &Value> = all
        .iter()
        .filter(|resource| resource["resourceType"] == "Patient")
        .map(|resource| (address(resource), resource))
        .collect();
    for resource in &all {
        let of = ["subject", "patient", "beneficiary"].iter().find_map(|name| resource[name]["reference"].as_str());
        let Some(patient) = of.and_then(|of| patients.get(of)) else { continue };
        let day = |value: &Value| value.as_str().map(|text| text[..10].to_owned());
        let (born, died) = (day(&patient["birthDate"]), day(&patient["deceasedDateTime"]));
        for name in [
            "effectiveDateTime",
            "onsetDateTime",
            "recordedDate",
            "authoredOn",
            "occurrenceDateTime",
            "performedDateTime",
        ] {
            let Some(at) = day(&resource[name]) else { continue };
            assert!(born.as_ref().is_none_or(|born| *born <= at), "{}: {name} is before birth", address(resource));
            assert!(died.as_ref().is_none_or(|died| at <= *died), "{}: {name} is after death", address(resource));
        }
    }
}

/// The last digit of a LOINC number is a check digit (Luhn's), that of a SNOMED CT identifier is Verhoeff's: a slip of
/// the pen in either is seen.
#[test]
fn codes_have_their_check_digits() {
    let mut codes = HashSet::new();
    for resource in all() {
        walk("", &resource, &mut |_, value| {
            if let (Some(system), Some(code)) = (value["system"].as_str(), value["code"].as_str()) {
                codes.insert((system.to_owned(), code.to_owned()));
            }
        });
    }
    let is_right = |system: &str, code: &str| match system {
        "http://loinc.org" => luhn(code),
        "http://snomed.info/sct" => verhoeff(code),
        _ => true,
    };
    let wrong: Vec<_> = codes.iter().filter(|(system, code)| !is_right(system, code)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(codes.len() > 150, "{}", codes.len());
}

/// `4548-4`; answers (`LA33-6`) and parts (`LP29708-2`) are counted otherwise.
fn luhn(code: &str) -> bool {
    if code.starts_with('L') {
        return true;
    }
    let Some((number, check)) = code.split_once('-') else { return false };
    let digits = number.bytes().rev().map(|byte| u32::from(byte - b'0')).enumerate();
    let sum: u32 = digits
        .map(|(place, digit)| match (place % 2, 2 * digit) {
            (0, doubled) => doubled / 10 + doubled % 10,
            _ => digit,
        })
        .sum();
    check == ((10 - sum % 10) % 10).to_string()
}

/// <https://confluence.ihtsdotools.org/display/DOCRELFMT/5.5+Check-digit>
fn verhoeff(code: &str) -> bool {
    // Multiplication in the dihedral group of order ten, and the permutation that each place applies once more.
    let times = |a: usize, b: usize| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    const PERMUTATION: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let mut check = 0;
    for (place, byte) in code.bytes().rev().enumerate() {
        let digit = (0..place % 8).fold(usize::from(byte - b'0'), |digit, _| PERMUTATION[digit]);
        check = times(check, digit);
    }
    check == 0
}
