//! The ledger of access: every (method, path) with no token, an expired one, another site's, another patient's, one of
//! too narrow a scope, and one for another part of the types. A route that is not here fails `every_route_is_in_the_ledger`.

mod every_route;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Token, World, matches};

/// What a token that does not reach a record gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Foreign {
    /// 403, or 404 as for what is not there. <https://hl7.org/fhir/R4/security.html#AccessDenied>
    Denied,
    /// 200, and none of the other patient's records in it.
    Nothing,
}

struct Row {
    method: &'static str,
    template: &'static str,
    /// `{patient}`, `{observation}` and `{new}` are filled in.
    path: &'static str,
    body: Option<fn(&Records) -> Value>,
    foreign: Foreign,
}

/// The records of the patient that the tokens are not for.
struct Records {
    patient: String,
    observation: String,
    encounter: String,
    composition: String,
}

const fn get(template: &'static str, path: &'static str, foreign: Foreign) -> Row {
    Row { method: "GET", template, path, body: None, foreign }
}

const fn send(
    method: &'static str,
    template: &'static str,
    path: &'static str,
    body: fn(&Records) -> Value,
    foreign: Foreign,
) -> Row {
    Row { method, template, path, body: Some(body), foreign }
}

use Foreign::{Denied, Nothing};

/// Every route that asks for a token. `HEAD` is `GET` without a body, and goes the same way.
const LEDGER: &[Row] = &[
    get("/", "?_type=Observation", Nothing),
    send("POST", "/", "", transaction, Denied),
    send("POST", "/_search", "_search", all_types, Nothing),
    get("/_history", "_history", Nothing),
    get("/{type}", "Observation?patient={patient}", Nothing),
    send("POST", "/{type}", "Observation", |records| observation(&records.patient), Denied),
    send("POST", "/{type}/_search", "Observation/_search", form, Nothing),
    get("/{type}/_history", "Observation/_history", Nothing),
    get("/{type}/{id}", "Observation/{observation}", Denied),
    send("PUT", "/{type}/{id}", "Observation/{observation}", replacement, Denied),
    send("PATCH", "/{type}/{id}", "Observation/{observation}", patch, Denied),
    send("PUT", "/{type}", "Observation?_id={observation}", replacement, Denied),
    send("PATCH", "/{type}", "Observation?_id={observation}", patch, Denied),
    Row { method: "DELETE", template: "/{type}", path: "Observation?_id={observation}", body: None, foreign: Nothing },
    Row { method: "DELETE", template: "/{type}/{id}", path: "Observation/{observation}", body: None, foreign: Denied },
    get("/{type}/{id}/{member}", "Patient/{patient}/Observation", Nothing),
    get("/{type}/{id}/_history", "Observation/{observation}/_history", Denied),
    get("/{type}/{id}/_history/{version}", "Observation/{observation}/_history/1", Denied),
    get("/$meta", "$meta", Nothing),
    send("POST", "/$meta", "$meta", no_parameters, Nothing),
    get("/{type}/$meta", "Observation/$meta", Nothing),
    send("POST", "/{type}/$meta", "Observation/$meta", no_parameters, Nothing),
    get("/{type}/{id}/$meta", "Observation/{observation}/$meta", Denied),
    send("POST", "/{type}/{id}/$meta", "Observation/{observation}/$meta", no_parameters, Denied),
    send("POST", "/{type}/{id}/$meta-add", "Observation/{observation}/$meta-add", labels, Denied),
    send("POST", "/{type}/{id}/$meta-delete", "Observation/{observation}/$meta-delete", labels, Denied),
    get("/{type}/{id}/_history/{version}/$meta", "Observation/{observation}/_history/1/$meta", Denied),
    send(
        "POST",
        "/{type}/{id}/_history/{version}/$meta",
        "Observation/{observation}/_history/1/$meta",
        no_parameters,
        Denied,
    ),
    send(
        "POST",
        "/{type}/{id}/_history/{version}/$meta-add",
        "Observation/{observation}/_history/1/$meta-add",
        labels,
        Denied,
    ),
    send(
        "POST",
        "/{type}/{id}/_history/{version}/$meta-delete",
        "Observation/{observation}/_history/1/$meta-delete",
        labels,
        Denied,
    ),
    send("POST", "/$validate", "$validate", replacement, Nothing),
    send("POST", "/{type}/$validate", "Observation/$validate", replacement, Nothing),
    get("/{type}/{id}/$validate", "Observation/{observation}/$validate", Denied),
    send("POST", "/{type}/{id}/$validate", "Observation/{observation}/$validate", replacement, Denied),
    get("/Patient/$everything", "Patient/$everything", Nothing),
    send("POST", "/Patient/$everything", "Patient/$everything", no_parameters, Nothing),
    get("/Patient/{id}/$everything", "Patient/{patient}/$everything", Denied),
    send("POST", "/Patient/{id}/$everything", "Patient/{patient}/$everything", no_parameters, Denied),
    get("/Encounter/{id}/$everything", "Encounter/{encounter}/$everything", Denied),
    send("POST", "/Encounter/{id}/$everything", "Encounter/{encounter}/$everything", no_parameters, Denied),
    get("/Observation/$lastn", "Observation/$lastn?patient={patient}&code=x", Nothing),
    send("POST", "/Observation/$lastn", "Observation/$lastn?patient={patient}&code=x", no_parameters, Nothing),
    get("/Composition/$document", "Composition/$document?id={composition}", Denied),
    send("POST", "/Composition/$document", "Composition/$document?id={composition}", no_parameters, Denied),
    get("/Composition/{id}/$document", "Composition/{composition}/$document", Denied),
    send("POST", "/Composition/{id}/$document", "Composition/{composition}/$document", no_parameters, Denied),
    get("/ValueSet/$expand", "ValueSet/$expand?{genders}", Nothing),
    send("POST", "/ValueSet/$expand", "ValueSet/$expand?{genders}", no_parameters, Nothing),
    get("/ValueSet/{id}/$expand", "ValueSet/nowhere/$expand", Denied),
    send("POST", "/ValueSet/{id}/$expand", "ValueSet/nowhere/$expand", no_parameters, Denied),
    get("/ValueSet/$validate-code", "ValueSet/$validate-code?{genders}&{male}", Nothing),
    send("POST", "/ValueSet/$validate-code", "ValueSet/$validate-code?{genders}&{male}", no_parameters, Nothing),
    get("/ValueSet/{id}/$validate-code", "ValueSet/nowhere/$validate-code?{male}", Denied),
    send("POST", "/ValueSet/{id}/$validate-code", "ValueSet/nowhere/$validate-code?{male}", no_parameters, Denied),
    get("/CodeSystem/$validate-code", "CodeSystem/$validate-code?{gender}&code=male", Nothing),
    send("POST", "/CodeSystem/$validate-code", "CodeSystem/$validate-code?{gender}&code=male", no_parameters, Nothing),
    get("/CodeSystem/{id}/$validate-code", "CodeSystem/nowhere/$validate-code?code=male", Denied),
    send(
        "POST",
        "/CodeSystem/{id}/$validate-code",
        "CodeSystem/nowhere/$validate-code?code=male",
        no_parameters,
        Denied,
    ),
    get("/CodeSystem/$lookup", "CodeSystem/$lookup?{male}", Nothing),
    send("POST", "/CodeSystem/$lookup", "CodeSystem/$lookup?{male}", no_parameters, Nothing),
    get("/CodeSystem/$subsumes", "CodeSystem/$subsumes?{a_and_b}&{system}", Nothing),
    send("POST", "/CodeSystem/$subsumes", "CodeSystem/$subsumes?{a_and_b}&{system}", no_parameters, Nothing),
    get("/CodeSystem/{id}/$subsumes", "CodeSystem/nowhere/$subsumes?{a_and_b}", Denied),
    send("POST", "/CodeSystem/{id}/$subsumes", "CodeSystem/nowhere/$subsumes?{a_and_b}", no_parameters, Denied),
    get("/ConceptMap/$translate", "ConceptMap/$translate?{male}", Nothing),
    send("POST", "/ConceptMap/$translate", "ConceptMap/$translate?{male}", no_parameters, Nothing),
    get("/ConceptMap/{id}/$translate", "ConceptMap/nowhere/$translate?{male}", Denied),
    send("POST", "/ConceptMap/{id}/$translate", "ConceptMap/nowhere/$translate?{male}", no_parameters, Denied),
    get("/DocumentReference/$docref", "DocumentReference/$docref?patient={patient}", Denied),
    send("POST", "/DocumentReference/$docref", "DocumentReference/$docref?patient={patient}", no_parameters, Denied),
];

/// Queries of the rows about terminology, on what every site has.
const TERMS: [(&str, &str); 5] = [
    ("{genders}", "url=http://hl7.org/fhir/ValueSet/administrative-gender"),
    ("{gender}", "url=http://hl7.org/fhir/administrative-gender"),
    ("{male}", "{system}&code=male"),
    ("{a_and_b}", "codeA=male&codeB=female"),
    ("{system}", "system=http://hl7.org/fhir/administrative-gender"),
];

/// Routes that ask for no token: they tell how to get one, and whether the server lives.
const OPEN: &[(&str, &str)] = &[("GET", "/metadata")];

fn observation(patient: &str) -> Value {
    json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
        "subject": { "reference": format!("Patient/{patient}") } })
}

fn replacement(records: &Records) -> Value {
    let mut resource = observation(&records.patient);
    resource["id"] = records.observation.clone().into();
    resource
}

fn transaction(records: &Records) -> Value {
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        { "resource": replacement(records),
          "request": { "method": "PUT", "url": format!("Observation/{}", records.observation) } } ] })
}

/// A FHIRPath Patch.
fn patch(_: &Records) -> Value {
    json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
        { "name": "type", "valueCode": "replace" }, { "name": "path", "valueString": "Observation.status" },
        { "name": "value", "valueCode": "amended" } ] }] })
}

fn no_parameters(_: &Records) -> Value {
    json!({ "resourceType": "Parameters" })
}

fn labels(_: &Records) -> Value {
    let tag = json!({ "tag": [{ "system": "http://example.org/tags", "code": "mine" }] });
    json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueMeta": tag }] })
}

fn all_types(_: &Records) -> Value {
    json!("_type=Observation")
}

/// A form is a string here: see [`ask`].
fn form(records: &Records) -> Value {
    json!(format!("patient={}", records.patient))
}

fn ask(client: &Client, row: &Row, records: &Records) -> Answer {
    let path = row.path.replace("{patient}", &records.patient).replace("{observation}", &records.observation);
    let mut path = path.replace("{encounter}", &records.encounter).replace("{composition}", &records.composition);
    for (name, query) in TERMS {
        path = path.replace(name, query);
    }
    let (kind, body) = match row.body.map(|body| body(records)) {
        Some(Value::String(form)) => ("application/x-www-form-urlencoded", Some(form.into_bytes())),
        Some(resource) => ("application/fhir+json", Some(resource.to_string().into_bytes())),
        None => ("application/fhir+json", None),
    };
    let headers: &[(&str, &str)] = if body.is_some() { &[("content-type", kind)] } else { &[] };
    client.send(row.method, &path, headers, body.as_deref())
}

/// Two patients with an Observation each; the ledger is asked for the first one's.
fn records(world: &World) -> (Records, Records) {
    let client = world.client("user/*.cruds");
    let record = |family: &str| {
        let patient = client.create(&json!({ "resourceType": "Patient", "name": [{ "family": family }] }));
        let observation = client.create(&observation(&patient));
        let subject = json!({ "reference": format!("Patient/{patient}") });
        let encounter = client.create(
            &json!({ "resourceType": "Encounter", "status": "finished", "class": { "code": "AMB" }, "subject": subject }),
        );
        let composition = client.create(&json!({ "resourceType": "Composition", "status": "final",
            "type": { "text": "note" }, "subject": subject, "date": "2024", "author": [{ "display": "x" }], "title": "x" }));
        Records { patient, observation, encounter, composition }
    };
    (record("Own"), record("Other"))
}

fn unchanged(world: &World, records: &Records) {
    let client = world.client("user/*.cruds");
    let stored = client.get(&format!("Observation/{}", records.observation)).expect(200);
    assert_eq!(stored.header("etag"), Some("W/\"1\""), "the record was changed");
    assert_eq!(client.ids(&format!("Observation?patient={}", records.patient)).len(), 1, "a record was added");
}

/// What a token gets that reaches none of the records.
fn reaches_nothing(row: &Row, own: &Records, answer: &Answer) {
    let said = String::from_utf8_lossy(&answer.body);
    let shown = format!("{} {}: {} {said}", row.method, row.template, answer.status);
    match row.foreign {
        Denied => {
            assert!([403, 404].contains(&answer.status), "{shown}");
            answer.issues();
        }
        Nothing => {
            // A route that the scopes do not open at all gives nothing, too. And who reaches no patient has none whose
            // record everything could be.
            let is_known = [200, 403].contains(&answer.status)
                || (row.template == "/Patient/$everything" && [400, 404].contains(&answer.status));
            assert!(is_known, "{shown}");
            assert!(!said.contains(&own.observation), "{shown}");
        }
    }
}

/// A 401 says how to get in (RFC 6750, 3) and has an OperationOutcome.
fn assert_unauthorized(answer: &Answer, row: &Row, who: &str) {
    assert_eq!(answer.status, 401, "{} {} {who}: {}", row.method, row.template, String::from_utf8_lossy(&answer.body));
    assert!(answer.header("www-authenticate").is_some_and(|how| how.starts_with("Bearer")), "{answer:?}");
    answer.issues();
}

on_both_databases! {
    fn without_a_token_nothing_is_given(world) {
        let (own, _) = records(world);
        for row in LEDGER {
            assert_unauthorized(&ask(&world.anyone(), row, &own), row, "without a token");
        }
        unchanged(world, &own);
    }

    fn an_expired_token_is_worth_nothing(world) {
        let (own, _) = records(world);
        // Beyond what clocks may differ by.
        let expired = world.client_with(&Token { lifetime: SignedDuration::from_mins(-10), ..Token::default() });
        for row in LEDGER {
            assert_unauthorized(&ask(&expired, row, &own), row, "with an expired token");
        }
        unchanged(world, &own);
    }

    fn a_token_of_another_site_is_worth_nothing(world) {
        let (own, _) = records(world);
        let foreign = world.token(&Token { site: "other", ..Token::default() });
        let client = Client { token: Some(foreign), ..world.anyone() };
        for row in LEDGER {
            assert_unauthorized(&ask(&client, row, &own), row, "with another site's token");
        }
        // A token that is none, and one whose signature is another's.
        let good = world.token(&Token::default());
        let (head, _) = good.rsplit_once('.').expect("a JWT");
        for token in ["nonsense".to_owned(), format!("{head}.AAAA"), head.to_owned()] {
            let client = Client { token: Some(token), ..world.anyone() };
            assert_unauthorized(&ask(&client, &LEDGER[0], &own), &LEDGER[0], "with a bent token");
        }
        unchanged(world, &own);
    }

    fn another_patients_token_reaches_nothing_of_this_one(world) {
        let (own, other) = records(world);
        let client = world.patient_client(&other.patient, "patient/*.cruds");
        for row in LEDGER {
            let answer = ask(&client, row, &own);
            reaches_nothing(row, &own, &answer);
            if row.foreign == Nothing && answer.status == 200 {
                let bundle = answer.json();
                let own = [&other.patient, &other.observation, &other.encounter, &other.composition];
                let is_own = |found: &Value| own.iter().any(|id| found["id"] == id.as_str());
                assert!(matches(&bundle).all(is_own), "{} {}: {answer:?}", row.method, row.template);
            }
        }
        unchanged(world, &own);
        // And the patient's own record is within reach.
        assert_eq!(client.ids("Observation"), std::slice::from_ref(&other.observation));
        client.get(&format!("Observation/{}", other.observation)).expect(200);
    }

    /// Granular out of range: the right patient, or any, and a part of each type that none of the records is in.
    fn a_scope_for_another_part_of_the_types_reaches_nothing_of_this_one(world) {
        let (own, _) = records(world);
        for scope in ["patient/*.cruds?_tag=http://example.org/tags|other", "user/*.cruds?_tag=other"] {
            let client = world.patient_client(&own.patient, scope);
            for row in LEDGER {
                reaches_nothing(row, &own, &ask(&client, row, &own));
            }
        }
        unchanged(world, &own);
    }

    /// <https://hl7.org/fhir/us/core/STU8/scopes.html>: 403 for what the scopes do not cover.
    fn a_scope_that_is_too_narrow_is_refused(world) {
        let (own, _) = records(world);
        for scope in ["user/Organization.cruds", "patient/Organization.cruds"] {
            let client = world.client_with(&Token { scope, patient: Some(&own.patient), ..Token::default() });
            for row in LEDGER {
                let answer = ask(&client, row, &own);
                let shown = format!("{} {} with {scope}: {answer:?}", row.method, row.template);
                match row.template {
                    // What goes over all types may answer with what the scopes cover: here nothing.
                    "/_history" | "/_search" | "/" | "/$meta" if row.foreign == Nothing => {
                        assert!([200, 403].contains(&answer.status), "{shown}");
                        assert!(!String::from_utf8_lossy(&answer.body).contains(&own.observation), "{shown}");
                    }
                    _ => {
                        assert_eq!(answer.status, 403, "{shown}");
                        answer.issues();
                    }
                }
            }
        }
        unchanged(world, &own);
    }

    /// Each letter of `cruds` opens its own interactions and no other.
    fn each_permission_opens_its_own_interactions(world) {
        let (own, _) = records(world);
        let read = format!("Observation/{}", own.observation);
        let create = observation(&own.patient);
        let mut update = create.clone();
        update["id"] = own.observation.clone().into();
        for letter in ["c", "r", "u", "d", "s"] {
            let client = world.client(&format!("user/Observation.{letter}"));
            let allowed = |status: u16| status < 300;
            assert_eq!(allowed(client.post("Observation", &create).status), letter == "c", "create with {letter}");
            assert_eq!(allowed(client.get(&read).status), letter == "r", "read with {letter}");
            assert_eq!(allowed(client.get(&format!("{read}/_history/1")).status), letter == "r", "vread with {letter}");
            assert_eq!(allowed(client.get(&format!("{read}/_history")).status), letter == "r", "history with {letter}");
            assert_eq!(allowed(client.put(&read, &update).status), letter == "u", "update with {letter}");
            assert_eq!(allowed(client.get("Observation").status), letter == "s", "search with {letter}");
            assert_eq!(
                allowed(client.get("Observation/_history").status), letter == "s", "history of the type with {letter}"
            );
            if letter != "d" {
                assert_eq!(client.delete(&read).status, 403, "delete with {letter}");
            }
        }
        assert!(world.client("user/Observation.d").delete(&read).status < 300);
    }

    /// A patient may not move a record out of, or into, another's compartment.
    fn a_patient_cannot_hand_a_record_over(world) {
        let (own, other) = records(world);
        let client = world.patient_client(&other.patient, "patient/*.cruds");
        let mut moved = observation(&own.patient);
        moved["id"] = other.observation.clone().into();
        let answer = client.put(&format!("Observation/{}", other.observation), &moved);
        assert!([403, 404].contains(&answer.status), "{answer:?}");
        client.post("Observation", &observation(&other.patient)).expect(201);
    }

    /// The boundary is not the compartment: a mother who is `performer` of her child's record does not reach it.
    fn a_performer_is_no_subject(world) {
        let (own, other) = records(world);
        let mut measured = observation(&own.patient);
        measured["performer"] = json!([{ "reference": format!("Patient/{}", other.patient) }]);
        let id = world.client("user/*.cruds").create(&measured);
        let client = world.patient_client(&other.patient, "patient/*.rs");
        assert!([403, 404].contains(&client.get(&format!("Observation/{id}")).status));
        assert_eq!(client.ids("Observation"), std::slice::from_ref(&other.observation));
        let chained = client.get(&format!("Observation?performer=Patient/{}", other.patient)).expect(200).json();
        assert_eq!(matches(&chained).count(), 0);
    }

    /// What is included is bounded as what is searched.
    fn includes_stay_within_the_boundary(world) {
        let (own, other) = records(world);
        let mut linked = observation(&other.patient);
        linked["hasMember"] = json!([{ "reference": format!("Observation/{}", own.observation) }]);
        world.client("user/*.cruds").create(&linked);
        let client = world.patient_client(&other.patient, "patient/*.rs");
        for search in ["Observation?_include=Observation:has-member", "Patient?_revinclude=Observation:subject"] {
            let body = client.get(search).expect(200).body;
            // The member is named by a reference, and is not among the entries.
            let bundle: Value = serde_json::from_slice(&body).expect("JSON");
            let entries = bundle["entry"].as_array().expect("entries");
            assert!(entries.iter().all(|entry| entry["resource"]["id"] != own.observation.as_str()), "{search}");
        }
    }
}

#[test]
fn system_scopes_can_be_switched_off() {
    let world = World::new(crate::harness::Database::Sqlite, |config| config.apis.system_scopes = false);
    let answer = world.client("system/*.rs").get("Patient");
    assert_eq!(answer.status, 403);
    world.client("user/*.rs").get("Patient").expect(200);
}
