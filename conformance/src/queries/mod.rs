//! Searches and what they must find, worked out from the samples: every value asked for comes from the files, and the
//! answer is the set of ids that a plain reading of <https://hl7.org/fhir/R4/search.html> gives.

mod chains;
pub(crate) mod criteria;
pub(crate) mod facts;
pub mod includes;
mod path;
mod places;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use crate::samples::Sample;
use criteria::Criterion;
use facts::Fact;
pub use path::{ExpressionError, Path};
pub use table::Kind;
use table::{COMBINATIONS, ROWS};

/// A search parameter of a type, and where its values stand.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub resource_type: String,
    pub code: String,
    pub kind: Kind,
    pub paths: Vec<Path>,
}

/// The parameters of the table.
fn parameters(resource_type: &str) -> impl Iterator<Item = &'static Parameter> {
    static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
        let parameters = ROWS.iter().map(|row| Parameter {
            resource_type: row.resource_type.to_owned(),
            code: row.code.to_owned(),
            kind: row.kind.clone(),
            paths: row.paths.iter().map(|path| Path::members(path)).collect(),
        });
        parameters.collect()
    });
    PARAMETERS.iter().filter(move |parameter| parameter.resource_type == resource_type)
}

/// A search and the ids of the resources that it must find, no more and no fewer.
#[derive(Debug, Clone)]
pub struct Query {
    pub resource_type: &'static str,
    /// Names (with modifiers) and values, not yet percent-encoded.
    pub parameters: Vec<(String, String)>,
    pub expected: BTreeSet<String>,
}

impl fmt::Display for Query {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.resource_type)?;
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            write!(formatter, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// The resources of one type, and what each parameter finds in each.
struct Reading<'a> {
    ids: Vec<&'a str>,
    facts: BTreeMap<&'a str, Vec<Vec<Fact>>>,
    present: BTreeMap<&'a str, Vec<bool>>,
}

/// How many values of a parameter are asked for: those are spread over all that occur.
const VALUES: usize = 6;
/// How many resources lend their values to a combination.
const LENDERS: usize = 5;

/// Every search that the table and the samples give.
pub fn queries(samples: &[Sample]) -> Vec<Query> {
    let mut queries = Vec::new();
    let types: BTreeSet<&'static str> = ROWS.iter().map(|row| row.resource_type).collect();
    let readings = types.into_iter().map(|resource_type| (resource_type, read(samples, resource_type)));
    let readings: BTreeMap<_, _> = readings.filter(|(_, reading)| !reading.ids.is_empty()).collect();
    for (resource_type, reading) in &readings {
        let resource_type = *resource_type;
        let all = reading.ids.iter().map(|id| (*id).to_owned()).collect();
        queries.push(Query { resource_type, parameters: Vec::new(), expected: all });
        queries.extend(by_id(resource_type, reading));
        for parameter in parameters(resource_type) {
            let facts = &reading.facts[parameter.code.as_str()];
            for criterion in criteria::single(parameter, facts, VALUES) {
                queries.push(query(resource_type, reading, &[criterion]));
            }
            queries.extend(missing(resource_type, reading, parameter));
        }
        for (_, codes) in COMBINATIONS.iter().filter(|(combined, _)| *combined == resource_type) {
            queries.extend(combined(resource_type, reading, codes));
        }
    }
    queries.extend(chains::queries(&readings));
    queries
}

fn read<'a>(samples: &'a [Sample], resource_type: &'static str) -> Reading<'a> {
    let of_type: Vec<&Sample> = samples.iter().filter(|sample| sample.resource_type() == resource_type).collect();
    let facts = parameters(resource_type).map(|parameter| {
        (parameter.code.as_str(), of_type.iter().map(|sample| facts::facts(parameter, &sample.resource)).collect())
    });
    let facts = facts.collect();
    let present = parameters(resource_type).map(|parameter| {
        (parameter.code.as_str(), of_type.iter().map(|sample| facts::is_present(parameter, &sample.resource)).collect())
    });
    Reading { ids: of_type.iter().map(|sample| sample.id()).collect(), facts, present: present.collect() }
}

/// `:missing` asks for the element, which may be there without anything to search for: a reference with a display
/// alone. Of a quantity only the element's own paths are in the table, and the parameter has more; a composite is made of
/// such, and `near` takes no modifier.
fn missing(resource_type: &'static str, reading: &Reading<'_>, parameter: &Parameter) -> Vec<Query> {
    if matches!(parameter.kind, Kind::Quantity | Kind::Composite(_) | Kind::Place) {
        return Vec::new();
    }
    let asked = |is_missing: bool| Query {
        resource_type,
        parameters: vec![(format!("{}:missing", parameter.code), is_missing.to_string())],
        expected: reading
            .ids
            .iter()
            .zip(&reading.present[parameter.code.as_str()])
            .filter(|(_, is_present)| **is_present != is_missing)
            .map(|(id, _)| (*id).to_owned())
            .collect(),
    };
    vec![asked(true), asked(false)]
}

fn query(resource_type: &'static str, reading: &Reading<'_>, criteria: &[Criterion]) -> Query {
    let expected = reading.ids.iter().enumerate().filter(|(index, _)| {
        criteria.iter().all(|criterion| criterion.is_met(&reading.facts[criterion.code.as_str()][*index]))
    });
    Query {
        resource_type,
        parameters: criteria.iter().map(|criterion| (criterion.name.clone(), criterion.value.clone())).collect(),
        expected: expected.map(|(_, id)| (*id).to_owned()).collect(),
    }
}

/// `_id`, one and several: a list is an OR.
fn by_id(resource_type: &'static str, reading: &Reading<'_>) -> Vec<Query> {
    let some: Vec<String> = spread(&reading.ids, 3).into_iter().map(|id| (*id).to_owned()).collect();
    let asked = |ids: &[String]| Query {
        resource_type,
        parameters: vec![("_id".to_owned(), ids.join(","))],
        expected: ids.iter().cloned().collect(),
    };
    vec![asked(&some[..1]), asked(&some)]
}

/// Several parameters at once, with the values of a resource that has all of them: so that something is found.
fn combined(resource_type: &'static str, reading: &Reading<'_>, codes: &[&'static str]) -> Vec<Query> {
    let parameters: Vec<&Parameter> =
        codes.iter().filter_map(|code| parameters(resource_type).find(|parameter| parameter.code == *code)).collect();
    assert_eq!(
        parameters.len(),
        codes.len(),
        "a parameter of {resource_type}'s combination {codes:?} is not in the table"
    );
    let complete: Vec<usize> = (0..reading.ids.len())
        .filter(|index| codes.iter().all(|code| !reading.facts[code][*index].is_empty()))
        .collect();
    let mut queries = Vec::new();
    for index in spread(&complete, LENDERS) {
        let criteria: Vec<Criterion> = parameters
            .iter()
            .filter_map(|parameter| criteria::of(parameter, &reading.facts[parameter.code.as_str()][*index]))
            .collect();
        queries.push(query(resource_type, reading, &criteria));
    }
    queries
}

/// At most `count` of the items, evenly spread.
pub(crate) fn spread<T>(items: &[T], count: usize) -> Vec<&T> {
    if items.len() <= count {
        return items.iter().collect();
    }
    (0..count).map(|index| &items[index * (items.len() - 1) / (count - 1).max(1)]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn samples(resources: &[Value]) -> Vec<Sample> {
        resources.iter().map(|resource| Sample { origin: String::new(), resource: resource.clone() }).collect()
    }

    fn expected(queries: &[Query], shown: &str) -> Vec<String> {
        let query = queries.iter().find(|query| query.to_string() == shown);
        let query = query.unwrap_or_else(|| {
            panic!("{shown} is not among {:#?}", queries.iter().map(ToString::to_string).collect::<Vec<_>>())
        });
        query.expected.iter().cloned().collect()
    }

    #[test]
    fn what_must_be_found_is_read_from_the_files() {
        let observation = |id: &str, patient: &str, code: &str, date: &str, value: &str| {
            json!({ "resourceType": "Observation", "id": id, "status": "final",
                "subject": { "reference": format!("Patient/{patient}") },
                "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
                "effectiveDateTime": date,
                "valueQuantity": { "value": serde_json::from_str::<Value>(value).unwrap(), "code": "cm",
                    "system": "http://unitsofmeasure.org" } })
        };
        let queries = queries(&samples(&[
            observation("a", "p", "8302-2", "2012-03-04", "71.50"),
            observation("b", "p", "8302-2", "2013", "72"),
            observation("c", "q", "3141-9", "2012-03-04T10:00:00Z", "71.52"),
        ]));
        assert_eq!(expected(&queries, "Observation"), ["a", "b", "c"]);
        assert_eq!(expected(&queries, "Observation?patient=p"), ["a", "b"]);
        assert_eq!(expected(&queries, "Observation?subject=Patient/q"), ["c"]);
        assert_eq!(expected(&queries, "Observation?code=http://loinc.org|8302-2"), ["a", "b"]);
        assert_eq!(expected(&queries, "Observation?code:not=http://loinc.org|8302-2"), ["c"]);
        assert_eq!(expected(&queries, "Observation?date=2012"), ["a", "c"]);
        assert_eq!(expected(&queries, "Observation?date=gt2012-03-04"), ["b"]);
        assert_eq!(expected(&queries, "Observation?date=2012-03-04T10:00:00Z"), ["c"]);
        assert_eq!(expected(&queries, "Observation?patient=p&code=http://loinc.org|8302-2"), ["a", "b"]);
        assert_eq!(expected(&queries, "Observation?value-quantity=71.50|http://unitsofmeasure.org|cm"), ["a"]);
        assert_eq!(expected(&queries, "Observation?value-quantity=gt71.50|http://unitsofmeasure.org|cm"), ["b", "c"]);
        assert_eq!(expected(&queries, "Observation?encounter:missing=true"), ["a", "b", "c"]);
    }

    #[test]
    fn strings_begin_with_what_is_asked_whatever_the_case_and_the_accents() {
        let patient = |id: &str, family: &str| json!({ "resourceType": "Patient", "id": id, "name": [{ "family": family, "given": ["Ana"] }] });
        let queries = queries(&samples(&[patient("a", "Müller"), patient("b", "mull"), patient("c", "Muster")]));
        assert_eq!(expected(&queries, "Patient?family=mul"), ["a", "b"]);
        assert_eq!(expected(&queries, "Patient?family:exact=Müller"), ["a"]);
        assert_eq!(expected(&queries, "Patient?family:contains=ull"), ["a", "b"]);
        assert_eq!(expected(&queries, "Patient?given=ana"), ["a", "b", "c"]);
    }

    /// What stands together in one place, and not anywhere in the resource.
    #[test]
    fn the_parts_of_a_composite_stand_together() {
        let part = |code: &str, value: u32| {
            json!({ "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
                "valueQuantity": { "value": value, "code": "mm[Hg]", "system": "http://unitsofmeasure.org" } })
        };
        let observation = |id: &str, systolic: u32, diastolic: u32| {
            json!({ "resourceType": "Observation", "id": id, "code": { "coding": [{ "code": "bp" }] },
                "component": [part("8480-6", systolic), part("8462-4", diastolic)] })
        };
        let queries = queries(&samples(&[observation("a", 150, 90), observation("b", 90, 150)]));
        let asked = |name: &str, value: &str| {
            expected(
                &queries,
                &format!("Observation?{name}=http://loinc.org|8480-6${value}|http://unitsofmeasure.org|mm[Hg]"),
            )
        };
        assert_eq!(asked("component-code-value-quantity", "150"), ["a"]);
        assert_eq!(asked("component-code-value-quantity", "ge90"), ["a", "b"]);
        assert_eq!(asked("combo-code-value-quantity", "gt90"), ["a"]);
    }

    #[test]
    fn chains_and_their_reverse_go_from_type_to_type() {
        let patient = |id: &str, gender: &str| json!({ "resourceType": "Patient", "id": id, "gender": gender });
        let observation = |id: &str, patient: &str, status: &str| json!({ "resourceType": "Observation", "id": id, "status": status, "subject": { "reference": format!("Patient/{patient}") } });
        let queries = queries(&samples(&[
            patient("p", "male"),
            patient("q", "female"),
            observation("a", "p", "final"),
            observation("b", "p", "final"),
            observation("c", "q", "amended"),
        ]));
        assert_eq!(expected(&queries, "Observation?patient.gender=female"), ["c"]);
        assert_eq!(expected(&queries, "Patient?_has:Observation:patient:status=final"), ["p"]);
    }

    fn singles(kind: Kind, path: &str, resources: &[Value]) -> Vec<(String, String, Vec<usize>)> {
        let (resource_type, code) = ("Any".to_owned(), "x".to_owned());
        let parameter = Parameter { resource_type, code, kind, paths: vec![Path::members(path)] };
        let facts: Vec<Vec<Fact>> = resources.iter().map(|resource| facts::facts(&parameter, resource)).collect();
        let criteria = criteria::single(&parameter, &facts, VALUES).into_iter();
        let met = |criterion: &Criterion| (0..facts.len()).filter(|index| criterion.is_met(&facts[*index])).collect();
        criteria.map(|criterion| (criterion.name.clone(), criterion.value.clone(), met(&criterion))).collect()
    }

    fn found<'a>(singles: &'a [(String, String, Vec<usize>)], name: &str, value: &str) -> &'a [usize] {
        let single = singles.iter().find(|(known, asked, _)| known == name && asked == value);
        &single.unwrap_or_else(|| panic!("{name}={value} is not among {singles:?}")).2
    }

    #[test]
    fn numbers_are_as_exact_as_they_are_written() {
        let number = |text: &str| json!({ "n": serde_json::from_str::<Value>(text).unwrap() });
        let singles = singles(Kind::Number, "n", &[number("0.5"), number("0.54"), number("0.9")]);
        assert_eq!(found(&singles, "x", "0.5"), [0, 1]);
        assert_eq!(found(&singles, "x", "ne0.5"), [2]);
        assert_eq!(found(&singles, "x", "gt0.5"), [1, 2]);
        assert_eq!(found(&singles, "x", "0.54"), [1]);
    }

    #[test]
    fn uris_are_found_whole_below_and_above() {
        let uri = |text: &str| json!({ "u": text });
        let singles = singles(Kind::Uri, "u", &[uri("http://e/a/1"), uri("http://e/a/2"), uri("urn:oid:1.2")]);
        assert_eq!(found(&singles, "x", "http://e/a/1"), [0]);
        assert_eq!(found(&singles, "x:below", "http://e/a/"), [0, 1]);
        assert_eq!(found(&singles, "x:above", "http://e/a/2/1"), [1]);
        assert_eq!(found(&singles, "x", "urn:oid:1.2"), [2]);
    }

    #[test]
    fn places_are_found_by_their_distance() {
        let place = |latitude: f64| json!({ "p": { "latitude": latitude, "longitude": 0.0 } });
        let singles = singles(Kind::Place, "p", &[place(0.0), place(1.0), place(40.0)]);
        assert!(singles.iter().any(|(_, value, met)| value.starts_with("0|0|") && *met == [0, 1]), "{singles:?}");
    }
}
