//! The Rust of a model.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;

use super::super::names::identifier;
use super::shape::{Choice, Content, Definition, Field, Struct};
use crate::links;

/// All of a file.
pub(super) fn definition(definition: &Definition) -> TokenStream {
    let structs = definition.structs.iter().enumerate().map(|(position, one)| {
        let is_resource = definition.is_resource && position == 0;
        model(one, is_resource, definition.is_resource)
    });
    let choices = definition.choices.iter().map(|one| choice(one, definition.is_resource));
    let names = definition.structs.iter().map(|one| identifier(&one.name));
    let choice_names: Vec<_> = definition.choices.iter().map(|one| identifier(&one.name)).collect();
    let shown_choices = (!choice_names.is_empty()).then(|| quote!(vesta_runtime::choices!(#(#choice_names),*);));
    let imports = imports(definition);
    quote! {
        #imports
        #(#structs)*
        #(#choices)*
        vesta_runtime::models!(#(#names),*);
        #shown_choices
    }
}

/// What the file uses of its neighbours and of the runtime.
fn imports(definition: &Definition) -> TokenStream {
    let own: BTreeSet<&str> = definition.structs.iter().map(|one| one.name.as_str()).collect();
    let fields = definition.structs.iter().flat_map(|one| one.fields.iter().map(|field| &field.content));
    let variants = definition.choices.iter().flat_map(|one| one.variants.iter().map(|variant| &variant.content));
    let (mut models, mut runtime, mut dates, mut decimal, mut codes) =
        (BTreeSet::new(), BTreeSet::from(["Fields", "Model", "Object"]), BTreeSet::new(), None, None);
    if !definition.choices.is_empty() {
        runtime.insert("Choice");
    }
    for content in fields.chain(variants) {
        match content {
            Content::Model { name, .. } if !own.contains(name.as_str()) => drop(models.insert(name.as_str())),
            Content::Code(_) => {
                codes = Some(quote!(
                    use crate::codes;
                ));
                models.insert("Primitive");
            }
            Content::Primitive(name) => {
                models.insert("Primitive");
                match name.as_str() {
                    "decimal" => {
                        decimal = Some(quote!(
                            use vesta_runtime::decimal::Decimal;
                        ))
                    }
                    "date" => drop((dates.insert("Date"), runtime.insert("Written"))),
                    "dateTime" => drop((dates.insert("DateTime"), runtime.insert("Written"))),
                    "time" => drop((dates.insert("Time"), runtime.insert("Written"))),
                    "instant" => drop((runtime.insert("Instant"), runtime.insert("Written"))),
                    _ => {}
                }
            }
            Content::Model { .. } | Content::Text | Content::Choice(_) => {}
        }
    }
    let models = use_names(&quote!(super), &models);
    let dates = use_names(&quote!(vesta_runtime::date), &dates);
    let runtime = use_names(&quote!(vesta_runtime::model), &runtime);
    quote!(#dates #decimal #runtime #models #codes)
}

fn use_names(path: &TokenStream, names: &BTreeSet<&str>) -> TokenStream {
    let names: Vec<_> = names.iter().map(|name| identifier(name)).collect();
    match names.as_slice() {
        [] => TokenStream::new(),
        [one] => quote!(use #path::#one;),
        several => quote!(use #path::{#(#several),*};),
    }
}

fn model(one: &Struct, is_resource: bool, in_resource: bool) -> TokenStream {
    let Struct { path, fields, .. } = one;
    let name = identifier(&one.name);
    let doc = if path.contains('.') {
        format!(" `{path}`: <{}>", links::element(path, in_resource))
    } else {
        let page = if is_resource { links::resource_page } else { links::type_page };
        format!(" `{path}`: <{}>", page(path))
    };
    let docs = fields.iter().map(|field| {
        format!(" {}, {}. <{}>", field.described, field.cardinality, links::element(&field.path, in_resource))
    });
    let names: Vec<_> = fields.iter().map(|field| identifier(&field.name)).collect();
    let types = fields.iter().map(field_type);
    let reads = fields.iter().map(|field| match (&field.content, &field.property) {
        (Content::Choice(_), _) => quote!(fields.choice()),
        (_, property) => quote!(fields.take(#property)),
    });
    let writes = fields.iter().zip(&names).map(|(field, name)| match (&field.content, &field.property) {
        (Content::Choice(_), _) => quote!(object.choice(&self.#name);),
        (_, property) => quote!(object.put(#property, &self.#name);),
    });
    let (read_type, write_type) = if is_resource {
        (Some(quote!(fields.resource_type(#path);)), Some(quote!(object.resource_type(#path);)))
    } else {
        (None, None)
    };
    quote! {
        #[doc = #doc]
        #[derive(Clone, Default, PartialEq)]
        pub struct #name {
            #(#[doc = #docs] pub #names: #types,)*
        }

        impl Model for #name {
            const NAME: &'static str = #path;

            fn read(fields: &mut Fields) -> Self {
                #read_type
                Self { #(#names: #reads,)* }
            }

            fn write(&self, object: &mut Object) {
                #write_type
                #(#writes)*
            }
        }
    }
}

fn field_type(field: &Field) -> TokenStream {
    let content = content_type(&field.content);
    match (&field.content, field.repeats) {
        (_, true) => quote!(Vec<#content>),
        (Content::Primitive(_) | Content::Code(_), false) => content,
        (_, false) => quote!(Option<#content>),
    }
}

fn content_type(content: &Content) -> TokenStream {
    match content {
        Content::Text => quote!(String),
        Content::Primitive(name) => {
            let value = primitive(name);
            quote!(Primitive<#value>)
        }
        Content::Code(name) => {
            let name = identifier(name);
            quote!(Primitive<codes::#name>)
        }
        Content::Model { name, boxed } => {
            let name = identifier(name);
            if *boxed { quote!(Box<#name>) } else { quote!(#name) }
        }
        Content::Choice(name) => {
            let name = identifier(name);
            quote!(#name)
        }
    }
}

/// <https://hl7.org/fhir/R4/datatypes.html#primitive>
fn primitive(name: &str) -> TokenStream {
    match name {
        "boolean" => quote!(bool),
        "integer" => quote!(i32),
        "unsignedInt" | "positiveInt" => quote!(u32),
        "decimal" => quote!(Decimal),
        "date" => quote!(Written<Date>),
        "dateTime" => quote!(Written<DateTime>),
        "instant" => quote!(Written<Instant>),
        "time" => quote!(Written<Time>),
        _ => quote!(String),
    }
}

fn choice(one: &Choice, in_resource: bool) -> TokenStream {
    let Choice { path, variants, .. } = one;
    let name = identifier(&one.name);
    let doc = format!(" `{path}`: <{}>", links::element(path, in_resource));
    let docs = variants.iter().map(|variant| format!(" `{}`: `{}`", variant.property, variant.described));
    let names: Vec<_> = variants.iter().map(|variant| identifier(&variant.name)).collect();
    let types = variants.iter().map(|variant| content_type(&variant.content));
    let properties: Vec<&str> = variants.iter().map(|variant| variant.property.as_str()).collect();
    let is_model = |content: &Content| matches!(content, Content::Model { .. });
    let reads = variants.iter().enumerate().map(|(position, variant)| {
        let (name, property) = (&names[position], &variant.property);
        let pattern = if position + 1 == variants.len() { quote!(_) } else { quote!(#property) };
        let take = if is_model(&variant.content) { quote!(one) } else { quote!(take) };
        quote!(#pattern => Self::#name(fields.#take(property)),)
    });
    let writes = variants.iter().zip(&names).map(|(variant, name)| {
        let property = &variant.property;
        let put = if is_model(&variant.content) { quote!(one) } else { quote!(put) };
        quote!(Self::#name(value) => object.#put(#property, value),)
    });
    quote! {
        #[doc = #doc]
        #[derive(Clone, PartialEq)]
        pub enum #name {
            #(#[doc = #docs] #names(#types),)*
        }

        impl Choice for #name {
            const PROPERTIES: &'static [&'static str] = &[#(#properties),*];

            fn read(property: &'static str, fields: &mut Fields) -> Self {
                match property {
                    #(#reads)*
                }
            }

            fn write(&self, object: &mut Object) {
                match self {
                    #(#writes)*
                }
            }
        }
    }
}

/// The enum of all resources.
pub(super) fn resource(names: &[&str]) -> TokenStream {
    let variants: Vec<_> = names.iter().map(|name| identifier(name)).collect();
    let docs = names.iter().map(|name| format!(" <{}>", links::resource_page(name)));
    let placeholder = variants.first();
    quote! {
        use vesta_runtime::model::{Fields, Model, Object};

        use super::{#(#variants),*};
        use crate::types::ResourceType;

        /// A resource of any type; `resourceType` tells which.
        /// <https://hl7.org/fhir/R4/json.html#resources>
        #[derive(Clone, PartialEq)]
        pub enum Resource {
            #(#[doc = #docs] #variants(Box<#variants>),)*
        }

        impl Resource {
            pub fn resource_type(&self) -> ResourceType {
                match self {
                    #(Self::#variants(_) => ResourceType::#variants,)*
                }
            }
        }

        impl Model for Resource {
            const NAME: &'static str = "Resource";

            fn read(fields: &mut Fields) -> Self {
                match fields.named_type() {
                    #(Some(#names) => Self::#variants(Box::new(#variants::read(fields))),)*
                    _ => {
                        // Noted: nobody sees what is answered here.
                        fields.unknown_type();
                        Self::#placeholder(Box::default())
                    }
                }
            }

            fn write(&self, object: &mut Object) {
                match self {
                    #(Self::#variants(resource) => resource.write(object),)*
                }
            }
        }

        #(
            impl From<#variants> for Resource {
                fn from(resource: #variants) -> Self {
                    Self::#variants(Box::new(resource))
                }
            }
        )*

        vesta_runtime::models!(Resource);
    }
}
