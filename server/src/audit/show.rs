//! Entries of the log as AuditEvents, in the shapes of IHE's Basic Audit Log Patterns (<https://profiles.ihe.net/ITI/BALP/>)
//! for what is done to records, and with DICOM's codes for what happens beside that. What an entry does not have (the
//! network address of the client, the search) is said to be absent where a pattern asks for it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Event, UNKNOWN};
use crate::store::{AuditAction, AuditEntry, AuditOutcome, AuditPlace, Audited, instant};
use crate::validate::is_id;

const PROFILES: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// The server that has recorded, and how it names what it refers to.
pub struct Recorder<'a> {
    /// The FHIR base of the site.
    pub base_url: &'a str,
    /// Users and clients are named by its identifiers for them.
    pub issuer: &'a str,
    pub type_name: &'a dyn Fn(u16) -> Option<&'static str>,
}

/// The logical id of an entry: its writer and number, which never change.
pub fn id_of((writer, sequence): AuditPlace) -> String {
    format!("{writer}-{sequence}")
}

/// Where the entry of that id stands; none for what is no id of an entry.
pub fn place_of(id: &str) -> Option<AuditPlace> {
    let (writer, sequence) = id.split_once('-')?;
    let place = (writer.parse().ok()?, sequence.parse().ok()?);
    // One spelling only: no signs, no leading zeros.
    (id_of(place) == id).then_some(place)
}

/// What an entry tells of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told<'a> {
    /// The name of the pattern that has it.
    Pattern(&'static str),
    /// Another interaction of the REST API.
    Rest,
    Operation(&'a str),
    Event(Event),
}

impl<'a> Told<'a> {
    fn of(entry: &'a AuditEntry) -> Told<'a> {
        match &*entry.interaction {
            "read" | "vread" => Told::Pattern("Read"),
            "create" => Told::Pattern("Create"),
            "update" | "patch" => Told::Pattern("Update"),
            "delete" => Told::Pattern("Delete"),
            "search-type" | "search-system" => Told::Pattern("Query"),
            "history-instance" | "history-type" | "history-system" | "batch" | "transaction" => Told::Rest,
            other => Event::from_code(other).map_or(Told::Operation(other), Told::Event),
        }
    }
}

/// The AuditEvent of an entry.
pub fn audit_event(audited: &Audited, recorder: &Recorder<'_>) -> Value {
    let entry = &audited.entry;
    let told = Told::of(entry);
    let recorded = instant(entry.time);
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": id_of((audited.writer, audited.sequence)),
        "meta": { "versionId": "1", "lastUpdated": recorded },
    });
    // The patterns are of what succeeded, and their data have an id.
    let has_data = told == Told::Pattern("Query") || entry.resource_id.is_some();
    if let (Told::Pattern(pattern), AuditOutcome::Success, true) = (told, entry.outcome, has_data) {
        let of_patient = if entry.patient.is_some() { "Patient" } else { "" };
        event["meta"]["profile"] = json!([format!("{PROFILES}.{of_patient}{pattern}")]);
    }
    let (event_type, subtype) = codes(entry, told);
    event["type"] = event_type;
    if let Some(subtype) = subtype {
        event["subtype"] = json!([subtype]);
    }
    event["action"] = json!(entry.action.as_str());
    event["recorded"] = json!(recorded);
    event["outcome"] = json!((entry.outcome as i16).to_string());
    event["agent"] = Value::Array(agents(entry, told, recorder));
    // https://terminology.hl7.org/CodeSystem-security-source-type.html
    let source = match told {
        Told::Event(_) => coding(SOURCE_TYPE, "6", "Security Server"),
        _ => coding(SOURCE_TYPE, "4", "Application Server"),
    };
    event["source"] = json!({ "observer": server(recorder), "type": [source] });
    if let Some(site) = recorder.issuer.rsplit('/').next().filter(|site| !site.is_empty()) {
        event["source"]["site"] = json!(site);
    }
    let entities = entities(entry, told, recorder);
    if !entities.is_empty() {
        event["entity"] = Value::Array(entities);
    }
    event
}

fn codes(entry: &AuditEntry, told: Told<'_>) -> (Value, Option<Value>) {
    let interaction = |code: &str| coding(INTERACTION, code, code);
    match told {
        Told::Event(event) => {
            let dicom = |code: super::DicomCode| coding(DICOM, code.code, code.display);
            (dicom(event.event_type()), event.subtype().map(dicom))
        }
        told => {
            let code = if let Told::Operation(_) = told { "operation" } else { &entry.interaction };
            (coding(EVENT_TYPE, "rest", "RESTful Operation"), Some(interaction(code)))
        }
    }
}

/// The client, the server and the user, each in the role that the pattern has for it: which of the two gives and which
/// takes depends on where the data went.
fn agents(entry: &AuditEntry, told: Told<'_>, recorder: &Recorder<'_>) -> Vec<Value> {
    let source = coding(DICOM, "110153", "Source Role ID");
    let destination = coding(DICOM, "110152", "Destination Role ID");
    let application = coding(DICOM, "110150", "Application");
    let (client_role, server_role) = match (told, entry.action) {
        (Told::Event(_), _) => {
            let server = coding(
                "http://terminology.hl7.org/CodeSystem/extra-security-role-type",
                "authserver",
                "authorization server",
            );
            (application, server)
        }
        (_, AuditAction::Read) => (destination, source),
        (_, AuditAction::Delete) => {
            let participant = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
            (application, coding(participant, "custodian", "Custodian"))
        }
        _ => (source, destination),
    };
    let user_role = match entry.action {
        AuditAction::Create | AuditAction::Update | AuditAction::Delete => ("AUT", "author (originator)"),
        _ => ("IRCP", "information recipient"),
    };
    // A service acts for itself: nobody stands behind it.
    let has_user = entry.actor != entry.client && *entry.actor != *UNKNOWN;
    let mut agents = vec![
        json!({
            "type": { "coding": [client_role] },
            "who": named(&entry.client, recorder),
            "requestor": !has_user,
            // https://hl7.org/fhir/R4/valueset-network-type.html: an IP address
            "network": match &entry.address {
                Some(address) => json!({ "address": address, "type": "2" }),
                None => json!({ "extension": [{ "url": ABSENT, "valueCode": "unknown" }] }),
            },
        }),
        json!({
            "type": { "coding": [server_role] },
            "who": server(recorder),
            "requestor": false,
            // https://hl7.org/fhir/R4/valueset-network-type.html: a URI
            "network": { "address": recorder.base_url, "type": "5" },
        }),
    ];
    if has_user {
        let (code, display) = user_role;
        let role = coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", code, display);
        agents.push(json!({
            "type": { "coding": [role] },
            "who": named(&entry.actor, recorder),
            // "user id is also recorded in .name to be more easy searched"
            "name": entry.actor,
            "requestor": true,
        }));
    }
    // "jti SHALL be prefixed with urn:ietf:params:oauth:jti:"
    // https://profiles.ihe.net/ITI/BALP/StructureDefinition-IHE.BasicAudit.OAUTHaccessTokenUse.Comprehensive.html
    if let Some(token) = &entry.token {
        let place = if has_user { agents.len() - 1 } else { 0 };
        agents[place]["policy"] = json!([format!("urn:ietf:params:oauth:jti:{token}")]);
    }
    agents
}

/// A user or a client by the authorization server's identifier.
fn named(id: &str, recorder: &Recorder<'_>) -> Value {
    match id {
        UNKNOWN => json!({ "display": UNKNOWN }),
        // The upstream provider, by its issuer.
        id if id.starts_with("https://") => json!({ "identifier": { "system": "urn:ietf:rfc:3986", "value": id } }),
        id => json!({ "identifier": { "system": recorder.issuer, "value": id } }),
    }
}

fn server(recorder: &Recorder<'_>) -> Value {
    json!({ "identifier": { "system": "urn:ietf:rfc:3986", "value": recorder.base_url }, "display": "Vesta" })
}

fn entities(entry: &AuditEntry, told: Told<'_>, recorder: &Recorder<'_>) -> Vec<Value> {
    let object = || coding(ENTITY_TYPE, "2", "System Object");
    let of = entry.resource_type.and_then(recorder.type_name);
    let mut entities = Vec::new();
    if told == Told::Pattern("Query") {
        let mut query = json!({
            "type": object(),
            "role": coding(OBJECT_ROLE, "24", "Query"),
        });
        match &entry.query {
            // "The raw search request is base64 encoded and placed in the .entity[query].query element."
            Some(asked) => query["query"] = json!(BASE64_STANDARD.encode(asked)),
            None => query["_query"] = json!({ "extension": [{ "url": ABSENT, "valueCode": "unknown" }] }),
        }
        if let Some(of) = of {
            query["description"] = json!(of);
        }
        entities.push(query);
    } else if let Some(of) = of {
        let mut data = json!({ "type": object(), "role": coding(OBJECT_ROLE, "4", "Domain Resource") });
        data["what"] = match entry.resource_id.as_deref() {
            Some(id) if is_id(id) => json!({ "reference": format!("{of}/{id}") }),
            // What was asked for is no id, or there was none.
            Some(_) | None => json!({ "type": of }),
        };
        entities.push(data);
    }
    if let (Told::Event(_), Some(user), None) = (told, entry.resource_id.as_deref(), of) {
        entities.push(json!({
            "what": named(user, recorder),
            "type": coding(ENTITY_TYPE, "1", "Person"),
            "role": coding(OBJECT_ROLE, "11", "Security User Entity"),
        }));
    }
    if let Told::Operation(name) = told {
        entities.push(json!({ "type": object(), "name": format!("${name}") }));
    }
    if let Some(patient) = entry.patient.as_deref().filter(|patient| is_id(patient)) {
        entities.push(json!({
            "what": { "reference": format!("Patient/{patient}") },
            "type": coding(ENTITY_TYPE, "1", "Person"),
            "role": coding(OBJECT_ROLE, "1", "Patient"),
        }));
    }
    if !entry.request_id.is_empty() {
        let transaction = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
        entities.push(json!({
            "what": { "identifier": { "value": entry.request_id } },
            "type": { "system": transaction, "code": "XrequestId" },
        }));
    }
    entities
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}
