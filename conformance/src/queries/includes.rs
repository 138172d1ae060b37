//! What `_include` and `_revinclude` bring along, with `:iterate` too, worked out by going from reference to reference
//! until nothing new is met. <https://hl7.org/fhir/R4/search.html#include>

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::facts::{self, Fact};
use super::{Kind, Parameter, parameters, spread};
use crate::samples::Sample;

/// A search by ids, and what must come along with what it finds.
#[derive(Debug, Clone)]
pub struct Along {
    pub resource_type: String,
    /// What it finds.
    pub ids: BTreeSet<String>,
    /// `_include=Observation:encounter`, not yet percent-encoded.
    pub parameters: Vec<(String, String)>,
    /// `Type/id`
    pub included: BTreeSet<String>,
}

impl fmt::Display for Along {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        write!(formatter, "{}?_id={}", self.resource_type, ids.join(","))?;
        self.parameters.iter().try_for_each(|(name, value)| write!(formatter, "&{name}={value}"))
    }
}

/// Of each parameter so many resources are asked for, and so many other parameters are tried with it.
const ASKED: usize = 3;
const OTHERS: usize = 3;
/// A search that brings more along says nothing more.
const MOST: usize = 200;

/// A reference parameter, from each resource to those of the samples that it refers to.
struct Edges<'a> {
    source: &'a str,
    code: &'a str,
    targets: BTreeMap<String, BTreeSet<String>>,
}

impl Edges<'_> {
    fn types(&self) -> BTreeSet<&str> {
        self.targets.values().flatten().map(|key| type_of(key)).collect()
    }

    fn name(&self) -> String {
        format!("{}:{}", self.source, self.code)
    }
}

/// One step of a search, as it is asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    edges: &'a Edges<'a>,
    reverse: bool,
    iterate: bool,
    /// `Observation:performer:Practitioner`
    only: Option<&'a str>,
}

impl Asked<'_> {
    fn parameter(&self) -> (String, String) {
        let name = if self.reverse { "_revinclude" } else { "_include" };
        let only = self.only.map(|only| format!(":{only}")).unwrap_or_default();
        (format!("{name}{}", if self.iterate { ":iterate" } else { "" }), format!("{}{only}", self.edges.name()))
    }

    /// What it brings from these.
    fn brings<'b>(&'b self, from: &'b BTreeSet<String>) -> impl Iterator<Item = &'b String> {
        let pairs = self.edges.targets.iter().flat_map(|(source, targets)| targets.iter().map(move |to| (source, to)));
        pairs.filter_map(move |(source, target)| {
            let is_asked = self.only.is_none_or(|only| type_of(target) == only);
            let (known, found) = if self.reverse { (target, source) } else { (source, target) };
            (is_asked && from.contains(known)).then_some(found)
        })
    }
}

/// "`_include` and `_revinclude` … the inclusion process is repeated" with `:iterate` on what came along before.
fn along(matches: &BTreeSet<String>, asked: &[Asked<'_>]) -> BTreeSet<String> {
    let mut all = matches.clone();
    for one in asked.iter().filter(|one| !one.iterate) {
        all.extend(one.brings(matches).cloned());
    }
    loop {
        let found: Vec<String> =
            asked.iter().filter(|one| one.iterate).flat_map(|one| one.brings(&all)).cloned().collect();
        let before = all.len();
        all.extend(found);
        if all.len() == before {
            return all.difference(matches).cloned().collect();
        }
    }
}

/// Searches with what must come along, for every reference parameter of the table and the samples.
pub fn includes(samples: &[Sample]) -> Vec<Along> {
    let keys: BTreeSet<String> =
        samples.iter().map(|sample| format!("{}/{}", sample.resource_type(), sample.id())).collect();
    let types: BTreeSet<&str> = samples.iter().map(Sample::resource_type).collect();
    let all: Vec<Edges<'_>> = types
        .into_iter()
        .flat_map(|source| parameters(source).map(move |parameter| (source, parameter)))
        .filter(|(_, parameter)| matches!(parameter.kind, Kind::Reference { .. }))
        .map(|(source, parameter)| Edges { source, code: &parameter.code, targets: targets(samples, &keys, parameter) })
        .filter(|edges| !edges.targets.is_empty())
        .collect();
    all.iter().flat_map(|edges| searches(edges, &all)).filter(|search| search.included.len() <= MOST).collect()
}

/// By one parameter in either direction, alone and with others that go on from there.
fn searches(edges: &Edges<'_>, all: &[Edges<'_>]) -> Vec<Along> {
    let forward = Asked { edges, reverse: false, iterate: false, only: None };
    let back = Asked { reverse: true, ..forward };
    let of_others = |reverse: bool, takes: &dyn Fn(&Edges<'_>) -> bool| {
        let others: Vec<&Edges<'_>> = all.iter().filter(|other| takes(other)).collect();
        let mut asked = Vec::new();
        for edges in spread(&others, OTHERS) {
            asked.push(Asked { edges, reverse, iterate: true, only: None });
        }
        asked
    };
    let types = edges.types();
    let from_target = of_others(false, &|other| types.contains(other.source));
    let from_source = of_others(false, &|other| other.source == edges.source && other.code != edges.code);
    let to_source = of_others(true, &|other| other.types().contains(edges.source));

    let mut searches = Vec::new();
    let mut add = |matches: &BTreeSet<String>, asked: &[Asked<'_>]| {
        let key = matches.first().map(String::as_str).unwrap_or_default();
        searches.push(Along {
            resource_type: type_of(key).to_owned(),
            ids: matches.iter().filter_map(|key| Some(key.split_once('/')?.1.to_owned())).collect(),
            parameters: asked.iter().map(Asked::parameter).collect(),
            included: along(matches, asked),
        });
    };
    let sources: Vec<&String> = edges.targets.keys().collect();
    let sources: BTreeSet<String> = spread(&sources, ASKED).into_iter().map(|key| (*key).clone()).collect();
    add(&sources, &[forward]);
    add(&sources, &[Asked { iterate: true, ..forward }]);
    for only in &types {
        add(&sources, &[Asked { only: Some(only), ..forward }]);
    }
    for next in &from_target {
        add(&sources, &[forward, *next]);
    }
    for of in &types {
        let targets: BTreeSet<&String> = edges.targets.values().flatten().filter(|key| type_of(key) == *of).collect();
        let targets: Vec<&String> = targets.into_iter().collect();
        let targets: BTreeSet<String> = spread(&targets, ASKED).into_iter().map(|key| (*key).clone()).collect();
        add(&targets, &[back]);
        for next in from_source.iter().chain(&to_source) {
            add(&targets, &[back, *next]);
        }
    }
    searches
}

fn targets(samples: &[Sample], keys: &BTreeSet<String>, parameter: &Parameter) -> BTreeMap<String, BTreeSet<String>> {
    let of_type = samples.iter().filter(|sample| sample.resource_type() == parameter.resource_type);
    let all = of_type.map(|sample| {
        let facts = facts::facts(parameter, &sample.resource).into_iter();
        let named = facts.filter_map(|fact| if let Fact::Reference(to) = fact { Some(to) } else { None });
        let key = format!("{}/{}", sample.resource_type(), sample.id());
        (key, named.filter(|to| keys.contains(to)).collect::<BTreeSet<String>>())
    });
    all.filter(|(_, targets)| !targets.is_empty()).collect()
}

fn type_of(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Told apart: what comes from the matches alone, and what comes from what came along.
    #[test]
    fn what_comes_along_is_followed_where_it_is_asked_for() {
        let to = |key: &str| json!({ "reference": key });
        let resources: [Value; 5] = [
            json!({ "resourceType": "Patient", "id": "p" }),
            json!({ "resourceType": "Encounter", "id": "e", "subject": to("Patient/p"), "serviceProvider": to("Organization/o") }),
            json!({ "resourceType": "Organization", "id": "o" }),
            json!({ "resourceType": "DiagnosticReport", "id": "d", "encounter": to("Encounter/e"), "subject": to("Patient/p") }),
            json!({ "resourceType": "Condition", "id": "c", "encounter": to("Encounter/e"), "subject": to("Patient/nobody") }),
        ];
        let samples: Vec<Sample> =
            resources.map(|resource| Sample { origin: String::new(), resource }).into_iter().collect();
        let all = includes(&samples);
        let brings = |shown: &str| {
            let search = all.iter().find(|search| search.to_string() == shown);
            let search = search.unwrap_or_else(|| panic!("{shown} is not among {all:#?}"));
            search.included.iter().map(String::as_str).collect::<Vec<_>>()
        };
        assert_eq!(brings("DiagnosticReport?_id=d&_include=DiagnosticReport:encounter"), ["Encounter/e"]);
        assert_eq!(brings("DiagnosticReport?_id=d&_include=DiagnosticReport:patient:Patient"), ["Patient/p"]);
        assert_eq!(
            brings(
                "DiagnosticReport?_id=d&_include=DiagnosticReport:encounter&_include:iterate=Encounter:service-provider"
            ),
            ["Encounter/e", "Organization/o"]
        );
        assert_eq!(brings("Patient?_id=p&_revinclude=Encounter:patient"), ["Encounter/e"]);
        assert_eq!(
            brings("Patient?_id=p&_revinclude=Encounter:patient&_include:iterate=Encounter:service-provider"),
            ["Encounter/e", "Organization/o"]
        );
        assert_eq!(
            brings("Patient?_id=p&_revinclude=Encounter:patient&_revinclude:iterate=Condition:encounter"),
            ["Condition/c", "Encounter/e"]
        );
    }
}
