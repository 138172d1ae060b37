//! `vesta check`: whether everything derived still says what the bodies say. Reads one state of the database from
//! beginning to end, and changes nothing.

use std::collections::HashMap;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::Value;

use super::audit;
use super::columns::{Columns, stored};
use super::error::StoreError;
use super::index::{self, IndexRows};
use super::open::snapshot;
use super::parameters::{Derivation, ParameterEntry};
use super::record::Stored;
use super::schema::{Compartment, Resource, ResourceHistory, select_stored};
use super::site_store::Store;
use super::write::{CompartmentEntry, select_patients};

/// What the check came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Current versions looked at, deletions included.
    pub resources: u64,
    pub superseded_versions: u64,
    pub index_rows: u64,
    pub compartment_rows: u64,
    pub audit_entries: u64,
    /// The first faults, in words; none contains anything of a record but its type, id and version.
    pub faults: Vec<String>,
    pub fault_count: u64,
}

const MOST_FAULTS: usize = 100;
const PAGE: usize = 256;

impl CheckReport {
    fn fault(&mut self, fault: impl FnOnce() -> String) {
        self.fault_count += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault());
        }
    }
}

fn name(stored: &Stored) -> String {
    format!("resource {} (type {}, id {}, version {})", stored.key, stored.resource_type, stored.id, stored.version)
}

impl Store {
    /// Checks everything; `progress` is told the resources done, after each page.
    pub async fn check(&self, mut progress: impl FnMut(u64) + Send) -> Result<CheckReport, StoreError> {
        let derivation = self.context.held.now();
        let (connection, transaction) = snapshot(&self.context, &self.reader).await?;
        let indexed = derivation.dictionary.iter().filter(|entry| entry.is_indexed());
        let mut parameters: Vec<i32> = indexed.map(|entry| entry.id).collect();
        parameters.sort_unstable();
        let (report, has_texts) =
            (CheckReport::default(), derivation.dictionary.iter().all(ParameterEntry::is_indexed));
        let mut check = Check { store: self, transaction: &transaction, derivation, parameters, has_texts, report };
        let mut after = i64::MIN;
        loop {
            let page = check.page(after).await?;
            let Some(last) = page.last() else { break };
            after = last.key;
            check.bodies(&page).await?;
            check.history(&page).await?;
            check.report.resources += page.len() as u64;
            progress(check.report.resources);
        }
        check.totals().await?;
        check.audit().await?;
        let report = check.report;
        transaction.rollback().await?;
        if self.postgres.is_none() {
            connection.close().await?;
        }
        Ok(report)
    }
}

struct Check<'a> {
    store: &'a Store,
    transaction: &'a DatabaseTransaction,
    derivation: Derivation,
    /// Those whose rows are complete.
    parameters: Vec<i32>,
    /// Whether nothing waits to be indexed: texts are of no parameter.
    has_texts: bool,
    report: CheckReport,
}

impl Check<'_> {
    async fn page(&self, after: i64) -> Result<Vec<Stored>, StoreError> {
        let mut statement = Query::select();
        select_stored(&mut statement, Resource::Table);
        statement
            .from_as(self.store.names().table(Resource::Table), Alias::new("resource"))
            .and_where(Expr::col((Resource::Table, Resource::Key)).gt(after))
            .order_by((Resource::Table, Resource::Key), Order::Asc)
            .limit(PAGE as u64);
        self.transaction.query_all(&statement).await?.iter().map(|row| stored(row)).collect()
    }

    /// The text says the id and the version it is stored under, and its rows are all there.
    async fn bodies(&mut self, page: &[Stored]) -> Result<(), StoreError> {
        let mut derived = Vec::new();
        for stored in page.iter().filter(|stored| !stored.deleted) {
            let body = serde_json::from_slice::<Value>(&stored.body).unwrap_or_default();
            let version = stored.version.to_string();
            if body["id"] != stored.id.as_str() || body["meta"]["versionId"] != version.as_str() {
                self.report.fault(|| format!("{}: its text says another id or version", name(stored)));
            }
            match self.derivation.rows(stored) {
                Ok(rows) => {
                    let mut indexed = rows.of_parameters(&self.parameters);
                    indexed.compartments = rows.compartments;
                    derived.push((stored, indexed));
                }
                Err(_) => self.report.fault(|| format!("{}: its text cannot be read", name(stored))),
            }
        }
        let rows: Vec<(i64, &IndexRows)> = derived.iter().map(|(stored, rows)| (stored.key, rows)).collect();
        self.report.index_rows += rows.iter().map(|(_, rows)| rows.len() as u64).sum::<u64>();
        if self.missing(&rows).await? > 0 {
            for (stored, rows) in &derived {
                let missing = self.missing(&[(stored.key, rows)]).await?;
                if missing > 0 {
                    self.report.fault(|| format!("{}: {missing} of its index rows are missing", name(stored)));
                }
            }
        }
        if self.has_texts {
            let all: Vec<&IndexRows> = derived.iter().map(|(_, rows)| rows).collect();
            for (stored, rows) in if self.lacks_texts(&all).await? { &derived[..] } else { &[] } {
                if self.lacks_texts(&[rows]).await? {
                    self.report.fault(|| format!("{}: a text that it is sorted or found by is missing", name(stored)));
                }
            }
        }
        self.compartments(&derived).await
    }

    /// What codes and references are sorted by, and texts beside codes found by.
    async fn lacks_texts(&mut self, rows: &[&IndexRows]) -> Result<bool, StoreError> {
        for (statement, expected) in index::texts_present(self.store.names(), rows) {
            if self.integer(&statement).await? != expected {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn missing(&self, rows: &[(i64, &IndexRows)]) -> Result<i64, StoreError> {
        let mut missing = 0;
        for (statement, expected) in index::present(self.store.names(), rows) {
            missing += expected - self.integer(&statement).await?;
        }
        Ok(missing)
    }

    async fn integer(&self, statement: &sea_orm::sea_query::SelectStatement) -> Result<i64, StoreError> {
        let row = self.transaction.query_one(statement).await?;
        row.ok_or_else(|| StoreError::Statement("a count gave no row".to_owned()))?.integer(0)
    }

    async fn compartments(&mut self, derived: &[(&Stored, IndexRows)]) -> Result<(), StoreError> {
        let names = self.store.names();
        let mut patients: Vec<&str> =
            derived.iter().flat_map(|(_, rows)| rows.compartments.iter().map(|row| row.patient.as_str())).collect();
        patients.sort_unstable();
        patients.dedup();
        let mut numbers: HashMap<String, i64> = HashMap::new();
        for ids in patients.chunks(256) {
            for row in self.transaction.query_all(&select_patients(names, ids)).await? {
                numbers.insert(row.text(1)?, row.integer(0)?);
            }
        }
        for (stored, rows) in derived {
            for row in &rows.compartments {
                self.report.compartment_rows += 1;
                let there = match numbers.get(&row.patient) {
                    Some(patient) => {
                        let entry = CompartmentEntry {
                            patient: *patient,
                            resource_type: stored.resource_type,
                            resource: stored.key,
                            row,
                        };
                        let statement = Query::select()
                            .expr(Expr::col(Compartment::Resource).count())
                            .from(names.table(Compartment::Table))
                            .and_where(entry.is_it())
                            .and_where(Expr::col(Compartment::Low).eq(row.low))
                            .and_where(Expr::col(Compartment::Bits).eq(row.bits))
                            .take();
                        self.integer(&statement).await? == 1
                    }
                    None => false,
                };
                if !there {
                    self.report.fault(|| format!("{}: one of its compartment rows is missing", name(stored)));
                }
            }
        }
        Ok(())
    }

    /// Version n was current until version n + 1 came: no gap and no overlap from 1 to the current one.
    async fn history(&mut self, page: &[Stored]) -> Result<(), StoreError> {
        let statement = Query::select()
            .columns([ResourceHistory::Key, ResourceHistory::Version])
            .columns([ResourceHistory::SequenceFrom, ResourceHistory::SequenceTo])
            .from(self.store.names().table(ResourceHistory::Table))
            .and_where(Expr::col(ResourceHistory::Key).is_in(page.iter().map(|stored| stored.key)))
            .order_by(ResourceHistory::Key, Order::Asc)
            .order_by(ResourceHistory::Version, Order::Asc)
            .take();
        let mut superseded: HashMap<i64, Vec<(i64, i64, i64)>> = HashMap::new();
        for row in self.transaction.query_all(&statement).await? {
            superseded.entry(row.integer(0)?).or_default().push((row.integer(1)?, row.integer(2)?, row.integer(3)?));
        }
        for stored in page {
            let versions = superseded.remove(&stored.key).unwrap_or_default();
            self.report.superseded_versions += versions.len() as u64;
            // The key is the sequence number of the first version.
            let (mut version, mut sequence) = (1, stored.key);
            let whole = versions.iter().all(|(of, from, to)| {
                let fits = *of == version && *from == sequence && from < to;
                (version, sequence) = (of + 1, *to);
                fits
            });
            if !whole || version != stored.version || sequence != stored.sequence {
                self.report.fault(|| format!("{}: its history has a gap", name(stored)));
            }
        }
        Ok(())
    }

    /// All expected rows are there; so if there are as many as expected, there is none too many.
    async fn totals(&mut self) -> Result<(), StoreError> {
        let names = self.store.names();
        let mut index_rows = 0;
        for statement in index::totals(self.store.backend(), names, &self.parameters) {
            index_rows += self.integer(&statement).await? as u64;
        }
        let count = |table| Query::select().expr(Expr::cust("count(*)")).from(names.table(table)).take();
        let compartments = self.integer(&count(Alias::new("compartment"))).await? as u64;
        let superseded = self.integer(&count(Alias::new("resource_history"))).await? as u64;
        let report = &self.report;
        for (what, expected, found) in [
            ("index rows", report.index_rows, index_rows),
            ("compartment rows", report.compartment_rows, compartments),
            ("superseded versions", report.superseded_versions, superseded),
        ] {
            if found != expected {
                self.report.fault(|| format!("there are {found} {what}, and {expected} belong to a resource"));
            }
        }
        Ok(())
    }

    /// The log is as it was written.
    async fn audit(&mut self) -> Result<(), StoreError> {
        let key = &self.store.context.audit_key;
        let log = audit::verify(self.transaction, self.store.names(), key, &[]).await?;
        self.report.audit_entries = log.entries;
        let unnamed = log.fault_count - log.faults.len() as u64;
        for fault in log.faults {
            self.report.fault(|| format!("audit log: {fault}"));
        }
        self.report.fault_count += unnamed;
        Ok(())
    }
}
