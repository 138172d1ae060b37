//! What the emitters write, for a few real definitions and for small hand-made ones that exercise each shape.

mod common;

use std::collections::BTreeMap;

use vesta_codegen::digest::{Lock, LockedPackage, Package, Specification, Unresolved};
use vesta_codegen::emit::{self, GeneratedFile};

use common::SPECIFICATION;

fn text<'a>(files: &'a [GeneratedFile], path: &str) -> &'a str {
    &files.iter().find(|file| file.path.ends_with(path)).unwrap_or_else(|| panic!("no {path}")).text
}

#[test]
fn element_tables_of_real_types() {
    let files = emit::elements::emit(&SPECIFICATION).unwrap();
    insta::assert_snapshot!("patient", text(&files, "elements/patient.rs"));
    insta::assert_snapshot!("observation", text(&files, "elements/observation.rs"));
    let data_types = text(&files, "elements/data_types.rs");
    let quantity = data_types.find("/// `Quantity`").unwrap();
    let end = quantity + data_types[quantity..].find("\n};\n").unwrap();
    insta::assert_snapshot!("quantity", &data_types[quantity..end + 3]);
}

#[test]
fn a_profile_of_us_core() {
    let files = emit::guides::emit(&SPECIFICATION).unwrap();
    insta::assert_snapshot!("us_core_careteam", text(&files, "us_core_8_0_0/profiles/us_core_careteam.rs"));
}

/// Same input, same bytes: no order of a hash map gets into the output (each map has its own order, also in one
/// process). For the other emitters `cargo xtask codegen --check` shows it, against what another process wrote.
#[test]
fn emitting_twice_gives_the_same() {
    let emitters: [emit::Emitter; 4] =
        [emit::elements::emit, emit::compartments::emit, emit::boundary::emit, emit::guides::emit];
    for emitter in emitters {
        assert!(emitter(&SPECIFICATION).unwrap() == emitter(&SPECIFICATION).unwrap());
    }
}

fn definition(folder: &str, id: &str, json: &str) -> (String, String) {
    (format!("{folder}/{id}.json"), json.to_owned())
}

/// A specification of one resource type and one guide with one profile.
fn hand_made() -> Specification {
    let structure = |id: &str, json: &str| definition("StructureDefinition", id, json);
    let data_type = |name: &str, kind: &str, base: &str, elements: &str| {
        let json = format!(
            r#"{{"url":"http://hl7.org/fhir/StructureDefinition/{name}","name":"{name}","kind":"{kind}","type":"{name}",
            "baseDefinition":"http://hl7.org/fhir/StructureDefinition/{base}","derivation":"specialization",
            "elements":[{{"id":"{name}","min":0,"max":"*"}}{elements}]}}"#
        );
        structure(name, &json)
    };
    let value = r#",{"id":"code.value","min":0,"max":"1","types":[{"code":"http://hl7.org/fhirpath/System.String"}]}"#;
    let core = BTreeMap::from([
        structure(
            "Element",
            r#"{"url":"http://hl7.org/fhir/StructureDefinition/Element","name":"Element","kind":"complex-type",
            "abstract":true,"type":"Element","elements":[{"id":"Element","min":0,"max":"*"},{"id":"Element.id","min":0,
            "max":"1","types":[{"code":"http://hl7.org/fhirpath/System.String","fhirType":"string"}]}]}"#,
        ),
        data_type("string", "primitive-type", "Element", ""),
        data_type("decimal", "primitive-type", "Element", ""),
        data_type("code", "primitive-type", "string", value),
        data_type("Reference", "complex-type", "Element", ""),
        data_type("BackboneElement", "complex-type", "Element", ""),
        structure("Sample", include_str!("data/sample.json")),
        definition(
            "ValueSet",
            "sample-status",
            r#"{"url":"http://e/ValueSet/sample-status","name":"S","include":[{"system":"http://e/codes"}],
            "exclude":[{"system":"http://e/codes","concept":[{"code":"never"}]}]}"#,
        ),
        definition(
            "CodeSystem",
            "codes",
            r#"{"url":"http://e/codes","name":"C","content":"complete","concepts":[{"code":"open"},{"code":"closed"},
            {"code":"ajar","parent":["open"]},{"code":"never"},{"code":"group","notSelectable":true}]}"#,
        ),
    ]);
    let guide = BTreeMap::from([structure("sample-profile", include_str!("data/sample-profile.json"))]);
    let package = |name: &str, version: &str, files, dependencies: &[&str]| {
        let mut package = Package::parse(name, version, &files).unwrap();
        package.canonical = "http://e".to_owned();
        package.dependencies = dependencies.iter().map(|name| (*name).to_owned()).collect();
        package
    };
    let packages = vec![
        package("hl7.fhir.r4.core", "4.0.1", core, &[]),
        package("test.guide", "1.0.0", guide, &["hl7.fhir.r4.core@4.0.1"]),
    ];
    let locked = packages.iter().map(|package| LockedPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        canonical: package.canonical.clone(),
        fhir_version: "4.0.1".to_owned(),
        digest: String::new(),
        archive: String::new(),
        dependencies: package.dependencies.clone(),
        absent_dependencies: Vec::new(),
        unresolved_value_sets: Unresolved::default(),
        code_systems_not_carried: Default::default(),
    });
    Specification { lock: Lock { packages: locked.collect() }, packages, files: BTreeMap::new() }
}

/// A choice, a content reference, a backbone element, a required code with its closed list (an exclusion, a group),
/// targets, the flags, and the cardinalities.
#[test]
fn element_tables_of_hand_made_shapes() {
    let files = emit::elements::emit(&hand_made()).unwrap();
    insta::assert_snapshot!("hand_made_sample", text(&files, "elements/sample.rs"));
    insta::assert_snapshot!("hand_made_primitives", text(&files, "elements/primitives.rs"));
    insta::assert_snapshot!("hand_made_bindings", text(&files, "elements/bindings.rs"));
    insta::assert_snapshot!("hand_made_schema", text(&files, "elements/mod.rs"));
}

/// Slices with their discriminator, a fixed value, a pattern with a decimal as written, flagged types and targets, a
/// binding with its additional one, an invariant; and nothing that the type says already.
#[test]
fn a_hand_made_profile() {
    let files = emit::guides::emit(&hand_made()).unwrap();
    insta::assert_snapshot!("hand_made_profile", text(&files, "profiles/sample_profile.rs"));
    insta::assert_snapshot!("hand_made_guide", text(&files, "test_guide_1_0_0/mod.rs"));
    insta::assert_snapshot!("hand_made_value_sets", text(&files, "test_guide_1_0_0/value_sets.rs"));
}

#[test]
fn a_type_that_nothing_defines_is_an_error_that_names_the_element() {
    let mut specification = hand_made();
    let sample = specification.packages[0].structures.get_mut("Sample").unwrap();
    sample.elements[1].types[0].code = "Unheard".to_owned();
    sample.elements[1].types[0].fhir_type = None;
    let error = emit::elements::emit(&specification).unwrap_err().to_string();
    assert_eq!(error, "Sample.status has the type \"Unheard\", which the R4 package does not define");
}
