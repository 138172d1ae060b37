//! The operations of the terminology service: <https://hl7.org/fhir/R4/terminology-service.html>

use super::*;
use crate::fhir::operation::Place;

async fn filled() -> Fixture {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture
        .put(json!({
            "resourceType": "CodeSystem", "id": "pets", "url": "http://e.org/pets", "version": "1", "name": "Pets",
            "status": "active", "content": "complete",
            "concept": [
                { "code": "mammal", "display": "Mammal", "property": [{ "code": "notSelectable", "valueBoolean": true }],
                  "concept": [
                    { "code": "dog", "display": "Dog", "designation": [{ "language": "de", "value": "Hund" }] },
                    { "code": "dodo", "display": "Dodo", "property": [{ "code": "inactive", "valueBoolean": true }] }
                  ] },
                { "code": "fish", "display": "Fish" }
            ]
        }))
        .await;
    fixture
        .put(json!({
            "resourceType": "ValueSet", "id": "pets", "url": "http://e.org/vs/pets", "version": "1", "status": "active",
            "compose": { "include": [{ "system": "http://e.org/pets" }] }
        }))
        .await;
    fixture
        .put(json!({
            "resourceType": "ConceptMap", "id": "pets", "url": "http://e.org/map/pets", "version": "1", "status": "active",
            "group": [{ "source": "http://e.org/pets", "target": "http://e.org/foods", "element": [
                { "code": "fish", "target": [{ "code": "fillet", "equivalence": "narrower" }] }
            ] }]
        }))
        .await;
    fixture
}

/// One answer a line; times and new ids taken out.
async fn shown(fixture: &Fixture, place: Place<'_>, name: &str, query: &[(&str, &str)], body: Option<Value>) -> String {
    match fixture.operation(place, name, query, body).await {
        Ok(mut answer) => {
            assert_eq!(crate::validate::validate(&SCHEMA, &answer), []);
            if answer["expansion"].is_object() {
                answer["expansion"]["identifier"] = json!("[id]");
                answer["expansion"]["timestamp"] = json!("[time]");
            }
            answer.to_string()
        }
        Err(error) => format!("{} {error}", error.kind.status()),
    }
}

/// A query in one line: `url=…&code=…`.
async fn snapshot(fixture: &Fixture, cases: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (path, query) in cases {
        let (place, name) = path.split_once('$').unwrap();
        let place = match place.trim_end_matches('/').split_once('/') {
            Some((of, id)) => Place::Instance(of, id),
            None => Place::Type(place.trim_end_matches('/')),
        };
        let pairs = query::parse(query);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        text += &format!("{path}?{query}\n  {}\n", shown(fixture, place, name, &pairs, None).await);
    }
    text
}

/// <https://hl7.org/fhir/R4/valueset-operation-expand.html>
#[tokio::test]
async fn value_sets_are_expanded() {
    let fixture = filled().await;
    let cases = [
        ("ValueSet/$expand", "url=http://e.org/vs/pets"),
        ("ValueSet/pets/$expand", "excludeNested=true&activeOnly=true&excludeNotForUI=true"),
        ("ValueSet/pets/$expand", "filter=hun&includeDesignations=true&displayLanguage=de"),
        ("ValueSet/$expand", "url=http://e.org/vs/pets|1&offset=1&count=2"),
        ("ValueSet/$expand", "url=http://e.org/vs/pets&count=0&includeDefinition=true"),
        ("ValueSet/$expand", "url=http://hl7.org/fhir/ValueSet/administrative-gender&valueSetVersion=4.0.1"),
        // https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.valueSet
        ("ValueSet/$expand", "url=http://terminology.hl7.org/ValueSet/v3-ActMood&filter=intent"),
        ("ValueSet/$expand", "url=http://e.org/vs/nowhere"),
        ("ValueSet/$expand", "url=http://e.org/vs/pets|2"),
        ("ValueSet/$expand", "url=http://e.org/vs/pets|1&valueSetVersion=2"),
        ("ValueSet/$expand", "url=http://hl7.org/fhir/ValueSet/condition-code"),
        ("ValueSet/$expand", ""),
        ("ValueSet/nowhere/$expand", ""),
        ("ValueSet/pets/$expand", "url=http://e.org/vs/pets"),
        ("ValueSet/pets/$expand", "date=2020-01-01"),
        ("ValueSet/pets/$expand", "count=-1"),
        ("ValueSet/pets/$expand", "system-version=http://e.org/pets"),
        ("ValueSet/pets/$expand", "check-system-version=http://e.org/pets|2"),
    ];
    insta::assert_snapshot!(snapshot(&fixture, &cases).await);
}

/// <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>,
/// <https://hl7.org/fhir/R4/codesystem-operation-validate-code.html>
#[tokio::test]
async fn codes_are_validated() {
    let fixture = filled().await;
    let cases = [
        ("ValueSet/$validate-code", "url=http://e.org/vs/pets&system=http://e.org/pets&code=dog"),
        ("ValueSet/pets/$validate-code", "system=http://e.org/pets&code=dog&display=dog&displayLanguage=de"),
        ("ValueSet/pets/$validate-code", "system=http://e.org/pets&code=dog&display=Cat"),
        ("ValueSet/pets/$validate-code", "system=http://e.org/pets&code=cat"),
        ("ValueSet/pets/$validate-code", "system=http://e.org/elsewhere&code=dog"),
        ("ValueSet/pets/$validate-code", "system=http://e.org/pets&code=mammal&abstract=false"),
        ("ValueSet/pets/$validate-code", "system=http://e.org/pets&code=mammal"),
        ("ValueSet/pets/$validate-code", "system=http://e.org/pets&code=dodo"),
        ("ValueSet/pets/$validate-code", "coding=http://e.org/pets|fish"),
        ("ValueSet/pets/$validate-code", "code=dog"),
        ("ValueSet/pets/$validate-code", ""),
        (
            "ValueSet/$validate-code",
            "url=http://hl7.org/fhir/ValueSet/condition-code&system=http://snomed.info/sct&code=1",
        ),
        ("CodeSystem/$validate-code", "url=http://e.org/pets&code=dog"),
        ("CodeSystem/pets/$validate-code", "code=cat"),
        ("CodeSystem/pets/$validate-code", "coding=http://e.org/elsewhere|dog"),
        ("CodeSystem/$validate-code", "coding=http://hl7.org/fhir/administrative-gender|male"),
        ("CodeSystem/$validate-code", "url=http://e.org/nowhere&code=dog"),
        ("CodeSystem/$validate-code", "url=http://e.org/pets&version=9&code=dog"),
        ("CodeSystem/$validate-code", "code=dog"),
    ];
    insta::assert_snapshot!(snapshot(&fixture, &cases).await);
}

/// <https://hl7.org/fhir/R4/codesystem-operation-lookup.html>,
/// <https://hl7.org/fhir/R4/codesystem-operation-subsumes.html>
#[tokio::test]
async fn codes_are_looked_up_and_compared() {
    let fixture = filled().await;
    let cases = [
        ("CodeSystem/$lookup", "system=http://e.org/pets&code=dog"),
        ("CodeSystem/$lookup", "coding=http://e.org/pets|dog&property=parent&displayLanguage=de"),
        ("CodeSystem/$lookup", "system=http://e.org/pets&code=dog&property=lang.de"),
        ("CodeSystem/$lookup", "system=http://hl7.org/fhir/administrative-gender&code=male"),
        ("CodeSystem/$lookup", "system=http://e.org/pets&code=cat"),
        ("CodeSystem/$lookup", "system=http://snomed.info/sct&code=1"),
        ("CodeSystem/$lookup", "code=dog"),
        ("CodeSystem/$subsumes", "system=http://e.org/pets&codeA=mammal&codeB=dog"),
        ("CodeSystem/pets/$subsumes", "codeA=dog&codeB=mammal"),
        ("CodeSystem/$subsumes", "codingA=http://e.org/pets|dog&codingB=http://e.org/pets|fish"),
        ("CodeSystem/$subsumes", "codingA=http://e.org/pets|dog&codingB=http://e.org/other|fish"),
        ("CodeSystem/$subsumes", "codeA=dog&codeB=mammal"),
        ("CodeSystem/pets/$subsumes", "codeA=dog"),
        ("CodeSystem/pets/$subsumes", "codeA=dog&codeB=cat"),
    ];
    insta::assert_snapshot!(snapshot(&fixture, &cases).await);
}

/// <https://hl7.org/fhir/R4/conceptmap-operation-translate.html>
#[tokio::test]
async fn codes_are_translated() {
    let fixture = filled().await;
    let cases = [
        ("ConceptMap/$translate", "url=http://e.org/map/pets&system=http://e.org/pets&code=fish"),
        ("ConceptMap/pets/$translate", "coding=http://e.org/foods|fillet&reverse=true"),
        ("ConceptMap/pets/$translate", "system=http://e.org/pets&code=dog"),
        // Without a map named, by all that go out from the code system; those of the packages too.
        ("ConceptMap/$translate", "system=http://e.org/pets&code=fish"),
        (
            "ConceptMap/$translate",
            "system=http://hl7.org/fhir/administrative-gender&code=male&target=http://terminology.hl7.org/ValueSet/v2-0001",
        ),
        (
            "ConceptMap/$translate",
            "system=http://hl7.org/fhir/administrative-gender&code=male&targetsystem=http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender",
        ),
        ("ConceptMap/$translate", "url=http://e.org/map/nowhere&system=http://e.org/pets&code=fish"),
        ("ConceptMap/pets/$translate", "code=fish"),
    ];
    insta::assert_snapshot!(snapshot(&fixture, &cases).await);
}

/// What comes with the request stands for what is named.
#[tokio::test]
async fn definitions_may_come_with_the_request() {
    let fixture = filled().await;
    let parameters = |given: Value| Some(json!({ "resourceType": "Parameters", "parameter": given }));
    let set = json!({ "resourceType": "ValueSet", "status": "active", "compose": { "include": [
        { "system": "http://e.org/pets", "filter": [{ "property": "concept", "op": "descendent-of", "value": "mammal" }] }
    ] } });
    let system = json!({ "resourceType": "CodeSystem", "url": "http://e.org/mine", "status": "draft", "content": "complete",
        "concept": [{ "code": "a" }] });
    let both = json!({ "coding": [
        { "system": "http://e.org/elsewhere", "code": "x" }, { "system": "http://e.org/pets", "code": "dog" }
    ] });
    let mut told = String::new();
    for (of, name, body) in [
        ("ValueSet", "expand", Some(set.clone())),
        ("ValueSet", "expand", parameters(json!([{ "name": "valueSet", "resource": set }]))),
        (
            "ValueSet",
            "validate-code",
            parameters(
                json!([{ "name": "valueSet", "resource": set }, { "name": "codeableConcept", "valueCodeableConcept": both }]),
            ),
        ),
        (
            "CodeSystem",
            "validate-code",
            parameters(json!([{ "name": "codeSystem", "resource": system }, { "name": "code", "valueCode": "a" }])),
        ),
    ] {
        told += &format!("{of} ${name}: {}\n", shown(&fixture, Place::Type(of), name, &[], body).await);
    }
    insta::assert_snapshot!(told);
}

/// Who may read the type may ask; packaged terminology is there for patients too, and what users post is not, but for the
/// types of the directory.
#[tokio::test]
async fn the_operations_keep_to_the_scopes() {
    let mut fixture = filled().await;
    let user = fixture.access.clone();
    let pets: &[(&str, &str)] = &[("url", "http://e.org/vs/pets")];
    let gender: &[(&str, &str)] = &[("url", "http://hl7.org/fhir/ValueSet/administrative-gender")];
    let lookup: &[(&str, &str)] = &[("system", "http://e.org/pets"), ("code", "dog")];
    let packaged: &[(&str, &str)] = &[("system", "http://hl7.org/fhir/administrative-gender"), ("code", "male")];
    let mut told = String::new();
    for (scopes, patient) in [
        ("user/ValueSet.r", None),
        ("user/ValueSet.s user/CodeSystem.r", None),
        ("patient/*.r", Some("p")),
        ("patient/Observation.rs", Some("p")),
    ] {
        fixture.access = AccessContext { patient: patient.map(str::to_owned), ..fixture.with_scopes(scopes) };
        for (of, name, query) in [
            ("ValueSet", "expand", pets),
            ("ValueSet", "expand", gender),
            ("CodeSystem", "lookup", lookup),
            ("CodeSystem", "lookup", packaged),
        ] {
            let answer = fixture.operation(Place::Type(of), name, query, None).await;
            let status = answer.as_ref().map_or_else(|error| error.kind.status(), |_| 200);
            told += &format!("{scopes}: {of} ${name} {}: {status}\n", query[0].1);
        }
    }
    fixture.access = user;
    insta::assert_snapshot!(told);
}

/// "If a display is provided a code must be provided": what goes with another parameter is not passed over where that is
/// not there. <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>
#[tokio::test]
async fn a_parameter_without_the_one_that_it_goes_with_is_refused() {
    let fixture = filled().await;
    let cases = [
        ("ValueSet/$validate-code", "url=http://e.org/vs/pets&coding=http://e.org/pets|dog&display=Dog", "display"),
        ("ValueSet/$validate-code", "url=http://e.org/vs/pets&coding=http://e.org/pets|dog&system=http://x", "system"),
        ("ValueSet/$validate-code", "url=http://e.org/vs/pets&coding=http://e.org/pets|dog&systemVersion=1", "version"),
        ("ValueSet/pets/$expand", "valueSetVersion=1", "valueSetVersion"),
        ("CodeSystem/$validate-code", "coding=http://e.org/pets|dog&version=1", "version"),
        ("CodeSystem/$lookup", "coding=http://e.org/pets|dog&system=http://e.org/pets", "system"),
        ("CodeSystem/$lookup", "coding=http://e.org/pets|dog&version=1", "version"),
        ("CodeSystem/$subsumes", "codingA=http://e.org/pets|dog&codingB=http://e.org/pets|dog&version=1", "version"),
        ("ConceptMap/$translate", "code=fish&system=http://e.org/pets&conceptMapVersion=1", "conceptMapVersion"),
    ];
    let answers = snapshot(&fixture, &cases.map(|(path, query, _)| (path, query))).await;
    let answers: Vec<&str> = answers.lines().filter(|line| line.trim_start().starts_with("400 ")).collect();
    assert_eq!(answers.len(), cases.len(), "{answers:#?}");
    for (answer, (path, query, name)) in answers.iter().zip(cases) {
        assert!(answer.contains(name), "{path}?{query}: {answer}");
    }
    // With it they are taken.
    for (path, query) in [
        ("CodeSystem/$subsumes", "codeA=dog&codeB=dog&system=http://e.org/pets&version=1"),
        ("CodeSystem/$lookup", "code=dog&system=http://e.org/pets&version=1"),
    ] {
        let answer = snapshot(&fixture, &[(path, query)]).await;
        assert!(!answer.contains("\n  4"), "{answer}");
    }
}
