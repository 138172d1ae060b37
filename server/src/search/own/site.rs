//! All parameters of a site: those of the running binary, and its users' own.

use std::sync::Arc;

use vesta_runtime::schema::Schema;
use vesta_runtime::search::SearchParameter;

use super::read::read;
use super::{Fault, FaultKind, Faults, is_in_force};
use crate::search::table::{ParameterTable, SearchLimits, TypeEntry, definitions};
use crate::store::{Dictionary, Indexer, ParameterDefinition, Parameters, Posted, Refusal};

/// No site has more of its own: each is looked for in every resource that is written.
const MOST: usize = 500;

pub struct SiteParameters {
    schema: &'static Schema,
    types: Vec<TypeEntry>,
    base: String,
    limits: SearchLimits,
}

impl SiteParameters {
    /// `types` with the parameters that the binary has, `base` as for [`ParameterTable::new`].
    pub fn new(schema: &'static Schema, types: Vec<TypeEntry>, base: &str, limits: SearchLimits) -> Arc<Self> {
        Arc::new(SiteParameters { schema, types, base: base.to_owned(), limits })
    }

    /// The types with users' own parameters behind the others. What stood before goes before what is new.
    fn types(&self, posted: &[Posted], note: impl Fn(&Faults)) -> Result<Vec<TypeEntry>, Faults> {
        let mut types = self.types.clone();
        let (new, old): (Vec<&Posted>, Vec<&Posted>) = posted.iter().partition(|one| one.new);
        let mut count = 0;
        for one in old.into_iter().chain(new) {
            let Ok(resource) = vesta_runtime::json::parse(&one.body) else { continue };
            if !is_in_force(&resource) {
                continue;
            }
            let standing = |of: &str| {
                let entry = types.iter().find(|entry| entry.name == of)?;
                Some((entry.name, entry.parameters.clone()))
            };
            let found = if count < MOST { read(self.schema, &standing, &resource) } else { Err(too_many()) };
            count += usize::from(found.as_ref().is_ok_and(|found| !found.is_empty()));
            match found {
                Ok(found) => found.into_iter().for_each(|(of, definition)| add(&mut types, of, definition)),
                Err(faults) if one.new => return Err(faults),
                Err(faults) => note(&faults),
            }
        }
        Ok(types)
    }
}

fn add(types: &mut [TypeEntry], of: &str, definition: &'static SearchParameter) {
    types.iter_mut().filter(|entry| entry.name == of).for_each(|entry| entry.parameters.push(definition));
}

fn too_many() -> Faults {
    let message = format!("This site has {MOST} search parameters of its own: retire one that is not used.");
    Faults(vec![Fault { element: "SearchParameter".to_owned(), kind: FaultKind::TooCostly, message }])
}

impl Parameters for SiteParameters {
    fn posted_type(&self) -> Option<u16> {
        self.types.iter().find(|entry| entry.name == "SearchParameter").map(|entry| entry.number)
    }

    fn definitions(&self, posted: &[Posted]) -> Result<Vec<ParameterDefinition>, Refusal> {
        Ok(definitions(&self.types(posted, |_| ())?, &self.base))
    }

    fn indexer(&self, posted: &[Posted], dictionary: &Arc<Dictionary>) -> Arc<dyn Indexer> {
        let note =
            |faults: &Faults| tracing::warn!(%faults, "a posted search parameter cannot be used, and defines nothing");
        // What is refused was refused with the definitions.
        let types = self.types(posted, note).unwrap_or_else(|_| self.types.clone());
        let table = ParameterTable::new(self.schema, types, Arc::clone(dictionary), &self.base);
        Arc::new(table.with_limits(self.limits))
    }
}
