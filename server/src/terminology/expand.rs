//! Expansions: filtered by text, paged, nested. <https://hl7.org/fhir/R4/valueset-operation-expand.html>

use std::collections::HashMap;

use vesta_runtime::search::fold;

use super::code_system::{CodeSystem, Place};
use super::engine::{Engine, Member};
use super::error::TerminologyError;
use super::value_set::ValueSet;

/// How many codes one expansion gives at most; what has more is asked for by pages.
pub const MOST_EXPANDED: usize = 10_000;

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Words that begin words of the display or of a designation, or the beginning of the code.
    pub filter: Option<String>,
    pub offset: Option<usize>,
    /// 0 asks for the total only.
    pub count: Option<usize>,
    pub active_only: bool,
    /// Leaves out what groups others only.
    pub exclude_not_for_ui: bool,
    pub exclude_nested: bool,
}

#[derive(Debug)]
pub struct Expansion<'a> {
    /// How many codes there are, before paging.
    pub total: usize,
    pub nodes: Vec<Node<'a>>,
    pub is_paged: bool,
}

/// A code, and those below it.
#[derive(Debug)]
pub struct Node<'a> {
    pub member: Member<'a>,
    pub nodes: Vec<Node<'a>>,
}

impl<'a> Engine<'a> {
    pub fn expand(&self, set: &'a ValueSet, options: &Options) -> Result<Expansion<'a>, TerminologyError> {
        let mut members = self.members(set)?;
        if options.active_only {
            members.retain(|member| !member.is_inactive());
        }
        if options.exclude_not_for_ui {
            members.retain(|member| !member.is_abstract());
        }
        let words = options.filter.as_deref().map(fold).filter(|filter| !filter.is_empty());
        if let Some(filter) = &words {
            members.retain(|member| matches_text(member, filter));
        }
        let total = members.len();
        // "Paging only applies to flat expansions".
        let is_paged = options.offset.is_some() || options.count.is_some();
        if !is_paged && total > MOST_EXPANDED {
            return Err(TerminologyError::TooManyCodes { what: set.shown(), most: MOST_EXPANDED });
        }
        let nodes = if is_paged || options.exclude_nested || words.is_some() {
            let page = members.into_iter().skip(options.offset.unwrap_or(0));
            let count = options.count.unwrap_or(MOST_EXPANDED).min(MOST_EXPANDED);
            page.take(count).map(|member| Node { member, nodes: Vec::new() }).collect()
        } else {
            nest(members)
        };
        Ok(Expansion { total, nodes, is_paged })
    }
}

/// `filter` is folded already.
fn matches_text(member: &Member<'_>, filter: &str) -> bool {
    if fold(member.code).starts_with(filter) {
        return true;
    }
    let displays = member.listed.and_then(|listed| listed.display.as_deref()).into_iter();
    let displays = displays.chain(member.concept().and_then(|concept| concept.display.as_deref()));
    let mut texts = displays.chain(member.designations().map(|designation| designation.value.as_str()));
    texts.any(|text| {
        let folded = fold(text);
        let words: Vec<&str> = words(&folded).collect();
        self::words(filter).all(|wanted| words.iter().any(|word| word.starts_with(wanted)))
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Puts each code below the nearest of those that are above it in its code system. A code that has several parents
/// stands below the first.
fn nest(members: Vec<Member<'_>>) -> Vec<Node<'_>> {
    let mut at: HashMap<(*const CodeSystem, Place), usize> = HashMap::new();
    for (position, member) in members.iter().enumerate() {
        if let Some((system, place)) = member.defined {
            at.insert((system, place), position);
        }
    }
    let mut parent_of: Vec<Option<usize>> = vec![None; members.len()];
    for (position, member) in members.iter().enumerate() {
        let Some((system, mut place)) = member.defined else { continue };
        // The first parents, upwards; their number bounds a circle.
        for _ in 0..system.concepts.len() {
            let Some(&parent) = system.concepts[place].parents.first() else { break };
            place = parent;
            if let Some(&above) = at.get(&(std::ptr::from_ref(system), place)) {
                if !is_below(&parent_of, above, position) {
                    parent_of[position] = Some(above);
                }
                break;
            }
        }
    }
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); members.len()];
    let mut roots = Vec::new();
    for (position, parent) in parent_of.iter().enumerate() {
        parent.map_or(&mut roots, |parent| &mut below[parent]).push(position);
    }
    roots.into_iter().map(|root| node(root, &members, &below)).collect()
}

/// Whether `one` is `other`, or below it already.
fn is_below(parent_of: &[Option<usize>], mut one: usize, other: usize) -> bool {
    loop {
        if one == other {
            return true;
        }
        match parent_of[one] {
            Some(parent) => one = parent,
            None => return false,
        }
    }
}

fn node<'a>(position: usize, members: &[Member<'a>], below: &[Vec<usize>]) -> Node<'a> {
    let nodes = below[position].iter().map(|child| node(*child, members, below)).collect();
    Node { member: members[position], nodes }
}
