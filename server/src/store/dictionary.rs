//! Bringing the database's dictionary of search parameters up to the binary's.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::{Expr, ExprTrait, InsertStatement, OnConflict, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::columns::Columns;
use super::error::StoreError;
use super::index;
use super::parameters::{Dictionary, ParameterDefinition, ParameterEntry};
use super::reindex::state;
use super::schema::{Names, Resource, SearchParameter, Setting, chunks};
use super::write::Transaction;

pub(super) struct Known {
    pub(super) id: i32,
    pub(super) state: i16,
}

/// What the database knows, but for what is retired: that may have lost rows already, and is not taken up again. And
/// the highest id that was given.
pub(super) async fn known(
    transaction: &Transaction,
    names: &Names,
) -> Result<(HashMap<ParameterDefinition, Known>, i32), StoreError> {
    let statement = Query::select()
        .columns([SearchParameter::Type, SearchParameter::Code, SearchParameter::Url])
        .columns([SearchParameter::ExtractorHash, SearchParameter::Id, SearchParameter::State])
        .from(names.table(SearchParameter::Table))
        .take();
    let decode = |row: &dyn Columns| {
        let definition = ParameterDefinition {
            resource_type: row.small(0)? as u16,
            code: row.text(1)?,
            url: row.text(2)?,
            extractor_hash: row.integer(3)? as u64,
        };
        Ok((definition, Known { id: row.integer32(4)?, state: row.small(5)? }))
    };
    let all = transaction.query(&statement, decode).await?;
    let last = all.iter().map(|(_, known)| known.id).max().unwrap_or(0);
    Ok((all.into_iter().filter(|(_, known)| known.state != state::RETIRED).collect(), last))
}

/// A parameter that is new, or whose extractor changed, gets a new id and is pending, unless nothing of its type is
/// stored; the id that it had is retired at this time, and so is that of a parameter that is no longer enabled. So rows
/// of two extractors never mix, and no row has to be rewritten before the first write.
pub(super) async fn synchronise(
    transaction: &Transaction,
    names: &Names,
    definitions: Vec<ParameterDefinition>,
    hash_key: [u8; 16],
    now: i64,
) -> Result<Dictionary, StoreError> {
    let (mut known, mut last) = known(transaction, names).await?;
    let new_types: HashSet<u16> = definitions
        .iter()
        .filter(|definition| !known.contains_key(definition))
        .map(|definition| definition.resource_type)
        .collect();
    let identities = definitions
        .iter()
        .filter(|definition| crate::search::is_identity(&definition.code))
        .map(|definition| {
            let complete = known.get(definition).filter(|known| known.state == state::INDEXED);
            (definition.resource_type, complete.map(|known| known.id))
        })
        .collect();
    let stored_types = stored_types(transaction, names, new_types, &identities).await?;

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
            .value(SearchParameter::Progress, now)
            .and_where(Expr::col(SearchParameter::Id).is_in(ids.iter().copied()))
            .take();
        transaction.execute(&retire).await?;
    }
    Ok(Dictionary::new(entries, hash_key))
}

/// Of which of these types there are resources, contained ones too. `identities` are the parameters whose rows tell of
/// those: where they are not all there, any resource may contain some.
async fn stored_types(
    transaction: &Transaction,
    names: &Names,
    mut wanted: HashSet<u16>,
    identities: &HashMap<u16, Option<i32>>,
) -> Result<HashSet<u16>, StoreError> {
    let mut types: Vec<u16> = wanted.iter().copied().collect();
    types.sort_unstable();
    for resource_type in types {
        let statement = Query::select()
            .column(Resource::Key)
            .from(names.table(Resource::Table))
            .and_where(Expr::col(Resource::Type).eq(resource_type as i16))
            .limit(1)
            .take();
        let contained = match identities.get(&resource_type) {
            Some(Some(identity)) => index::contained::containers(names, [*identity]).limit(1).take(),
            Some(None) => Query::select().column(Resource::Key).from(names.table(Resource::Table)).limit(1).take(),
            None => Query::select().expr(Expr::val(0i64)).and_where(Expr::cust("1 = 0")).take(),
        };
        let mut is_stored = false;
        for statement in [statement, contained] {
            is_stored = is_stored || !transaction.query(&statement, |row| row.integer(0)).await?.is_empty();
        }
        if !is_stored {
            wanted.remove(&resource_type);
        }
    }
    Ok(wanted)
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
    connection.execute(&keep_setting(names, name, value)).await?;
    Ok(())
}

/// The statement that does it.
pub(super) fn keep_setting(names: &Names, name: &str, value: &[u8]) -> InsertStatement {
    Query::insert()
        .into_table(names.table(Setting::Table))
        .columns([Setting::Name, Setting::Value])
        .values_panic([name.into(), value.to_vec().into()])
        .on_conflict(OnConflict::column(Setting::Name).update_column(Setting::Value).to_owned())
        .to_owned()
}
