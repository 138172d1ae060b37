//! Whether the audit log is what was written: every chain from its first entry on, every head, and what heads say of
//! the chains. In the memory of some pages, however long the log.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Order, Query};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::super::columns::Columns;
use super::super::error::StoreError;
use super::super::open::snapshot;
use super::super::schema::{AuditHead, Names};
use super::super::site_store::Store;
use super::chain::{Beginning, beginning, is_genuine};
use super::head::{End, HEAD_COLUMNS, Head, LoggedHead, Of, read_ends};
use super::key::AuditKey;
use super::{Audited, audited, select};

/// What was looked at, and what was wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditReport {
    pub chains: u64,
    pub entries: u64,
    /// Those of them that were written before there was a key: they show what was changed by accident only.
    pub entries_without_key: u64,
    pub heads: u64,
    /// Heads given from outside the database.
    pub logged_heads: u64,
    /// The first faults, in words; nothing of an entry but its writer and number.
    pub faults: Vec<String>,
    pub fault_count: u64,
}

const MOST_FAULTS: usize = 100;
const ENTRIES: usize = 1_000;
const HEADS: u64 = 200;
/// Ends looked up with one statement.
const LOOKED_UP: usize = 64;

impl AuditReport {
    fn fault(&mut self, fault: String) {
        self.fault_count += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }
}

impl Store {
    /// Verifies the log as it stands at one moment, beside whatever is written; `logged` are heads from outside.
    pub async fn verify_audit(&self, logged: &[LoggedHead]) -> Result<AuditReport, StoreError> {
        let (connection, transaction) = snapshot(&self.context, &self.reader).await?;
        let report = verify(&transaction, self.names(), &self.context.audit_key, logged).await?;
        transaction.rollback().await?;
        if self.postgres.is_none() {
            connection.close().await?;
        }
        Ok(report)
    }
}

pub(in super::super) async fn verify(
    transaction: &DatabaseTransaction,
    names: &Names,
    key: &AuditKey,
    logged: &[LoggedHead],
) -> Result<AuditReport, StoreError> {
    let mut verify = Verify { transaction, names, key, report: AuditReport::default() };
    let plain = match beginning(transaction, names, key).await? {
        Beginning::Plain(ends) => ends,
        Beginning::Foreign => {
            verify.report.fault(
                "the log was not begun with this key: keys/audit.key in the site's folder was lost or replaced, or the \
                 note of the log's beginning was changed. Put the key of that time back and verify again"
                    .to_owned(),
            );
            Vec::new()
        }
        Beginning::Missing => {
            verify.report.fault("the note of the log's beginning is gone".to_owned());
            Vec::new()
        }
    };
    verify.chains(&plain).await?;
    verify.named("the note of the log's beginning", &plain).await?;
    verify.heads().await?;
    for head in logged {
        verify.report.logged_heads += 1;
        let end = End { of: Of::Heads, writer: head.writer, sequence: head.number, code: head.code.clone() };
        verify.named("a head from the server's log", &[end]).await?;
    }
    Ok(verify.report)
}

struct Verify<'a> {
    transaction: &'a DatabaseTransaction,
    names: &'a Names,
    key: &'a AuditKey,
    report: AuditReport,
}

/// Where a walk along a chain is.
struct Place {
    writer: i32,
    sequence: i64,
    code: Vec<u8>,
    /// The first of a run of entries that do not fit: a run is one fault.
    wrong_from: Option<i64>,
}

impl Verify<'_> {
    async fn chains(&mut self, plain: &[End]) -> Result<(), StoreError> {
        let plain: HashMap<i32, i64> = plain.iter().map(|end| (end.writer, end.sequence)).collect();
        let mut place: Option<Place> = None;
        loop {
            let after = place.as_ref().map(|place| (place.writer, place.sequence));
            let rows = self.transaction.query_all(&select(self.names, after, ENTRIES)).await?;
            for row in &rows {
                let audited = audited(row)?;
                let mut here = match place.take() {
                    Some(place) if place.writer == audited.writer => place,
                    other => {
                        self.finish(other);
                        self.report.chains += 1;
                        Place { writer: audited.writer, sequence: 0, code: Vec::new(), wrong_from: None }
                    }
                };
                let is_plain = plain.get(&audited.writer).is_some_and(|end| audited.sequence <= *end);
                self.report.entries += 1;
                self.report.entries_without_key += u64::from(is_plain);
                self.entry(&mut here, &audited, is_plain);
                (here.sequence, here.code) = (audited.sequence, audited.chain);
                place = Some(here);
            }
            if rows.is_empty() {
                self.finish(place);
                return Ok(());
            }
        }
    }

    fn entry(&mut self, place: &mut Place, audited: &Audited, is_plain: bool) {
        let writer = audited.writer;
        if audited.sequence != place.sequence + 1 {
            self.finish_run(place);
            let (from, to) = (place.sequence + 1, audited.sequence - 1);
            self.report.fault(format!(
                "entries {from} to {to} of writer {writer} are missing, so that {} cannot be verified",
                audited.sequence
            ));
        } else if is_genuine(self.key, &place.code, audited, is_plain) {
            self.finish_run(place);
        } else {
            place.wrong_from.get_or_insert(audited.sequence);
        }
    }

    fn finish_run(&mut self, place: &mut Place) {
        let Some(from) = place.wrong_from.take() else { return };
        let (writer, to) = (place.writer, place.sequence);
        self.report.fault(format!("entries {from} to {to} of writer {writer} are not as they were written"));
    }

    fn finish(&mut self, place: Option<Place>) {
        if let Some(mut place) = place {
            self.finish_run(&mut place);
        }
    }

    async fn heads(&mut self) -> Result<(), StoreError> {
        let (mut writer, mut number, mut code) = (i32::MIN, 0, Vec::new());
        loop {
            let place = Expr::tuple([Expr::col(AuditHead::Writer), Expr::col(AuditHead::Number)]);
            let statement = Query::select()
                .columns(HEAD_COLUMNS)
                .from(self.names.table(AuditHead::Table))
                .and_where(place.gt(Expr::tuple([Expr::val(writer), Expr::val(number)])))
                .order_by(AuditHead::Writer, Order::Asc)
                .order_by(AuditHead::Number, Order::Asc)
                .limit(HEADS)
                .take();
            let rows = self.transaction.query_all(&statement).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let head = Head::of(row)?;
                self.report.heads += 1;
                if head.writer != writer {
                    (writer, number, code) = (head.writer, 0, Vec::new());
                }
                let name = format!("head {} of writer {writer}", head.number);
                if head.number != number + 1 {
                    self.report.fault(format!(
                        "heads {} to {} of writer {writer} are missing",
                        number + 1,
                        head.number - 1
                    ));
                } else if !head.is_genuine(self.key, &code) {
                    self.report.fault(format!("{name} is not as it was written"));
                } else if let Some(ends) = read_ends(&head.ends) {
                    self.named(&name, &ends).await?;
                }
                (number, code) = (head.number, head.code);
            }
        }
    }

    /// That the entries are there which a head names, with the codes that it names.
    async fn named(&mut self, by: &str, ends: &[End]) -> Result<(), StoreError> {
        for of in [Of::Entries, Of::Heads] {
            let ends: Vec<&End> = ends.iter().filter(|end| end.of == of).collect();
            for ends in ends.chunks(LOOKED_UP) {
                let found = self.codes(of, ends).await?;
                let what = if of == Of::Entries { "entry" } else { "head" };
                for end in ends {
                    let (writer, sequence) = (end.writer, end.sequence);
                    match found.get(&(writer, sequence)) {
                        Some(code) if *code == end.code => {}
                        Some(_) => self.report.fault(format!(
                            "{what} {sequence} of writer {writer} is another than the one that {by} names"
                        )),
                        None => self.report.fault(format!(
                            "{what} {sequence} of writer {writer} is gone, which {by} names: its chain was cut"
                        )),
                    }
                }
            }
        }
        Ok(())
    }

    async fn codes(&self, of: Of, ends: &[&End]) -> Result<HashMap<(i32, i64), Vec<u8>>, StoreError> {
        let (table, number) = of.table();
        let (writer, number, chain) = (Alias::new("writer"), Alias::new(number), Alias::new("chain"));
        let places: BTreeSet<(i32, i64)> = ends.iter().map(|end| (end.writer, end.sequence)).collect();
        let mut any = Cond::any();
        for (of, sequence) in places {
            any = any.add(Expr::col(writer.clone()).eq(of).and(Expr::col(number.clone()).eq(sequence)));
        }
        let statement = Query::select()
            .columns([writer, number, chain])
            .from(self.names.table(Alias::new(table)))
            .cond_where(any)
            .take();
        let place = |row: &dyn Columns| Ok(((row.integer32(0)?, row.integer(1)?), row.blob(2)?));
        self.transaction.query_all(&statement).await?.iter().map(|row| place(row)).collect()
    }
}
