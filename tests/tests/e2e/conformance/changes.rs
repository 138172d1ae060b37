//! The faults one by one: what is changed in a request or in an answer.

use serde_json::{Value, json};

use super::proxy::{Asked, Reply, Upstream};

pub(super) fn nothing_asked(_: &mut Asked) {}

pub(super) fn nothing_answered(_: &Asked, _: &mut Reply, _: &Upstream) {}

/// Lets the self link show what was asked, as a server does that believes to have used it.
pub(super) fn believe(asked: &Asked, reply: &mut Reply, _: &Upstream) {
    let shown = form_urlencoded::Serializer::new(String::new()).extend_pairs(&asked.parameters).finish();
    reply.edit(|body| {
        for link in body["link"].as_array_mut().into_iter().flatten().filter(|link| link["relation"] == "self") {
            let url = link["url"].as_str().unwrap_or_default();
            let address = url.split('?').next().unwrap_or(url);
            link["url"] = format!("{address}?{shown}").into();
        }
    });
}

pub(super) fn drop_category(asked: &mut Asked) {
    asked.drop("category");
}

pub(super) fn drop_form(asked: &mut Asked) {
    if asked.method == "POST" {
        asked.parameters.clear();
    }
}

pub(super) fn greater_instead_of_greater_or_equal(asked: &mut Asked) {
    if let Some(value) = asked.value("date").filter(|value| value.starts_with("ge")) {
        value.replace_range(..2, "gt");
    }
}

pub(super) fn all_instead_of_any(asked: &mut Asked) {
    if let Some(value) = asked.value("status").map(|value| value.clone()).filter(|value| value.contains(',')) {
        asked.drop("status");
        asked.parameters.extend(value.split(',').map(|one| ("status".to_owned(), one.to_owned())));
    }
}

pub(super) fn ignore_systems(asked: &mut Asked) {
    for name in ["category", "code"] {
        if let Some(value) = asked.value(name)
            && let Some((_, code)) = value.clone().rsplit_once('|')
        {
            *value = code.to_owned();
        }
    }
}

pub(super) fn whole_names_only(asked: &mut Asked) {
    for (name, _) in asked.parameters.iter_mut().filter(|(name, _)| name == "name") {
        *name = "name:exact".to_owned();
    }
}

pub(super) fn forget_handling(asked: &mut Asked) {
    asked.headers.retain(|(name, _)| name != "prefer");
}

pub(super) fn no_such_patient_with_type(asked: &mut Asked) {
    if let Some(value) = asked.value("patient").filter(|value| value.contains('/')) {
        *value = "nobody".to_owned();
    }
}

pub(super) fn drop_a_match(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.entries(|entries| {
        if let Some(first) = entries.iter().position(|entry| entry["search"]["mode"] == "match") {
            entries.remove(first);
        }
    });
}

pub(super) fn add_a_match(_: &Asked, reply: &mut Reply, upstream: &Upstream) {
    reply.entries(|entries| {
        let Some(mut other) = entries.first().cloned() else { return };
        // One that the server holds, of another code.
        let mut found = ask(upstream, "Observation", &[("code", "http://loinc.org|8867-4"), ("_count", "1")]);
        let Some(resource) = found["entry"][0]["resource"].as_object_mut() else { return };
        other["fullUrl"] = found_url(&other, resource);
        other["resource"] = Value::Object(std::mem::take(resource));
        entries.push(other);
    });
}

/// The address of a resource on the same server as another entry's.
fn found_url(entry: &Value, resource: &serde_json::Map<String, Value>) -> Value {
    let base = entry["fullUrl"].as_str().and_then(|url| url.rsplitn(3, '/').nth(2)).unwrap_or_default();
    let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{base}/{}/{}", text("resourceType"), text("id")).into()
}

/// Asks the server itself.
fn ask(upstream: &Upstream, path: &str, parameters: &[(&str, &str)]) -> Value {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let headers = vec![("authorization".to_owned(), upstream.authorization())];
    let asked = Asked { method: "GET".to_owned(), path: path.to_owned(), parameters, headers, body: None };
    serde_json::from_slice(&upstream.send(&asked).body).unwrap_or_default()
}

pub(super) fn wrong_full_url(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.entries(|entries| {
        for entry in entries {
            entry["fullUrl"] = format!("urn:uuid:{}", entry["resource"]["id"].as_str().unwrap_or_default()).into();
        }
    });
}

pub(super) fn wrong_mode(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.entries(|entries| entries.iter_mut().for_each(|entry| entry["search"]["mode"] = "include".into()));
}

pub(super) fn no_practitioner(asked: &Asked, reply: &mut Reply, _: &Upstream) {
    if asked.path.starts_with("Practitioner/") {
        reply.refuse(404);
    }
}

pub(super) fn no_interpretation(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.resources(|resource| {
        if let Some(members) = resource.as_object_mut() {
            members.shift_remove("interpretation");
        }
    });
}

pub(super) fn one_too_many(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.edit(|body| {
        if let Some(total) = body["total"].as_u64() {
            body["total"] = (total + 1).into();
        }
    });
}

pub(super) fn forget_in_self_link(asked: &Asked, reply: &mut Reply, upstream: &Upstream) {
    let mut fewer = asked.clone();
    fewer.drop("category");
    believe(&fewer, reply, upstream);
}

pub(super) fn another_version(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.resources(|resource| resource["meta"]["versionId"] = "99".into());
}

pub(super) fn fewer_digits(_: &Asked, reply: &mut Reply, _: &Upstream) {
    fn shorten(value: &mut Value) {
        match value {
            Value::Number(number) => {
                let text = number.to_string();
                if text.contains('.') {
                    let shorter = text[..text.len() - 1].trim_end_matches('.').to_owned();
                    *value = serde_json::from_str(&shorter).unwrap_or(Value::Null);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(shorten),
            Value::Object(members) => members.values_mut().for_each(shorten),
            _ => {}
        }
    }
    reply.resources(shorten);
}

pub(super) fn plain_json(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.header("content-type", "text/plain");
}

pub(super) fn say_nothing(_: &Asked, reply: &mut Reply, _: &Upstream) {
    if reply.status >= 400 {
        reply.body.clear();
    }
}

pub(super) fn bad_request_instead_of_not_found(_: &Asked, reply: &mut Reply, _: &Upstream) {
    if reply.status == 404 {
        reply.status = 400;
    }
}

/// Whether this is a page behind the first.
fn is_further_page(reply: &Reply, asked: &Asked) -> bool {
    !reply.body.is_empty() && !asked.has("_count") || asked.parameters.iter().any(|(name, _)| name.contains("cursor"))
}

pub(super) fn lose_pages(asked: &Asked, reply: &mut Reply, _: &Upstream) {
    if is_further_page(reply, asked) {
        reply.edit(|body| {
            if let Some(links) = body["link"].as_array_mut() {
                links.retain(|link| link["relation"] != "next");
            }
        });
    }
}

/// What a page begins with has stood on the one before.
pub(super) fn repeat_across_pages(asked: &Asked, reply: &mut Reply, upstream: &Upstream) {
    if !is_further_page(reply, asked) {
        return;
    }
    reply.entries(|entries| {
        let Some(resource_type) = entries.first().and_then(|entry| entry["resource"]["resourceType"].as_str()) else {
            return;
        };
        let first = ask(upstream, resource_type, &[("_count", "2")])["entry"][0].take();
        entries.insert(0, first);
    });
}

pub(super) fn lose_included(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.entries(|entries| entries.retain(|entry| entry["search"]["mode"] != "include"));
}

pub(super) fn claim_a_height(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.resources(|resource| {
        if resource["resourceType"] == "Observation" {
            let height = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-body-height|8.0.0";
            resource["meta"]["profile"] = json!([height]);
        }
    });
}

pub(super) fn another_content_in_versions(asked: &Asked, reply: &mut Reply, _: &Upstream) {
    if asked.path.contains("/_history/") {
        reply.resources(|resource| resource["language"] = "tlh".into());
    }
}

pub(super) fn histories_without_requests(asked: &Asked, reply: &mut Reply, _: &Upstream) {
    if asked.path.ends_with("/_history") {
        reply.entries(|entries| entries.iter_mut().for_each(|entry| entry["request"] = Value::Null));
    }
}

pub(super) fn fewer_parameters(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.edit(|statement| {
        for resource in statement["rest"][0]["resource"].as_array_mut().into_iter().flatten() {
            if let Some(parameters) = resource["searchParam"].as_array_mut() {
                parameters.retain(|parameter| parameter["name"] != "category");
            }
        }
    });
}

pub(super) fn other_release(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.edit(|statement| statement["fhirVersion"] = "4.3.0".into());
}

pub(super) fn whole_resources_unmarked(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.resources(|resource| {
        if let Some(meta) = resource["meta"].as_object_mut() {
            meta.shift_remove("tag");
        }
    });
}

pub(super) fn no_binaries(asked: &Asked, reply: &mut Reply, _: &Upstream) {
    if asked.path.starts_with("Binary/") {
        reply.refuse(404);
    }
}

pub(super) fn accept_everything(_: &Asked, reply: &mut Reply, _: &Upstream) {
    if reply.status == 406 {
        reply.status = 200;
    }
}
