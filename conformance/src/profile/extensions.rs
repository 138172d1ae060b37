//! Extensions: by their own definition, and where they may stand.
//! <https://hl7.org/fhir/R4/defining-extensions.html#context>

use super::{Rule, Walk};
use crate::guide::{Place, Profile};
use crate::item::Item;

impl<'a, 'v> Walk<'a, 'v> {
    /// The items of an `extension` or `modifierExtension` element.
    pub(super) fn extensions(&mut self, place: Place<'a>, items: &[(Item<'v>, String)]) {
        for (item, _) in items {
            let Some(url) = item.value.and_then(|value| value["url"].as_str()) else { continue };
            // A part of a complex extension is defined inside that one, by a name that is no address.
            if !url.contains(':') {
                continue;
            }
            let Some(definition) = place.guide().profile(url).filter(|found| found.type_name() == "Extension") else {
                let message = format!("no package in spec/ defines the extension {url}");
                self.add(Rule::NotChecked, place, item, message);
                continue;
            };
            self.context(definition, place, item);
            let known =
                place.slices().any(|slice| slice.types().iter().any(|one| one.profile.iter().any(|p| p == url)));
            if !known {
                self.item(definition.root(), item, "Extension");
            }
        }
    }

    fn context(&mut self, definition: Profile<'a>, place: Place<'a>, item: &Item<'v>) {
        let contexts = &definition.structure().context;
        if contexts.is_empty() {
            return;
        }
        let names = self.names(place);
        let mut open = false;
        for context in contexts {
            let expression = context.expression.replace("[x]", "");
            match context.kind.as_str() {
                "element" if names.contains(&expression) => return,
                "element" => {}
                // The enclosing extension, or a rule in FHIRPath: not looked at.
                _ => open = true,
            }
        }
        let allowed: Vec<&str> = contexts.iter().map(|context| context.expression.as_str()).collect();
        let url = definition.url();
        if open {
            let message = format!("whether the extension {url} may stand here is not evaluated");
            self.add(Rule::NotChecked, place, item, message);
        } else {
            let message = format!("the extension {url} may not stand here, only on {}", allowed.join(", "));
            self.add(Rule::ExtensionContext, place, item, message);
        }
    }

    /// What the element that is extended may be called: its path from the resource, from each type on the way, and from
    /// what those are derived from; `Patient.name.family`, `HumanName.family`, `string`, `Element`.
    fn names(&self, place: Place<'a>) -> Vec<String> {
        let mut names = Vec::new();
        for (start, (_, type_name)) in self.stack.iter().enumerate() {
            let below: Vec<&str> = self.stack[start + 1..].iter().map(|(name, _)| name.as_str()).collect();
            for base in place.guide().type_and_bases(type_name) {
                let path = std::iter::once(base).chain(below.iter().copied());
                names.push(path.collect::<Vec<_>>().join("."));
            }
        }
        names
    }
}
