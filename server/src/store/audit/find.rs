//! Entries by when they were recorded, by whose record they concern, or by their own place: what searches of AuditEvents
//! walk. Each way has an index; what else is asked for is for who walks.

use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use super::super::error::StoreError;
use super::super::schema::{Audit, Names};
use super::super::site_store::Store;
use super::{Audited, COLUMNS, audited};

/// Where an entry stands: the writer, and its number there.
pub type AuditPlace = (i32, i64);

/// What of the log is walked, in the order of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Recorded at or after, in microseconds since 1970.
    pub from: Option<i64>,
    /// Recorded at or before.
    pub to: Option<i64>,
    /// That concern one of these patients.
    pub patients: Option<Vec<String>>,
    /// Only these.
    pub places: Option<Vec<AuditPlace>>,
    /// Beyond this time and place, in the direction of the walk.
    pub after: Option<(i64, AuditPlace)>,
    pub newest_first: bool,
    pub count: usize,
}

pub(in super::super) fn find(names: &Names, query: &AuditQuery) -> SelectStatement {
    let order = if query.newest_first { Order::Desc } else { Order::Asc };
    let mut statement = Query::select();
    statement
        .columns(COLUMNS)
        .from(names.table(Audit::Table))
        .order_by(Audit::Time, order.clone())
        .order_by(Audit::Writer, order.clone())
        .order_by(Audit::Sequence, order)
        .limit(query.count as u64);
    if let Some(from) = query.from {
        statement.and_where(Expr::col(Audit::Time).gte(from));
    }
    if let Some(to) = query.to {
        statement.and_where(Expr::col(Audit::Time).lte(to));
    }
    match query.patients.as_deref() {
        None => {}
        Some([patient]) => {
            statement.and_where(Expr::col(Audit::Patient).eq(patient));
        }
        Some(patients) => {
            statement.and_where(Expr::col(Audit::Patient).is_in(patients));
        }
    }
    if let Some(places) = &query.places {
        let place = Expr::tuple([Expr::col(Audit::Writer), Expr::col(Audit::Sequence)]);
        let places = places.iter().map(|(writer, sequence)| Expr::tuple([Expr::val(*writer), Expr::val(*sequence)]));
        statement.and_where(place.is_in(places));
    }
    if let Some((time, (writer, sequence))) = query.after {
        let place = Expr::tuple([Expr::col(Audit::Time), Expr::col(Audit::Writer), Expr::col(Audit::Sequence)]);
        let after = Expr::tuple([Expr::val(time), Expr::val(writer), Expr::val(sequence)]);
        statement.and_where(if query.newest_first { place.lt(after) } else { place.gt(after) });
    }
    statement
}

impl Store {
    /// Entries in the order of time.
    pub async fn find_audited(&self, query: &AuditQuery) -> Result<Vec<Audited>, StoreError> {
        let of_none = query.patients.as_ref().is_some_and(Vec::is_empty);
        if of_none || query.places.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        self.reader.look_anew();
        self.reader.query(&find(self.names(), query), audited).await
    }
}
