//! What is asked of the server, and what the right answer is.

use crate::data::{self, OBSERVATIONS, Random};
use crate::load::Request;

const FHIR: &str = "/apis/default/fhir";
/// Enough for the ids to be spread over all records.
const REQUESTS: usize = 20_000;

pub(crate) struct Scenario {
    pub name: &'static str,
    /// What it is held against; the aim is a share of that limit's rate, or a rate of its own.
    pub limit: Limit,
    pub requests: Vec<Request>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The answer that poem gives without any work.
    StaticAnswer,
    /// The statement of the same page, bare on one thread.
    BareStatement,
    /// Another scenario of the same run.
    Scenario(&'static str),
    None,
}

pub(crate) const BY_CATEGORY: &str = "page by patient and category, newest first";

/// Scenarios that only read.
pub(crate) fn reads(patients: usize) -> Vec<Scenario> {
    let mut random = Random(7);
    let mut scenario = |name, limit, path: &mut dyn FnMut(&mut Random, usize) -> String| {
        let requests = (0..REQUESTS).map(|_| {
            let patient = random.below(patients);
            Request::get(format!("{FHIR}/{}", path(&mut random, patient)))
        });
        Scenario { name, limit, requests: requests.collect() }
    };
    let code = |random: &mut Random, patient| data::code(patient, random.below(OBSERVATIONS)).0;
    vec![
        scenario("point read", Limit::StaticAnswer, &mut |random, patient| {
            format!("Observation/{}", data::observation_id(patient, random.below(OBSERVATIONS)))
        }),
        scenario(BY_CATEGORY, Limit::BareStatement, &mut |_, patient| {
            let patient = data::patient_id(patient);
            format!("Observation?patient={patient}&category=laboratory&_sort=-date&_count=20")
        }),
        scenario("page by patient, code and date", Limit::BareStatement, &mut |random, patient| {
            let (code, patient) = (code(random, patient), data::patient_id(patient));
            format!("Observation?patient={patient}&code=http://loinc.org%7C{code}&date=ge2015&_count=20")
        }),
        scenario("string: patients by name", Limit::BareStatement, &mut |_, patient| {
            format!("Patient?name={}&_count=20", data::family(patient).replace('\'', "%27"))
        }),
        scenario("date: patients by birth date", Limit::BareStatement, &mut |random, _| {
            format!("Patient?birthdate=ge{}-01-01&_count=20", 1930 + random.below(80))
        }),
        scenario("token: observations by code", Limit::BareStatement, &mut |random, patient| {
            format!("Observation?code=http://loinc.org%7C{}&_count=20", code(random, patient))
        }),
        scenario("quantity: observations above a value", Limit::BareStatement, &mut |random, _| {
            let value = 40 + random.below(100);
            format!("Observation?value-quantity=gt{value}%7Chttp://unitsofmeasure.org%7Cmg/dL&_count=20")
        }),
        scenario("reference: encounters' worth of a patient", Limit::BareStatement, &mut |_, patient| {
            format!("Observation?subject=Patient/{}&_count=20", data::patient_id(patient))
        }),
        scenario("composite: code and value", Limit::BareStatement, &mut |random, _| {
            format!("Observation?code-value-quantity=http://loinc.org%7C2339-0$gt{}&_count=20", 50 + random.below(90))
        }),
        scenario("in order: the newest observations of a code", Limit::None, &mut |random, patient| {
            format!("Observation?code=http://loinc.org%7C{}&_sort=-date&_count=20", code(random, patient))
        }),
        scenario("in order: patients by name", Limit::None, &mut |random, _| {
            format!("Patient?birthdate=ge{}-01-01&_sort=family&_count=20", 1930 + random.below(40))
        }),
        scenario("page with _include of the patient", Limit::BareStatement, &mut |_, patient| {
            let patient = data::patient_id(patient);
            format!("Observation?patient={patient}&category=vital-signs&_include=Observation:subject&_count=20")
        }),
        scenario("patient with _revinclude of 300 observations", Limit::BareStatement, &mut |_, patient| {
            format!("Patient?_id={}&_revinclude=Observation:patient", data::patient_id(patient))
        }),
        scenario("the same page with _total=accurate", Limit::Scenario(BY_CATEGORY), &mut |_, patient| {
            let patient = data::patient_id(patient);
            format!("Observation?patient={patient}&category=laboratory&_sort=-date&_count=20&_total=accurate")
        }),
    ]
}

/// Creates: the server gives the ids.
pub(crate) fn creates(patients: usize) -> Scenario {
    let mut random = Random(11);
    let requests = (0..REQUESTS).map(|_| Request {
        method: "POST",
        path: format!("{FHIR}/Observation"),
        body: Some(data::observation(random.below(patients), random.below(OBSERVATIONS))),
    });
    Scenario { name: "create", limit: Limit::None, requests: requests.collect() }
}

/// The nine types of the usual create-read-update-delete workload.
pub(crate) fn nine_types() -> Scenario {
    const BLOCK: usize = 200;
    let mut requests = Vec::new();
    for block in 0..8 {
        let of_block: Vec<_> = (0..BLOCK).map(|number| resources(block * BLOCK + number)).collect();
        // Type by type: what refers to others comes after all of them, and is deleted before them.
        let types = of_block[0].len();
        let of_type = |position: usize| of_block.iter().map(move |all| &all[position]);
        let request = |method, with_body: bool, (path, body): &(String, String)| Request {
            method,
            path: format!("{FHIR}/{path}"),
            body: with_body.then(|| body.clone()),
        };
        let send =
            |method, with_body: bool| (0..types).flat_map(of_type).map(move |one| request(method, with_body, one));
        // The phases of a block are far enough apart that a connection never overtakes another.
        requests.extend(send("PUT", true));
        requests.extend(send("GET", false));
        requests.extend(send("PUT", true));
        requests.extend((0..types).rev().flat_map(of_type).map(|one| request("DELETE", false, one)));
    }
    Scenario { name: "put, read, put, delete over nine types", limit: Limit::None, requests }
}

fn resources(number: usize) -> Vec<(String, String)> {
    let id = format!("bench-nine-{number}");
    let coding = r#"{"coding":[{"system":"http://example.org/code","code":"a"}],"text":"a"}"#;
    let claim = format!(
        r#""status":"active","type":{coding},"use":"claim","patient":{{"reference":"Patient/{id}"}},"created":"2024-05-06","provider":{{"reference":"Practitioner/{id}"}}"#
    );
    let insurance = r#""focal":true,"coverage":{"display":"none"}"#;
    let all = [
        (
            "Patient",
            r#""name":[{"family":"Bench","given":["Nine"]}],"gender":"female","birthDate":"1970-01-01""#.into(),
        ),
        ("Location", r#""status":"active","name":"Ward 1","mode":"instance""#.into()),
        ("Organization", r#""active":true,"name":"General Hospital""#.into()),
        ("Practitioner", r#""active":true,"name":[{"family":"Bench","given":["Doctor"]}]"#.into()),
        (
            "Encounter",
            format!(
                r#""status":"finished","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}},"subject":{{"reference":"Patient/{id}"}},"period":{{"start":"2024-05-06T08:00:00Z","end":"2024-05-06T09:00:00Z"}}"#
            ),
        ),
        (
            "Observation",
            format!(
                r#""status":"final","code":{coding},"subject":{{"reference":"Patient/{id}"}},"effectiveDateTime":"2024-05-06T08:30:00Z","valueQuantity":{{"value":1.50,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}}"#
            ),
        ),
        (
            "MedicationRequest",
            format!(
                r#""status":"active","intent":"order","medicationCodeableConcept":{coding},"subject":{{"reference":"Patient/{id}"}},"authoredOn":"2024-05-06""#
            ),
        ),
        ("Claim", format!(r#"{claim},"priority":{coding},"insurance":[{{"sequence":1,{insurance}}}]"#)),
        (
            "ExplanationOfBenefit",
            format!(r#"{claim},"insurer":{{"display":"none"}},"outcome":"complete","insurance":[{{{insurance}}}]"#),
        ),
    ];
    let resource = |(resource_type, content): (&str, String)| {
        let body = format!(r#"{{"resourceType":"{resource_type}","id":"{id}",{content}}}"#);
        (format!("{resource_type}/{id}"), body)
    };
    all.map(resource).into()
}

/// Right answers first: what some patients' records must count, by the generator.
pub(crate) fn expectations(patients: usize) -> Vec<(String, u64)> {
    let mut random = Random(3);
    (0..20)
        .map(|_| {
            let patient = random.below(patients);
            let count = (0..OBSERVATIONS).filter(|number| data::code(patient, *number).1).count() as u64;
            let id = data::patient_id(patient);
            (format!("{FHIR}/Observation?patient={id}&category=laboratory&_total=accurate&_count=20"), count)
        })
        .collect()
}
