//! Typed models of all R4 resources and data types: `generated/fhir/src/models/`, one file a type with its backbone
//! elements and choices.
//!
//! A model is a plain struct with public fields in the order of the definition:
//! - `0..1` is an `Option`, `0..*` a `Vec`; so is what the definition demands (`1..1`), since a primitive may have an
//!   extension in place of its value, and a resource under construction lacks things. Demanding is the validator's.
//! - A primitive is a `Primitive<T>`: the value with the id and extensions that JSON keeps in `_birthDate`. One field
//!   an element, also where the element repeats and JSON has two arrays to keep in step.
//! - A choice is an enum, one variant a type. A `code` under a required binding to a closed value set is an enum.
//! - What contains itself by way of single elements (`Identifier.assigner` is a Reference, which has an Identifier) is
//!   boxed, and so are the variants of enums.
//!
//! Reading and writing are emitted by hand instead of derived: serde's attributes for choices (`flatten`, `untagged`)
//! lose decimals under `arbitrary_precision`, and derived code took 48 s to compile where this takes a fraction. An
//! emitted line is a call, `fields.take("birthDate")`; what it means stands in `vesta_runtime::model`.

mod items;
mod shape;

use std::collections::BTreeSet;

use quote::quote;

use super::codes;
use super::names::{identifier, snake};
use super::resource_types::resource_types;
use super::{EmitError, GeneratedFile, rust_file};
use crate::digest::{Specification, Structure, StructureKind};
use crate::links;

use shape::{Definition, Models};

const FOLDER: &str = "generated/fhir/src/models";

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let core = specification.core();
    let mut files = Vec::new();
    let mut modules = BTreeSet::from(["resource".to_owned()]);
    for definition in &models(specification)?.definitions {
        files.push(type_file(definition));
        if !modules.insert(snake(&definition.name)) {
            return Err(EmitError(format!("two types would stand in models/{}.rs", snake(&definition.name))));
        }
    }
    let doc = "A resource of any type: <https://hl7.org/fhir/R4/resource.html>";
    files.push(rust_file(format!("{FOLDER}/resource.rs"), doc, items::resource(&resource_types(core))));
    files.push(root(&modules));
    Ok(files)
}

/// The file of one type: what a test looks at.
pub fn emit_type(specification: &Specification, name: &str) -> Result<GeneratedFile, EmitError> {
    let models = models(specification)?;
    let definition = models.definitions.iter().find(|definition| definition.name == name);
    definition.map(type_file).ok_or_else(|| EmitError(format!("there is no model of {name:?}")))
}

fn models(specification: &Specification) -> Result<Models, EmitError> {
    let structures = specification.core().structures.values().filter(|structure| is_modelled(structure));
    Models::of(&structures.collect::<Vec<_>>(), &codes::enums(specification))
}

fn type_file(definition: &Definition) -> GeneratedFile {
    let page = if definition.is_resource { links::resource_page } else { links::type_page };
    let doc = format!("`{}`: <{}>", definition.name, page(&definition.name));
    rust_file(format!("{FOLDER}/{}.rs", snake(&definition.name)), &doc, items::definition(definition))
}

/// Resources and data types that can stand in JSON; of the abstract types only `Element`, which is what stands beside
/// a primitive.
fn is_modelled(structure: &Structure) -> bool {
    let is_kind = matches!(structure.kind, StructureKind::ComplexType | StructureKind::Resource);
    is_kind && structure.defines_type() && (!structure.is_abstract || structure.type_name == "Element")
}

fn root(modules: &BTreeSet<String>) -> GeneratedFile {
    let modules: Vec<_> = modules.iter().map(|module| identifier(module)).collect();
    let items = quote! {
        #(mod #modules;)*
        #(pub use #modules::*;)*

        /// An element of a primitive type: its value, and beside it the id and extensions that JSON keeps under the
        /// same name with an underscore. <https://hl7.org/fhir/R4/json.html#primitive>
        pub type Primitive<T> = vesta_runtime::model::Primitive<T, Element>;
    };
    let doc = "R4's resources and data types as structs, for code that builds or reads resources by name.\n\
               \n\
               JSON in and out is lossless: decimals and dates stay as written, unknown properties are refused.\n\
               `Patient::from_value` names all that is wrong, each with its path; serde works as well.";
    rust_file(format!("{FOLDER}/mod.rs"), doc, items)
}
