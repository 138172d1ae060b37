//! What a document asks to be written. Every resource gets an id that is the same each time, so that importing a file
//! again changes nothing: its own id, else that of its `urn:uuid:` address, else one made from its content.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::fhir::bundle::Put;
use crate::validate::is_id;

/// What is written together, all or nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Each put at its id.
    Puts(Vec<Put>),
    /// A transaction with conditions, deletions or other interactions, as
    /// <https://hl7.org/fhir/R4/http.html#transaction> has them.
    Transaction(Value),
}

/// The items of a document: a transaction and a collection are one, a batch is one an entry. Any other Bundle (a
/// document, a message, the result of a search) is a resource like all others.
pub fn items(document: Value) -> Result<Vec<Item>, String> {
    let bundle_type = match (text(&document, "resourceType"), text(&document, "type")) {
        (Some("Bundle"), Some(bundle_type @ ("transaction" | "batch" | "collection"))) => bundle_type.to_owned(),
        _ => return Ok(vec![Item::Puts(vec![entry(document, None)?])]),
    };
    let Value::Object(mut bundle) = document else { return Ok(Vec::new()) };
    let entries = match bundle.shift_remove("entry") {
        Some(Value::Array(entries)) => entries,
        None => return Ok(Vec::new()),
        Some(_) => return Err("Bundle.entry: not an array".to_owned()),
    };
    if bundle_type == "batch" {
        return entries.into_iter().enumerate().map(|(index, one)| item(vec![one], index)).collect();
    }
    Ok(vec![item(entries, 0)?])
}

/// The entries as one item; `first` is the place of the first in its Bundle, for messages.
fn item(entries: Vec<Value>, first: usize) -> Result<Item, String> {
    if entries.iter().all(is_plain) {
        let entries = entries.into_iter().enumerate().map(|(index, one)| {
            let fault = |message: String| format!("Bundle.entry[{}]: {message}", first + index);
            let Value::Object(mut one) = one else { return Err(fault("not an object".to_owned())) };
            let full_url = match one.shift_remove("fullUrl") {
                Some(Value::String(url)) => Some(url),
                _ => None,
            };
            let resource = one.shift_remove("resource").ok_or_else(|| fault("has no resource".to_owned()))?;
            entry(resource, full_url).map_err(fault)
        });
        return Ok(Item::Puts(entries.collect::<Result<_, String>>()?));
    }
    let entries = entries
        .into_iter()
        .enumerate()
        .map(|(index, one)| settled(one).map_err(|message| format!("Bundle.entry[{}]: {message}", first + index)));
    let mut bundle = Map::new();
    bundle.insert("resourceType".to_owned(), "Bundle".into());
    bundle.insert("type".to_owned(), "transaction".into());
    bundle.insert("entry".to_owned(), Value::Array(entries.collect::<Result<_, String>>()?));
    Ok(Item::Transaction(bundle.into()))
}

/// Whether the entry only says: here is a resource. A `PUT` names the id that the resource has.
fn is_plain(entry: &Value) -> bool {
    let resource = &entry["resource"];
    let request = &entry["request"];
    let resource_type = text(resource, "resourceType").unwrap_or_default();
    let has_condition =
        ["ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince"].iter().any(|name| request.get(name).is_some());
    let is_write = match (text(request, "method"), text(request, "url")) {
        (None, None) => true,
        (Some("POST"), Some(url)) => url.trim_matches('/') == resource_type,
        (Some("PUT"), Some(url)) => {
            text(resource, "id").is_some_and(|id| url.trim_matches('/') == format!("{resource_type}/{id}"))
        }
        _ => false,
    };
    is_write && !has_condition && !has_conditional_reference(resource)
}

/// `Practitioner?identifier=…`: <https://hl7.org/fhir/R4/http.html#trules>
fn has_conditional_reference(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| match value {
            Value::String(text) => name == "reference" && text.contains('?') && !text.contains("://"),
            value => has_conditional_reference(value),
        }),
        Value::Array(items) => items.iter().any(has_conditional_reference),
        _ => false,
    }
}

/// A create without a condition becomes an update at its id, so that it may be sent again.
fn settled(mut one: Value) -> Result<Value, String> {
    let is_create = text(&one["request"], "method").is_none_or(|method| method == "POST");
    if is_create && one["request"].get("ifNoneExist").is_none() && one["resource"].is_object() {
        let full_url = text(&one, "fullUrl").map(str::to_owned);
        let Put { id, resource, .. } = entry(one["resource"].take(), full_url)?;
        let resource_type = text(&resource, "resourceType").unwrap_or_default();
        one["request"] = serde_json::json!({ "method": "PUT", "url": format!("{resource_type}/{id}") });
        one["resource"] = resource;
    }
    Ok(one)
}

fn entry(mut resource: Value, full_url: Option<String>) -> Result<Put, String> {
    let Value::Object(members) = &mut resource else { return Err("not a resource: not a JSON object".to_owned()) };
    let id = match members.get("id") {
        Some(Value::String(id)) => id.clone(),
        Some(_) => return Err("id: not a string".to_owned()),
        None => {
            let of_address = full_url.as_deref().and_then(|url| url.strip_prefix("urn:uuid:"));
            of_address.map_or_else(|| of_content(members), str::to_owned)
        }
    };
    if !is_id(&id) {
        return Err("id: 1 to 64 letters, digits, `-` and `.` are an id".to_owned());
    }
    members.insert("id".to_owned(), id.clone().into());
    Ok(Put { full_url, id, resource })
}

/// The first half of the content's SHA-256 in the form of a UUID.
fn of_content(members: &Map<String, Value>) -> String {
    let hash = Sha256::digest(serde_json::to_vec(members).unwrap_or_default());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entries(document: Value) -> Vec<Put> {
        match items(document).unwrap().remove(0) {
            Item::Puts(entries) => entries,
            Item::Transaction(bundle) => panic!("{bundle}"),
        }
    }

    #[test]
    fn a_create_with_a_uuid_address_is_put_at_that_id() {
        let found = entries(json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            { "fullUrl": "urn:uuid:5e0b", "resource": { "resourceType": "Patient" },
              "request": { "method": "POST", "url": "Patient" } },
            { "fullUrl": "urn:uuid:77aa", "resource": { "resourceType": "Patient", "id": "own" },
              "request": { "method": "POST", "url": "Patient" } },
        ] }));
        let ids: Vec<&str> = found.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["5e0b", "own"]);
        assert_eq!(found[0].resource["id"], "5e0b");
        assert_eq!(found[1].full_url.as_deref(), Some("urn:uuid:77aa"));
    }

    #[test]
    fn a_resource_without_an_id_gets_the_same_one_each_time() {
        let one = entries(json!({ "resourceType": "Patient", "active": true }));
        let again = entries(json!({ "resourceType": "Patient", "active": true }));
        let other = entries(json!({ "resourceType": "Patient", "active": false }));
        assert_eq!(one, again);
        assert_ne!(one[0].id, other[0].id);
    }

    #[test]
    fn a_bundle_that_is_no_envelope_is_a_resource() {
        let found = entries(json!({ "resourceType": "Bundle", "id": "a", "type": "document", "entry": [] }));
        assert_eq!(found[0].id, "a");
    }

    #[test]
    fn a_batch_is_one_item_an_entry_and_a_collection_one_in_all() {
        let bundle = |bundle_type: &str| {
            json!({ "resourceType": "Bundle", "type": bundle_type, "entry": [
            { "resource": { "resourceType": "Patient", "id": "a" } },
            { "resource": { "resourceType": "Patient", "id": "b" } },
        ] })
        };
        assert_eq!(items(bundle("batch")).unwrap().len(), 2);
        assert_eq!(items(bundle("collection")).unwrap().len(), 1);
    }

    #[test]
    fn conditions_are_left_to_the_transaction_and_its_plain_creates_can_be_sent_again() {
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            { "fullUrl": "urn:uuid:1", "resource": { "resourceType": "Practitioner" },
              "request": { "method": "POST", "url": "Practitioner", "ifNoneExist": "identifier=a|b" } },
            { "fullUrl": "urn:uuid:2", "resource": { "resourceType": "Patient" },
              "request": { "method": "POST", "url": "Patient" } },
        ] });
        let found = items(bundle).unwrap();
        let [Item::Transaction(bundle)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(bundle["entry"][0]["request"]["method"], "POST");
        assert_eq!(bundle["entry"][1]["request"], json!({ "method": "PUT", "url": "Patient/2" }));
        assert_eq!(bundle["entry"][1]["fullUrl"], "urn:uuid:2");
    }

    #[test]
    fn a_conditional_reference_is_a_condition() {
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            { "resource": { "resourceType": "Encounter", "id": "e",
                "participant": [{ "individual": { "reference": "Practitioner?identifier=a|b" } }] } },
        ] });
        assert!(matches!(items(bundle).unwrap().as_slice(), [Item::Transaction(_)]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let wrong = |entry: Value| {
            items(json!({ "resourceType": "Bundle", "type": "collection", "entry": [entry] })).unwrap_err()
        };
        assert_eq!(wrong(json!({ "fullUrl": "urn:uuid:1" })), "Bundle.entry[0]: has no resource");
        assert_eq!(
            wrong(json!({ "resource": { "resourceType": "Patient", "id": "a b" } })),
            "Bundle.entry[0]: id: 1 to 64 letters, digits, `-` and `.` are an id"
        );
        assert!(items(json!([])).is_err());
    }
}
