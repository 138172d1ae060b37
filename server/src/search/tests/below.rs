//! `:below` where it is no hierarchy of resources or codes: versions of canonicals, and media types.
//! <https://hl7.org/fhir/R4/search.html#versions>, <https://hl7.org/fhir/R4/search.html#mimetype>

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

async fn check(fixture: Fixture) {
    let answers = [("a", "q|1.0"), ("b", "q|1.1.2"), ("c", "q|10.0"), ("d", "q"), ("e", "q-other|1.0")];
    let documents = [
        ("f", "text/xml"),
        ("g", "Text/XML; charset=UTF-8"),
        ("h", "text/xml;charset=UTF-8"),
        ("i", "text/xml-dtd"),
        ("j", "image/png"),
    ];
    let mut all: Vec<Value> = Vec::new();
    all.extend(answers.map(|(id, canonical)| {
        json!({ "resourceType": "QuestionnaireResponse", "id": id, "status": "completed",
            "questionnaire": format!("http://e.org/{canonical}") })
    }));
    all.extend(documents.map(|(id, media)| {
        json!({ "resourceType": "DocumentReference", "id": id, "status": "current",
            "content": [{ "attachment": { "contentType": media } }] })
    }));
    fixture.put(&all).await;
    for (of, query, expected) in [
        ("QuestionnaireResponse", "questionnaire:below=http://e.org/q", "abcd"),
        ("QuestionnaireResponse", "questionnaire:below=http://e.org/q|1", "ab"),
        ("QuestionnaireResponse", "questionnaire:below=http://e.org/q|1.1", "b"),
        ("QuestionnaireResponse", "questionnaire:below=http://e.org/q|1.1.2", "b"),
        ("QuestionnaireResponse", "questionnaire:below=http://e.org/q|1.1.2.3", ""),
        ("QuestionnaireResponse", "questionnaire:below=http://e.org/q|1.0,http://e.org/q-other", "ae"),
        ("QuestionnaireResponse", "questionnaire=http://e.org/q|1", ""),
        ("DocumentReference", "contenttype:below=text/xml", "fgh"),
        ("DocumentReference", "contenttype:below=text", "fghi"),
        ("DocumentReference", "contenttype:below=image,text/xml", "fghj"),
        ("DocumentReference", "contenttype:below=tex", ""),
        ("DocumentReference", "contenttype:below=text/xml; charset=UTF-8", "g"),
        ("DocumentReference", "contenttype=text/xml", "f"),
    ] {
        let search = parse(&fixture.table, Some(of), query).unwrap_or_else(|error| panic!("{of}?{query}: {error}"));
        let wanted: BTreeSet<String> = expected.chars().map(String::from).collect();
        let found = fixture.find(&search, &Boundary::Unrestricted, 2).await;
        assert_eq!(BTreeSet::from_iter(found), wanted, "{of}?{query}");
        let of_type = all.iter().filter(|one| search.matches(&fixture.table, one));
        let matched = of_type.map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
        assert_eq!(wanted, matched, "{of}?{query} in memory");
    }
    for (of, query) in [("DocumentReference", "contenttype:below="), ("DocumentReference", "status:below=current")] {
        assert!(parse(&fixture.table, Some(of), query).is_err(), "{of}?{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_finds_what_lies_below() {
    check(Fixture::generated().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_finds_what_lies_below() {
    if let Some(fixture) = Fixture::generated_on_postgres("below").await {
        check(fixture).await;
    }
}
