//! The shape of OperationDefinitions as the generator writes them: which parameters an operation takes and gives.
//! <https://hl7.org/fhir/R4/operationdefinition.html>

/// An operation as its definition has it.
#[derive(Debug)]
pub struct OperationDefinition {
    /// The canonical URL.
    pub url: &'static str,
    /// The name in the path, without `$`: `everything`.
    pub code: &'static str,
    /// The types that it is defined on; `Resource` stands for all.
    pub resources: &'static [&'static str],
    /// Where it can be invoked: `[base]/$code`, `[base]/[type]/$code`, `[base]/[type]/[id]/$code`.
    pub on_system: bool,
    pub on_type: bool,
    pub on_instance: bool,
    pub inputs: &'static [OperationParameter],
    pub outputs: &'static [OperationParameter],
}

/// A parameter in or out.
#[derive(Debug)]
pub struct OperationParameter {
    pub name: &'static str,
    pub min: u32,
    /// `u32::MAX` stands for `*`.
    pub max: u32,
    /// A data type or a resource type, abstract ones included; none where the parameter has parts.
    pub type_name: Option<&'static str>,
    pub parts: &'static [OperationParameter],
}

impl OperationDefinition {
    /// Whether it is defined on a resource type.
    pub fn is_on(&self, resource_type: &str) -> bool {
        self.resources.iter().any(|name| matches!(*name, "Resource" | "DomainResource") || *name == resource_type)
    }

    pub fn input(&self, name: &str) -> Option<&'static OperationParameter> {
        self.inputs.iter().find(|parameter| parameter.name == name)
    }
}
