//! `conformance/suites/*.json`: what the conformance kit asks of a server, one suite a guide and version, from the
//! guide's CapabilityStatement, profiles and search parameters. What a check does is written in `conformance/src/run`.

use serde_json::{Map, Value, json};

use super::{EmitError, GeneratedFile, NOTICE};
use crate::digest::{Expectation, Package, Rest, RestResource, Specification, Structure, to_text, without_version};
use crate::links::{guide_page, resource_page};

mod guidance;
mod parameters;
mod searches;

use parameters::Parameters;

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    specification.guides().filter_map(|guide| suite(specification, guide).transpose()).collect()
}

/// None where the guide expects nothing of a server.
fn suite(specification: &Specification, guide: &Package) -> Result<Option<GeneratedFile>, EmitError> {
    let mut statements = guide.capabilities.iter().filter(|(_, statement)| statement.kind == "requirements");
    let found = statements.find_map(|(id, statement)| {
        let server = statement.rest.iter().find(|rest| rest.mode == "server")?;
        Some((id, &statement.url, server))
    });
    let Some((id, url, server)) = found else { return Ok(None) };
    let statement_page = guide_page(&guide.canonical, &guide.version, "CapabilityStatement", id);
    let parameters = Parameters::new(specification, guide);
    let mut suite = Suite { guide, statement_page, parameters, groups: Vec::new() };
    suite.capabilities(url, server);
    let mut resources: Vec<&RestResource> = server.resource.iter().collect();
    resources.sort_by(|one, other| one.type_name.cmp(&other.type_name));
    for resource in resources {
        suite.resource(resource)?;
    }
    suite.guidance();
    let (name, version) = (&guide.name, &guide.version);
    let value = json!({
        "comment": NOTICE,
        "name": format!("{name}-{version}"),
        "guide": { "name": name, "version": version, "canonical": guide.canonical },
        "parameters": suite.parameters.into_json(),
        "groups": suite.groups.into_iter().filter(|group| !group.tests.is_empty()).map(Group::into_json).collect::<Vec<_>>(),
    });
    Ok(Some(GeneratedFile { path: format!("conformance/suites/{name}-{version}.json"), text: to_text(&value) }))
}

struct Suite<'a> {
    guide: &'a Package,
    /// The page of the guide's CapabilityStatement.
    statement_page: String,
    parameters: Parameters<'a>,
    groups: Vec<Group>,
}

/// Tests of one thing, mostly of a profile, or of a type for which the guide has none.
#[derive(Default)]
struct Group {
    /// The first part of the tests' ids.
    id: String,
    link: String,
    resource_type: Option<String>,
    /// With the guide's version.
    profile: Option<String>,
    expectation: Option<Expectation>,
    /// Whether the profile asks for references.
    refers: bool,
    tests: Vec<Value>,
}

impl Group {
    fn new(id: &str, link: &str) -> Self {
        let expectation = Some(Expectation::Shall);
        Self { id: id.to_owned(), link: link.to_owned(), expectation, ..Self::default() }
    }

    /// Adds a test of what SHALL or SHOULD be. Of what MAY be supported as a whole (a profile) the parts are tested all
    /// the same: a server that supports it does it right.
    fn test(&mut self, id: &str, expectation: Option<Expectation>, requirement: &str, check: Value) {
        if !is_tested(expectation) {
            return;
        }
        // No more is expected of a part than of the whole; in the order of the enum the firmest comes first.
        let expectation = expectation.max(self.expectation);
        self.tests.push(json!({
            "id": id, "expectation": expectation, "requirement": requirement, "check": check,
        }));
    }

    fn into_json(self) -> Value {
        let mut members = Map::new();
        members.insert("id".to_owned(), self.id.into());
        for (name, value) in [("type", self.resource_type), ("profile", self.profile)] {
            members.extend(value.map(|value| (name.to_owned(), value.into())));
        }
        members.insert("link".to_owned(), self.link.into());
        members.insert("tests".to_owned(), self.tests.into());
        members.into()
    }
}

impl<'a> Suite<'a> {
    fn capabilities(&mut self, url: &str, server: &Rest) {
        let mut group = Group::new("capability-statement", &self.statement_page);
        let requirement = "The CapabilityStatement at /metadata describes a FHIR R4 server that speaks JSON, and names \
                           the guide's own statement in `instantiates`.";
        let check = json!({ "kind": "capability-statement", "instantiates": url });
        group.test("statement", Some(Expectation::Shall), requirement, check);
        for resource in &server.resource {
            let type_name = &resource.type_name;
            let strings = |expected: &[crate::digest::Expected<String>]| -> Vec<String> {
                let wanted = expected.iter().filter(|one| is_tested(one.expectation));
                wanted.map(|one| one.value.clone()).collect()
            };
            let parameters = resource.search_param.iter().filter(|parameter| is_tested(parameter.expectation));
            let combined = resource.combination.iter().filter(|combination| is_tested(combination.expectation));
            let mut parameters: Vec<&str> = parameters.map(|parameter| parameter.name.as_str()).collect();
            for name in combined.flat_map(|combination| &combination.required) {
                if !parameters.contains(&name.as_str()) {
                    parameters.push(name);
                }
            }
            let profiles: Vec<String> = strings(&resource.supported_profile)
                .into_iter()
                .filter(|profile| self.profile(profile).is_some())
                .map(|profile| without_version(&profile).to_owned())
                .collect();
            let check = json!({
                "kind": "capability-type", "type": type_name, "interactions": strings(&resource.interaction),
                "parameters": parameters, "profiles": profiles, "includes": strings(&resource.search_include),
                "revincludes": strings(&resource.search_rev_include),
            });
            let requirement = format!(
                "The CapabilityStatement names what the guide expects of {type_name}: interactions, profiles, search \
                 parameters and includes."
            );
            group.test(type_name, resource.expectation, &requirement, check);
        }
        self.groups.push(group);
    }

    /// The guide's own profile of that canonical.
    fn profile(&self, canonical: &str) -> Option<(&'a String, &'a Structure)> {
        let url = without_version(canonical);
        self.guide.structures.iter().find(|(_, structure)| structure.url == url)
    }

    fn resource(&mut self, resource: &'a RestResource) -> Result<(), EmitError> {
        let guide = self.guide;
        let mut groups = Vec::new();
        for supported in &resource.supported_profile {
            let Some((id, structure)) = self.profile(&supported.value) else { continue };
            let link = guide_page(&guide.canonical, &guide.version, "StructureDefinition", id);
            groups.push(Group {
                resource_type: Some(resource.type_name.clone()),
                profile: Some(format!("{}|{}", structure.url, guide.version)),
                expectation: supported.expectation.max(resource.expectation),
                refers: refers(structure),
                ..Group::new(id, &link)
            });
        }
        groups.sort_by(|one, other| one.id.cmp(&other.id));
        if groups.is_empty() {
            groups.push(Group {
                resource_type: Some(resource.type_name.clone()),
                expectation: resource.expectation,
                ..Group::new(&resource.type_name, &resource_page(&resource.type_name))
            });
        }
        for mut group in groups {
            interactions(&mut group, resource);
            self.searches(&mut group, resource)?;
            self.includes(&mut group, resource)?;
            content(&mut group);
            self.groups.push(group);
        }
        Ok(())
    }
}

fn interactions(group: &mut Group, resource: &RestResource) {
    let type_name = &resource.type_name;
    let texts = [
        ("read", format!("A {type_name} is read by its id.")),
        ("vread", format!("A version of a {type_name} is read by its id and the version's.")),
        ("history-instance", format!("The history of a {type_name} holds its current version.")),
    ];
    for (interaction, requirement) in texts {
        let expected = resource.interaction.iter().find(|expected| expected.value == interaction);
        let expectation = expected.and_then(|expected| expected.expectation);
        group.test(interaction, expectation, &requirement, json!({ "kind": interaction }));
    }
}

/// Whether a profile asks for references.
fn refers(profile: &Structure) -> bool {
    profile.elements.iter().any(|element| {
        (element.must_support || element.uscdi_requirement) && element.types.iter().any(|one| one.name() == "Reference")
    })
}

/// What is asked of the resources themselves.
fn content(group: &mut Group) {
    if group.profile.is_none() {
        return;
    }
    let shall = Some(Expectation::Shall);
    let requirement = "Every resource returned under this profile keeps its cardinalities, types, fixed values, \
                       patterns, slices and required bindings.";
    group.test("conformance", shall, requirement, json!({ "kind": "conformance" }));
    let requirement = "Every Must Support element, choice, slice and target, and every additional USCDI requirement, \
                       occurs in the resources of the patients.";
    group.test("must-support", shall, requirement, json!({ "kind": "must-support" }));
    if group.refers {
        let requirement = "Every reference resolves by a read, to a type that the profile allows.";
        group.test("references", shall, requirement, json!({ "kind": "references" }));
    }
}

fn is_tested(expectation: Option<Expectation>) -> bool {
    matches!(expectation, Some(Expectation::Shall | Expectation::Should))
}
