//! What operations share: parameters that shape an answer, headers, bodies, answers and schemas.

use serde_json::{Map, Value, json};

const FHIR_JSON: &str = "application/fhir+json";

pub(super) const ABOUT: &str = "\
FHIR R4 in JSON. Every request but `metadata` carries a bearer token whose SMART scopes cover it; what it may not see \
is neither found nor named. Bodies may be gzipped both ways. Errors are OperationOutcomes.

Search parameters may repeat (and), hold several values with commas between them (or), and take modifiers behind \
their name (`name:exact`): see the schema of each kind. What is unknown is refused under `Prefer: handling=strict`, \
and otherwise named in an OperationOutcome inside the Bundle.";

pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "An access token of this site with [SMART scopes](https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html).",
        },
    })
}

pub(super) fn parameters(types: &[&str]) -> Map<String, Value> {
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let header = |name: &str, description: &str| json!({ "name": name, "in": "header", "description": description, "schema": { "type": "string" } });
    let path = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema });
    let text = || json!({ "type": "string" });
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    let one_of = |values: &[&str]| json!({ "type": "string", "enum": values });
    let all = [
        path("type", "A resource type of R4.", json!({ "type": "string", "enum": types })),
        path(
            "id",
            "[id](https://hl7.org/fhir/R4/datatypes.html#id)",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$" }),
        ),
        path("version", "`meta.versionId`", text()),
        path("member", "A resource type, or `*` for all that the compartment has.", text()),
        query(
            "_filter",
            "`name co \"pet\" and birthdate ge 2014`: comparisons, and `and`, `or`, `not` over them. [Filter](https://hl7.org/fhir/R4/search_filter.html)",
            text(),
        ),
        query(
            "_list",
            "The id of a List: what its entries name; or a functional list, like `$current-problems`. [List](https://hl7.org/fhir/R4/search.html#list)",
            text(),
        ),
        query(
            "_contained",
            "Whether resources that others contain are found. [Contained](https://hl7.org/fhir/R4/search.html#contained)",
            one_of(&["false", "true", "both"]),
        ),
        query(
            "_containedType",
            "As what: the resource that contains them, or they themselves. [Contained](https://hl7.org/fhir/R4/search.html#contained)",
            one_of(&["container", "contained"]),
        ),
        query("_type", "The types to search, with commas between them; all without it.", text()),
        query(
            "_sort",
            "Dates, strings, uris, numbers, quantities, `_id` and `_lastUpdated`; `-` before it for descending; several with commas. [Sorting](https://hl7.org/fhir/R4/search.html#sort)",
            text(),
        ),
        query(
            "_count",
            "How many a page; the links `next` and `previous` lead on. [Paging](https://hl7.org/fhir/R4/search.html#count)",
            json!({ "type": "integer" }),
        ),
        query(
            "_include",
            "`Observation:subject`, `Observation:subject:Patient`, `*`: what the matches refer to; as `_include:iterate` also what is included does. [Including](https://hl7.org/fhir/R4/search.html#include)",
            texts(),
        ),
        query(
            "_revinclude",
            "`Provenance:target`: what refers to the matches. [Including](https://hl7.org/fhir/R4/search.html#revinclude)",
            texts(),
        ),
        query(
            "_total",
            "Whether to count all matches. [Total](https://hl7.org/fhir/R4/search.html#total)",
            one_of(&["none", "estimate", "accurate"]),
        ),
        query(
            "_summary",
            "[Summary](https://hl7.org/fhir/R4/search.html#summary)",
            one_of(&["true", "text", "data", "count", "false"]),
        ),
        query(
            "_elements",
            "Root elements, with commas between them. [Elements](https://hl7.org/fhir/R4/search.html#elements)",
            text(),
        ),
        query(
            "_since",
            "Changes from this instant on. [History](https://hl7.org/fhir/R4/http.html#history)",
            json!({ "type": "string", "format": "date-time" }),
        ),
        query(
            "_at",
            "Versions that were current at some point of this date or time. [History](https://hl7.org/fhir/R4/http.html#history)",
            text(),
        ),
        query("mode", "[Capabilities](https://hl7.org/fhir/R4/http.html#capabilities)", one_of(&["full", "normative"])),
        query("_format", "Overrides `Accept`: `json` or a JSON media type.", text()),
        query("_pretty", "Whether to indent.", one_of(&["true", "false"])),
        header(
            "If-Match",
            "The version that is to be replaced, `W/\"3\"`: 412 if it is another. [Concurrency](https://hl7.org/fhir/R4/http.html#concurrency)",
        ),
        header(
            "If-None-Match",
            "The version that is known, `W/\"3\"`, or `*` for any: if it is that, a read answers 304, a write 412. [Conditional read](https://hl7.org/fhir/R4/http.html#cread), [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110.html#name-if-none-match)",
        ),
        header(
            "If-Modified-Since",
            "304 if it is no newer. [Conditional read](https://hl7.org/fhir/R4/http.html#cread)",
        ),
        header(
            "If-Unmodified-Since",
            "412 if it is newer. [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110.html#name-if-unmodified-since)",
        ),
        header(
            "If-None-Exist",
            "A search, `identifier=a|b`: only if it finds nothing is the resource created. [Conditional create](https://hl7.org/fhir/R4/http.html#ccreate)",
        ),
        header(
            "Prefer",
            "`return=minimal`, `representation` or `OperationOutcome`; `handling=strict` or `lenient`. [Return](https://hl7.org/fhir/R4/http.html#return)",
        ),
    ];
    let named = all.into_iter().map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one));
    named.collect()
}

pub(super) fn headers() -> Value {
    let header = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({
        "ETag": header("The version: `W/\"3\"`."),
        "Last-Modified": header("When the version was made."),
        "Location": header("The new version's address."),
        "X-Request-Id": header("The request's name in the server's log."),
        "WWW-Authenticate": header("With 401: what kind of token is expected."),
    })
}

fn fhir(schema: &str) -> Value {
    json!({ FHIR_JSON: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

pub(super) fn request_bodies() -> Value {
    let anything = json!({ "schema": { "type": "string", "format": "binary" } });
    let mut binary = fhir("Resource");
    binary["*/*"] = anything;
    let form = json!({ "schema": { "type": "object", "additionalProperties": { "type": "array", "items": { "type": "string" } } } });
    json!({
        "Resource": { "required": true, "content": fhir("Resource") },
        "Bundle": { "required": true, "content": fhir("Bundle") },
        "Binary": { "required": true, "description": "The resource, or the content itself in its own type.", "content": binary },
        "Patch": { "required": true, "content": {
            "application/json-patch+json": { "schema": { "type": "array", "items": { "type": "object" } } },
            "application/fhir+json": { "schema": { "$ref": "#/components/schemas/Resource" } },
        } },
        "Parameters": { "description": "The operation's parameters; nothing where it needs none.", "content": fhir("Resource") },
        "Form": { "content": { "application/x-www-form-urlencoded": form } },
    })
}

pub(super) fn responses() -> Value {
    let refer = |name: &str| json!({ "$ref": format!("#/components/headers/{name}") });
    let version = json!({ "ETag": refer("ETag"), "Last-Modified": refer("Last-Modified") });
    let mut created = version.clone();
    created["Location"] = refer("Location");
    let request = json!({ "X-Request-Id": refer("X-Request-Id") });
    let mut refused = request.clone();
    refused["WWW-Authenticate"] = refer("WWW-Authenticate");
    json!({
        "Resource": { "description": "The resource", "headers": version, "content": fhir("Resource") },
        "NotModified": { "description": "The version is the one that is known", "headers": version },
        "Created": { "description": "Created; the body is what `Prefer` asks for", "headers": created, "content": fhir("Resource") },
        "Updated": { "description": "Updated; the body is what `Prefer` asks for", "headers": version, "content": fhir("Resource") },
        "Found": { "description": "`If-None-Exist` found one: nothing was created", "headers": created, "content": fhir("Resource") },
        "Deleted": { "description": "Deleted", "content": fhir("OperationOutcome") },
        "Nothing": { "description": "It is gone, and nothing is left to say" },
        "Searchset": { "description": "A Bundle of type `searchset`: a page of matches, and what is included", "content": fhir("Bundle") },
        "History": { "description": "A Bundle of type `history`, newest first", "content": fhir("Bundle") },
        "OperationResult": { "description": "What the operation gives: a resource, or Parameters", "content": fhir("Resource") },
        "BundleResponse": { "description": "A Bundle of type `batch-response` or `transaction-response`", "content": fhir("Bundle") },
        "Refused": {
            "description": "400 not well formed, 401 no valid token, 403 not covered by the token, 404 not there, \
                            405 method not offered here, 406 format not offered, 409 another change came first, \
                            410 deleted, 412 a condition does not hold, 413 too large, 415 media type not read, \
                            422 not valid, 429 too many requests",
            "headers": refused, "content": fhir("OperationOutcome"),
        },
        "Failed": {
            "description": "500 a fault of the server, 501 not supported, 503 the database is not to be had for the moment",
            "headers": request, "content": fhir("OperationOutcome"),
        },
    })
}

pub(super) fn schemas() -> Value {
    let link = |page: &str| json!({ "url": format!("https://hl7.org/fhir/R4/{page}") });
    let code = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let mut schemas = json!({
        "Resource": {
            "type": "object", "required": ["resourceType"], "additionalProperties": true,
            "properties": {
                "resourceType": { "type": "string" },
                "id": { "type": "string" },
                "meta": { "type": "object" },
            },
            "externalDocs": link("resourcelist.html"),
        },
        "Bundle": {
            "type": "object", "required": ["resourceType", "type"], "additionalProperties": true,
            "properties": {
                "resourceType": { "type": "string", "enum": ["Bundle"] },
                "type": code,
                "link": { "type": "array", "items": { "type": "object" } },
                "entry": { "type": "array", "items": { "type": "object" } },
            },
            "externalDocs": link("bundle.html"),
        },
        "OperationOutcome": {
            "type": "object", "required": ["resourceType", "issue"], "additionalProperties": true,
            "properties": {
                "resourceType": { "type": "string", "enum": ["OperationOutcome"] },
                "issue": {
                    "type": "array",
                    "items": {
                        "type": "object", "required": ["severity", "code"],
                        "properties": {
                            "severity": { "type": "string", "enum": ["fatal", "error", "warning", "information"] },
                            "code": code, "diagnostics": code, "expression": texts,
                        },
                    },
                },
            },
            "externalDocs": link("operationoutcome.html"),
        },
    });
    // Kind, how a value is written, and the modifiers that there are beside `:missing`.
    for (kind, form) in [
        ("number", "A number, with a prefix `eq ne gt lt ge le sa eb ap` if need be."),
        ("date", "A date or time in any precision, with a prefix `eq ne gt lt ge le sa eb ap` if need be."),
        ("string", "The beginning of the text, whatever its case and accents. Modifiers: `:exact`, `:contains`."),
        (
            "token",
            "`code`, `system|code`, `|code` or `system|`. Modifiers: `:not`, `:of-type`, `:text`, `:code-text`, `:in`, `:not-in`, `:above`, `:below`.",
        ),
        (
            "reference",
            "`id`, `Type/id` or an absolute URL; `subject:Patient` for one type, `subject.name` for a property of the target. Modifier: `:identifier`.",
        ),
        ("composite", "The values of its parts with `$` between them."),
        ("quantity", "`number|system|code` or a number, with a prefix `eq ne gt lt ge le sa eb ap` if need be."),
        ("uri", "The whole URI. Modifiers: `:below`, `:above`."),
        ("special", "As its definition says."),
    ] {
        let description = format!("{form} Every parameter takes `:missing`. Repeated: all hold; with commas: any.");
        schemas[format!("search-{kind}")] = json!({
            "type": "array", "items": { "type": "string" }, "description": description,
            "externalDocs": link(&format!("search.html#{kind}")),
        });
    }
    schemas
}
