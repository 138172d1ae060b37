//! The paths and what can be done there. <https://hl7.org/fhir/R4/http.html#summary>

use serde_json::{Map, Value, json};

use super::parameters::{Served, reference};

pub(super) const SYSTEM: &str = "System";
pub(super) const ANY_TYPE: &str = "Any type";

/// What a search answers with and how much of it.
const OF_RESULTS: [&str; 11] = [
    "_filter",
    "_list",
    "_contained",
    "_containedType",
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_total",
    "_summary",
    "_elements",
];
const OF_FORMAT: [&str; 2] = ["_format", "_pretty"];
/// Of a write to what may be there already.
const PRECONDITIONS: [&str; 3] = ["If-Match", "If-None-Match", "If-Unmodified-Since"];

/// An operation under construction.
pub(super) struct Operation(Value);

impl Operation {
    pub(super) fn new(tag: &str, id: &str, summary: &str, link: &str) -> Self {
        Operation(json!({
            "tags": [tag], "operationId": id, "summary": summary,
            "externalDocs": { "url": format!("https://hl7.org/fhir/R4/{link}") },
        }))
    }

    pub(super) fn about(mut self, description: &str) -> Self {
        self.0["description"] = description.into();
        self
    }

    fn parameters(self, names: &[&str]) -> Self {
        self.references(names.iter().map(|name| reference(name)))
    }

    pub(super) fn references(mut self, references: impl Iterator<Item = Value>) -> Self {
        self.0["parameters"] = references.collect();
        self
    }

    pub(super) fn body(mut self, name: &str) -> Self {
        self.0["requestBody"] = json!({ "$ref": format!("#/components/requestBodies/{name}") });
        self
    }

    /// Statuses with the response component of each; errors are the same everywhere.
    pub(super) fn answers(mut self, responses: &[(&str, &str)]) -> Value {
        let all = responses.iter().chain(&[("4XX", "Refused"), ("5XX", "Failed")]);
        let all = all
            .map(|(status, name)| ((*status).to_owned(), json!({ "$ref": format!("#/components/responses/{name}") })));
        self.0["responses"] = Value::Object(all.collect());
        self.0
    }
}

fn with(names: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    names.iter().chain(more).copied().collect()
}

/// What concerns all types.
pub(super) fn system() -> Map<String, Value> {
    let search = with(
        &["_type", "_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"],
        &with(&OF_RESULTS, &OF_FORMAT),
    );
    let history = ["_since", "_at", "_list", "_count", "_total", "_format", "_pretty"];
    let mut metadata = Operation::new(SYSTEM, "capabilities", "What this server does", "http.html#capabilities")
        .about("Needs no token.")
        .parameters(&["mode", "_format", "_pretty"])
        .answers(&[("200", "Resource")]);
    metadata["security"] = json!([]);
    let paths = json!({
        "/metadata": { "get": metadata },
        "/": {
            "get": Operation::new(SYSTEM, "searchSystem", "Search several types", "http.html#search")
                .about("With the parameters that all the types have in common.")
                .parameters(&search)
                .answers(&[("200", "Searchset")]),
            "post": Operation::new(SYSTEM, "bundle", "Batch or transaction", "http.html#transaction")
                .about("A transaction is done as a whole or not at all; the entries of a batch are independent.")
                .parameters(&["Prefer"])
                .body("Bundle")
                .answers(&[("200", "BundleResponse")]),
        },
        "/_search": {
            "post": Operation::new(SYSTEM, "searchSystemForm", "Search several types, parameters in the body", "http.html#search")
                .body("Form")
                .answers(&[("200", "Searchset")]),
        },
        "/_history": {
            "get": Operation::new(SYSTEM, "historySystem", "The changes to all types", "http.html#history")
                .parameters(&history)
                .answers(&[("200", "History")]),
        },
    });
    members(paths)
}

/// What differs from type to type: its search parameters.
pub(super) fn of_type(name: &str, served: &Served) -> Value {
    let link = format!("{}.html", name.to_lowercase());
    let of_results = with(&OF_RESULTS, &OF_FORMAT).into_iter().map(reference);
    let search = Operation::new(name, &format!("search{name}"), &format!("Search {name}"), &format!("{link}#search"))
        .references(served.references(name).into_iter().chain(of_results))
        .answers(&[("200", "Searchset")]);
    if name == "AuditEvent" {
        // It is shown from the audit log: nobody writes one.
        return json!({ "get": search });
    }
    let body = if name == "Binary" { "Binary" } else { "Resource" };
    let create = Operation::new(name, &format!("create{name}"), &format!("Create {}", with_article(name)), &link)
        .parameters(&["If-None-Exist", "Prefer"])
        .body(body)
        .answers(&[("200", "Found"), ("201", "Created")]);
    let conditional = |id: &str, summary: &str, page: &str| {
        Operation::new(name, &format!("{id}{name}"), summary, page)
            .about("Takes the parameters that `GET` takes: a search that matches one resource.")
            .parameters(&with(&PRECONDITIONS, &["Prefer"]))
    };
    let update = conditional(
        "conditionalUpdate",
        &format!("Put what matches, or create {}", with_article(name)),
        "http.html#cond-update",
    )
    .body("Resource")
    .answers(&[("200", "Updated"), ("201", "Created")]);
    let patch =
        conditional("conditionalPatch", &format!("Change a part of the {name} that matches"), "http.html#patch")
            .body("Patch")
            .answers(&[("200", "Updated")]);
    let delete = conditional("conditionalDelete", &format!("Delete the {name} that matches"), "http.html#cdelete")
        .answers(&[("200", "Deleted"), ("204", "Nothing")]);
    json!({ "get": search, "post": create, "put": update, "patch": patch, "delete": delete })
}

/// What is alike for all types.
pub(super) fn of_any_type() -> Map<String, Value> {
    let history = ["type", "_since", "_at", "_list", "_count", "_total", "_format", "_pretty"];
    let read = ["type", "id", "If-None-Match", "If-Modified-Since", "_summary", "_elements", "_format", "_pretty"];
    let write = with(&with(&["type", "id"], &PRECONDITIONS), &["Prefer"]);
    let paths = json!({
        "/{type}/_search": {
            "post": Operation::new(ANY_TYPE, "searchForm", "Search a type, parameters in the body", "http.html#search")
                .about("Takes the parameters that `GET` takes on the type's own path.")
                .parameters(&["type"])
                .body("Form")
                .answers(&[("200", "Searchset")]),
        },
        "/{type}/_history": {
            "get": Operation::new(ANY_TYPE, "historyType", "The changes to a type", "http.html#history")
                .parameters(&history)
                .answers(&[("200", "History")]),
        },
        "/{type}/{id}": {
            "get": Operation::new(ANY_TYPE, "read", "The current version of a resource", "http.html#read")
                .about("A Binary is answered in its own type, unless `Accept` or `_format` name a FHIR type.")
                .parameters(&read)
                .answers(&[("200", "Resource"), ("304", "NotModified")]),
            "put": Operation::new(ANY_TYPE, "update", "Put a new version, or create with this id", "http.html#update")
                .parameters(&write)
                .body("Resource")
                .answers(&[("200", "Updated"), ("201", "Created")]),
            "patch": Operation::new(ANY_TYPE, "patch", "Change a part of a resource", "http.html#patch")
                .parameters(&write)
                .body("Patch")
                .answers(&[("200", "Updated")]),
            "delete": Operation::new(ANY_TYPE, "delete", "Delete a resource", "http.html#delete")
                .about("Its history stays.")
                .parameters(&with(&["type", "id"], &PRECONDITIONS))
                .answers(&[("200", "Deleted"), ("204", "Nothing")]),
        },
        "/{type}/{id}/{member}": {
            "get": Operation::new(ANY_TYPE, "searchCompartment", "Search a compartment", "search.html#searchcontexts")
                .about(
                    "What is in the compartment of a Patient, Encounter, Practitioner, RelatedPerson or Device, with the \
                     parameters of a search.",
                )
                .parameters(&with(&["type", "id", "member", "_type"], &with(&OF_RESULTS, &OF_FORMAT)))
                .answers(&[("200", "Searchset")]),
        },
        "/{type}/{id}/_history": {
            "get": Operation::new(ANY_TYPE, "historyInstance", "The versions of a resource", "http.html#history")
                .parameters(&["type", "id", "_since", "_at", "_list", "_count", "_total", "_format", "_pretty"])
                .answers(&[("200", "History")]),
        },
        "/{type}/{id}/_history/{version}": {
            "get": Operation::new(ANY_TYPE, "vread", "A version of a resource", "http.html#vread")
                .parameters(&["type", "id", "version", "_summary", "_elements", "_format", "_pretty"])
                .answers(&[("200", "Resource")]),
        },
    });
    members(paths)
}

/// "a Patient", "an Observation".
fn with_article(name: &str) -> String {
    let article = if name.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
