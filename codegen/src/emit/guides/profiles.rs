//! A guide's profiles and extensions: of each, the elements of which it says more than the type's own definition.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::option;
use crate::digest::{
    Binding, Constraint, Discriminator, Element, ElementType, Package, Severity, Slicing, Specification, Structure,
};
use crate::emit::elements::strength_name;
use crate::emit::names::{Unique, identifier, imports, snake, static_name};
use crate::emit::{EmitError, GeneratedFile, rust_file};
use crate::links;

const GUIDE_NAMES: &[&str] = &[
    "Constraint",
    "Discriminator",
    "DiscriminatorKind",
    "Profile",
    "ProfileBinding",
    "ProfileElement",
    "ProfileType",
    "Slicing",
    "SlicingRules",
    "Target",
];

/// The files, and the paths of the profiles' statics below `profiles`, sorted by the profiles' URLs.
pub(super) fn emit(
    specification: &Specification,
    guide: &Package,
    folder: &str,
) -> Result<(Vec<GeneratedFile>, Vec<TokenStream>), EmitError> {
    let types = specification.core().structures.values().filter(|structure| structure.defines_type());
    let types: BTreeMap<&str, &Structure> = types.map(|structure| (structure.type_name.as_str(), structure)).collect();
    let mut files = Vec::new();
    let mut paths = BTreeMap::new();
    let mut names = Unique::default();
    let mut modules = Vec::new();
    for (id, structure) in &guide.structures {
        let module = names.take(&snake(id));
        let page = links::guide_page(&guide.canonical, &guide.version, "StructureDefinition", id);
        let item = profile(guide, structure, &types, &page)?;
        files.push(rust_file(format!("{folder}/profiles/{module}.rs"), &format!("{}: <{page}>", structure.name), item));
        let module = identifier(&module);
        let name = profile_static(structure);
        paths.insert(structure.url.clone(), quote!(#module::#name));
        modules.push(module);
    }
    let items = quote! { #(pub mod #modules;)* };
    files.push(rust_file(format!("{folder}/profiles/mod.rs"), "The guide's profiles and extensions.", items));
    Ok((files, paths.into_values().collect()))
}

fn profile_static(structure: &Structure) -> Ident {
    static_name(&structure.name)
}

fn profile(
    guide: &Package,
    structure: &Structure,
    types: &BTreeMap<&str, &Structure>,
    page: &str,
) -> Result<TokenStream, EmitError> {
    let overlay = Overlay { structure, types };
    let mut constraints: Vec<&Constraint> = Vec::new();
    let mut elements = Vec::new();
    for element in &structure.elements {
        let base = overlay.base(element);
        let own = overlay.own_constraints(element, base);
        if !overlay.says_more(element, base, &own) {
            continue;
        }
        for constraint in &own {
            match constraints.iter().find(|known| known.key == constraint.key) {
                None => constraints.push(constraint),
                Some(known) if *known == *constraint => {}
                Some(_) => {
                    let (url, key) = (&structure.url, &constraint.key);
                    return Err(EmitError(format!("{url}: the key {key} stands for two invariants of the profile")));
                }
            }
        }
        elements.push(profile_element(&overlay, element, &own)?);
    }
    let Structure { url, name, type_name, is_abstract, .. } = structure;
    let version = structure.version.as_ref().unwrap_or(&guide.version);
    let base = structure.base_definition.as_deref().unwrap_or_default();
    let contexts = structure.context.iter().map(|context| {
        let (kind, expression) = (&context.kind, &context.expression);
        quote!((#kind, #expression))
    });
    let constraints = constraints.iter().map(|constraint| {
        let Constraint { key, best_practice, .. } = constraint;
        let is_error = constraint.severity == Severity::Error;
        let expression = option(constraint.expression.as_ref());
        quote! {
            Constraint { key: #key, is_error: #is_error, expression: #expression, best_practice: #best_practice }
        }
    });
    let constraints: Vec<_> = constraints.collect();
    let static_name = profile_static(structure);
    let doc = format!(" `{url}|{version}`: <{page}>");
    let item = quote! {
        #[doc = #doc]
        pub static #static_name: Profile = Profile {
            url: #url,
            version: #version,
            name: #name,
            type_name: #type_name,
            base: #base,
            is_abstract: #is_abstract,
            contexts: &[#(#contexts),*],
            constraints: &[#(#constraints,)*],
            elements: &[#(#elements,)*],
        };
    };
    let guide = imports("vesta_runtime::guide", GUIDE_NAMES, &item);
    let schema = imports("vesta_runtime::schema", &["Strength"], &item);
    Ok(quote! { #guide #schema #item })
}

/// A profile over the types that it constrains.
struct Overlay<'a> {
    structure: &'a Structure,
    types: &'a BTreeMap<&'a str, &'a Structure>,
}

impl<'a> Overlay<'a> {
    /// What the type's own definition says of the element.
    fn base(&self, element: &Element) -> Option<(&'a Structure, &'a Element)> {
        let path = element.path();
        let root = path.split('.').next().unwrap_or_default();
        if let Some(structure) = self.types.get(root)
            && let Some(found) = structure.elements.iter().find(|candidate| candidate.id == path)
        {
            return Some((*structure, found));
        }
        // Inside a data type: `Patient.name.family` is `HumanName.family`.
        let parent = element.parent()?;
        let parent = self.structure.elements.iter().find(|candidate| candidate.id == parent)?;
        let type_name = match parent.types.as_slice() {
            [one] => one.name(),
            _ => return None,
        };
        let structure = self.types.get(type_name)?;
        let path = format!("{type_name}.{}", element.name());
        let found = structure.elements.iter().find(|candidate| candidate.id == path)?;
        Some((*structure, found))
    }

    /// The invariants that the type does not have.
    fn own_constraints(&self, element: &'a Element, base: Option<(&Structure, &Element)>) -> Vec<&'a Constraint> {
        let mut own: Vec<_> = self.structure.constraints_of(element).collect();
        if let Some((structure, base)) = base {
            let inherited: Vec<_> = structure.constraints_of(base).collect();
            // An element of a data type also has the invariants of the data type's root.
            let of_type = element.types.iter().filter_map(|element_type| self.types.get(element_type.name()));
            let of_type: Vec<_> = of_type.flat_map(|structure| &structure.constraints).collect();
            own.retain(|constraint| !inherited.iter().chain(&of_type).any(|known| known.key == constraint.key));
        }
        own
    }

    fn has_slices(&self, element: &Element) -> bool {
        let prefix = format!("{}:", element.id);
        self.structure.elements.iter().any(|other| other.id.starts_with(&prefix))
    }

    fn says_more(&self, element: &Element, base: Option<(&Structure, &Element)>, own: &[&Constraint]) -> bool {
        let Some((_, base)) = base else { return true };
        let types = |element: &Element| -> Vec<_> {
            let types = element.types.iter();
            types.map(|t| (t.name().to_owned(), t.profile.clone(), t.target_profile.clone(), t.must_support)).collect()
        };
        let binding = |element: &Element| {
            element.binding.as_ref().map(|binding| Binding { name: None, min_value_set: None, ..binding.clone() })
        };
        element.slice_name.is_some()
            || self.has_slices(element)
            || !own.is_empty()
            || element.must_support
            || element.uscdi_requirement
            || (element.min, &element.max) != (base.min, &base.max)
            || (&element.fixed, &element.pattern) != (&base.fixed, &base.pattern)
            || (&element.min_value, &element.max_value) != (&base.min_value, &base.max_value)
            || element.max_length != base.max_length
            || types(element) != types(base)
            || binding(element) != binding(base)
    }
}

fn profile_element(overlay: &Overlay, element: &Element, own: &[&Constraint]) -> Result<TokenStream, EmitError> {
    let id = &element.id;
    let min = Literal::u32_unsuffixed(element.min);
    let wrong = |what: &str| EmitError(format!("{}: {id}: {what}", overlay.structure.url));
    let max = match element.max.as_str() {
        "*" => quote!(u32::MAX),
        max => {
            let max: u32 = max.parse().map_err(|_| wrong("max is neither a number nor *"))?;
            let max = Literal::u32_unsuffixed(max);
            quote!(#max)
        }
    };
    let types = element.types.iter().map(profile_type);
    let mut changes = Vec::new();
    if element.must_support {
        changes.push(quote!(must_support: true));
    }
    if element.uscdi_requirement {
        changes.push(quote!(uscdi_requirement: true));
    }
    if let Some(name) = &element.slice_name {
        changes.push(quote!(slice_name: Some(#name)));
    }
    if let Some(slicing) = element.slicing.as_ref().filter(|_| overlay.has_slices(element)) {
        let slicing = self::slicing(slicing).map_err(|what| wrong(&what))?;
        changes.push(quote!(slicing: Some(#slicing)));
    }
    let values = [
        ("fixed", &element.fixed),
        ("pattern", &element.pattern),
        ("min_value", &element.min_value),
        ("max_value", &element.max_value),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            let (name, text) = (format_ident!("{name}"), value.value.to_string());
            changes.push(quote!(#name: Some(#text)));
        }
    }
    if let Some(length) = element.max_length {
        let length = Literal::u32_unsuffixed(length);
        changes.push(quote!(max_length: Some(#length)));
    }
    if let Some(binding) = element.binding.as_ref()
        && let Some(value_set) = &binding.value_set
    {
        let strength = format_ident!("{}", strength_name(binding));
        let max_value_set = option(binding.max_value_set.as_ref());
        let additional = binding.additional.iter().map(|additional| {
            let (purpose, value_set) = (&additional.purpose, &additional.value_set);
            quote!((#purpose, #value_set))
        });
        changes.push(quote! {
            binding: Some(ProfileBinding {
                strength: Strength::#strength,
                value_set: #value_set,
                max_value_set: #max_value_set,
                additional: &[#(#additional),*],
            })
        });
    }
    if !own.is_empty() {
        let keys = own.iter().map(|constraint| &constraint.key);
        changes.push(quote!(constraints: &[#(#keys),*]));
    }
    Ok(quote! {
        ProfileElement {
            id: #id, min: #min, max: #max, types: &[#(#types,)*], #(#changes,)* ..ProfileElement::PLAIN
        }
    })
}

fn profile_type(element_type: &ElementType) -> TokenStream {
    let code = element_type.name();
    let ElementType { profile, must_support, .. } = element_type;
    let targets = element_type.target_profile.iter().map(|target| {
        let (profile, must_support) = (&target.profile, target.must_support);
        quote!(Target { profile: #profile, must_support: #must_support })
    });
    quote! {
        ProfileType {
            code: #code,
            profiles: &[#(#profile),*],
            targets: &[#(#targets),*],
            must_support: #must_support,
        }
    }
}

fn slicing(slicing: &Slicing) -> Result<TokenStream, String> {
    let rules = match slicing.rules.as_str() {
        "open" => quote!(Open),
        "openAtEnd" => quote!(OpenAtEnd),
        "closed" => quote!(Closed),
        other => return Err(format!("{other:?} are no slicing rules")),
    };
    let ordered = slicing.ordered;
    let discriminators = slicing.discriminator.iter().map(|discriminator| {
        let Discriminator { kind, path } = discriminator;
        let kind = match kind.as_str() {
            "value" => quote!(Value),
            "exists" => quote!(Exists),
            "pattern" => quote!(Pattern),
            "type" => quote!(Type),
            "profile" => quote!(Profile),
            other => return Err(format!("{other:?} is no kind of discriminator")),
        };
        Ok(quote!(Discriminator { kind: DiscriminatorKind::#kind, path: #path }))
    });
    let discriminators = discriminators.collect::<Result<Vec<_>, _>>()?;
    Ok(quote! {
        Slicing { rules: SlicingRules::#rules, ordered: #ordered, discriminators: &[#(#discriminators),*] }
    })
}
