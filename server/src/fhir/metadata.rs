//! `capabilities`: the CapabilityStatement (and that of terminology), made once a site from the generated tables and then
//! served from memory.
//! <https://hl7.org/fhir/R4/http.html#capabilities>

use bytes::Bytes;
use serde_json::{Value, json};
use vesta_runtime::search::SearchParameterType;

use super::answer::{Answer, Body, digest};
use super::audit_log;
use super::operation;
use super::outcome::{Error, Kind};
use super::service::Service;
use super::summary::Subset;
use super::terminology_capabilities;
use crate::search::{Parameter, ParameterTable};

/// A statement as it is served.
pub(super) struct Statement {
    bytes: Bytes,
    digest: String,
}

impl Statement {
    fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Statement { digest: digest(&bytes), bytes }
    }
}

/// Public: no token is needed. `parameters`: `mode` (full, normative or terminology).
pub async fn metadata(service: &Service, parameters: &[(String, String)]) -> Result<Answer, Error> {
    let mut is_terminology = false;
    for (name, value) in parameters {
        match (name.as_str(), value.as_str()) {
            ("mode", "full" | "normative") | ("_summary" | "_elements", _) => {}
            ("mode", "terminology") => is_terminology = true,
            ("mode", _) => return Err(Error::new(Kind::Invalid, "`mode` is full, normative or terminology.")),
            _ => {
                return Err(Error::new(Kind::Invalid, "`metadata` takes the parameters mode, _summary and _elements."));
            }
        }
    }
    let made = |statement: Value| Statement::new(statement.to_string().into_bytes());
    let (kind, whole) = match is_terminology {
        false => ("CapabilityStatement", service.capability_statement.get_or_init(|| made(statement(service)))),
        true => {
            let statement = || made(terminology_capabilities::statement(service));
            ("TerminologyCapabilities", service.terminology_capabilities.get_or_init(statement))
        }
    };
    let (body, digest) = match Subset::parse(service.schema.resource(kind), parameters)? {
        Subset::Whole | Subset::Count => (whole.bytes.clone(), whole.digest.clone()),
        subset => {
            let part = Statement::new(subset.bytes(service.schema, &whole.bytes)?);
            (part.bytes, part.digest)
        }
    };
    Ok(Answer { digest: Some(digest), ..Answer::ok(Body::Bytes(body)) })
}

/// What is said of `_lastUpdated` on each type: US Core wants the changes named that it detects.
/// <https://hl7.org/fhir/us/core/STU8/general-requirements.html>
const LAST_UPDATED: &str = "Detects every change made through this server's APIs and imports: `meta.lastUpdated` is \
                            the time of the commit that created the current version, whatever part of the resource \
                            changed. A change that a referenced resource undergoes is that resource's own, and a \
                            deletion is found in the history only.";

/// What is said of AuditEvent.
const RECORDED: &str = "AuditEvents are what this server has recorded, in the shapes of IHE's Basic Audit Log Patterns: \
                        they are shown from the audit log to administrators, and nobody writes one. `_sort` takes date \
                        and _lastUpdated; chains are not followed.";

/// What every search takes and no SearchParameter of the packages defines.
const ALL_TYPES: [(&str, &str, &str); 6] = [
    (
        "_has",
        "string",
        "_has:[type]:[reference parameter]:[parameter], nested too, and chains inside. The token must cover the types.",
    ),
    ("_filter", "special", "https://hl7.org/fhir/R4/search_filter.html; `and` binds closer than `or`."),
    (
        "_list",
        "string",
        "The id of a List, or a functional list that is told by the record: $current-problems, $current-medications, \
         $current-allergies, $current-drug-allergies.",
    ),
    (
        "_contained",
        "token",
        "true, both or false: whether resources that others contain are found. They are seen where their container is; \
         _has, _list, _text and _content are not asked of them, nor in a compartment. Chains look into them always.",
    ),
    (
        "_containedType",
        "token",
        "container (the default), or contained: then _include goes by the references of what is contained.",
    ),
    ("_type", "token", "For searches over the system or a whole compartment."),
];

fn statement(service: &Service) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let guides = &service.guides;
    // A guide's own server statement, and those that it builds upon in turn (the one for bulk data).
    let mut instantiates = Vec::new();
    for server in guides.iter().filter_map(|guide| guide.server) {
        instantiates.push(format!("{}|{}", server.url, server.version));
        for url in server.instantiates {
            if !instantiates.iter().any(|known| known == url) {
                instantiates.push((*url).to_owned());
            }
        }
    }
    let mut statement = json!({
        "resourceType": "CapabilityStatement",
        "name": "VestaCapabilityStatement",
        "title": "What this Vesta server does",
        "status": "active",
        "date": service.clock.now().strftime("%Y-%m-%d").to_string(),
        "kind": "instance",
    });
    if !instantiates.is_empty() {
        statement["instantiates"] = json!(instantiates);
    }
    statement["software"] = json!({ "name": "Vesta", "version": version });
    statement["implementation"] = json!({ "description": "FHIR R4 API of this site", "url": service.base_url });
    statement["fhirVersion"] = json!("4.0.1");
    statement["format"] = json!(["application/fhir+json", "json"]);
    statement["patchFormat"] = json!(["application/json-patch+json", "application/fhir+json"]);
    if !guides.is_empty() {
        let named = guides
            .iter()
            .map(|guide| format!("{}/ImplementationGuide/{}|{}", guide.canonical, guide.name, guide.version));
        statement["implementationGuide"] = named.map(Value::from).collect();
    }
    let operations = operation::listed(service, None);
    let resources: Vec<Value> = service.parameters.entries().map(|entry| resource(service, entry.name)).collect();
    statement["rest"] = json!([{
        "mode": "server",
        "documentation": format!("Every interaction needs a bearer token whose SMART scopes cover it. Searches are lenient \
                          unless `Prefer: handling=strict` is sent: what was passed over is named in an \
                          OperationOutcome inside the Bundle. Every update makes a new version. `_total` is counted \
                          only when asked for. `_sort` takes _id, _lastUpdated and parameters of type date, string, \
                          uri, token (by its code), reference, number and quantity, and along references those but \
                          number and quantity (`patient.family`). {}", deletes(service)),
        "security": {
            "extension": oauth_uris(service),
            "cors": true,
            "service": [{
                "coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                    "code": "SMART-on-FHIR"
                }],
                "text": "OAuth 2.0 bearer tokens with SMART App Launch scopes (www.smarthealthit.org)"
            }],
            "description": "Access tokens are JWTs signed by this site. How to get one: `.well-known/smart-configuration` below \
                            the base. Pages of other origins may ask where a client with that origin is registered."
        },
        "resource": resources,
        "searchParam": ALL_TYPES.iter().map(|(name, kind, documentation)| {
            json!({ "name": name, "type": kind, "documentation": documentation })
        }).collect::<Vec<_>>(),
        "interaction": [
            { "code": "transaction" },
            { "code": "batch" },
            { "code": "history-system" },
            { "code": "search-system" }
        ],
        "operation": operations
    }]);
    statement
}

/// Where tokens come from, in the form of SMART 1: deprecated since 2.0, and still read by old clients.
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#declaring-support-for-oauth2-endpoints>
fn oauth_uris(service: &Service) -> Value {
    let endpoints = [
        ("authorize", "authorize"),
        ("token", "token"),
        ("register", "registration"),
        ("manage", "apps"),
        ("introspect", "introspect"),
        ("revoke", "revoke"),
    ];
    let uris: Vec<Value> = endpoints
        .iter()
        .map(|(name, path)| json!({ "url": name, "valueUri": format!("{}/{path}", service.issuer) }))
        .collect();
    json!([{ "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": uris }])
}

/// Deleting what others refer to: by the site's settings.
fn deletes(service: &Service) -> &'static str {
    if service.rules.delete_referenced {
        "A resource can be deleted though others refer to it."
    } else {
        "A resource that others refer to is not deleted (409), unless they go or change in the same transaction."
    }
}

fn resource(service: &Service, name: &'static str) -> Value {
    let table = &*service.parameters;
    let mut resource = json!({
        "type": name,
        "profile": format!("http://hl7.org/fhir/StructureDefinition/{name}"),
    });
    let profiles = supported_profiles(service, name);
    if !profiles.is_empty() {
        resource["supportedProfile"] = json!(profiles);
    }
    let is_recorded = audit_log::has(name);
    let interactions: &[&str] = if is_recorded {
        resource["documentation"] = json!(RECORDED);
        &["read", "vread", "history-instance", "search-type"]
    } else {
        &["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"]
    };
    resource["interaction"] = interactions.iter().map(|code| json!({ "code": code })).collect();
    resource["versioning"] = json!("versioned");
    resource["readHistory"] = json!(true);
    resource["updateCreate"] = json!(!is_recorded);
    resource["conditionalCreate"] = json!(!is_recorded);
    resource["conditionalRead"] = json!("full-support");
    resource["conditionalUpdate"] = json!(!is_recorded);
    let multiple = service.rules.conditional_delete_multiple;
    resource["conditionalDelete"] = json!(match multiple {
        _ if is_recorded => "not-supported",
        true => "multiple",
        false => "single",
    });
    resource["referencePolicy"] = json!(["literal", "logical"]);
    let includes: Vec<Value> = references(table, name).map(|code| json!(format!("{name}:{code}"))).collect();
    if !includes.is_empty() {
        resource["searchInclude"] = Value::Array(includes);
    }
    let reverse = reverse_includes(table, name);
    if !reverse.is_empty() && !is_recorded {
        resource["searchRevInclude"] = Value::Array(reverse);
    }
    resource["searchParam"] = served(table, name).map(search_parameter).collect();
    let mut operations = operation::listed(service, Some(name));
    operations.retain(|operation| !is_recorded || operation["name"] == "validate");
    resource["operation"] = Value::Array(operations);
    resource
}

/// Those of every enabled guide, each with its version: several versions of a guide share canonical URLs.
fn supported_profiles(service: &Service, name: &str) -> Vec<&'static str> {
    let servers = service.guides.iter().filter_map(|guide| guide.server);
    let expectations = servers.filter_map(|server| server.resource(name));
    expectations.flat_map(|resource| resource.supported_profiles).map(|profile| profile.value).collect()
}

/// Those that searches can use now: not before all stored resources are indexed.
fn served<'t>(table: &'t ParameterTable, name: &'t str) -> impl Iterator<Item = &'t Parameter> {
    let is_indexed = move |parameter: &&Parameter| table.is_indexed(name, parameter.definition.code);
    table.parameters(name).filter(|parameter| parameter.is_served()).filter(is_indexed)
}

fn references<'t>(table: &'t ParameterTable, name: &'t str) -> impl Iterator<Item = &'static str> + 't {
    served(table, name)
        .filter(|parameter| parameter.definition.kind == SearchParameterType::Reference)
        .map(|parameter| parameter.definition.code)
}

/// The references of all types that may point to this one.
fn reverse_includes(table: &ParameterTable, name: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for entry in table.entries().filter(|entry| !audit_log::has(entry.name)) {
        for parameter in served(table, entry.name) {
            let definition = parameter.definition;
            let points_here = definition.targets.is_empty() || definition.targets.contains(&name);
            if definition.kind == SearchParameterType::Reference && points_here {
                found.push(json!(format!("{}:{}", entry.name, definition.code)));
            }
        }
    }
    found
}

const HIERARCHY: &str = "Takes :above and :below, as every reference to this type does: they follow this parameter as far as \
                         it leads.";

fn search_parameter(parameter: &Parameter) -> Value {
    let definition = parameter.definition;
    let kind = match definition.kind {
        SearchParameterType::Number => "number",
        SearchParameterType::Date => "date",
        SearchParameterType::String => "string",
        SearchParameterType::Token => "token",
        SearchParameterType::Reference => "reference",
        SearchParameterType::Composite => "composite",
        SearchParameterType::Quantity => "quantity",
        SearchParameterType::Uri => "uri",
        SearchParameterType::Special => "special",
    };
    let mut described = json!({ "name": definition.code, "definition": definition.url, "type": kind });
    if definition.code == "_lastUpdated" {
        described["documentation"] = json!(LAST_UPDATED);
    }
    // "Servers indicate that :above/:below is supported on a search parameter by defining them as supported":
    // <https://hl7.org/fhir/R4/search.html#recursive>
    if matches!(definition.code, "partof" | "part-of") && definition.targets == [definition.base] {
        described["documentation"] = json!(HIERARCHY);
    }
    described
}
