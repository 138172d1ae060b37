//! The types that the compiler navigates by, from the digest of R4.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::quote;

use crate::digest::{Element, Package, Structure, StructureKind};
use crate::emit::elements::{capitalised, is_type, module_of, type_name};
use crate::emit::names::{identifier, static_name};

/// All types by their id: `Observation`, `Observation.component`, `Quantity`, `code`.
pub struct Types<'a> {
    structures: BTreeMap<&'a str, &'a Structure>,
}

/// A child as a JSON property: `valueQuantity` with type `Quantity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    pub property: String,
    pub type_id: String,
}

/// The element modules that a generated file uses.
#[derive(Debug, Default)]
pub struct Uses(RefCell<BTreeSet<String>>);

impl Uses {
    /// `use crate::elements::{…};`, where `root` is the crate that has the tables.
    pub fn items(&self, root: &TokenStream) -> TokenStream {
        let modules = self.0.borrow();
        let modules: Vec<_> = modules.iter().map(|module| identifier(module)).collect();
        if modules.is_empty() {
            TokenStream::new()
        } else {
            quote! { use #root::elements::{#(#modules),*}; }
        }
    }
}

impl<'a> Types<'a> {
    pub fn new(core: &'a Package) -> Types<'a> {
        Types::from_structures(core.structures.values())
    }

    pub fn from_structures(structures: impl Iterator<Item = &'a Structure>) -> Types<'a> {
        let types = structures.filter(|structure| structure.defines_type() && structure.kind != StructureKind::Logical);
        Types { structures: types.map(|structure| (structure.type_name.as_str(), structure)).collect() }
    }

    fn find(&self, id: &str) -> Option<(&'a Structure, &'a Element)> {
        let structure = self.structures.get(id.split('.').next()?)?;
        let element = structure.elements.iter().find(|element| element.id == id)?;
        is_type(structure, element).then_some((*structure, element))
    }

    /// Whether the name is a type's, as a FHIRPath expression may name it.
    pub fn is_known(&self, name: &str) -> bool {
        self.structures.contains_key(name)
    }

    pub fn is_resource(&self, id: &str) -> bool {
        self.structures.get(id).is_some_and(|structure| structure.kind == StructureKind::Resource)
    }

    pub fn is_primitive(&self, id: &str) -> bool {
        self.structures.get(id).is_some_and(|structure| structure.kind == StructureKind::PrimitiveType)
    }

    /// The type that this one specialises.
    pub fn base(&self, id: &str) -> Option<&'a str> {
        let (structure, element) = self.find(id)?;
        if id.contains('.') {
            return element.types.first().map(|element_type| element_type.code.as_str());
        }
        structure.base_definition.as_deref()?.rsplit('/').next()
    }

    /// Whether the type is `name` or specialises it.
    pub fn is_a(&self, id: &str, name: &str) -> bool {
        id == name || self.base(id).is_some_and(|base| self.is_a(base, name))
    }

    /// The element of a type, and whether it stands there once at most; `value` for `value[x]`.
    pub fn element(&self, id: &str, name: &str) -> Option<(Vec<Child>, bool)> {
        let (structure, _) = self.find(id)?;
        if structure.kind == StructureKind::PrimitiveType && name == "value" {
            return None;
        }
        let wanted = |element: &&Element| {
            let own = element.name();
            element.parent() == Some(id) && own.strip_suffix("[x]").unwrap_or(own) == name
        };
        let element = structure.elements.iter().find(wanted)?;
        let is_choice = element.name().ends_with("[x]");
        let child = |type_id: &str| Child { property: name.to_owned(), type_id: type_id.to_owned() };
        let children = if let Some(reference) = &element.content_reference {
            vec![child(reference.rsplit('#').next().unwrap_or_default())]
        } else if is_type(structure, element) {
            vec![child(&element.id)]
        } else {
            let types = element.types.iter().map(type_name);
            types
                .map(|type_name| match is_choice {
                    true => Child { property: format!("{name}{}", capitalised(type_name)), ..child(type_name) },
                    false => child(type_name),
                })
                .collect()
        };
        Some((children, element.max == "1"))
    }

    /// The static of a type's table, `data_types::QUANTITY`.
    pub fn table(&self, id: &str, uses: &Uses) -> TokenStream {
        let root = id.split('.').next().unwrap_or_default();
        let module = self.structures.get(root).map(|structure| module_of(structure)).unwrap_or_default();
        uses.0.borrow_mut().insert(module.clone());
        let (module, name) = (identifier(&module), static_name(id));
        quote! { #module::#name }
    }
}
