//! Tests of searches, includes and chains.

use serde_json::json;

use super::parameters::takes_lists;
use super::{Group, Suite, is_tested};
use crate::digest::RestResource;
use crate::emit::EmitError;

impl Suite<'_> {
    pub(super) fn searches(&mut self, group: &mut Group, resource: &RestResource) -> Result<(), EmitError> {
        let single =
            resource.search_param.iter().map(|parameter| (vec![parameter.name.clone()], parameter.expectation));
        let combined = resource.combination.iter().map(|combined| (combined.required.clone(), combined.expectation));
        let mut wanted: Vec<_> = single.chain(combined).filter(|(_, expectation)| is_tested(*expectation)).collect();
        wanted.sort_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
        for (names, expectation) in wanted {
            let variants = self.variants(&resource.type_name, &names)?;
            let requirement = format!(
                "{} is searched by {}: all that match are found, and nothing else.",
                resource.type_name,
                listed(&names)
            );
            let check = json!({ "kind": "search", "parameters": names, "variants": variants });
            group.test(&format!("search/{}", names.join("+")), expectation, &requirement, check);
        }
        self.chains(group, resource)
    }

    /// The forms of a search that are tried, by what the guide's parameters allow.
    fn variants(&mut self, resource_type: &str, names: &[String]) -> Result<Vec<&'static str>, EmitError> {
        let mut variants = vec!["get", "post"];
        let mut is_token = false;
        let (mut lists, mut is_date) = (false, false);
        for name in names {
            let parameter = self.parameters.add(resource_type, name)?;
            is_token |= parameter.kind == "token" && name != "_id";
            lists |= takes_lists(parameter);
            is_date |= parameter.comparator.iter().any(|expected| is_tested(expected.expectation));
        }
        if names.iter().any(|name| name == "patient") {
            variants.push("reference");
        }
        if is_token {
            variants.push("token");
        }
        if lists {
            variants.push("list");
        }
        if is_date {
            variants.push("comparator");
        }
        Ok(variants)
    }

    /// What may be asked of the resource that a reference leads to.
    fn chains(&mut self, group: &mut Group, resource: &RestResource) -> Result<(), EmitError> {
        for parameter in &resource.search_param {
            let definition = self.parameters.add(&resource.type_name, &parameter.name)?;
            for chain in definition.chain.iter().filter(|chain| is_tested(chain.expectation)) {
                for target in &definition.target {
                    self.parameters.add(target, &chain.value)?;
                    let requirement = format!(
                        "{} is searched by the {} of the {target} that {} leads to.",
                        resource.type_name, chain.value, parameter.name
                    );
                    let check = json!({
                        "kind": "chain", "parameter": parameter.name, "target": target, "chained": chain.value,
                    });
                    let name = format!("search/{}.{}", parameter.name, chain.value);
                    group.test(&name, chain.expectation, &requirement, check);
                }
            }
        }
        Ok(())
    }

    pub(super) fn includes(&mut self, group: &mut Group, resource: &RestResource) -> Result<(), EmitError> {
        for include in &resource.search_include {
            let mut parts = include.value.split(':');
            let (source, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            self.parameters.add(source, name)?;
            let requirement = format!("_include={} brings the resources that are referred to.", include.value);
            let check = json!({ "kind": "include", "include": include.value });
            group.test(&format!("include/{}", include.value), include.expectation, &requirement, check);
        }
        for include in &resource.search_rev_include {
            let mut parts = include.value.split(':');
            let (source, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            self.parameters.add(source, name)?;
            let requirement = format!("_revinclude={} brings the resources that refer to the matches.", include.value);
            let check = json!({ "kind": "revinclude", "revinclude": include.value });
            group.test(&format!("revinclude/{}", include.value), include.expectation, &requirement, check);
        }
        Ok(())
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last} together", all.join(", ")),
    }
}
