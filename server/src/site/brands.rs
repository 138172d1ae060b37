//! The user-access brands bundle: how the organizations behind a site want to be shown by apps. A file that the operator
//! keeps, checked when the site is opened and served as it is.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html>

use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};
use vesta_fhir::SCHEMA;

use crate::config::BrandIdentifier;
use crate::fhir::digest;
use crate::validate::validate;

/// What is published.
#[derive(Debug)]
pub struct Brands {
    pub bundle: Bytes,
    /// For its entity tag.
    pub digest: String,
    /// The Identifier of the brand that is this site's own.
    pub identifier: Option<Value>,
}

const PORTAL: &str = "http://hl7.org/fhir/StructureDefinition/organization-portal";
const DATA_ABSENT_REASON: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

impl Brands {
    /// The error says what is wrong with the file, and what would be right.
    pub(super) fn read(path: &Path, own: Option<&BrandIdentifier>, fhir_base: &str) -> Result<Brands, String> {
        let text = std::fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
        let bundle: Value = serde_json::from_slice(&text).map_err(|error| format!("it is not JSON: {error}"))?;
        check(&bundle)?;
        let identifier = own_brand(&bundle, own)?;
        let is_own = |endpoint: &&Value| endpoint["address"] == fhir_base;
        if !of_type(&bundle, "Endpoint").any(|endpoint| is_own(&endpoint)) {
            tracing::warn!(path = %path.display(), "no Endpoint of the brands bundle has the address {fhir_base}");
        }
        Ok(Brands { digest: digest(&text), bundle: text.into(), identifier })
    }
}

fn of_type<'a>(bundle: &'a Value, name: &'static str) -> impl Iterator<Item = &'a Value> {
    let entries = bundle["entry"].as_array().into_iter().flatten().map(|entry| &entry["resource"]);
    entries.filter(move |resource| resource["resourceType"] == name)
}

/// The references of these members.
fn references(values: &Value) -> Vec<&str> {
    values.as_array().into_iter().flatten().filter_map(|value| value["reference"].as_str()).collect()
}

/// The rules of the guide's page and of its profiles.
fn check(bundle: &Value) -> Result<(), String> {
    if bundle["resourceType"] != "Bundle" || bundle["type"] != "collection" {
        return Err("it is not a Bundle of type collection".to_owned());
    }
    if let Some(issue) = validate(&SCHEMA, bundle).first() {
        let place = issue.expression.first().map_or("Bundle", String::as_str);
        return Err(format!("{place}: {}", issue.diagnostics));
    }
    if !bundle["timestamp"].is_string() {
        return Err("Bundle.timestamp is missing: it tells apps when the contents last changed".to_owned());
    }
    if has_other_reason(bundle) {
        return Err("a data-absent-reason is neither asked-declined nor asked-unknown".to_owned());
    }
    let name = |resource: &Value| {
        format!(
            "{}/{}",
            resource["resourceType"].as_str().unwrap_or_default(),
            resource["id"].as_str().unwrap_or_default()
        )
    };
    for brand in of_type(bundle, "Organization") {
        let who = name(brand);
        if brand["name"].is_null() && brand["_name"].is_null() {
            return Err(format!("{who} has no name, by which users know the brand"));
        }
        let websites = brand["telecom"].as_array().map_or(0, Vec::len);
        if websites != 1 || brand["telecom"][0]["system"] != "url" {
            return Err(format!("{who} needs one telecom, of system url: the brand's website"));
        }
        let own = references(&brand["endpoint"]);
        let portals = brand["extension"].as_array().into_iter().flatten().filter(|one| one["url"] == PORTAL);
        let parts = portals.flat_map(|portal| portal["extension"].as_array().into_iter().flatten());
        let named = parts.filter(|part| part["url"] == "portalEndpoint");
        if let Some(other) =
            named.filter_map(|part| part["valueReference"]["reference"].as_str()).find(|one| !own.contains(one))
        {
            return Err(format!("{who} names {other} for a portal and not in Organization.endpoint"));
        }
    }
    let endpoints: Vec<&Value> = of_type(bundle, "Endpoint").collect();
    for endpoint in &endpoints {
        let has_website =
            endpoint["contact"].as_array().into_iter().flatten().any(|contact| contact["system"] == "url");
        if endpoint["connectionType"]["code"] != "hl7-fhir-rest" || !has_website {
            return Err(format!(
                "{} needs the connectionType hl7-fhir-rest, and a contact of system url where developers can turn to",
                name(endpoint)
            ));
        }
    }
    let has_all = |brand: &Value| {
        let own = references(&brand["endpoint"]);
        endpoints.iter().all(|endpoint| own.contains(&name(endpoint).as_str()))
    };
    if !of_type(bundle, "Organization").any(has_all) {
        return Err(
            "it has no primary brand: an Organization whose endpoint names every Endpoint of the bundle".to_owned()
        );
    }
    Ok(())
}

/// "The EHR SHALL NOT use other Data Absent Reasons" than that somebody was asked.
fn has_other_reason(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            let is_other = members.get("url").is_some_and(|url| url == DATA_ABSENT_REASON)
                && !matches!(
                    members.get("valueCode").and_then(Value::as_str),
                    Some("asked-declined" | "asked-unknown")
                );
            is_other || members.values().any(has_other_reason)
        }
        Value::Array(items) => items.iter().any(has_other_reason),
        _ => false,
    }
}

/// The site's own brand: "SHALL ensure this identifier matches exactly one Organization.identifier". Of a single one
/// the first identifier, if it has any.
fn own_brand(bundle: &Value, own: Option<&BrandIdentifier>) -> Result<Option<Value>, String> {
    let brands: Vec<&Value> = of_type(bundle, "Organization").collect();
    let Some(own) = own else {
        return match brands.as_slice() {
            [one] => {
                let identifier = &one["identifier"][0];
                Ok(identifier["value"].is_string().then(|| {
                    let mut short = json!({ "value": identifier["value"] });
                    if identifier["system"].is_string() {
                        short["system"] = identifier["system"].clone();
                    }
                    short
                }))
            }
            several => Err(format!(
                "it has {} brands: set the brand that is the site's own (sites.….brand = \"system|value\")",
                several.len()
            )),
        };
    };
    let mut identifier = json!({ "value": own.value });
    if let Some(system) = &own.system {
        identifier["system"] = system.as_str().into();
    }
    let is_it = |one: &Value| one["value"] == identifier["value"] && one["system"] == identifier["system"];
    let has_it = |brand: &&&Value| brand["identifier"].as_array().into_iter().flatten().any(is_it);
    match brands.iter().filter(has_it).count() {
        1 => Ok(Some(identifier)),
        count => Err(format!("{count} of its brands have the identifier {own}: one must")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://ehr.example.org/apis/default/fhir";

    fn bundle() -> Value {
        serde_json::from_str(include_str!("brands.example.json")).unwrap()
    }

    fn read(bundle: &Value, own: Option<&str>) -> Result<Brands, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brands.json");
        std::fs::write(&path, bundle.to_string()).unwrap();
        Brands::read(&path, own.map(|text| text.parse().unwrap()).as_ref(), BASE)
    }

    #[test]
    fn a_bundle_is_published_as_it_is_with_its_only_brands_identifier() {
        let brands = read(&bundle(), None).unwrap();
        assert_eq!(brands.bundle, bundle().to_string());
        let own = json!({ "system": "urn:ietf:rfc:3986", "value": "https://goodhealth.example.org" });
        assert_eq!(brands.identifier, Some(own.clone()));
        let named = read(&bundle(), Some("urn:ietf:rfc:3986|https://goodhealth.example.org")).unwrap();
        assert_eq!(named.identifier, Some(own));
        let mut changed = bundle();
        changed["timestamp"] = "2026-02-01T00:00:00Z".into();
        assert_ne!(read(&changed, None).unwrap().digest, brands.digest);
    }

    /// "SHALL populate `user_access_brand_identifier` ... if the `user_access_brand_bundle` refers to a Bundle with
    /// multiple Brands", and it must be one of them.
    #[test]
    fn of_several_brands_the_own_one_is_named() {
        let mut several = bundle();
        let mut second = several["entry"][0].clone();
        second["resource"]["id"] = "second".into();
        second["resource"]["identifier"][0]["value"] = "https://second.example.org".into();
        several["entry"].as_array_mut().unwrap().push(second);
        assert!(read(&several, None).unwrap_err().contains("it has 2 brands"));
        let own = read(&several, Some("urn:ietf:rfc:3986|https://second.example.org")).unwrap();
        assert_eq!(own.identifier.unwrap()["value"], "https://second.example.org");
        for wrong in ["https://second.example.org", "urn:ietf:rfc:3986|https://third.example.org"] {
            assert!(read(&several, Some(wrong)).unwrap_err().contains("0 of its brands"), "{wrong}");
        }
    }

    /// Each rule of <https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html#conformance-overview> and the profiles, broken.
    #[test]
    fn what_breaks_a_rule_is_refused_with_its_place() {
        type Break = fn(&mut Value);
        fn remove(resource: &mut Value, name: &str) {
            resource.as_object_mut().unwrap().remove(name);
        }
        let breaks: [(Break, &str); 10] = [
            (|bundle| bundle["type"] = "searchset".into(), "collection"),
            (|bundle| remove(bundle, "timestamp"), "timestamp"),
            (|bundle| bundle["entry"][0]["resource"]["nme"] = "x".into(), "nme"),
            (|bundle| remove(&mut bundle["entry"][0]["resource"], "name"), "name"),
            (|bundle| bundle["entry"][0]["resource"]["telecom"][0]["system"] = "phone".into(), "telecom"),
            (|bundle| remove(&mut bundle["entry"][0]["resource"], "endpoint"), "portal"),
            (
                |bundle| {
                    remove(&mut bundle["entry"][0]["resource"], "extension");
                    remove(&mut bundle["entry"][0]["resource"], "endpoint");
                },
                "primary brand",
            ),
            (|bundle| bundle["entry"][1]["resource"]["connectionType"]["code"] = "dicom-wado-rs".into(), "Endpoint/"),
            (|bundle| bundle["entry"][1]["resource"]["contact"][0]["system"] = "phone".into(), "contact"),
            (
                |bundle| {
                    let reason = json!({ "url": DATA_ABSENT_REASON, "valueCode": "masked" });
                    bundle["entry"][0]["resource"]["_name"] = json!({ "extension": [reason] });
                },
                "data-absent-reason",
            ),
        ];
        for (number, (change, told)) in breaks.into_iter().enumerate() {
            let mut broken = bundle();
            change(&mut broken);
            let error = read(&broken, None).expect_err(&format!("rule {number}"));
            assert!(error.contains(told), "rule {number}: {error}");
        }
    }
}
