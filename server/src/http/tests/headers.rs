//! Headers and parameters that are no one interaction's.

use super::*;

/// A condition that is not read would let a create go on without it: it is read in any letters, and there once.
/// <https://hl7.org/fhir/R4/http.html#ccreate>
#[tokio::test]
async fn a_header_that_decides_what_is_written_is_never_passed_over() {
    let house = House::new(|_| ());
    let token = house.token("user/*.cruds", None);
    let patient = "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"M\u{fc}ller\"}]}".as_bytes();
    for (condition, status) in [
        (&[JSON, "if-none-exist: family=M\u{fc}ller"][..], 201),
        (&[JSON, "if-none-exist: family=M\u{fc}ller"], 200),
        (&[JSON, "if-none-exist: family=M%C3%BCller"], 200),
        (&[JSON, "if-none-exist: family=Nobody", "if-none-exist: family=M\u{fc}ller"], 400),
    ] {
        let response = house.answer(&token, "POST Patient", condition, patient).await;
        assert_eq!(response.status().as_u16(), status, "{condition:?}");
    }
    let contexts = ["content-type: text/plain", "x-security-context: Patient/1", "x-security-context: Patient/2"];
    let refused = house.answer(&token, "POST Binary", &contexts, b"a").await;
    assert_eq!(refused.status().as_u16(), 400);
}

/// RFC 5789, 2.2: "the 415 … response SHOULD include an Accept-Patch response header".
#[tokio::test]
async fn a_patch_of_another_format_is_told_which_there_are() {
    let house = House::new(|_| ());
    let token = house.token("user/*.cruds", None);
    for headers in [&["content-type: application/merge-patch+json"][..], &[]] {
        let response = house.answer(&token, "PATCH Patient/1", headers, b"{}").await;
        assert_eq!(response.status().as_u16(), 415);
        assert_eq!(response.header("accept-patch"), Some("application/json-patch+json, application/fhir+json"));
    }
}

/// "[base]/[type]/_search{?[parameters]{&_format=[mime-type]}}": the form of a search says it as its query does.
/// <https://hl7.org/fhir/R4/http.html#search>
#[tokio::test]
async fn a_form_may_say_how_it_is_answered() {
    let house = House::new(|_| ());
    let token = house.token("user/*.cruds", None);
    const FORM: &str = "content-type: application/x-www-form-urlencoded";
    for line in ["POST Patient/_search", "POST _search?_type=Patient"] {
        let send = async |body: &[u8]| house.answer(&token, line, &[FORM], body).await;
        assert_eq!(send(b"_format=xml").await.status().as_u16(), 406, "{line}");
        let mut pretty = send(b"_format=json&_pretty=true").await;
        assert_eq!(pretty.status().as_u16(), 200, "{line}");
        assert!(pretty.take_body().into_string().await.unwrap().starts_with("{\n"), "{line}");
        assert_eq!(send(b"_pretty=yes").await.status().as_u16(), 400, "{line}: it is a boolean");
    }
}

/// RFC 9110, 13.1.2: `If-None-Match` is of any GET, of a version as well.
#[tokio::test]
async fn a_version_that_the_client_has_is_not_sent_again() {
    let house = House::new(|_| ());
    let token = house.token("user/*.cruds", None);
    house.answer(&token, "PUT Patient/a", &[JSON], br#"{"resourceType":"Patient","id":"a"}"#).await;
    house.answer(&token, "PUT Binary/b", &["content-type: text/plain"], b"b").await;
    for line in ["GET Patient/a/_history/1", "GET Binary/b/_history/1", "GET Patient/a", "HEAD Patient/a/_history/1"] {
        for (tags, status) in [
            (&["if-none-match: W/\"1\""][..], 304),
            (&["if-none-match: \"9\"", "if-none-match: \"1\""], 304),
            (&["if-none-match: \"9\""], 200),
        ] {
            assert_eq!(house.answer(&token, line, tags, b"").await.status().as_u16(), status, "{line} {tags:?}");
        }
    }
}
