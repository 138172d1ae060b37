//! `ValueSet/$expand`. <https://hl7.org/fhir/R4/valueset-operation-expand.html>

use serde_json::{Map, Value, json};

use super::{CONTEXT, DATE, Subject, grant, refuse};
use crate::fhir::answer::Answer;
use crate::fhir::operation::{Inputs, Invocation, resource_answer};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::service::Request;
use crate::terminology::{Canonical, Designation, Engine, Kind as Definitions, Member, Node, Options, Versions};

/// An expansion that does not have all codes: <https://hl7.org/fhir/R4/extension-valueset-unclosed.html>
const UNCLOSED: &str = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed";

pub(in crate::fhir::operation) async fn expand(
    request: Request<'_>,
    invocation: Invocation<'_>,
) -> Result<Answer, Error> {
    let granted = grant(&request, &invocation)?;
    let inputs = &invocation.inputs;
    let direction = ("contextDirection", "name the value set by `url`");
    let composed = ("excludePostCoordinated", "no code system here has post-coordinated codes");
    refuse(inputs, &[CONTEXT, direction, DATE])?;
    if inputs.boolean("excludePostCoordinated") == Some(false) {
        refuse(inputs, &[composed])?;
    }
    let options = Options {
        filter: inputs.text("filter").map(str::to_owned),
        offset: whole(inputs, "offset")?,
        count: whole(inputs, "count")?,
        active_only: inputs.boolean("activeOnly").unwrap_or(false),
        exclude_not_for_ui: inputs.boolean("excludeNotForUI").unwrap_or(false),
        exclude_nested: inputs.boolean("excludeNested").unwrap_or(false),
    };
    let versions = Versions {
        default: canonicals(inputs, "system-version")?,
        check: canonicals(inputs, "check-system-version")?,
        force: canonicals(inputs, "force-system-version")?,
        exclude: inputs.all("exclude-system").filter_map(Value::as_str).map(Canonical::parse).collect(),
    };
    let subject = Subject::value_set_of(&request, &invocation, &granted).await?;

    let library = request.service.gather(&[subject.root(Definitions::ValueSet)], Some(&granted)).await?;
    let set = subject.value_set(&library)?;
    let engine = Engine::new(&library, &versions);
    let expansion = engine.expand(set, &options)?;

    let shape = Shape {
        language: inputs.text("displayLanguage"),
        designations: inputs.boolean("includeDesignations").unwrap_or(false) || inputs.one("designation").is_some(),
        only: inputs.all("designation").filter_map(Value::as_str).collect(),
    };
    let mut resource = set.resource.clone();
    let members = resource.as_object_mut().ok_or_else(|| Error::new(Kind::Internal, "A value set is an object."))?;
    if !inputs.boolean("includeDefinition").unwrap_or(false) {
        members.shift_remove("compose");
    }
    members.entry("status").or_insert_with(|| json!("active"));
    let mut expanded = Map::new();
    if engine.drew_on_fragment() {
        expanded.insert("extension".to_owned(), json!([{ "url": UNCLOSED, "valueBoolean": true }]));
    }
    expanded.insert("identifier".to_owned(), json!(format!("urn:uuid:{}", request.service.ids.next())));
    expanded.insert("timestamp".to_owned(), json!(request.service.clock.now().to_string()));
    expanded.insert("total".to_owned(), json!(expansion.total));
    if expansion.is_paged {
        expanded.insert("offset".to_owned(), json!(options.offset.unwrap_or(0)));
    }
    let parameters = parameters(inputs, &engine.used());
    if !parameters.is_empty() {
        expanded.insert("parameter".to_owned(), Value::Array(parameters));
    }
    if !expansion.nodes.is_empty() {
        expanded.insert("contains".to_owned(), expansion.nodes.iter().map(|node| shape.node(node)).collect());
    }
    members.insert("expansion".to_owned(), Value::Object(expanded));
    Ok(resource_answer(&resource))
}

fn whole(inputs: &Inputs, name: &str) -> Result<Option<usize>, Error> {
    let Some(number) = inputs.number(name) else { return Ok(None) };
    let wrong = || Error::from_issue(Kind::Invalid, Issue::error(IssueType::Value, format!("`{name}` is 0 or more.")));
    usize::try_from(number).map(Some).map_err(|_| wrong())
}

/// `system|version`, with both.
fn canonicals(inputs: &Inputs, name: &str) -> Result<Vec<Canonical>, Error> {
    let read = |text: &str| {
        let canonical = Canonical::parse(text);
        let wrong = format!("`{name}` is a code system with its version: http://loinc.org|2.74.");
        match canonical.version {
            Some(_) => Ok(canonical),
            None => Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Value, wrong))),
        }
    };
    inputs.all(name).filter_map(Value::as_str).map(read).collect()
}

/// "A parameter that controlled the expansion process": those that were given, and the code systems that were used.
fn parameters(inputs: &Inputs, used: &[Canonical]) -> Vec<Value> {
    const SHOWN: [(&str, &str); 13] = [
        ("filter", "valueString"),
        ("offset", "valueInteger"),
        ("count", "valueInteger"),
        ("includeDesignations", "valueBoolean"),
        ("designation", "valueString"),
        ("activeOnly", "valueBoolean"),
        ("excludeNested", "valueBoolean"),
        ("excludeNotForUI", "valueBoolean"),
        ("displayLanguage", "valueCode"),
        ("exclude-system", "valueUri"),
        ("system-version", "valueUri"),
        ("check-system-version", "valueUri"),
        ("force-system-version", "valueUri"),
    ];
    let given = SHOWN
        .iter()
        .flat_map(|(name, property)| inputs.all(name).map(move |value| json!({ "name": name, *property: value })));
    let versions = used.iter().filter(|used| used.version.is_some());
    given.chain(versions.map(|used| json!({ "name": "version", "valueUri": used.to_string() }))).collect()
}

/// How codes are shown.
struct Shape<'a> {
    language: Option<&'a str>,
    designations: bool,
    /// Tokens: `urn:ietf:bcp:47|de` for a language, or a use.
    only: Vec<&'a str>,
}

impl Shape<'_> {
    fn node(&self, node: &Node<'_>) -> Value {
        let member = &node.member;
        let mut contains = Map::new();
        let mut insert = |name: &str, value: Value| drop(contains.insert(name.to_owned(), value));
        if !member.system.is_empty() {
            insert("system", json!(member.system));
        }
        if member.is_abstract() {
            insert("abstract", json!(true));
        }
        if member.is_inactive() {
            insert("inactive", json!(true));
        }
        if let Some(version) = member.version {
            insert("version", json!(version));
        }
        insert("code", json!(member.code));
        if let Some(display) = member.display(self.language) {
            insert("display", json!(display));
        }
        let designations = self.designations(member);
        if !designations.is_empty() {
            insert("designation", Value::Array(designations));
        }
        if !node.nodes.is_empty() {
            insert("contains", node.nodes.iter().map(|node| self.node(node)).collect());
        }
        Value::Object(contains)
    }

    fn designations(&self, member: &Member<'_>) -> Vec<Value> {
        if !self.designations {
            return Vec::new();
        }
        let asked = member.designations().filter(|one| self.only.is_empty() || self.only.iter().any(|t| is(one, t)));
        asked.map(designation_value).collect()
    }
}

/// Whether a designation is of this language or use.
fn is(designation: &Designation, token: &str) -> bool {
    let (system, code) = token.split_once('|').map_or((None, token), |(system, code)| (Some(system), code));
    let by_language = system.is_none_or(|system| system == "urn:ietf:bcp:47")
        && designation.language.as_deref().is_some_and(|language| language.eq_ignore_ascii_case(code));
    let of = |name: &str| designation.usage.as_ref().and_then(|usage| usage.get(name)?.as_str());
    by_language || (of("code") == Some(code) && system.is_none_or(|system| of("system") == Some(system)))
}

fn designation_value(designation: &Designation) -> Value {
    let mut value = Map::new();
    if let Some(language) = &designation.language {
        value.insert("language".to_owned(), json!(language));
    }
    if let Some(usage) = &designation.usage {
        value.insert("use".to_owned(), usage.clone());
    }
    value.insert("value".to_owned(), json!(designation.value));
    Value::Object(value)
}
