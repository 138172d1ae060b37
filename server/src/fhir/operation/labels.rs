//! `$meta` of a type or the system: which profiles, tags and security labels are in use.
//! <https://hl7.org/fhir/R4/resource-operation-meta.html>

use serde_json::{Map, Value};

use super::meta::add;
use super::returned;
use crate::access::{Boundary, Permission};
use crate::fhir::answer::Answer;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::preferences::Handling;
use crate::fhir::service::{Request, Type};
use crate::search::{Access, Search};
use crate::store::index::IndexTable;

/// The sets of `meta`, the parameters that index them, and where their rows are.
const SETS: [(&str, &str, IndexTable); 3] = [
    ("profile", "_profile", IndexTable::IndexUri),
    ("security", "_security", IndexTable::IndexToken),
    ("tag", "_tag", IndexTable::IndexToken),
];

/// Within what a token reaches so many resources are looked through.
const MOST_WALKED: usize = 5_000;

/// Of the type, or of all types that the token may search.
pub(super) async fn in_use(request: &Request<'_>, resource_type: Option<Type>) -> Result<Answer, Error> {
    let names: Vec<&'static str> = match resource_type {
        Some(resource_type) => vec![resource_type.name],
        None => request.service.parameters.entries().map(|entry| entry.name).collect(),
    };
    let (mut all, mut own) = (Vec::new(), Vec::new());
    for name in &names {
        match request.granted(name, Permission::Search) {
            Ok(Boundary::Unrestricted) => all.push(*name),
            Ok(boundary) => own.push((*name, boundary)),
            Err(error) if resource_type.is_some() => return Err(error.into()),
            Err(_) => {}
        }
    }
    if all.is_empty() && own.is_empty() {
        return Err(Error::new(
            Kind::Forbidden,
            "The token's scopes do not cover the labels of any type: at least one type with `s` is needed.",
        ));
    }
    let own_names: Vec<&'static str> = own.iter().map(|(name, _)| *name).collect();
    let granted = Boundary::over(own);
    let mut meta = Map::new();
    for (set, code, table) in SETS {
        let mut values = Vec::new();
        if !all.is_empty() {
            everywhere(request, &all, set, code, table, &mut values).await?;
        }
        if !own_names.is_empty() {
            within(request, &own_names, &granted, set, code, &mut values).await?;
        }
        if !values.is_empty() {
            meta.insert(set.to_owned(), Value::Array(values));
        }
    }
    Ok(returned("valueMeta", &Value::Object(meta)))
}

/// Where nothing is kept back, the index knows the values.
async fn everywhere(
    request: &Request<'_>,
    names: &[&'static str],
    set: &str,
    code: &str,
    table: IndexTable,
    values: &mut Vec<Value>,
) -> Result<(), Error> {
    let service = request.service;
    if names.iter().any(|name| !service.parameters.is_indexed(name, code)) {
        let text = format!("{code} is still being indexed: ask again later.");
        return Err(Error::from_issue(Kind::Unavailable, Issue::error(IssueType::Incomplete, text)));
    }
    let parameters = names.iter().filter_map(|name| service.parameters.parameter(name, code));
    let parameters: Vec<i32> = parameters.map(|parameter| parameter.id).collect();
    let keys = service.store.one_for_each_value(table, &parameters).await?;
    for stored in service.store.read_many(&keys).await? {
        collect(&stored.body, set, values)?;
    }
    Ok(())
}

/// Within the boundary, the labels of the resources that are inside.
async fn within(
    request: &Request<'_>,
    names: &[&'static str],
    boundary: &Boundary,
    set: &str,
    code: &str,
    values: &mut Vec<Value>,
) -> Result<(), Error> {
    let service = request.service;
    let labelled = [(format!("{code}:missing"), "false".to_owned())];
    let only = match names {
        [one] => Some(*one),
        _ => None,
    };
    let (mut search, _) = Search::parse(&service.parameters, only, &labelled, Handling::Strict, service.clock.now())?;
    search.types = names.to_vec();
    let plan = service.planner().page(&search, Access { boundary }, MOST_WALKED, None);
    let page = plan.page(service.store.page(&plan.statement, plan.sort_columns).await?);
    if page.next.is_some() {
        let text = format!("More than {MOST_WALKED} resources have labels: ask for those of a type, or of a resource.");
        return Err(Error::from_issue(Kind::Unprocessable, Issue::error(IssueType::TooCostly, text)));
    }
    for found in &page.found {
        collect(&found.stored.body, set, values)?;
    }
    Ok(())
}

fn collect(body: &[u8], set: &str, values: &mut Vec<Value>) -> Result<(), Error> {
    let resource = vesta_runtime::json::parse(body)
        .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))?;
    let found = resource.pointer(&format!("/meta/{set}")).and_then(Value::as_array);
    for value in found.into_iter().flatten() {
        add(values, value);
    }
    Ok(())
}
