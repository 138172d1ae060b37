//! Histories: current and superseded versions together, newest first by the commit sequence.
//! <https://hl7.org/fhir/R4/http.html#history>
//!
//! Who follows the changes goes on with `_since` from the latest `lastUpdated` seen. So a history ends where the
//! sequence and the time are both complete: by the sequence alone it could show a change and not yet another one that
//! was stamped earlier and numbered later.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, IntoColumnRef, Order, Query, SelectStatement};

use super::columns::{Columns, stored};
use super::error::StoreError;
use super::record::{HistoryEntry, HistoryPage, HistoryQuery, HistoryScope, Method, Visible};
use super::schema::{Names, Resource, ResourceHistory, select_stored};
use super::site_store::Store;

/// The columns that a history is chosen by, in one of the two tables.
struct Side<C> {
    key: C,
    resource_type: C,
    last_updated: C,
    sequence: C,
}

const CURRENT: Side<Resource> = Side {
    key: Resource::Key,
    resource_type: Resource::Type,
    last_updated: Resource::LastUpdated,
    sequence: Resource::Sequence,
};

const SUPERSEDED: Side<ResourceHistory> = Side {
    key: ResourceHistory::Key,
    resource_type: ResourceHistory::Type,
    last_updated: ResourceHistory::LastUpdated,
    sequence: ResourceHistory::SequenceFrom,
};

/// What both sides are bounded by.
pub(super) struct Bounds {
    pub(super) key: Option<i64>,
    pub(super) resource_type: Option<u16>,
    pub(super) since: Option<i64>,
    pub(super) at: Option<(i64, i64)>,
    pub(super) listed: Option<Vec<i64>>,
    pub(super) as_of: Visible,
    pub(super) before: Option<i64>,
}

impl<C: IntoColumnRef + Copy> Side<C> {
    fn restrict(&self, statement: &mut SelectStatement, bounds: &Bounds) {
        statement.and_where(Expr::col(self.sequence).lte(bounds.as_of.sequence));
        statement.and_where(Expr::col(self.last_updated).lte(bounds.as_of.time.as_microsecond()));
        if let Some(before) = bounds.before {
            statement.and_where(Expr::col(self.sequence).lt(before));
        }
        if let Some(key) = bounds.key {
            statement.and_where(Expr::col(self.key).eq(key));
        }
        if let Some(resource_type) = bounds.resource_type {
            statement.and_where(Expr::col(self.resource_type).eq(resource_type as i16));
        }
        if let Some(since) = bounds.since {
            statement.and_where(Expr::col(self.last_updated).gte(since));
        }
        if let Some(listed) = &bounds.listed {
            statement.and_where(Expr::col(self.key).is_in(listed.iter().copied()));
        }
        if let Some((_, until)) = bounds.at {
            statement.and_where(Expr::col(self.last_updated).lte(until));
        }
    }
}

/// A superseded version, in the columns of [`select_stored`].
pub(super) fn select_version(names: &Names, key: i64, version: i64) -> SelectStatement {
    Query::select()
        .columns(SUPERSEDED_COLUMNS)
        .from(names.table(ResourceHistory::Table))
        .and_where(Expr::col(ResourceHistory::Key).eq(key))
        .and_where(Expr::col(ResourceHistory::Version).eq(version))
        .take()
}

/// A superseded version was current until the next one of the same resource came.
fn current_after(names: &Names, statement: &mut SelectStatement, from: i64) {
    let key = || Expr::col((ResourceHistory::Table, ResourceHistory::Key));
    let next = Query::select()
        .expr(Expr::col(("next", ResourceHistory::LastUpdated)))
        .from(names.table_as(ResourceHistory::Table, "next"))
        .and_where(Expr::col(("next", ResourceHistory::Key)).eq(key()))
        .and_where(
            Expr::col(("next", ResourceHistory::Version)).eq(Expr::col((
                ResourceHistory::Table,
                ResourceHistory::Version,
            ))
            .add(1)),
        )
        .take();
    let last = Query::select()
        .expr(Expr::col(("last", Resource::LastUpdated)))
        .from(names.table_as(Resource::Table, "last"))
        .and_where(Expr::col(("last", Resource::Key)).eq(key()))
        .take();
    let subquery = |statement: SelectStatement| Expr::SubQuery(None, Box::new(statement.into()));
    statement.and_where(Expr::expr(Func::coalesce([subquery(next), subquery(last)])).gt(from));
}

impl Store {
    /// A page of a history. Of an instance that never existed: [`StoreError::NotFound`].
    pub async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        let (mut key, mut resource_type) = (None, None);
        let mut visible = self.visible().await?;
        match &query.scope {
            HistoryScope::Instance { resource_type, id } => {
                let latest = self.read(*resource_type, id).await?.ok_or(StoreError::NotFound)?;
                key = Some(latest.key);
                // Of one resource all versions up to the current one are there, whatever else is still being written.
                visible.sequence = Ord::max(visible.sequence, latest.sequence);
                visible.time = Ord::max(visible.time, latest.last_updated);
            }
            HistoryScope::Type(of) => resource_type = Some(*of),
            HistoryScope::System => {}
        }
        let as_of = query.as_of.map_or(visible, |as_of| Visible {
            sequence: Ord::min(as_of.sequence, visible.sequence),
            time: Ord::min(as_of.time, visible.time),
        });
        let since = query.since.map(|since| since.as_microsecond());
        let bounds = Bounds {
            key,
            resource_type,
            since,
            at: query.at,
            listed: query.listed.clone(),
            as_of,
            before: query.before,
        };

        // The current versions first: one that is superseded between the two looks is then seen twice, not missed.
        let most = query.count.saturating_add(1) as u64;
        let mut entries = self.reader.query(&current(self.names(), &bounds, most), entry).await?;
        entries.extend(self.reader.query(&superseded(self.names(), &bounds, most), entry).await?);
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.stored.sequence));
        entries.dedup_by_key(|entry| entry.stored.sequence);
        let has_more = entries.len() > query.count;
        entries.truncate(query.count);
        let total = if key.is_some() || query.counted {
            Some(self.count(&total(self.names(), &Bounds { before: None, ..bounds })).await?)
        } else {
            None
        };
        Ok(HistoryPage { entries, total, as_of, has_more })
    }
}

fn entry(row: &dyn Columns) -> Result<HistoryEntry, StoreError> {
    Ok(HistoryEntry { stored: stored(row)?, method: Method::from_code(row.small(8)?) })
}

pub(super) fn current(names: &Names, bounds: &Bounds, most: u64) -> SelectStatement {
    let mut statement = Query::select();
    select_stored(&mut statement, Resource::Table);
    statement
        .column(Resource::Method)
        .from_as(names.table(Resource::Table), Alias::new("resource"))
        .order_by(Resource::Sequence, Order::Desc)
        .limit(most);
    CURRENT.restrict(&mut statement, bounds);
    statement
}

/// The columns of a superseded version in the order of [`super::schema::STORED`].
pub(super) const SUPERSEDED_COLUMNS: [ResourceHistory; 8] = [
    ResourceHistory::Key,
    ResourceHistory::Type,
    ResourceHistory::Id,
    ResourceHistory::Version,
    ResourceHistory::LastUpdated,
    ResourceHistory::Deleted,
    ResourceHistory::SequenceFrom,
    ResourceHistory::Body,
];

pub(super) fn superseded(names: &Names, bounds: &Bounds, most: u64) -> SelectStatement {
    // Of one resource the order of versions is the same, and has an index with its key.
    let order = if bounds.key.is_some() { ResourceHistory::Version } else { ResourceHistory::SequenceFrom };
    let mut statement = Query::select();
    statement
        .columns(SUPERSEDED_COLUMNS)
        .column(ResourceHistory::Method)
        .from(names.table(ResourceHistory::Table))
        .order_by(order, Order::Desc)
        .limit(most);
    SUPERSEDED.restrict(&mut statement, bounds);
    if let Some((from, _)) = bounds.at {
        current_after(names, &mut statement, from);
    }
    statement
}

/// Both counts in one statement, so that a version that moves between the tables is counted once.
pub(super) fn total(names: &Names, bounds: &Bounds) -> SelectStatement {
    let mut current = Query::select();
    current.expr(Expr::col(Resource::Key).count()).from(names.table(Resource::Table));
    CURRENT.restrict(&mut current, bounds);
    let mut superseded = Query::select();
    superseded.expr(Expr::col(ResourceHistory::Key).count()).from(names.table(ResourceHistory::Table));
    SUPERSEDED.restrict(&mut superseded, bounds);
    if let Some((from, _)) = bounds.at {
        current_after(names, &mut superseded, from);
    }
    let sum = Expr::SubQuery(None, Box::new(current.into())).add(Expr::SubQuery(None, Box::new(superseded.into())));
    Query::select().expr(sum).take()
}
