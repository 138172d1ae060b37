//! `is`, `as` and `ofType`: the types of FHIR and of FHIRPath itself.
//! <http://hl7.org/fhirpath/N1/#types-and-reflection>

use super::ast::TypeName;
use super::error::EvaluationError;
use super::item::{Item, Value};
use crate::schema::{Schema, TypeDefinition};

/// The types of the namespace `System`.
const SYSTEM: [&str; 9] = ["Any", "Boolean", "Date", "DateTime", "Decimal", "Integer", "Quantity", "String", "Time"];

/// A type that exists.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResolvedType<'n> {
    fhir: Option<&'static TypeDefinition>,
    system: Option<&'n str>,
}

/// Finds the type; a name without namespace may be in either.
pub(super) fn resolve<'n>(schema: &Schema, type_name: &'n TypeName) -> Result<ResolvedType<'n>, EvaluationError> {
    let namespace = type_name.namespace.as_deref();
    let name = type_name.name.as_str();
    let fhir = schema.get(name).filter(|_| namespace.is_none_or(|namespace| namespace == "FHIR"));
    let system =
        Some(name).filter(|name| SYSTEM.contains(name) && namespace.is_none_or(|namespace| namespace == "System"));
    // A namespace that exists without the type in it is no error: `Patient.is(System.Patient)` is false.
    let known_elsewhere = matches!(namespace, Some("FHIR" | "System"));
    if fhir.is_none() && system.is_none() && !known_elsewhere {
        return Err(EvaluationError::UnknownType(type_name.to_string()));
    }
    Ok(ResolvedType { fhir, system })
}

impl ResolvedType<'_> {
    pub(super) fn holds(&self, item: &Item) -> bool {
        match item {
            Item::Value(value) => self.system.is_some_and(|name| name == "Any" || name == value.type_name()),
            Item::Node(node) => self.fhir.is_some_and(|wanted| node.definition.is_a(wanted.name)),
            Item::NotLoaded(definition) => self.fhir.is_some_and(|wanted| definition.is_a(wanted.name)),
        }
    }
}

/// What `type()` gives for an item.
pub(super) fn type_of(item: &Item) -> Value {
    match item {
        Item::Value(value) => Value::Type { namespace: "System", name: value.type_name().to_owned() },
        _ => Value::Type { namespace: "FHIR", name: item.type_name() },
    }
}
