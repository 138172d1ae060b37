//! Every place in a resource that can point to another entry of the same Bundle.
//!
//! "The server SHALL replace all matching links in the bundle, whether they are found in the resource references,
//! elements of type uri, url, oid, uuid, and <a href="" & <img src="" in the narrative. Elements of type canonical are
//! not replaced." <https://hl7.org/fhir/R4/http.html#trules>

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use vesta_runtime::schema::{Kind, Schema, TypeDefinition};

/// A place that may hold a link, to be changed there.
pub(super) enum Link<'a> {
    /// `Reference.reference`
    Reference(&'a mut String),
    /// An element of type uri, url, oid or uuid.
    Uri(&'a mut String),
    /// `Narrative.div`
    Narrative(&'a mut String),
}

/// Shows every link of a resource, contained resources included, to `visit`.
pub(super) fn visit(schema: &'static Schema, resource: &mut Value, visit: &mut dyn FnMut(Link<'_>)) {
    let Value::Object(object) = resource else { return };
    let name = object.get("resourceType").and_then(Value::as_str);
    if let Some(definition) = name.and_then(|name| schema.resource(name)) {
        walk(schema, definition, object, visit);
    }
}

fn walk(
    schema: &'static Schema,
    definition: &'static TypeDefinition,
    object: &mut Map<String, Value>,
    visit: &mut dyn FnMut(Link<'_>),
) {
    for (property, value) in object.iter_mut() {
        if let Some(name) = property.strip_prefix('_') {
            // The extensions of a primitive.
            if let (Some(_), Some(element)) = (definition.property(name), schema.get("Element")) {
                each(value, &mut |value| {
                    if let Value::Object(object) = value {
                        walk(schema, element, object, visit);
                    }
                });
            }
            continue;
        }
        let Some((_, element_type)) = definition.property(property) else { continue };
        let inner = element_type.definition;
        let is_reference = definition.name == "Reference" && property == "reference";
        each(value, &mut |value| match (inner.kind, value) {
            (Kind::Primitive, Value::String(text)) => match inner.name {
                _ if is_reference => visit(Link::Reference(text)),
                // The url of an extension names its definition.
                "uri" | "url" | "oid" | "uuid" if definition.name != "Extension" || property != "url" => {
                    visit(Link::Uri(text));
                }
                "xhtml" => visit(Link::Narrative(text)),
                _ => {}
            },
            (Kind::Resource, value) => self::visit(schema, value, visit),
            (Kind::Complex | Kind::Backbone, Value::Object(object)) => walk(schema, inner, object, visit),
            _ => {}
        });
    }
}

fn each(value: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(change),
        value => change(value),
    }
}

/// Where the entries of a transaction are to be found after it: from `fullUrl` to `Type/id`.
#[derive(Debug, Default)]
pub(super) struct Targets {
    by_full_url: HashMap<String, String>,
    /// The `fullUrl`s of what is created.
    created: HashSet<String>,
}

impl Targets {
    pub(super) fn insert(&mut self, full_url: &str, reference: String) {
        self.by_full_url.insert(full_url.to_owned(), reference);
    }

    /// Of a resource that is new, and has its first version after this.
    pub(super) fn insert_new(&mut self, full_url: &str, reference: String) {
        self.created.insert(full_url.to_owned());
        self.insert(full_url, reference);
    }

    pub(super) fn get(&self, url: &str) -> Option<&str> {
        self.by_full_url.get(url).map(String::as_str)
    }

    /// What a Reference in the entry with this `fullUrl` stands for: an absolute reference is looked up as it is; a
    /// relative one, in an entry whose own `fullUrl` is `[base]/Type/id`, is one of the same base. "If the reference is
    /// version specific …, then remove the version from the URL before matching fullUrl":
    /// <https://hl7.org/fhir/R4/bundle.html#references>. It stays one of a version: of what is created the first.
    pub(super) fn resolve(&self, reference: &str, full_url: Option<&str>) -> Option<Cow<'_, str>> {
        let (plain, is_versioned) = match reference.split_once("/_history/") {
            Some((plain, _)) => (plain, true),
            None => (reference, false),
        };
        let (known, target) = match self.by_full_url.get_key_value(plain) {
            Some(found) => found,
            None => self.by_full_url.get_key_value(&absolute(plain, full_url)?)?,
        };
        match is_versioned {
            false => Some(Cow::Borrowed(target)),
            true => self.created.contains(known).then(|| Cow::Owned(format!("{target}/_history/1"))),
        }
    }

    /// Rewrites all links of a resource to entries of the Bundle; returns the `urn:uuid:` and `urn:oid:` references
    /// that no entry has.
    pub(super) fn rewrite(&self, schema: &'static Schema, resource: &mut Value, full_url: Option<&str>) -> Vec<String> {
        let mut dangling = Vec::new();
        visit(schema, resource, &mut |link| match link {
            Link::Reference(text) => {
                let (url, fragment) = split_fragment(text);
                if let Some(target) = self.resolve(url, full_url) {
                    *text = format!("{target}{fragment}");
                } else if url.starts_with("urn:uuid:") || url.starts_with("urn:oid:") {
                    dangling.push(text.clone());
                }
            }
            Link::Uri(text) => {
                let (url, fragment) = split_fragment(text);
                if let Some(target) = self.get(url) {
                    *text = format!("{target}{fragment}");
                }
            }
            Link::Narrative(text) => {
                if let Some(replaced) = self.narrative(text) {
                    *text = replaced;
                }
            }
        });
        dangling
    }

    /// The links in `href` and `src` attributes of a narrative; none if nothing changes. What is no tag is passed over:
    /// an apostrophe in the text quotes nothing.
    fn narrative(&self, text: &str) -> Option<String> {
        if !text.contains("href") && !text.contains("src") {
            return None;
        }
        let mut replaced = String::with_capacity(text.len());
        let (mut rest, mut changed) = (text, false);
        while let Some(start) = rest.find('<') {
            let (before, tag) = rest.split_at(start);
            replaced.push_str(before);
            rest = tag;
            if let Some(comment) = rest.strip_prefix("<!--") {
                let end = comment.find("-->").map_or(rest.len(), |end| end + "<!---->".len());
                replaced.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            // Up to the end of the tag, which no quoted value ends.
            while let Some(position) = rest.find(['"', '\'', '>']) {
                let (before, quoted) = rest.split_at(position);
                replaced.push_str(before);
                rest = quoted;
                let quote = &quoted[..1];
                let end = if quote == ">" { None } else { quoted[1..].find(quote) };
                let Some(end) = end else { break };
                let value = &quoted[1..=end];
                let (url, fragment) = split_fragment(value);
                replaced.push_str(quote);
                match self.get(url).filter(|_| is_link(before)) {
                    Some(target) => {
                        replaced.push_str(target);
                        replaced.push_str(fragment);
                        changed = true;
                    }
                    None => replaced.push_str(value),
                }
                replaced.push_str(quote);
                rest = &quoted[end + 2..];
            }
            // What began it is behind us, or the text is no XHTML.
            let ended = rest.chars().next().map_or(0, char::len_utf8);
            replaced.push_str(&rest[..ended]);
            rest = &rest[ended..];
        }
        replaced.push_str(rest);
        changed.then_some(replaced)
    }
}

/// `Type/id` at the base of the entry with this `fullUrl`.
fn absolute(reference: &str, full_url: Option<&str>) -> Option<String> {
    let mut segments = reference.split('/');
    let is_relative = segments.clone().count() == 2
        && segments.next().is_some_and(|name| name.starts_with(|character: char| character.is_ascii_uppercase()));
    let (rest, _) = full_url.filter(|url| is_relative && url.starts_with("http"))?.rsplit_once('/')?;
    let (base, _) = rest.rsplit_once('/')?;
    Some(format!("{base}/{reference}"))
}

/// Whether the attribute whose name and `=` end this text is a link.
fn is_link(before: &str) -> bool {
    let name = before.trim_end().strip_suffix('=').map(str::trim_end);
    let name = name.map(|name| name.rsplit(|character: char| character.is_ascii_whitespace()).next().unwrap_or(name));
    matches!(name, Some("href" | "src"))
}

fn split_fragment(text: &str) -> (&str, &str) {
    match text.find('#') {
        Some(position) if position > 0 => text.split_at(position),
        _ => (text, ""),
    }
}
