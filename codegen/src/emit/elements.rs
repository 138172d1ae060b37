//! `vesta_fhir::elements`: one [`vesta_runtime::schema::TypeDefinition`] for each resource, data type, primitive and
//! backbone element of R4.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::names::{Unique, identifier, screaming, snake, static_name};
use super::{EmitError, GeneratedFile, rust_file};
use crate::digest::{Binding, BindingStrength, Element, ElementType, Package, Specification, Structure, StructureKind};
use crate::{links, value_set};

const FOLDER: &str = "generated/fhir/src/elements";

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let core = specification.core();
    let mut tables = Tables::new(specification, core)?;
    let mut files = Vec::new();
    let mut modules: BTreeMap<String, Vec<&Structure>> = BTreeMap::new();
    for structure in tables.structures.values() {
        modules.entry(module_of(structure)).or_default().push(structure);
    }
    for (module, structures) in &modules {
        let mut items = TokenStream::new();
        for structure in structures {
            items.extend(tables.structure(structure, module)?);
        }
        let (doc, link) = match structures.as_slice() {
            [one] => (one.type_name.clone(), format!(": <{}>", link(one))),
            _ => (format!("The {} of R4", module.replace('_', " ")), ".".to_owned()),
        };
        let uses = quote! { use vesta_runtime::schema::{ElementDefinition, ElementType, Kind, TypeDefinition}; };
        files.push(rust_file(format!("{FOLDER}/{module}.rs"), &format!("{doc}{link}"), quote! { #uses #items }));
    }
    files.push(tables.bindings_file());
    files.push(root(&modules));
    Ok(files)
}

/// The modules and the `SCHEMA` that lists all their types.
fn root(modules: &BTreeMap<String, Vec<&Structure>>) -> GeneratedFile {
    let names = modules.keys().map(|module| identifier(module));
    let mut types: BTreeMap<String, TokenStream> = BTreeMap::new();
    for (module, structures) in modules {
        let module = identifier(module);
        for structure in structures {
            for element in structure.elements.iter().filter(|element| is_type(structure, element)) {
                let name = static_name(&element.id);
                types.insert(element.id.clone(), quote! { &#module::#name });
            }
        }
    }
    let types = types.values();
    let items = quote! {
        use vesta_runtime::schema::{ElementDefinition, Schema};

        mod bindings;
        #(pub mod #names;)*

        /// All types of R4, backbone elements included.
        pub static SCHEMA: Schema = Schema { types: &[#(#types,)*] };

        // What most elements have in common; each says how it differs.
        const OPTIONAL: ElementDefinition = ElementDefinition {
            name: "",
            is_choice: false,
            types: &[],
            min: 0,
            max: 1,
            is_summary: false,
            is_modifier: false,
            binding: None,
        };
        const REQUIRED: ElementDefinition = ElementDefinition { min: 1, ..OPTIONAL };
        const REPEATED: ElementDefinition = ElementDefinition { max: u32::MAX, ..OPTIONAL };
        const REQUIRED_REPEATED: ElementDefinition = ElementDefinition { min: 1, ..REPEATED };
    };
    let doc = "The element tables of R4. A resource has its own module; data types and primitives share one each.";
    rust_file(format!("{FOLDER}/mod.rs"), doc, items)
}

fn link(structure: &Structure) -> String {
    match structure.kind {
        StructureKind::Resource => links::resource_page(&structure.type_name),
        _ => links::type_page(&structure.type_name),
    }
}

pub(crate) fn module_of(structure: &Structure) -> String {
    match structure.kind {
        StructureKind::PrimitiveType => "primitives".to_owned(),
        StructureKind::ComplexType => "data_types".to_owned(),
        _ => snake(&structure.type_name),
    }
}

/// Whether an element is a type of its own: the root, and what has children.
pub(crate) fn is_type(structure: &Structure, element: &Element) -> bool {
    let prefix = format!("{}.", element.id);
    !element.id.contains('.') || structure.elements.iter().any(|other| other.id.starts_with(&prefix))
}

struct Tables<'a> {
    specification: &'a Specification,
    core: &'a Package,
    /// By type name.
    structures: BTreeMap<&'a str, &'a Structure>,
    /// The binding statics that were asked for, by what they say.
    bindings: BTreeMap<(String, &'static str, bool), Ident>,
    names: Unique,
    code_lists: BTreeMap<String, Option<BTreeSet<String>>>,
}

impl<'a> Tables<'a> {
    fn new(specification: &'a Specification, core: &'a Package) -> Result<Tables<'a>, EmitError> {
        let types = core.structures.values();
        let types = types.filter(|structure| structure.defines_type() && structure.kind != StructureKind::Logical);
        let structures: BTreeMap<_, _> = types.map(|structure| (structure.type_name.as_str(), structure)).collect();
        if structures.is_empty() {
            return Err(EmitError(format!("spec/lock.toml has no {}", crate::digest::CORE)));
        }
        Ok(Tables {
            specification,
            core,
            structures,
            bindings: BTreeMap::new(),
            names: Unique::default(),
            code_lists: BTreeMap::new(),
        })
    }

    /// The statics of a structure: itself, then its backbone elements.
    fn structure(&mut self, structure: &Structure, module: &str) -> Result<TokenStream, EmitError> {
        let mut items = TokenStream::new();
        for element in structure.elements.iter().filter(|element| is_type(structure, element)) {
            items.extend(self.type_definition(structure, element, module)?);
        }
        Ok(items)
    }

    fn type_definition(
        &mut self,
        structure: &Structure,
        root: &Element,
        module: &str,
    ) -> Result<TokenStream, EmitError> {
        let name = &root.id;
        let is_root = !name.contains('.');
        let kind = match structure.kind {
            _ if !is_root => quote!(Kind::Backbone),
            StructureKind::PrimitiveType => quote!(Kind::Primitive),
            StructureKind::ComplexType => quote!(Kind::Complex),
            StructureKind::Resource | StructureKind::Logical => quote!(Kind::Resource),
        };
        let base = if is_root {
            structure.base_definition.as_deref().and_then(|url| url.rsplit('/').next()).map(str::to_owned)
        } else {
            root.types.first().map(|element_type| element_type.code.clone())
        };
        let base = match base {
            Some(base) => {
                let base = self.reference(&base, module, name)?;
                quote!(Some(&#base))
            }
            None => quote!(None),
        };
        let mut elements = Vec::new();
        for element in structure.elements.iter().filter(|element| element.parent() == Some(name)) {
            // The value of a primitive is the JSON value itself, not a child.
            if !(structure.kind == StructureKind::PrimitiveType && element.name() == "value") {
                elements.push(self.element(element, module)?);
            }
        }
        let is_abstract = is_root && structure.is_abstract;
        let doc = if is_root { format!(" `{name}`: <{}>", link(structure)) } else { format!(" `{name}`") };
        let static_name = static_name(name);
        Ok(quote! {
            #[doc = #doc]
            pub static #static_name: TypeDefinition = TypeDefinition {
                name: #name,
                kind: #kind,
                base: #base,
                is_abstract: #is_abstract,
                elements: &[#(#elements,)*],
            };
        })
    }

    fn element(&mut self, element: &Element, module: &str) -> Result<TokenStream, EmitError> {
        let (name, is_choice) = match element.name().strip_suffix("[x]") {
            Some(name) => (name, true),
            None => (element.name(), false),
        };
        let mut types = Vec::new();
        if let Some(reference) = &element.content_reference {
            // `#Observation.referenceRange`: the content of an element of the same structure.
            let target = reference.rsplit('#').next().unwrap_or_default();
            let definition = static_name(target);
            types.push(quote! { ElementType { property: #name, definition: &#definition, targets: &[] } });
        } else if element.types.iter().any(|t| matches!(t.code.as_str(), "Element" | "BackboneElement"))
            && element.types.len() == 1
            && self.has_children(element)
        {
            let definition = static_name(&element.id);
            types.push(quote! { ElementType { property: #name, definition: &#definition, targets: &[] } });
        } else {
            for element_type in &element.types {
                let type_name = type_name(element_type);
                let definition = self.reference(type_name, module, &element.id)?;
                let property = if is_choice { format!("{name}{}", capitalised(type_name)) } else { name.to_owned() };
                let targets = self.targets(element_type);
                types.push(quote! {
                    ElementType { property: #property, definition: &#definition, targets: &[#(#targets,)*] }
                });
            }
        }
        let (min, max) = (element.min, element.max.as_str());
        let (common, mut changes) = match (min, max) {
            (0, "1") => (quote!(OPTIONAL), Vec::new()),
            (1, "1") => (quote!(REQUIRED), Vec::new()),
            (0, "*") => (quote!(REPEATED), Vec::new()),
            (1, "*") => (quote!(REQUIRED_REPEATED), Vec::new()),
            (min, "*") => {
                let min = Literal::u32_unsuffixed(min);
                (quote!(REPEATED), vec![quote!(min: #min)])
            }
            (min, max) => {
                let wrong = || EmitError(format!("{}: max {max:?} is neither a number nor *", element.id));
                let max: u32 = max.parse().map_err(|_| wrong())?;
                let (min, max) = (Literal::u32_unsuffixed(min), Literal::u32_unsuffixed(max));
                (quote!(OPTIONAL), vec![quote!(min: #min), quote!(max: #max)])
            }
        };
        if is_choice {
            changes.push(quote!(is_choice: true));
        }
        if element.is_summary {
            changes.push(quote!(is_summary: true));
        }
        if element.is_modifier {
            changes.push(quote!(is_modifier: true));
        }
        if let Some(binding) = self.binding(element) {
            changes.push(quote!(binding: Some(&super::bindings::#binding)));
        }
        Ok(quote! {
            ElementDefinition { name: #name, types: &[#(#types,)*], #(#changes,)* ..super::#common }
        })
    }

    fn has_children(&self, element: &Element) -> bool {
        let root = element.id.split('.').next().unwrap_or_default();
        self.structures.get(root).is_some_and(|structure| is_type(structure, element))
    }

    /// The path of a type's static, as seen from a module.
    fn reference(&self, name: &str, module: &str, at: &str) -> Result<TokenStream, EmitError> {
        let Some(structure) = self.structures.get(name) else {
            return Err(EmitError(format!("{at} has the type {name:?}, which the R4 package does not define")));
        };
        let home = module_of(structure);
        let name = static_name(name);
        if home == module {
            return Ok(quote!(#name));
        }
        let home = identifier(&home);
        Ok(quote!(super::#home::#name))
    }

    /// The resource types that a Reference or canonical may point to; `Resource` means any.
    fn targets(&self, element_type: &ElementType) -> Vec<String> {
        let names: Vec<_> = element_type.target_profile.iter().filter_map(|t| t.profile.rsplit('/').next()).collect();
        if names.contains(&"Resource") {
            return Vec::new();
        }
        names.into_iter().map(str::to_owned).collect()
    }

    fn binding(&mut self, element: &Element) -> Option<Ident> {
        let binding = element.binding.as_ref()?;
        let value_set = binding.value_set.clone()?;
        let is_code = matches!(element.types.as_slice(), [one] if type_name(one) == "code");
        let closed = is_code && binding.strength == BindingStrength::Required && self.codes(&value_set).is_some();
        let key = (value_set, strength_name(binding), closed);
        if let Some(known) = self.bindings.get(&key) {
            return Some(known.clone());
        }
        let last = key.0.split('|').next().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        let suffix = if closed { "codes".to_owned() } else { key.1.to_lowercase() };
        let name = self.names.take(&screaming(&format!("{last}-{suffix}")));
        let name = format_ident!("{name}");
        self.bindings.insert(key, name.clone());
        Some(name)
    }

    fn codes(&mut self, value_set: &str) -> Option<&BTreeSet<String>> {
        let (specification, core) = (self.specification, self.core);
        let expand = || {
            let codes = value_set::expand(specification, core, value_set)?;
            Some(codes.into_iter().map(|coded| coded.code).collect())
        };
        self.code_lists.entry(value_set.to_owned()).or_insert_with(expand).as_ref()
    }

    fn bindings_file(&mut self) -> GeneratedFile {
        let mut statics: BTreeMap<String, TokenStream> = BTreeMap::new();
        for ((value_set, strength, closed), name) in self.bindings.clone() {
            let codes = if closed { self.codes(&value_set).cloned() } else { None };
            let codes = match codes {
                Some(codes) => {
                    let codes = codes.iter();
                    quote!(Some(&[#(#codes,)*]))
                }
                None => quote!(None),
            };
            let strength = format_ident!("{strength}");
            let item = quote! {
                pub(super) static #name: Binding =
                    Binding { strength: Strength::#strength, value_set: #value_set, codes: #codes };
            };
            statics.insert(name.to_string(), item);
        }
        let statics = statics.values();
        let items = quote! { use vesta_runtime::schema::{Binding, Strength}; #(#statics)* };
        let doc = "The value sets that elements are bound to: <https://hl7.org/fhir/R4/terminologies.html#binding>";
        rust_file(format!("{FOLDER}/bindings.rs"), doc, items)
    }
}

/// The FHIR type's name, also where R4 gives only a FHIRPath type (`xhtml.id`).
pub(crate) fn type_name(element_type: &ElementType) -> &str {
    match element_type.name().strip_prefix("http://hl7.org/fhirpath/System.") {
        Some("String") => "string",
        Some(other) => other,
        None => element_type.name(),
    }
}

pub(crate) fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

pub(crate) fn strength_name(binding: &Binding) -> &'static str {
    match binding.strength {
        BindingStrength::Required => "Required",
        BindingStrength::Extensible => "Extensible",
        BindingStrength::Preferred => "Preferred",
        BindingStrength::Example => "Example",
    }
}
