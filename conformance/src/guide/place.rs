//! One element of a StructureDefinition, with what stands below it.

use std::collections::HashMap;

use vesta_codegen::digest::{Element, ElementType, Structure};

use super::{Guide, Profile};

/// The elements of a structure as a tree. A slice hangs on the element that it slices, not on that one's parent.
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// Positions in [`Structure::elements`].
    children: Vec<usize>,
    slices: Vec<usize>,
}

impl Tree {
    pub(super) fn new(structure: &Structure) -> Tree {
        let positions: HashMap<&str, usize> =
            structure.elements.iter().enumerate().map(|(position, element)| (element.id.as_str(), position)).collect();
        let mut nodes: Vec<Node> = structure.elements.iter().map(|_| Node::default()).collect();
        for (position, element) in structure.elements.iter().enumerate() {
            if let Some(sliced) = sliced(&element.id) {
                if let Some(&sliced) = positions.get(sliced) {
                    nodes[sliced].slices.push(position);
                }
            } else if let Some(&parent) = element.parent().and_then(|parent| positions.get(parent)) {
                nodes[parent].children.push(position);
            }
        }
        Tree { nodes }
    }
}

/// The id of the element that a slice belongs to: `A.b:c` slices `A.b`, and `A.b:c/d` slices `A.b:c`.
fn sliced(id: &str) -> Option<&str> {
    let last = id.rfind('.').map_or(0, |dot| dot + 1);
    let colon = last + id[last..].find(':')?;
    let slash = id[colon..].rfind('/').map(|slash| colon + slash);
    Some(&id[..slash.unwrap_or(colon)])
}

/// An element definition in its StructureDefinition.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    profile: Profile<'a>,
    position: usize,
}

impl<'a> Place<'a> {
    pub(super) fn root(profile: Profile<'a>) -> Place<'a> {
        Place { profile, position: 0 }
    }

    pub fn profile(&self) -> Profile<'a> {
        self.profile
    }

    pub fn guide(&self) -> Guide<'a> {
        self.profile.guide
    }

    pub fn element(&self) -> &'a Element {
        &self.profile.structure.elements[self.position]
    }

    /// The path with slice names: `Patient.extension:race`.
    pub fn id(&self) -> &'a str {
        &self.element().id
    }

    /// The elements directly below, as far as this definition itself goes; slices are not among them.
    pub fn children(&self) -> impl Iterator<Item = Place<'a>> + use<'a> {
        self.at(&self.profile.tree.nodes[self.position].children)
    }

    pub fn slices(&self) -> impl Iterator<Item = Place<'a>> + use<'a> {
        self.at(&self.profile.tree.nodes[self.position].slices)
    }

    fn at(&self, positions: &'a [usize]) -> impl Iterator<Item = Place<'a>> + use<'a> {
        let profile = self.profile;
        positions.iter().map(move |&position| Place { profile, position })
    }

    /// The element of this id in the same definition.
    fn sibling(&self, id: &str) -> Option<Place<'a>> {
        let position = self.profile.structure.elements.iter().position(|element| element.id == id)?;
        Some(Place { profile: self.profile, position })
    }

    /// How many there may be; none for any number.
    pub fn max(&self) -> Option<usize> {
        self.element().max.parse().ok()
    }

    /// The name of a choice without `[x]`: `value` for `Observation.value[x]`.
    pub fn choice(&self) -> Option<&'a str> {
        self.element().name().strip_suffix("[x]")
    }

    /// The types that it may have. What shares the content of another element has that one's.
    pub fn types(&self) -> &'a [ElementType] {
        match self.element().content_reference.as_deref().and_then(|reference| self.referenced(reference)) {
            Some(referenced) if self.element().types.is_empty() => &referenced.element().types,
            _ => &self.element().types,
        }
    }

    fn referenced(&self, reference: &str) -> Option<Place<'a>> {
        self.sibling(reference.rsplit('#').next().unwrap_or(reference))
    }

    /// The definitions of what stands inside an item of this type: the children given here, or else what the element
    /// shares, or else the type; and the profile that the type names.
    pub fn content(&self, type_name: &str) -> Vec<Place<'a>> {
        let guide = self.guide();
        let own_type = self.types().iter().find(|own| own.name() == type_name);
        let profiles = own_type.map(|own| own.profile.as_slice()).unwrap_or_default();
        // Several are alternatives, which [`super::super::profile`] tries.
        let profile = if let [profile] = profiles { guide.profile(profile) } else { None };
        let mut found: Vec<Place<'a>> = Vec::new();
        if self.children().next().is_some() {
            found.push(*self);
        } else if let Some(reference) = &self.element().content_reference {
            found.extend(self.referenced(reference));
        } else if profile.is_none() {
            found.extend(guide.type_definition(type_name).map(|definition| definition.root()));
        }
        found.extend(profile.map(|profile| profile.root()));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::sliced;

    #[test]
    fn a_slice_belongs_to_the_element_it_slices() {
        assert_eq!(sliced("Observation.category:lab"), Some("Observation.category"));
        assert_eq!(sliced("Observation.category:lab/blood"), Some("Observation.category:lab"));
        assert_eq!(sliced("Observation.category:lab.coding"), None);
        assert_eq!(sliced("Observation"), None);
    }
}
