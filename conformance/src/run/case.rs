//! Cases: what is given is made, the steps are gone through, and whatever came to be on the way is deleted again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::bundle::{Found, Query};
use super::returned::key;
use super::session::{FHIR_JSON, Session};
use super::{Judged, Skip};
use crate::case::{Case, Step, TAG_SYSTEM, Variables, follow, holds};
use crate::client::{Answer, Server};

/// How often a step that settles is tried, and how long it waits between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// A request of a step, its variables filled in.
struct Request {
    send: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

impl Request {
    fn line(&self) -> (&str, &str) {
        self.send.split_once(' ').unwrap_or((&self.send, ""))
    }

    fn send(&self, server: &Server) -> Result<Answer, String> {
        let (method, path) = self.line();
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        server.request(method, path, &headers, self.body.as_deref())
    }
}

/// A case while it runs.
struct Running {
    variables: Variables,
    /// What was given, as it was sent, by name.
    given: BTreeMap<String, Value>,
    /// `Type/id` of what is on the server because of this case, in the order in which it came.
    made: Vec<String>,
}

pub(crate) fn case(session: &mut Session<'_>, case: &Case) -> Judged {
    let mark = session.run.options.mark.clone().unwrap_or_default();
    let mark = format!("{mark}-{}", session.test.definition.id);
    let mut variables = Variables::default();
    variables.set("base", session.run.server.base.as_str());
    variables.set("tag", format!("{TAG_SYSTEM}|{mark}"));
    variables.set("mark", mark);
    let mut running = Running { variables, given: BTreeMap::new(), made: Vec::new() };
    let judged = running.give(session, case);
    if judged.is_ok() {
        for step in &case.steps {
            if let Err(why) = running.step(session, step) {
                session.problem(why);
                break;
            }
        }
    }
    running.clear(session);
    judged
}

impl Running {
    fn give(&mut self, session: &mut Session<'_>, case: &Case) -> Judged {
        for (name, resource) in &case.given {
            let mut resource = self.variables.fill_json(resource).map_err(Skip)?;
            let tag = json!({ "system": TAG_SYSTEM, "code": self.variables.get("mark") });
            match resource["meta"]["tag"].as_array_mut() {
                Some(tags) => tags.push(tag),
                None => resource["meta"]["tag"] = json!([tag]),
            }
            let resource_type = resource["resourceType"].as_str().unwrap_or_default().to_owned();
            let (method, path) = match resource["id"].as_str() {
                Some(id) => ("PUT", format!("{resource_type}/{id}")),
                None => ("POST", resource_type),
            };
            let headers = [("content-type", FHIR_JSON), ("accept", FHIR_JSON), ("prefer", "return=representation")];
            let sent = session.run.server.request(method, &path, &headers, Some(&resource.to_string()));
            let answer = session.keep(sent);
            let made =
                answer.filter(|answer| matches!(answer.status(), 200 | 201)).and_then(|answer| answer.json().ok());
            let Some(made) = made.filter(|made| made["id"].is_string()) else {
                // A refusal of what has to be there says nothing of the sentence that is judged.
                return Err(Skip(format!("{name} could not be made: {method} {path} was refused")));
            };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            self.made.push(key(&made));
            self.variables.set(name, key(&made));
            self.variables.set(&format!("{name}.id"), text(&made["id"]));
            self.variables.set(&format!("{name}.version"), text(&made["meta"]["versionId"]));
            self.variables.set(&format!("{name}.updated"), text(&made["meta"]["lastUpdated"]));
            resource["id"] = made["id"].clone();
            self.given.insert(name.clone(), resource);
        }
        Ok(())
    }

    /// An error is one of the case itself.
    fn step(&mut self, session: &mut Session<'_>, step: &Step) -> Result<(), String> {
        let Some((name, values)) = step.each.first_key_value() else { return self.once(session, step) };
        for value in values {
            let value = self.variables.fill(value)?;
            self.variables.set(name, value);
            self.once(session, step)?;
        }
        Ok(())
    }

    fn once(&mut self, session: &mut Session<'_>, step: &Step) -> Result<(), String> {
        match (&step.send, step.at_once) {
            (Some(send), None) => self.send(session, step, send)?,
            (Some(send), Some(clients)) => self.send_at_once(session, step, send, clients)?,
            (None, _) => {}
        }
        for (query, names) in &step.finds {
            let expected = self.keys(names)?;
            self.search(session, query, |session, query, found| {
                session.expect(query, &found.matches, &expected, &|_| false)
            })?;
        }
        for (query, names) in &step.sorts {
            let expected: Vec<String> = names.iter().map(|name| self.key(name)).collect::<Result<_, _>>()?;
            self.search(session, query, |session, query, found| {
                let order: Vec<String> = found.matches.iter().map(key).collect();
                if order != expected {
                    let named: Vec<&str> = order.iter().map(|key| self.name(key)).collect();
                    session.problem(format!("{query}: in the order {named:?}, expected {names:?}"));
                }
            })?;
        }
        for (query, names) in &step.includes {
            let expected = self.keys(names)?;
            self.search(session, query, |session, query, found| {
                let included: BTreeSet<String> = found.included.iter().map(key).collect();
                if included != expected {
                    let named: Vec<&str> = included.iter().map(|key| self.name(key)).collect();
                    session.problem(format!("{query}: {named:?} are included, expected {names:?}"));
                }
            })?;
        }
        for query in &step.refuses {
            let query = self.query(query)?;
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&query.parameters).finish();
            let path = format!("{}?{form}", query.resource_type);
            let sent = session.run.server.request("GET", &path, &[("accept", FHIR_JSON)], None);
            if let Some(answer) = session.keep(sent) {
                session.refusal(&query.to_string(), &answer, &[400]);
            }
        }
        Ok(())
    }

    fn key(&self, name: &str) -> Result<String, String> {
        self.variables.get(name).map(str::to_owned).ok_or_else(|| format!("nothing is given as {name}"))
    }

    fn keys(&self, names: &[String]) -> Result<BTreeSet<String>, String> {
        names.iter().map(|name| self.key(name)).collect()
    }

    /// The name under which a resource was given; its key, if it is none of those.
    fn name<'a>(&'a self, key: &'a str) -> &'a str {
        let named = self.given.keys().find(|name| self.variables.get(name) == Some(key));
        named.map_or(key, String::as_str)
    }

    /// `Patient?family=x`: a type, and parameters as in a URL.
    fn query(&self, text: &str) -> Result<Query, String> {
        let text = self.variables.fill(text)?;
        let (resource_type, parameters) = text.split_once('?').unwrap_or((&text, ""));
        let parameters = form_urlencoded::parse(parameters.as_bytes()).into_owned().collect();
        Ok(Query { resource_type: resource_type.to_owned(), parameters, by_post: false })
    }

    /// Among what was given, by GET and by POST: the two mean the same.
    /// <https://hl7.org/fhir/R4/http.html#search>
    fn search(
        &self,
        session: &mut Session<'_>,
        text: &str,
        judge: impl Fn(&mut Session<'_>, &Query, &Found),
    ) -> Result<(), String> {
        let mut query = self.query(text)?;
        query.parameters.push(("_tag".to_owned(), self.variables.fill("{tag}")?));
        for by_post in [false, true] {
            query.by_post = by_post;
            if let Some(found) = session.search(&query) {
                judge(session, &query, &found);
            }
        }
        Ok(())
    }

    fn request(&self, step: &Step, send: &str) -> Result<Request, String> {
        let send = self.variables.fill(send)?;
        let body = match (&step.body, &step.text) {
            (Some(body), _) => Some(self.variables.fill_json(body)?.to_string()),
            (None, Some(text)) => Some(self.variables.fill(text)?),
            (None, None) => None,
        };
        let mut headers: BTreeMap<String, String> = BTreeMap::from([("accept".to_owned(), FHIR_JSON.to_owned())]);
        if body.is_some() {
            headers.insert("content-type".to_owned(), FHIR_JSON.to_owned());
        }
        if send.starts_with("HEAD") {
            // Compressed, there would be a body to expand that is not sent.
            headers.insert("accept-encoding".to_owned(), "identity".to_owned());
        }
        for (name, value) in &step.headers {
            headers.insert(name.to_ascii_lowercase(), self.variables.fill(value)?);
        }
        // A header with nothing in it is one that is not sent.
        headers.retain(|_, value| !value.is_empty());
        Ok(Request { send, headers, body })
    }

    fn send(&mut self, session: &mut Session<'_>, step: &Step, send: &str) -> Result<(), String> {
        let request = self.request(step, send)?;
        let (send, (method, path)) = (&request.send, request.line());
        let mut tries = if step.settles { TRIES } else { 1 };
        loop {
            let sent = request.send(session.run.server);
            tries -= 1;
            let Some(answer) = session.keep(sent) else { return Err(format!("{send}: the case ends here")) };
            self.note(method, path, &answer);
            let wrong = self.wrong(session, step, send, &answer);
            if wrong.is_empty() || tries == 0 {
                wrong.into_iter().for_each(|problem| session.problem(problem));
                return self.remember(step, send, &answer);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// By several clients: how often each status comes, and that each refusal says why.
    fn send_at_once(
        &mut self,
        session: &mut Session<'_>,
        step: &Step,
        send: &str,
        clients: usize,
    ) -> Result<(), String> {
        let mut requests = Vec::new();
        for number in 0..clients {
            self.variables.set("number", number.to_string());
            requests.push(self.request(step, send)?);
        }
        let server = session.run.server;
        let answers: Vec<Result<Answer, String>> = std::thread::scope(|scope| {
            let sent: Vec<_> = requests.iter().map(|request| scope.spawn(|| request.send(server))).collect();
            sent.into_iter().map(|one| one.join().unwrap_or_else(|_| Err("a client broke off".to_owned()))).collect()
        });
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (request, answer) in requests.iter().zip(answers) {
            let Some(answer) = session.keep(answer) else { continue };
            let (method, path) = request.line();
            self.note(method, path, &answer);
            *counts.entry(answer.status().to_string()).or_default() += 1;
            if answer.status() >= 400 {
                session.refusal(&request.send, &answer, &[answer.status()]);
            }
        }
        if counts != step.counts {
            session.problem(format!("{send}: sent at once, {counts:?} came by status, expected {:?}", step.counts));
        }
        Ok(())
    }

    /// What is not as it should be.
    fn wrong(&self, session: &Session<'_>, step: &Step, send: &str, answer: &Answer) -> Vec<String> {
        let mut wrong = Vec::new();
        let (statuses, status) = (step.statuses(), answer.status());
        if !statuses.contains(&status) {
            wrong.push(format!("{send}: status {status}, expected {statuses:?}"));
        }
        let body = answer.json().unwrap_or(Value::Null);
        let is_refusal = statuses.iter().all(|status| *status >= 400);
        // HEAD has no body to say it in.
        if is_refusal && step.outcome != Some(false) && !send.starts_with("HEAD") {
            let issues = body["issue"].as_array().map_or(0, Vec::len);
            if body["resourceType"] != "OperationOutcome" || issues == 0 {
                wrong.push(format!("{send}: the refusal has no OperationOutcome with an issue"));
            }
        }
        if let Some(schema) = session.run.schema.filter(|_| body["resourceType"].is_string()) {
            wrong.extend(schema.problems(&body).into_iter().map(|problem| format!("{send}: {problem}")));
        }
        let headers: Value = answer.exchange.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        for (name, expected) in &step.answers {
            let pointer = format!("/{}", name.to_ascii_lowercase());
            if let Err(why) = holds(&self.variables, &self.given, &headers, &pointer, expected) {
                wrong.push(format!("{send}: the header {name} {why}"));
            }
        }
        for (pointer, expected) in &step.expect {
            if let Err(why) = holds(&self.variables, &self.given, &body, pointer, expected) {
                wrong.push(format!("{send}: {} {why}", if pointer.is_empty() { "the body" } else { pointer }));
            }
        }
        wrong
    }

    fn remember(&mut self, step: &Step, send: &str, answer: &Answer) -> Result<(), String> {
        let body = answer.json().unwrap_or(Value::Null);
        let at = |pointer: &str| {
            let found = follow(&body, pointer).into_iter().next();
            found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        for (name, from) in &step.keep {
            let found = match from.split_once(':') {
                Some(("header", header)) => answer.header(&header.to_ascii_lowercase()).map(str::to_owned),
                Some(("query", pointer)) => {
                    at(pointer).and_then(|url| url.split_once('?').map(|(_, query)| query.to_owned()))
                }
                Some(("etag", pointer)) => {
                    at(pointer).map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned())
                }
                _ => at(from),
            };
            let found = found.ok_or_else(|| format!("{send}: the answer has no {from}"))?;
            self.variables.set(name, found);
        }
        Ok(())
    }

    /// Takes note of what a request made, so that it is deleted again.
    fn note(&mut self, method: &str, path: &str, answer: &Answer) {
        let body = answer.json().unwrap_or(Value::Null);
        let located = |location: &str| {
            let mut segments =
                location.split('/').skip_while(|segment| !segment.starts_with(|one: char| one.is_ascii_uppercase()));
            Some(format!("{}/{}", segments.next()?, segments.next()?))
        };
        let locations = follow(&body, "/entry/*/response");
        let of_entries = locations
            .iter()
            .filter(|response| response["status"].as_str().is_some_and(|status| status.starts_with("201")));
        self.made.extend(of_entries.filter_map(|response| located(response["location"].as_str()?)));
        if answer.status() == 201 {
            let put = (method == "PUT").then(|| located(path)).flatten();
            self.made.extend(put.or_else(|| located(answer.header("location")?)));
        }
    }

    /// What refers to something goes before it.
    fn clear(&self, session: &mut Session<'_>) {
        let mut left: Vec<&String> = self.made.iter().rev().collect();
        for _ in 0..3 {
            left.retain(|key| {
                let gone = session.run.server.request("DELETE", key, &[("accept", FHIR_JSON)], None);
                gone.is_ok_and(|answer| answer.status() == 409)
            });
        }
        if !left.is_empty() {
            // They refer to each other.
            let entries = left.iter().map(|key| json!({ "request": { "method": "DELETE", "url": key } }));
            let entries: Vec<Value> = entries.collect();
            let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }).to_string();
            let headers = [("content-type", FHIR_JSON), ("accept", FHIR_JSON)];
            let _ = session.run.server.request("POST", "", &headers, Some(&bundle));
        }
    }
}
