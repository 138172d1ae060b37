//! Searches: all pages of them, and what every Bundle must keep.
//! <https://hl7.org/fhir/R4/http.html#search>, <https://hl7.org/fhir/R4/bundle.html#searchset>

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::returned::key;
use super::session::Session;
use crate::client::Sending;
use crate::data::link;

/// A search as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) resource_type: String,
    /// Not yet percent-encoded.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) by_post: bool,
}

impl fmt::Display for Query {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.by_post { "POST" } else { "GET" };
        write!(formatter, "{method} {}", self.resource_type)?;
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            write!(formatter, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// What a search found, over all its pages.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) matches: Vec<Value>,
    pub(crate) included: Vec<Value>,
    /// How many matches each page had.
    pub(crate) pages: Vec<usize>,
    pub(crate) total: Option<u64>,
    /// OperationOutcomes about the search.
    pub(crate) outcomes: Vec<Value>,
    /// The first page's.
    pub(crate) self_link: String,
}

/// More pages than any test needs: a server whose pages do not end.
const PAGES: usize = 500;

impl Session<'_> {
    /// Searches; what is wrong with the answer is a problem, and none is returned where there is no going on.
    pub(crate) fn search(&mut self, query: &Query) -> Option<Found> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&query.parameters);
        let form = form.finish();
        let mut found = Found::default();
        let mut keys = BTreeSet::new();
        let mut next: Option<String> = None;
        loop {
            let answer = match &next {
                Some(url) => self.send(url, Sending::default())?,
                None if query.by_post => {
                    let sending = Sending { form: Some(&form), ..Sending::default() };
                    self.send(&format!("{}/_search", query.resource_type), sending)?
                }
                None if form.is_empty() => self.send(&query.resource_type, Sending::default())?,
                None => self.send(&format!("{}?{form}", query.resource_type), Sending::default())?,
            };
            let shown = query.to_string();
            let bundle = self.fhir(&shown, &answer, 200)?;
            self.page(query, &bundle, &mut found, &mut keys);
            match link(&bundle, "next") {
                Some(_) if found.pages.len() == PAGES => {
                    self.problem(format!("{shown}: after {PAGES} pages there is still a next one"));
                    return None;
                }
                Some(url) => next = Some(url.to_owned()),
                None => break,
            }
        }
        if let Some(total) = found.total.filter(|total| *total != found.matches.len() as u64) {
            let matches = found.matches.len();
            self.problem(format!(
                "{query}: Bundle.total is {total}, and {matches} matches are returned over all pages"
            ));
        }
        Some(found)
    }

    fn page(&mut self, query: &Query, bundle: &Value, found: &mut Found, keys: &mut BTreeSet<String>) {
        let shown = query.to_string();
        if bundle["resourceType"] != "Bundle" || bundle["type"] != "searchset" {
            self.problem(format!("{shown}: the answer is no Bundle of the type searchset"));
            return;
        }
        self.self_link(query, bundle, found);
        if let Some(schema) = self.run.schema {
            // The entries' resources are looked at one by one.
            let mut alone = bundle.clone();
            for entry in alone.get_mut("entry").and_then(Value::as_array_mut).into_iter().flatten() {
                entry["resource"] = serde_json::json!({ "resourceType": "Basic", "code": {} });
            }
            schema.problems(&alone).into_iter().for_each(|problem| self.problem(format!("{shown}: {problem}")));
        }
        if let Some(total) = bundle.get("total") {
            let total = total.as_u64();
            if found.total.is_some() && found.total != total {
                self.problem(format!("{shown}: Bundle.total differs from page to page"));
            }
            found.total = total;
        }
        let (mut matches, mut here) = (0, BTreeSet::new());
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            let resource = &entry["resource"];
            let mode = entry["search"]["mode"].as_str().unwrap_or_default();
            if mode == "outcome" {
                found.outcomes.push(resource.clone());
                continue;
            }
            let key = key(resource);
            let full_url = entry["fullUrl"].as_str().unwrap_or("none");
            let expected = format!("{}/{key}", self.run.server.base);
            if full_url != expected {
                self.problem(format!("{shown}: the fullUrl of {key} is {full_url}, expected {expected}"));
            }
            // A page stands by itself: what its matches bring along may have come with another's.
            let is_known = if mode == "include" { !here.insert(key.clone()) } else { !keys.insert(key.clone()) };
            if is_known {
                self.problem(format!("{shown}: {key} is returned twice"));
            }
            if !query.parameters.iter().any(|(name, _)| name == "_elements" || name == "_summary") {
                self.returned(&shown, resource);
            }
            let is_of_type = resource["resourceType"] == query.resource_type.as_str();
            match mode {
                "match" if is_of_type => {
                    matches += 1;
                    found.matches.push(resource.clone());
                }
                "match" => self.problem(format!("{shown}: {key} has search.mode match, and is none of the type")),
                "include" if query.parameters.iter().any(|(name, _)| name.contains("include")) => {
                    found.included.push(resource.clone());
                }
                "include" => {
                    self.problem(format!("{shown}: {key} has search.mode include, and nothing was to be included"))
                }
                other => self.problem(format!("{shown}: search.mode of {key} is `{other}`, expected match")),
            }
        }
        found.pages.push(matches);
    }

    /// "The parameters that were used": a filter that does not stand in the self link was ignored.
    /// <https://hl7.org/fhir/R4/search.html#conformance>
    fn self_link(&mut self, query: &Query, bundle: &Value, found: &mut Found) {
        let Some(url) = link(bundle, "self") else {
            self.problem(format!("{query}: the Bundle has no self link"));
            return;
        };
        let first = found.pages.is_empty();
        if !first {
            return;
        }
        let (address, used) = url.split_once('?').unwrap_or((url, ""));
        let used: BTreeSet<String> =
            form_urlencoded::parse(used.as_bytes()).map(|(name, _)| name.into_owned()).collect();
        let base = format!("{}/{}", self.run.server.base, query.resource_type);
        if address != base && address != format!("{base}/_search") {
            self.problem(format!("{query}: the self link leads to {address}, expected {base}"));
        }
        for (name, _) in query.parameters.iter().filter(|(name, _)| !used.contains(name)) {
            if name != "no-such-parameter" {
                self.problem(format!("{query}: the self link does not show `{name}`: the parameter was not used"));
            }
        }
        found.self_link = url.to_owned();
    }

    /// What was found is what is expected, no more and no fewer. Where the data are not complete, what is found beyond
    /// them must meet the search all the same.
    pub(crate) fn expect(
        &mut self,
        query: &Query,
        found: &[Value],
        expected: &BTreeSet<String>,
        meets: &dyn Fn(&Value) -> bool,
    ) {
        const SHOWN: usize = 3;
        let shown = |ids: &[&str]| {
            let more = if ids.len() > SHOWN { format!(" and {} more", ids.len() - SHOWN) } else { String::new() };
            format!("{}{more}", ids.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "))
        };
        let ids: BTreeSet<String> = found.iter().map(key).collect();
        let missing: Vec<&str> = expected.difference(&ids).map(String::as_str).collect();
        if !missing.is_empty() {
            self.problem(format!("{query}: not found, though it matches: {}", shown(&missing)));
        }
        let is_wrong = |resource: &&Value| !expected.contains(&key(resource)) && !meets(resource);
        let wrong: Vec<String> = found.iter().filter(is_wrong).map(key).collect();
        if !wrong.is_empty() {
            let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
            self.problem(format!("{query}: found, though it does not match: {}", shown(&wrong)));
        }
    }
}
