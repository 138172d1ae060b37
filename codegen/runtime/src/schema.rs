//! What the generated element tables are made of: one [`TypeDefinition`] for each resource, data type and backbone
//! element of R4, linked to one another by reference.

/// A type of the FHIR type system, with all its elements (the inherited ones included, in the order of the
/// StructureDefinition's snapshot).
#[derive(Debug)]
pub struct TypeDefinition {
    /// `Observation`, `Observation.component`, `Quantity`, `code`.
    pub name: &'static str,
    pub kind: Kind,
    /// The type this one specialises: `DomainResource`, `Quantity` (for `Age`), `string` (for `code`); none for
    /// `Element` and `Resource`.
    pub base: Option<&'static TypeDefinition>,
    pub is_abstract: bool,
    pub elements: &'static [ElementDefinition],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Primitive,
    /// A data type with a name of its own: `HumanName`.
    Complex,
    /// An element with children defined in place: `Observation.component`.
    Backbone,
    Resource,
}

/// One element of a type.
#[derive(Debug)]
pub struct ElementDefinition {
    /// The name without `[x]`: `value` for `value[x]`.
    pub name: &'static str,
    /// True for `value[x]`: the JSON property is then `name` with the type's name behind it.
    pub is_choice: bool,
    pub types: &'static [ElementType],
    pub min: u32,
    /// `u32::MAX` stands for `*`.
    pub max: u32,
    pub is_summary: bool,
    pub is_modifier: bool,
    pub binding: Option<&'static Binding>,
}

/// One of the types that an element may have.
#[derive(Debug)]
pub struct ElementType {
    /// The property in JSON: `valueQuantity` for a choice, else the element's name.
    pub property: &'static str,
    pub definition: &'static TypeDefinition,
    /// For `Reference` and `canonical`: the resource types it may point to; empty means any.
    pub targets: &'static [&'static str],
}

/// The value set that an element is bound to.
#[derive(Debug)]
pub struct Binding {
    pub strength: Strength,
    pub value_set: &'static str,
    /// The codes, where the binding is required and the value set is a closed list of codes of a primitive `code`;
    /// sorted.
    pub codes: Option<&'static [&'static str]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    Required,
    Extensible,
    Preferred,
    Example,
}

/// The types of one FHIR release, looked up by name.
#[derive(Debug)]
pub struct Schema {
    /// Sorted by name.
    pub types: &'static [&'static TypeDefinition],
}

impl Schema {
    pub fn get(&self, name: &str) -> Option<&'static TypeDefinition> {
        let found = self.types.binary_search_by(|definition| definition.name.cmp(name)).ok()?;
        Some(self.types[found])
    }

    /// The definition of a resource type that can be stored: `Patient`, not `Resource` or `HumanName`.
    pub fn resource(&self, name: &str) -> Option<&'static TypeDefinition> {
        self.get(name).filter(|definition| definition.kind == Kind::Resource && !definition.is_abstract)
    }
}

impl TypeDefinition {
    pub fn element(&self, name: &str) -> Option<&'static ElementDefinition> {
        self.elements.iter().find(|element| element.name == name)
    }

    /// The element and type that a JSON property stands for: `valueQuantity` is `value` as `Quantity`.
    pub fn property(&self, property: &str) -> Option<(&'static ElementDefinition, &'static ElementType)> {
        self.elements.iter().find_map(|element| {
            let found = element.types.iter().find(|element_type| element_type.property == property)?;
            Some((element, found))
        })
    }

    /// Whether this type is `name` or specialises it.
    pub fn is_a(&self, name: &str) -> bool {
        self.name == name || self.base.is_some_and(|base| base.is_a(name))
    }
}
