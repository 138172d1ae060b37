//! AuditEvents, shown from the audit log.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::audit::{Event, UNKNOWN};
use crate::store::{AuditAction, AuditEntry, AuditOutcome};
use crate::validate::validate;

/// An entry of the first minutes of 2026.
fn entry(minute: i64, interaction: &str, action: AuditAction) -> AuditEntry {
    AuditEntry {
        time: "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minute),
        actor: "ann".into(),
        client: "app".into(),
        action,
        interaction: interaction.to_owned().into(),
        outcome: AuditOutcome::Success,
        patient: None,
        resource_type: None,
        resource_id: None,
        request_id: format!("request-{minute}"),
        address: None,
        query: None,
        token: None,
    }
}

impl Fixture {
    fn number(&self, name: &str) -> Option<u16> {
        self.service.parameters.entry(name).map(|entry| entry.number)
    }

    /// Writes entries, and waits for them.
    async fn log(&self, entries: Vec<AuditEntry>) {
        let there = || async { self.service.store.audit_page(None, 10_000).await.unwrap().len() };
        let wanted = there().await + entries.len();
        for entry in entries {
            self.service.store.audit(entry).await.unwrap();
        }
        while there().await < wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn administrator(&self) -> AccessContext {
        AccessContext { is_administrator: true, ..self.with_scopes("user/*.cruds") }
    }

    async fn events(&self, query: &str) -> Result<Value, Error> {
        let access = self.administrator();
        let request = Request { access: &access, ..self.request() };
        search::search(&request, "AuditEvent", &query::parse(query)).await.map(body_of)
    }

    /// The request ids of what is found, in order; entries of the test's own searches are of now.
    async fn found(&self, query: &str) -> Vec<String> {
        let bundle = self.events(&format!("date=lt2026-02-01&{query}")).await.unwrap();
        minutes(&bundle)
    }
}

/// The number in the request id of each entry.
fn minutes(bundle: &Value) -> Vec<String> {
    let request_id = |event: &Value| {
        let entities = event["entity"].as_array().unwrap();
        let id = entities.iter().find_map(|entity| entity["what"]["identifier"]["value"].as_str()).unwrap();
        id.trim_start_matches("request-").to_owned()
    };
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.filter(|entry| entry["search"]["mode"] == "match").map(|entry| request_id(&entry["resource"])).collect()
}

/// One of everything that is recorded: each interaction, with and without a patient, each event, each outcome.
fn everything(fixture: &Fixture) -> Vec<AuditEntry> {
    use AuditAction::{Create, Delete, Execute, Read, Update};
    let observation = fixture.number("Observation");
    let of = |entry: AuditEntry, id: &str, patient: Option<&str>| AuditEntry {
        resource_type: observation,
        resource_id: Some(id.to_owned()),
        patient: patient.map(str::to_owned),
        ..entry
    };
    let mut all = Vec::new();
    for (interaction, action) in
        [("read", Read), ("vread", Read), ("create", Create), ("update", Update), ("patch", Update), ("delete", Delete)]
    {
        all.push(of(entry(all.len() as i64, interaction, action), "o", None));
        all.push(of(entry(all.len() as i64, interaction, action), "o", Some("p")));
    }
    for (interaction, of_type) in [("search-type", observation), ("search-system", None)] {
        let search = entry(all.len() as i64, interaction, Execute);
        all.push(AuditEntry { resource_type: of_type, ..search.clone() });
        all.push(AuditEntry { resource_type: of_type, patient: Some("p".to_owned()), ..search });
    }
    for interaction in ["history-instance", "history-type", "history-system", "batch", "transaction", "everything"] {
        all.push(AuditEntry { resource_type: observation, ..entry(all.len() as i64, interaction, Execute) });
    }
    for event in Event::ALL {
        all.push(entry(all.len() as i64, event.code(), event.action()));
    }
    for outcome in [AuditOutcome::MinorFailure, AuditOutcome::SeriousFailure, AuditOutcome::MajorFailure] {
        all.push(AuditEntry { outcome, ..of(entry(all.len() as i64, "read", Read), "not an id", Some("p")) });
    }
    let unknown = || UNKNOWN.into();
    all.push(AuditEntry { actor: unknown(), client: unknown(), ..entry(all.len() as i64, "login", Execute) });
    // A service acts for itself.
    all.push(AuditEntry { actor: "app".into(), ..of(entry(all.len() as i64, "read", Read), "o", None) });
    // As the FHIR API records them: with where from, what for and by which token.
    for n in 0..all.len() {
        let entry = all[n].clone();
        let query = entry.interaction.starts_with("search").then(|| "Observation?code=a%7Cb&_count=5".to_owned());
        let (address, token) = (Some("2001:db8::7".to_owned()), Some("token-7".into()));
        all.push(AuditEntry { address, query, token, request_id: format!("request-{}", all.len()), ..entry });
    }
    all
}

/// The rules of the patterns that are claimed, as IHE's profiles have them: fixed codes, slices and least numbers.
/// <https://profiles.ihe.net/ITI/BALP/artifacts.html>
fn assert_keeps_to_its_pattern(event: &Value) {
    let codes = |coding: &Value| coding["code"].as_str().unwrap_or_default().to_owned();
    let claimed = event["meta"]["profile"][0].as_str().unwrap_or_default();
    let Some(pattern) = claimed.rsplit_once(".").map(|(_, name)| name) else { return };
    let (of_patient, pattern) = match pattern.strip_prefix("Patient") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (action, subtypes, client, server, user): (_, &[&str], _, _, _) = match pattern {
        "Read" => ("R", &["read", "vread"], "110152", "110153", "IRCP"),
        "Create" => ("C", &["create"], "110153", "110152", "AUT"),
        "Update" => ("U", &["update", "patch"], "110153", "110152", "AUT"),
        "Delete" => ("D", &["delete"], "110150", "custodian", "AUT"),
        "Query" => ("E", &["search-type", "search-system"], "110153", "110152", "IRCP"),
        other => panic!("no pattern: {other}"),
    };
    assert_eq!(
        (codes(&event["type"]).as_str(), &event["action"], &event["outcome"]),
        ("rest", &json!(action), &json!("0"))
    );
    assert!(subtypes.contains(&event["subtype"][0]["code"].as_str().unwrap()), "{event}");
    let agents = event["agent"].as_array().unwrap();
    for (role, is_device) in [(client, true), (server, true), (user, false)] {
        let of_role: Vec<&Value> = agents.iter().filter(|agent| codes(&agent["type"]["coding"][0]) == role).collect();
        match (of_role.as_slice(), is_device) {
            ([one], _) => {
                assert!(one["who"].is_object() && one["network"].is_object() == is_device, "{one}");
                assert!(is_device || one["requestor"] == true, "{one}");
            }
            // Nobody stands behind a service.
            ([], false) if agents.len() == 2 => {}
            other => panic!("{role}: {other:?}"),
        }
    }
    let entities = event["entity"].as_array().unwrap();
    let of_type = |code: &str| entities.iter().filter(|one| codes(&one["type"]) == code).collect::<Vec<_>>();
    let objects = of_type("2");
    assert_eq!(objects.len(), 1, "{event}");
    if pattern == "Query" {
        assert!(codes(&objects[0]["role"]) == "24" && objects[0].get("what").is_none(), "{event}");
        let is_kept = objects[0]["query"] == "T2JzZXJ2YXRpb24/Y29kZT1hJTdDYiZfY291bnQ9NQ==";
        assert!(is_kept || objects[0]["_query"]["extension"].is_array(), "{event}");
    } else {
        assert!(codes(&objects[0]["role"]) == "4" && objects[0]["what"]["reference"].is_string(), "{event}");
    }
    assert_eq!(of_type("XrequestId").len(), 1, "{event}");
    let patients = of_type("1");
    assert_eq!(patients.len(), usize::from(of_patient), "{event}");
    assert!(
        patients.iter().all(|one| one["what"]["reference"] == "Patient/p" && codes(&one["role"]) == "1"),
        "{event}"
    );
}

#[tokio::test]
async fn every_entry_is_a_valid_audit_event_in_the_shape_of_its_pattern() {
    let fixture = Fixture::new("user/*.cruds").await;
    let all = everything(&fixture);
    let count = all.len();
    fixture.log(all).await;
    let bundle = fixture.events("date=lt2026-02-01&_count=1000").await.unwrap();
    let mut claimed = std::collections::BTreeSet::new();
    let events: Vec<&Value> = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).collect();
    assert_eq!(events.len(), count);
    for event in events {
        let issues = validate(&SCHEMA, event);
        assert!(issues.is_empty(), "{issues:?}\n{event}");
        assert_keeps_to_its_pattern(event);
        claimed.extend(event["meta"]["profile"][0].as_str().and_then(|url| url.rsplit('.').next()));
    }
    let patterns =
        ["Create", "Delete", "PatientCreate", "PatientDelete", "PatientQuery", "PatientRead", "PatientUpdate"];
    assert_eq!(Vec::from_iter(claimed), [&patterns[..], &["Query", "Read", "Update"]].concat());
}

#[tokio::test]
async fn the_log_is_searched_by_what_its_events_show() {
    let fixture = Fixture::new("user/*.cruds").await;
    let (patient, observation) = (fixture.number("Patient"), fixture.number("Observation"));
    let concerned = Some("p".to_owned());
    let read = entry(1, "read", AuditAction::Read);
    let read = AuditEntry { resource_type: observation, resource_id: Some("o".to_owned()), patient: concerned, ..read };
    let other = AuditEntry {
        patient: Some("q".to_owned()),
        resource_id: Some("q".to_owned()),
        resource_type: patient,
        ..entry(2, "update", AuditAction::Update)
    };
    let failed = AuditEntry {
        outcome: AuditOutcome::SeriousFailure,
        actor: UNKNOWN.into(),
        ..entry(3, "login", AuditAction::Execute)
    };
    let service =
        AuditEntry { actor: "robot".into(), client: "robot".into(), ..entry(4, "everything", AuditAction::Execute) };
    let (address, token) = (Some("192.0.2.7".to_owned()), Some("token-7".into()));
    let other = AuditEntry { address, token, ..other };
    fixture.log(vec![read, other, failed, service]).await;
    let dicom = "http://dicom.nema.org/resources/ontology/DCM";
    let base = fixture.service.base_url.clone();
    for (query, expected) in [
        ("", "4 3 2 1"),
        ("_sort=date", "1 2 3 4"),
        ("_sort=-date", "4 3 2 1"),
        ("_sort=_lastUpdated", "1 2 3 4"),
        ("date=ge2026-01-01T00:02:00Z", "4 3 2"),
        ("date=gt2026-01-01T00:02:00Z&date=lt2026-01-01T00:04:00Z", "3"),
        ("date=2026-01-01T00:02:00Z,2026-01-01T00:04:00Z", "4 2"),
        ("date=ne2026-01-01T00:02:00Z", "4 3 1"),
        ("date=eb2026-01-01T00:02:00Z", "1"),
        ("date=sa2026-01-01T00:03:00Z", "4"),
        ("date=le2026-01-01T00:01:00Z", "1"),
        ("_lastUpdated=lt2026-01-01T00:02:00Z", "1"),
        ("patient=p", "1"),
        ("patient=Patient/q,Patient/p", "2 1"),
        ("patient=q&patient=p", ""),
        ("patient=never", ""),
        ("patient:missing=true", "4 3"),
        ("entity=Observation/o", "1"),
        ("entity=Patient/q", "2"),
        ("entity:identifier=request-3", "3"),
        ("entity-name=$every", "4"),
        ("entity-type=http://terminology.hl7.org/CodeSystem/audit-entity-type|1", "2 1"),
        ("action=R", "1"),
        ("action:not=R", "4 3 2"),
        ("type=rest", "4 2 1"),
        (&format!("type={dicom}|110114"), "3"),
        ("subtype=read,update", "2 1"),
        (&format!("subtype={dicom}|110122"), "3"),
        ("outcome=8", "3"),
        ("outcome=0", "4 2 1"),
        ("agent:identifier=robot", "4"),
        ("agent:identifier=ann", "2 1"),
        ("source:identifier=nowhere", ""),
        (&format!("source:identifier={base}"), "4 3 2 1"),
        (&format!("address={base}"), "4 3 2 1"),
        ("address=elsewhere", ""),
        ("address=192.0.2.7", "2"),
        ("policy=http://example.org", ""),
        ("policy=urn:ietf:params:oauth:jti:token-7", "2"),
        ("agent-name=ann", "2 1"),
        ("_filter=action eq R or outcome eq 8", "3 1"),
    ] {
        assert_eq!(fixture.found(query).await.join(" "), expected, "{query}");
    }
    let id = |bundle: &Value, at: usize| bundle["entry"][at]["resource"]["id"].as_str().unwrap().to_owned();
    let all = fixture.events("date=lt2026-02-01").await.unwrap();
    let two = format!("_id={},{},0-999999,x", id(&all, 0), id(&all, 2));
    assert_eq!(fixture.found(&two).await.join(" "), "4 2");
    assert_eq!(fixture.events(&format!("{two}&_total=accurate")).await.unwrap()["total"], 2);
    assert_eq!(fixture.events(&format!("{two}&_summary=count")).await.unwrap()["total"], 2);

    // In the compartment of its patient.
    let access = fixture.administrator();
    let request = Request { access: &access, ..fixture.request() };
    let of_patient = search::compartment(&request, ("Patient", "p", "AuditEvent"), &[]).await.unwrap();
    assert_eq!(minutes(&body_of(of_patient)), ["1"]);

    // What is recorded of is brought along.
    fixture.put(observation_of("o")).await;
    let bundle = fixture.events("patient=p&date=lt2026-02-01&_include=AuditEvent:entity").await.unwrap();
    assert_eq!(entries(&bundle).last().unwrap(), "include Observation/o");
    let bundle = fixture.events("patient=q&date=lt2026-02-01&_elements=action,recorded").await.unwrap();
    assert!(bundle["entry"][0]["resource"].get("entity").is_none());
}

fn observation_of(id: &str) -> Value {
    json!({ "resourceType": "Observation", "id": id, "status": "final", "code": { "text": "x" } })
}

/// Each page, by its links, whatever is recorded meanwhile: the searches themselves are.
#[tokio::test]
async fn pages_of_the_log_hold_each_entry_once_in_either_direction() {
    let fixture = Fixture::new("user/*.cruds").await;
    // Several of one time, and more than one bite of what does not match between.
    let mut all: Vec<AuditEntry> = (0..20)
        .map(|n| AuditEntry { request_id: format!("request-{n}"), ..entry(n / 3, "read", AuditAction::Read) })
        .collect();
    let noise =
        |n: i64| AuditEntry { outcome: AuditOutcome::MinorFailure, ..entry(3 + n % 2, "read", AuditAction::Read) };
    all.splice(10..10, (0..600).map(noise));
    fixture.log(all).await;
    for (sort, newest_first) in [("", true), ("&_sort=date", false)] {
        let mut expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let mut query = format!("date=lt2026-02-01&outcome=0&_count=3{sort}");
        let (mut seen, mut pages) = (Vec::new(), Vec::new());
        loop {
            let bundle = fixture.events(&query).await.unwrap();
            pages.push(minutes(&bundle));
            seen.extend(minutes(&bundle));
            let Some(next) = link(&bundle, "next") else {
                // And back again.
                let mut back = link(&bundle, "previous");
                let mut at = pages.len() - 1;
                while let Some(previous) = back {
                    at -= 1;
                    let bundle = fixture.events(previous.split_once('?').unwrap().1).await.unwrap();
                    assert_eq!(minutes(&bundle), pages[at]);
                    back = link(&bundle, "previous").filter(|_| at > 0);
                }
                assert_eq!(at, 0);
                break;
            };
            query = next.split_once('?').unwrap().1.to_owned();
        }
        if newest_first {
            // Those of one minute are in the order of the log.
            expected.reverse();
        }
        assert_eq!(seen, expected, "{sort}");
    }
}

#[tokio::test]
async fn what_the_log_cannot_answer_is_refused_with_what_would_be_right() {
    let fixture = Fixture::new("user/*.cruds").await;
    for (query, part) in [
        ("patient.name=x", "AuditEvent?entity="),
        ("_has:Provenance:target:_id=x", "AuditEvent?entity="),
        ("_sort=address", "_sort"),
        ("_sort=date,_id", "_sort"),
        ("_revinclude=Provenance:target", "_revinclude"),
    ] {
        let error = fixture.events(query).await.unwrap_err();
        let text = format!("{:?}", error.issues);
        assert!(matches!(error.kind, Kind::Invalid) && text.contains(part), "{query}: {text}");
    }
    // Elsewhere they are told apart, and not among what is stored.
    let access = fixture.administrator();
    let request = Request { access: &access, ..fixture.request() };
    let error = search::system(&request, &pairs(&[("_type", "AuditEvent")])).await.unwrap_err();
    assert_eq!(error.kind, Kind::NotSupported);
    assert_eq!(history::type_level(&request, "AuditEvent", &[]).await.unwrap_err().kind, Kind::NotSupported);
    search::system(&request, &[]).await.unwrap();
    fixture.put(observation_of("o")).await;
    let bundle = body_of(
        search::search(&request, "Observation", &pairs(&[("_revinclude", "AuditEvent:entity")])).await.unwrap(),
    );
    assert!(bundle.to_string().contains("AuditEvents are not among the stored"), "{bundle}");
}

/// Who may look: 45 CFR 164.312(b) wants the log, and not that everybody sees what everybody did.
#[tokio::test]
async fn the_log_is_open_to_administrators_and_to_system_scopes_only() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.log(vec![AuditEntry { patient: Some("p".to_owned()), ..entry(1, "read", AuditAction::Read) }]).await;
    let id = "0-1";
    for (scopes, is_administrator, reads, searches) in [
        ("user/*.cruds", false, false, false),
        ("user/*.cruds", true, true, true),
        ("user/AuditEvent.r", true, true, false),
        ("user/AuditEvent.s", true, false, true),
        ("user/Observation.rs", true, false, false),
        ("user/AuditEvent.rs?action=R", true, false, false),
        ("system/AuditEvent.rs", false, true, true),
        ("system/*.rs", false, true, true),
        ("system/AuditEvent.cud", false, false, false),
        ("patient/*.cruds", false, false, false),
        ("patient/AuditEvent.rs", true, false, false),
    ] {
        let patient = Some("p".to_owned());
        let access = AccessContext { is_administrator, patient, ..fixture.with_scopes(scopes) };
        let request = Request { access: &access, ..fixture.request() };
        let unconditional = ReadConditions::default();
        let read = read::read(&request, "AuditEvent", id, &unconditional, &[]).await;
        let vread = read::vread(&request, "AuditEvent", id, "1", &ReadConditions::default(), &[]).await;
        let history = history::instance(&request, "AuditEvent", id, &[]).await;
        let found = search::search(&request, "AuditEvent", &[]).await;
        let shown = format!("{scopes} {is_administrator}");
        for (answered, is_open) in [(read, reads), (vread, reads), (history, reads), (found, searches)] {
            match answered {
                Ok(_) => assert!(is_open, "{shown}"),
                Err(error) => assert!(!is_open && error.kind == Kind::Forbidden, "{shown}: {error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_audit_event_has_one_version_and_never_changes() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.log(vec![entry(1, "read", AuditAction::Read)]).await;
    let access = fixture.administrator();
    let request = Request { access: &access, ..fixture.request() };
    let unconditional = ReadConditions::default();
    let answer = read::read(&request, "AuditEvent", "0-1", &unconditional, &[]).await.unwrap();
    assert_eq!(answer.version, Some(1));
    let event = body_of(answer);
    let version =
        body_of(read::vread(&request, "AuditEvent", "0-1", "1", &ReadConditions::default(), &[]).await.unwrap());
    assert_eq!(event, version);
    let history = body_of(history::instance(&request, "AuditEvent", "0-1", &[]).await.unwrap());
    assert_eq!((&history["total"], &history["entry"][0]["resource"]), (&json!(1), &event));
    let later = pairs(&[("_since", "2027-01-01T00:00:00Z")]);
    assert_eq!(body_of(history::instance(&request, "AuditEvent", "0-1", &later).await.unwrap())["total"], 0);
    for (id, version) in [("0-1", "2"), ("0-999999", "1"), ("00-1", "1"), ("0-+1", "1"), ("x", "1")] {
        let error =
            read::vread(&request, "AuditEvent", id, version, &ReadConditions::default(), &[]).await.unwrap_err();
        assert_eq!(error.kind, Kind::NotFound, "{id} {version}");
    }

    // <https://hl7.org/fhir/R4/http.html#delete>: 405 where a server deletes no resource of the type as a policy.
    let body = bytes(&event);
    let patch = bytes(&json!([{ "op": "replace", "path": "/outcome", "value": "0" }]));
    let target = || patch::PatchTarget::Id("0-1");
    let condition = pairs(&[("_id", "0-1")]);
    let refused = [
        create::create(&request, "AuditEvent", &body, None).await,
        update::update(&request, "AuditEvent", "0-1", &body, ALWAYS).await,
        update::update(&request, "AuditEvent", "new", &body, ALWAYS).await,
        update::conditional(&request, "AuditEvent", &condition, &body, ALWAYS).await,
        patch::patch(&request, "AuditEvent", target(), patch::PatchFormat::Json, &patch, ALWAYS).await,
        delete::delete(&request, "AuditEvent", "0-1", ALWAYS).await,
        delete::conditional(&request, "AuditEvent", &condition, ALWAYS).await,
    ];
    for (at, answered) in refused.into_iter().enumerate() {
        assert_eq!(answered.unwrap_err().kind, Kind::MethodNotAllowed, "{at}");
    }
    let entries = json!([
        { "resource": event, "request": { "method": "PUT", "url": "AuditEvent/0-1" } },
        { "request": { "method": "DELETE", "url": "AuditEvent/0-1" } },
        { "request": { "method": "GET", "url": "AuditEvent/0-1" } }
    ]);
    let batch = bytes(&json!({ "resourceType": "Bundle", "type": "batch", "entry": entries }));
    let answered = body_of(bundle::bundle(&request, &batch).await.unwrap());
    let statuses: Vec<&str> = answered["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["response"]["status"].as_str().unwrap()[..3])
        .collect();
    assert_eq!(statuses, ["405", "405", "200"]);
    assert_eq!(body_of(read::read(&request, "AuditEvent", "0-1", &unconditional, &[]).await.unwrap()), event);
}

/// "The audit log … use of the audit log is itself recorded": ATNA's audit log used event.
#[tokio::test]
async fn looking_at_the_log_is_recorded_in_it() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.log(vec![entry(1, "read", AuditAction::Read)]).await;
    fixture.events("patient=p").await.unwrap();
    let access = fixture.administrator();
    let request = Request { access: &access, ..fixture.request() };
    read::read(&request, "AuditEvent", "0-1", &ReadConditions::default(), &[]).await.unwrap();
    fixture.log(vec![entry(2, "read", AuditAction::Read)]).await;
    let bundle = fixture.events("entity=AuditEvent/0-1").await.unwrap();
    assert_eq!(bundle["entry"][0]["resource"]["subtype"][0]["code"], "read");
    let searches = fixture.events("subtype=search-type&agent:identifier=tester").await.unwrap();
    assert_eq!(
        searches["entry"].as_array().unwrap().last().unwrap()["resource"]["entity"][0]["description"],
        "AuditEvent"
    );
}
