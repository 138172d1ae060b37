//! Patients, and the people around them.

use jiff::civil::{Date, DateTime};
use serde_json::{Value, json};

use crate::chart::Chart;
use crate::directory::{CLINIC, OKAFOR};
use crate::element::{
    Code, address, code, coding, concept, extension, phone, reference, snomed, us_core, us_core_extension,
};
use crate::time::{day, instant};
use crate::version::Versions;

const RACE_AND_ETHNICITY: &str = "urn:oid:2.16.840.1.113883.6.238";
pub(crate) const WHITE: Code = code(RACE_AND_ETHNICITY, "2106-3", "White");
pub(crate) const BLACK: Code = code(RACE_AND_ETHNICITY, "2054-5", "Black or African American");
pub(crate) const ASIAN: Code = code(RACE_AND_ETHNICITY, "2028-9", "Asian");
pub(crate) const AMERICAN_INDIAN: Code = code(RACE_AND_ETHNICITY, "1002-5", "American Indian or Alaska Native");
pub(crate) const FILIPINO: Code = code(RACE_AND_ETHNICITY, "2036-2", "Filipino");
pub(crate) const HISPANIC: Code = code(RACE_AND_ETHNICITY, "2135-2", "Hispanic or Latino");
pub(crate) const NOT_HISPANIC: Code = code(RACE_AND_ETHNICITY, "2186-5", "Not Hispanic or Latino");
pub(crate) const MEXICAN: Code = code(RACE_AND_ETHNICITY, "2148-5", "Mexican");

pub(crate) const NAVAJO_NATION: Code =
    code("http://terminology.hl7.org/CodeSystem/v3-TribalEntityUS", "170", "Navajo Nation, Arizona, New Mexico & Utah");

pub(crate) const FEMALE: Code = snomed("248152002", "Female (finding)");
pub(crate) const MALE: Code = snomed("248153007", "Male (finding)");
pub(crate) const NONBINARY: Code = snomed("33791000087105", "Identifies as nonbinary gender (finding)");
pub(crate) const YES: Code = snomed("373066001", "Yes (qualifier value)");

pub(crate) const ENGLISH: Code = code("urn:ietf:bcp:47", "en", "English");
pub(crate) const SPANISH: Code = code("urn:ietf:bcp:47", "es", "Spanish");

#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) family: &'a str,
    pub(crate) given: &'a [&'a str],
    pub(crate) suffix: Option<&'a str>,
}

/// What is known of a person; `Person::new` has what everyone's record has.
#[derive(Debug, Clone)]
pub(crate) struct Person<'a> {
    /// None for someone whose name nobody knows.
    pub(crate) name: Option<Name<'a>>,
    /// A former name, and the day it ended.
    pub(crate) former_name: Option<(Name<'a>, Date)>,
    pub(crate) gender: &'a str,
    pub(crate) born: Option<Date>,
    pub(crate) died: Option<DateTime>,
    pub(crate) race: &'a [Code],
    pub(crate) race_detail: Option<Code>,
    pub(crate) ethnicity: Option<Code>,
    pub(crate) ethnicity_detail: Option<Code>,
    pub(crate) tribe: Option<Code>,
    /// The sex for clinical use.
    pub(crate) sex: Option<Code>,
    pub(crate) birth_sex: Option<&'a str>,
    pub(crate) gender_identity: Option<Code>,
    pub(crate) interpreter_needed: Option<Code>,
    pub(crate) phone: Option<&'a str>,
    pub(crate) email: Option<&'a str>,
    /// Street, city, state, postal code.
    pub(crate) home: Option<[&'a str; 4]>,
    /// A former home, and the day they moved.
    pub(crate) former_home: Option<([&'a str; 4], Date)>,
    pub(crate) language: Option<Code>,
}

impl<'a> Person<'a> {
    pub(crate) fn new(family: &'a str, given: &'a [&'a str], gender: &'a str, born: Date) -> Person<'a> {
        let name = Name { family, given, suffix: None };
        Person { name: Some(name), born: Some(born), ..Person::unknown(gender) }
    }

    pub(crate) fn unknown(gender: &'a str) -> Person<'a> {
        Person {
            name: None,
            former_name: None,
            gender,
            born: None,
            died: None,
            race: &[],
            race_detail: None,
            ethnicity: None,
            ethnicity_detail: None,
            tribe: None,
            sex: None,
            birth_sex: None,
            gender_identity: None,
            interpreter_needed: None,
            phone: None,
            email: None,
            home: None,
            former_home: None,
            language: None,
        }
    }
}

/// Adds the Patient. The medical record number is by chance.
pub(crate) fn register(chart: &mut Chart, written: DateTime, person: &Person<'_>) {
    let number = chart.random.digits(7);
    let body = json!({
        "extension": none_if_empty(extensions(chart, person)),
        "identifier": [{
            "use": "usual",
            "type": concept(&code("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number")),
            "system": "https://harborstreet.example/mrn",
            "value": format!("MRN-{number}"),
        }],
        "active": true,
        "name": names(person),
        "telecom": none_if_empty(telecoms(person)),
        "gender": person.gender,
        "birthDate": person.born.map(day),
        // Of someone unknown nobody would know.
        "deceasedBoolean": (person.died.is_none() && person.name.is_some()).then_some(false),
        "deceasedDateTime": person.died.map(instant),
        "address": none_if_empty(addresses(person)),
        "communication": person.language.map(|language| json!([{ "language": concept(&language), "preferred": true }])),
        "generalPractitioner": [reference(OKAFOR)],
        "managingOrganization": reference(CLINIC),
    });
    chart.add("Patient", &["us-core-patient"], written, body);
}

fn none_if_empty(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::Null } else { items.into() }
}

fn names(person: &Person<'_>) -> Value {
    let Some(name) = person.name else {
        // us-core-6: a name is required, and may be absent with its reason.
        let url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
        return json!([{ "extension": [extension(url, "valueCode", "unknown".into())] }]);
    };
    let written = |name: Name<'_>, use_: &str, end: Option<Date>| {
        json!({
            "use": use_,
            "family": name.family,
            "given": name.given,
            "suffix": name.suffix.map(|suffix| json!([suffix])),
            "period": end.map(|end| json!({ "end": day(end) })),
        })
    };
    let mut names = vec![written(name, "official", None)];
    names.extend(person.former_name.map(|(name, end)| written(name, "old", Some(end))));
    names.into()
}

fn telecoms(person: &Person<'_>) -> Vec<Value> {
    let number = person.phone.map(|number| phone(number, "phone", "mobile"));
    number.into_iter().chain(person.email.map(|email| phone(email, "email", "home"))).collect()
}

fn addresses(person: &Person<'_>) -> Vec<Value> {
    let written = |home: [&str; 4], use_: &str, end: Option<Date>| {
        let [line, city, state, postal_code] = home;
        let mut address = address(line, city, state, postal_code);
        address["use"] = use_.into();
        if let Some(end) = end {
            address["period"] = json!({ "end": day(end) });
        }
        address
    };
    let home = person.home.map(|home| written(home, "home", None));
    home.into_iter().chain(person.former_home.map(|(home, end)| written(home, "old", Some(end)))).collect()
}

fn extensions(chart: &Chart, person: &Person<'_>) -> Vec<Value> {
    let mut extensions = Vec::new();
    if !person.race.is_empty() {
        extensions.push(us_core_extension("us-core-race", omb(person.race, person.race_detail)));
    }
    if let Some(ethnicity) = person.ethnicity {
        extensions.push(us_core_extension("us-core-ethnicity", omb(&[ethnicity], person.ethnicity_detail)));
    }
    if let Some(tribe) = person.tribe {
        let parts = vec![
            extension("tribalAffiliation", "valueCodeableConcept", concept(&tribe)),
            extension("isEnrolled", "valueBoolean", true.into()),
        ];
        extensions.push(us_core_extension("us-core-tribal-affiliation", parts));
    }
    if let Some(sex) = person.sex {
        // The same extension has another type in 8.0.0.
        let url = us_core("us-core-sex");
        extensions.push(match chart.keeps(Versions::V8_0) {
            true => extension(&url, "valueCoding", coding(&sex)),
            false => extension(&url, "valueCode", sex.code.into()),
        });
    }
    if let Some(birth_sex) = person.birth_sex {
        extensions.push(extension(&us_core("us-core-birthsex"), "valueCode", birth_sex.into()));
    }
    if let Some(identity) = person.gender_identity {
        extensions.push(extension(&us_core("us-core-genderIdentity"), "valueCodeableConcept", concept(&identity)));
    }
    if let Some(needed) = person.interpreter_needed {
        extensions.push(extension(&us_core("us-core-interpreter-needed"), "valueCoding", coding(&needed)));
    }
    extensions
}

/// The parts of race and ethnicity: categories of the Office of Management and Budget, a detail, and the words.
fn omb(categories: &[Code], detail: Option<Code>) -> Vec<Value> {
    let mut parts: Vec<Value> =
        categories.iter().map(|category| extension("ombCategory", "valueCoding", coding(category))).collect();
    parts.extend(detail.map(|detail| extension("detailed", "valueCoding", coding(&detail))));
    let words: Vec<&str> = categories.iter().chain(&detail).map(|code| code.display).collect();
    parts.push(extension("text", "valueString", words.join(", ").into()));
    parts
}

/// Someone close to the patient; `role` is of <http://terminology.hl7.org/CodeSystem/v3-RoleCode>.
pub(crate) fn related(
    chart: &mut Chart,
    written: DateTime,
    role: (&'static str, &'static str),
    name: Name<'_>,
    number: &str,
    home: [&str; 4],
) -> String {
    let role = code("http://terminology.hl7.org/CodeSystem/v3-RoleCode", role.0, role.1);
    let [line, city, state, postal_code] = home;
    let body = json!({
        "active": true,
        "patient": chart.subject(),
        "relationship": [concept(&role)],
        "name": [{ "family": name.family, "given": name.given }],
        "telecom": [phone(number, "phone", "mobile")],
        "address": [address(line, city, state, postal_code)],
    });
    chart.add("RelatedPerson", &["us-core-relatedperson"], written, body)
}
