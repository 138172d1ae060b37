//! A small made-up guide becomes a suite, without a line written by hand for it.

use vesta_codegen::digest::{Package, SearchParameter, Specification, Structure};
use vesta_codegen::emit;
use vesta_conformance::suite::{Check, Expectation, Suite, Variant};

fn guide() -> Package {
    let mut guide = Package {
        name: "test.guide".to_owned(),
        version: "1.0.0".to_owned(),
        canonical: "http://e".to_owned(),
        ..Package::default()
    };
    let profile = r#"{"url":"http://e/StructureDefinition/sample-profile","name":"P","kind":"resource","type":"Sample",
        "elements":[{"id":"Sample.subject","min":1,"max":"1","mustSupport":true,"types":[{"code":"Reference"}]}]}"#;
    let profile: Structure = serde_json::from_str(profile).unwrap();
    guide.structures.insert("sample-profile".to_owned(), profile);
    guide.capabilities.insert("server".into(), serde_json::from_str(include_str!("data/server.json")).unwrap());
    let parameters = [
        r#"{"url":"http://e/patient","name":"P","code":"patient","base":["Sample"],"type":"reference",
            "target":["Patient"],"expression":"Other.who | Sample.subject.where(resolve() is Patient)"}"#,
        r#"{"url":"http://e/status","name":"S","code":"status","base":["Sample"],"type":"token",
            "expression":"Sample.status","multipleOr":{"value":true,"expectation":"SHALL"}}"#,
        r#"{"url":"http://e/date","name":"D","code":"date","base":["Sample"],"type":"date","expression":"Sample.date",
            "comparator":[{"value":"ge","expectation":"SHALL"},{"value":"ap","expectation":"MAY"}]}"#,
    ];
    for parameter in parameters.map(|text| serde_json::from_str::<SearchParameter>(text).unwrap()) {
        guide.search_parameters.insert(parameter.code.clone(), parameter);
    }
    guide
}

fn emitted(guide: Package) -> Result<Suite, String> {
    let specification = Specification { packages: vec![guide], ..Specification::default() };
    let files = emit::suites::emit(&specification).map_err(|error| error.to_string())?;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].path, "conformance/suites/test.guide-1.0.0.json");
    Ok(serde_json::from_str(&files[0].text).unwrap())
}

/// Each interaction, search and include that SHALL or SHOULD be; of a profile that SHOULD be supported nothing SHALL be;
/// nothing of what MAY be.
#[test]
fn what_a_guide_expects_becomes_tests() {
    let suite = emitted(guide()).unwrap();
    let tests = suite.tests();
    let ids: Vec<(&str, Expectation)> =
        tests.iter().map(|test| (test.id.as_str(), test.definition.expectation)).collect();
    let (shall, should) = (Expectation::Shall, Expectation::Should);
    assert_eq!(
        ids,
        [
            ("capability-statement/statement", shall),
            ("capability-statement/Sample", shall),
            ("capability-statement/Other", shall),
            ("Other/read", shall),
            ("sample-profile/read", should),
            ("sample-profile/vread", should),
            ("sample-profile/search/patient/get", should),
            ("sample-profile/search/patient/post", should),
            ("sample-profile/search/patient/reference", should),
            ("sample-profile/search/patient+status+date/get", should),
            ("sample-profile/search/patient+status+date/post", should),
            ("sample-profile/search/patient+status+date/reference", should),
            ("sample-profile/search/patient+status+date/token", should),
            ("sample-profile/search/patient+status+date/list", should),
            ("sample-profile/search/patient+status+date/comparator", should),
            ("sample-profile/revinclude/Sample:patient", should),
            ("sample-profile/conformance", should),
            ("sample-profile/must-support", should),
            ("sample-profile/references", should),
        ]
    );
    let group = suite.groups.iter().find(|group| group.id == "sample-profile").unwrap();
    assert_eq!(group.profile.as_deref(), Some("http://e/StructureDefinition/sample-profile|1.0.0"));
    let Check::Search { parameters, variants } = &tests[9].definition.check else { panic!("{:?}", tests[9]) };
    assert_eq!((parameters.len(), variants[0]), (3, Variant::Get));
}

#[test]
fn a_parameter_is_taken_for_its_type_with_what_a_server_is_to_know_of_it() {
    let suite = emitted(guide()).unwrap();
    let of_sample = &suite.parameters["Sample"];
    assert_eq!(of_sample["patient"].expression, "Sample.subject.where(resolve() is Patient)");
    assert_eq!(of_sample["date"].comparators, ["ge"]);
    assert!(of_sample["status"].lists && !of_sample["date"].lists);
    let mut guide = guide();
    guide.search_parameters.remove("date");
    assert_eq!(emitted(guide).unwrap_err(), "test.guide@1.0.0: no SearchParameter has the code date for Sample");
}
