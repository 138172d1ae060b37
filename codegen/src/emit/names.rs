//! How the specification's names become Rust's.

use std::collections::{BTreeSet, HashSet};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::quote;

/// The words of a name: `MedicationRequest.dosageInstruction`, `us-core-race` and `HTTPVerb` are three, three, two.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let characters: Vec<char> = name.chars().collect();
    let mut inside = false;
    for (position, &character) in characters.iter().enumerate() {
        if !character.is_ascii_alphanumeric() {
            inside = false;
            continue;
        }
        let before = position.checked_sub(1).map(|before| characters[before]);
        let after = characters.get(position + 1);
        let starts = character.is_ascii_uppercase()
            && (before.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
                || after.is_some_and(|c| c.is_ascii_lowercase()));
        match words.last_mut().filter(|_| inside && !starts) {
            Some(word) => word.push(character.to_ascii_lowercase()),
            None => words.push(character.to_ascii_lowercase().to_string()),
        }
        inside = true;
    }
    words
}

/// `medication_request`.
pub fn snake(name: &str) -> String {
    words(name).join("_")
}

/// `MEDICATION_REQUEST`.
pub fn screaming(name: &str) -> String {
    let name = snake(name).to_uppercase();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("N{name}") } else { name }
}

/// `PatientContact` for `Patient.contact`, `EnteredInError` for `entered-in-error`. Only first letters change, so that
/// `HTTPVerb` stays; an underscore between digits keeps `1.1` and `11` apart.
pub fn pascal(name: &str) -> String {
    let mut pascal = String::new();
    for word in name.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if pascal.ends_with(|c: char| c.is_ascii_digit()) && word.starts_with(|c: char| c.is_ascii_digit()) {
            pascal.push('_');
        }
        let (first, rest) = word.split_at(1);
        pascal.push_str(&first.to_ascii_uppercase());
        pascal.push_str(rest);
    }
    pascal
}

/// An identifier for a static: `MEDICATION_REQUEST`.
pub fn static_name(name: &str) -> Ident {
    Ident::new(&screaming(name), Span::call_site())
}

/// An identifier as given; a keyword becomes raw.
pub fn identifier(name: &str) -> Ident {
    match syn::parse_str::<Ident>(name) {
        Ok(identifier) => identifier,
        Err(_) => Ident::new_raw(name, Span::call_site()),
    }
}

/// Gives each name once: what is taken gets a number behind it. The same names in the same order get the same.
#[derive(Debug, Default)]
pub struct Unique(HashSet<String>);

impl Unique {
    pub fn take(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut number = 1;
        while !self.0.insert(candidate.clone()) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
        candidate
    }
}

/// The identifiers that code uses.
pub(super) fn collect_words(code: TokenStream, words: &mut BTreeSet<String>) {
    for tree in code {
        match tree {
            TokenTree::Ident(word) => drop(words.insert(word.to_string())),
            TokenTree::Group(group) => collect_words(group.stream(), words),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// `use path::{…};` with those of the names that the code uses, so that none is imported in vain.
pub(super) fn imports(path: &str, names: &[&str], code: &TokenStream) -> TokenStream {
    let mut words = BTreeSet::new();
    collect_words(code.clone(), &mut words);
    let names: Vec<_> = names.iter().filter(|name| words.contains(**name)).map(|name| identifier(name)).collect();
    let path: syn::Path = syn::parse_str(path).expect("the path of a module");
    if names.is_empty() { TokenStream::new() } else { quote!(use #path::{#(#names),*};) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_into_words() {
        assert_eq!(snake("MedicationRequest.dosageInstruction"), "medication_request_dosage_instruction");
        assert_eq!(snake("us-core-race"), "us_core_race");
        assert_eq!(snake("HTTPVerb"), "http_verb");
        assert_eq!(snake("base64Binary"), "base64_binary");
        assert_eq!(snake("value[x]"), "value_x");
        assert_eq!(screaming("v3-ActCode"), "V3_ACT_CODE");
        assert_eq!(identifier("type").to_string(), "r#type");
        assert_eq!(pascal("Patient.contact"), "PatientContact");
        assert_eq!(pascal("entered-in-error"), "EnteredInError");
        assert_eq!(pascal("HTTPVerb"), "HTTPVerb");
        assert_eq!(pascal("AFL-1.1"), "AFL1_1");
        assert_eq!(pascal("<="), "");
    }
}
