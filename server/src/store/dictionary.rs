//! Bringing the database's dictionary of search parameters up to the binary's.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};

use super::columns::Columns;
use super::error::StoreError;
use super::parameters::{Dictionary, ParameterDefinition, ParameterEntry};
use super::reindex::state;
use super::schema::{Names, Resource, SearchParameter, Setting, chunks};

struct Known {
    id: i32,
    state: i16,
}

/// A parameter that is new, or whose extractor changed, gets a new id and is pending, unless nothing of its type is
/// stored; the id that it had is retired, and so is that of a parameter that is no longer enabled. So rows of two
/// extractors never mix, and no row has to be rewritten before the first write.
pub(super) async fn synchronise(
    connection: &DatabaseConnection,
    names: &Names,
    definitions: Vec<ParameterDefinition>,
    hash_key: [u8; 16],
) -> Result<Dictionary, StoreError> {
    let transaction = connection.begin().await?;
    let statement = Query::select()
        .columns([SearchParameter::Type, SearchParameter::Code, SearchParameter::Url])
        .columns([SearchParameter::ExtractorHash, SearchParameter::Id, SearchParameter::State])
        .from(names.table(SearchParameter::Table))
        .take();
    let mut known: HashMap<ParameterDefinition, Known> = HashMap::new();
    let mut last = 0;
    for row in transaction.query_all(&statement).await? {
        let definition = ParameterDefinition {
            resource_type: row.small(0)? as u16,
            code: row.text(1)?,
            url: row.text(2)?,
            extractor_hash: row.integer(3)? as u64,
        };
        let id: i32 = row.try_get_by_index(4)?;
        last = Ord::max(last, id);
        let state = row.small(5)?;
        // A retired one may have lost rows already: it is not taken up again.
        if state != state::RETIRED {
            known.insert(definition, Known { id, state });
        }
    }
    let stored_types = stored_types(&transaction, names, &definitions).await?;

    let (mut entries, mut new) = (Vec::with_capacity(definitions.len()), Vec::new());
    let mut seen = HashSet::new();
    for definition in definitions {
        if !seen.insert((definition.resource_type, definition.code.clone())) {
            let cause = format!("search parameter {} is defined twice for a type", definition.code);
            return Err(StoreError::Configuration(cause));
        }
        if let Some(known) = known.remove(&definition) {
            entries.push(ParameterEntry::new(known.id, definition, known.state == state::INDEXED));
        } else {
            last += 1;
            let indexed = !stored_types.contains(&definition.resource_type);
            new.push((last, definition.clone(), indexed));
            entries.push(ParameterEntry::new(last, definition, indexed));
        }
    }
    for rows in chunks(&new, 128) {
        let mut insert = Query::insert();
        insert.into_table(names.table(SearchParameter::Table)).columns([
            SearchParameter::Id,
            SearchParameter::Type,
            SearchParameter::Code,
            SearchParameter::Url,
            SearchParameter::ExtractorHash,
            SearchParameter::State,
            SearchParameter::Progress,
        ]);
        for (id, definition, indexed) in rows {
            insert.values_panic([
                (*id).into(),
                (definition.resource_type as i16).into(),
                definition.code.as_str().into(),
                definition.url.as_str().into(),
                (definition.extractor_hash as i64).into(),
                if *indexed { state::INDEXED } else { state::PENDING }.into(),
                0i64.into(),
            ]);
        }
        transaction.execute(&insert).await?;
    }
    let gone: Vec<i32> = known.values().map(|known| known.id).collect();
    for ids in gone.chunks(256) {
        let retire = Query::update()
            .table(names.table(SearchParameter::Table))
            .value(SearchParameter::State, state::RETIRED)
            .and_where(Expr::col(SearchParameter::Id).is_in(ids.iter().copied()))
            .take();
        transaction.execute(&retire).await?;
    }
    transaction.commit().await?;
    Ok(Dictionary::new(entries, hash_key))
}

async fn stored_types(
    connection: &impl ConnectionTrait,
    names: &Names,
    definitions: &[ParameterDefinition],
) -> Result<HashSet<u16>, StoreError> {
    let mut types: Vec<u16> = definitions.iter().map(|definition| definition.resource_type).collect();
    types.sort_unstable();
    types.dedup();
    let mut stored = HashSet::new();
    for resource_type in types {
        let statement = Query::select()
            .column(Resource::Key)
            .from(names.table(Resource::Table))
            .and_where(Expr::col(Resource::Type).eq(resource_type as i16))
            .limit(1)
            .take();
        if connection.query_one(&statement).await?.is_some() {
            stored.insert(resource_type);
        }
    }
    Ok(stored)
}

/// A named secret of the database: made by whoever asks first.
pub(super) async fn secret<const N: usize>(
    connection: &DatabaseConnection,
    names: &Names,
    name: &str,
) -> Result<[u8; N], StoreError> {
    let mut fresh = [0u8; N];
    aws_lc_rs::rand::fill(&mut fresh).map_err(|_| StoreError::Unavailable("no random numbers to be had".to_owned()))?;
    let insert = Query::insert()
        .into_table(names.table(Setting::Table))
        .columns([Setting::Name, Setting::Value])
        .values_panic([name.into(), fresh.to_vec().into()])
        .on_conflict(OnConflict::column(Setting::Name).do_nothing().to_owned())
        .take();
    connection.execute(&insert).await?;
    let value = setting(connection, names, name).await?;
    let value = value.ok_or_else(|| StoreError::Inconsistent(format!("the setting {name} is gone")))?;
    value.try_into().map_err(|_| StoreError::Inconsistent(format!("the setting {name} has another length")))
}

/// A setting's value; none where it was never set.
pub(super) async fn setting(
    connection: &impl ConnectionTrait,
    names: &Names,
    name: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let select = Query::select()
        .column(Setting::Value)
        .from(names.table(Setting::Table))
        .and_where(Expr::col(Setting::Name).eq(name))
        .take();
    connection.query_one(&select).await?.map(|row| row.blob(0)).transpose()
}

pub(super) async fn set_setting(
    connection: &impl ConnectionTrait,
    names: &Names,
    name: &str,
    value: &[u8],
) -> Result<(), StoreError> {
    let insert = Query::insert()
        .into_table(names.table(Setting::Table))
        .columns([Setting::Name, Setting::Value])
        .values_panic([name.into(), value.to_vec().into()])
        .on_conflict(OnConflict::column(Setting::Name).update_column(Setting::Value).to_owned())
        .to_owned();
    connection.execute(&insert).await?;
    Ok(())
}
