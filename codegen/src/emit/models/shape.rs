//! What the digests come to as structs and enums, before any Rust is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::EmitError;
use super::super::codes::{CodeEnum, bound_value_set};
use super::super::names::{pascal, snake};
use crate::digest::{Element, ElementType, Structure, StructureKind};

/// All models.
#[derive(Debug)]
pub(super) struct Models {
    pub definitions: Vec<Definition>,
}

/// A resource or data type: what stands in one file.
#[derive(Debug)]
pub(super) struct Definition {
    pub name: String,
    pub is_resource: bool,
    /// The type itself, then its backbone elements.
    pub structs: Vec<Struct>,
    pub choices: Vec<Choice>,
}

#[derive(Debug)]
pub(super) struct Struct {
    /// `PatientContact`.
    pub name: String,
    /// `Patient.contact`.
    pub path: String,
    pub fields: Vec<Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    /// `birth_date`.
    pub name: String,
    /// `birthDate`; for a choice the element's name.
    pub property: String,
    /// `Patient.birthDate`.
    pub path: String,
    pub repeats: bool,
    pub cardinality: String,
    /// What the standard says the type is: `code`, `Reference(Patient | Group)`.
    pub described: String,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A string that is no FHIR primitive: no extensions.
    Text,
    /// The name of the FHIR primitive.
    Primitive(String),
    /// An enum of `codes`.
    Code(String),
    Model {
        name: String,
        boxed: bool,
    },
    Choice(String),
}

/// An element with a choice of types.
#[derive(Debug)]
pub(super) struct Choice {
    /// `ObservationValue`.
    pub name: String,
    /// `Observation.value[x]`.
    pub path: String,
    pub variants: Vec<Variant>,
}

#[derive(Debug)]
pub(super) struct Variant {
    /// `Quantity`.
    pub name: String,
    /// `valueQuantity`.
    pub property: String,
    pub described: String,
    /// `Primitive` or `Model`.
    pub content: Content,
}

impl Models {
    pub(super) fn of(structures: &[&Structure], codes: &BTreeMap<String, CodeEnum>) -> Result<Models, EmitError> {
        let mut types: BTreeSet<&str> = structures.iter().map(|structure| structure.type_name.as_str()).collect();
        // Any resource: `contained`, `Bundle.entry.resource`.
        types.insert("Resource");
        let definitions = structures.iter().map(|structure| Reading { structure, types: &types, codes }.definition());
        let mut models = Models { definitions: definitions.collect::<Result<_, _>>()? };
        models.check_names()?;
        models.box_what_contains_itself();
        Ok(models)
    }

    fn check_names(&self) -> Result<(), EmitError> {
        let mut paths = HashMap::from([("Resource", "Resource"), ("Primitive", "the alias")]);
        for definition in &self.definitions {
            let structs = definition.structs.iter().map(|one| (one.name.as_str(), one.path.as_str()));
            let choices = definition.choices.iter().map(|one| (one.name.as_str(), one.path.as_str()));
            for (name, path) in structs.chain(choices) {
                if let Some(other) = paths.insert(name, path) {
                    return Err(EmitError(format!("{path} and {other} would both be models::{name}")));
                }
            }
        }
        Ok(())
    }

    fn box_what_contains_itself(&mut self) {
        let mut inside: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for one in self.definitions.iter().flat_map(|definition| &definition.structs) {
            let singles = one.fields.iter().filter(|field| !field.repeats).filter_map(|field| field.content.model());
            inside.insert(one.name.clone(), singles.map(str::to_owned).collect());
        }
        for one in self.definitions.iter_mut().flat_map(|definition| &mut definition.structs) {
            for field in one.fields.iter_mut().filter(|field| !field.repeats) {
                if let Content::Model { name, boxed } = &mut field.content {
                    *boxed = reaches(&inside, name, &one.name);
                }
            }
        }
    }
}

impl Content {
    fn model(&self) -> Option<&str> {
        match self {
            Content::Model { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// Whether `to` is `from`, or stands in it by way of single elements.
fn reaches(inside: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            open.extend(inside.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

/// One structure being read.
struct Reading<'a> {
    structure: &'a Structure,
    types: &'a BTreeSet<&'a str>,
    codes: &'a BTreeMap<String, CodeEnum>,
}

impl Reading<'_> {
    fn definition(&self) -> Result<Definition, EmitError> {
        let Structure { type_name, elements, kind, .. } = self.structure;
        let mut choices = Vec::new();
        let mut structs = Vec::new();
        for owner in elements.iter().filter(|element| !element.id.contains('.') || self.has_children(element)) {
            let children = elements.iter().filter(|element| element.parent() == Some(&owner.id));
            let fields = children.map(|element| self.field(element, &mut choices)).collect::<Result<_, _>>()?;
            structs.push(Struct { name: pascal(&owner.id), path: owner.id.clone(), fields });
        }
        Ok(Definition { name: type_name.clone(), is_resource: *kind == StructureKind::Resource, structs, choices })
    }

    fn field(&self, element: &Element, choices: &mut Vec<Choice>) -> Result<Field, EmitError> {
        let property = element.name().trim_end_matches("[x]").to_owned();
        let is_choice = element.name().ends_with("[x]");
        let types = element.types.iter().map(describe).collect::<Vec<_>>().join(" | ");
        let mut described = format!("`{types}`");
        let content = if let Some(reference) = &element.content_reference {
            let target = reference.rsplit('#').next().unwrap_or(reference);
            described = format!("as `{target}`");
            Content::Model { name: pascal(target), boxed: false }
        } else if is_choice {
            if element.max != "1" {
                return Err(EmitError(format!("{} is a choice that repeats: R4 has none", element.id)));
            }
            let choice = self.choice(element)?;
            described = format!("`{property}[x]`");
            let name = choice.name.clone();
            choices.push(choice);
            Content::Choice(name)
        } else if self.has_children(element) {
            Content::Model { name: pascal(&element.id), boxed: false }
        } else {
            let [only] = element.types.as_slice() else {
                return Err(EmitError(format!("{} has {} types, and is no choice", element.id, element.types.len())));
            };
            let code = bound_value_set(element).and_then(|value_set| self.codes.get(value_set));
            match code {
                Some(code) => Content::Code(code.name.clone()),
                None => self.content(only, element)?,
            }
        };
        Ok(Field {
            name: snake(&property),
            property,
            path: element.id.clone(),
            repeats: element.max != "1" && element.max != "0",
            cardinality: format!("{}..{}", element.min, element.max),
            described,
            content,
        })
    }

    fn choice(&self, element: &Element) -> Result<Choice, EmitError> {
        let stem = element.name().trim_end_matches("[x]");
        let variants = element.types.iter().map(|one| {
            let name = pascal(one.name());
            let content = match self.content(one, element)? {
                Content::Model { name, .. } => Content::Model { name, boxed: true },
                other => other,
            };
            Ok(Variant { property: format!("{stem}{name}"), name, described: describe(one), content })
        });
        let name = pascal(element.id.trim_end_matches("[x]"));
        Ok(Choice { name, path: element.id.clone(), variants: variants.collect::<Result<_, EmitError>>()? })
    }

    fn content(&self, one: &ElementType, element: &Element) -> Result<Content, EmitError> {
        let name = one.name();
        if one.code.starts_with("http://hl7.org/fhirpath/") || name == "xhtml" {
            Ok(Content::Text)
        } else if name.starts_with(|first: char| first.is_ascii_lowercase()) {
            Ok(Content::Primitive(name.to_owned()))
        } else if self.types.contains(name) {
            Ok(Content::Model { name: name.to_owned(), boxed: false })
        } else {
            Err(EmitError(format!("{} has the type {name:?}, which R4 does not define", element.id)))
        }
    }

    fn has_children(&self, element: &Element) -> bool {
        self.structure.elements.iter().any(|other| other.parent() == Some(&element.id))
    }
}

/// `Reference(Patient | Group)`.
fn describe(one: &ElementType) -> String {
    let targets: Vec<&str> = one.target_profile.iter().filter_map(|target| target.profile.rsplit('/').next()).collect();
    if targets.is_empty() { one.name().to_owned() } else { format!("{}({})", one.name(), targets.join(" | ")) }
}
