//! Every interaction leaves an audit entry, the refused ones too. A write's own entry is written with the write; the
//! others are queued.

use std::future::Future;

use super::outcome::{Error, Kind};
use super::service::{Request, Type};
use crate::store::{AuditAction, AuditEntry, AuditOutcome, Content};

/// The codes of <http://hl7.org/fhir/restful-interaction>; in place of `operation`, which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interaction {
    Read,
    Vread,
    Create,
    Update,
    Patch,
    Delete,
    HistoryInstance,
    HistoryType,
    HistorySystem,
    SearchType,
    SearchSystem,
    Batch,
    Transaction,
    /// By the operation's name.
    Operation(&'static str),
}

impl Interaction {
    fn code(self) -> &'static str {
        match self {
            Interaction::Read => "read",
            Interaction::Vread => "vread",
            Interaction::Create => "create",
            Interaction::Update => "update",
            Interaction::Patch => "patch",
            Interaction::Delete => "delete",
            Interaction::HistoryInstance => "history-instance",
            Interaction::HistoryType => "history-type",
            Interaction::HistorySystem => "history-system",
            Interaction::SearchType => "search-type",
            Interaction::SearchSystem => "search-system",
            Interaction::Batch => "batch",
            Interaction::Transaction => "transaction",
            Interaction::Operation(code) => code,
        }
    }

    fn action(self) -> AuditAction {
        match self {
            Interaction::Read | Interaction::Vread => AuditAction::Read,
            Interaction::Create => AuditAction::Create,
            Interaction::Update | Interaction::Patch => AuditAction::Update,
            Interaction::Delete => AuditAction::Delete,
            // A query is an execution: https://hl7.org/fhir/R4/valueset-audit-event-action.html
            _ => AuditAction::Execute,
        }
    }

    fn writes(self) -> bool {
        use Interaction::{Create, Delete, Patch, Transaction, Update};
        matches!(self, Create | Update | Patch | Delete | Transaction)
    }
}

/// "The raw search request", cut where it is longer than any honest one, and never a token: RFC 6750, 2.3, has a parameter
/// for them, which is not accepted here.
/// <https://profiles.ihe.net/ITI/BALP/StructureDefinition-IHE.BasicAudit.Query.html>
fn kept(asked: &str) -> String {
    const LONGEST: usize = 8 << 10;
    let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
    let is_token = |pair: &&str| {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        name.eq_ignore_ascii_case("access_token")
    };
    let mut text = if query.split('&').any(|pair| is_token(&pair)) {
        let others: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
        format!("{path}?{}", others.join("&"))
    } else {
        asked.to_owned()
    };
    text.truncate(text.floor_char_boundary(LONGEST));
    // PostgreSQL has no text with NUL in it.
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The entry of an interaction.
pub(super) fn entry(
    request: &Request<'_>,
    interaction: Interaction,
    resource_type: Option<Type>,
    id: Option<&str>,
    outcome: AuditOutcome,
) -> AuditEntry {
    let is_patient = resource_type.is_some_and(|resource_type| resource_type.name == "Patient");
    AuditEntry {
        time: request.service.clock.now(),
        actor: request.access.subject.clone(),
        client: request.access.client_id.clone(),
        action: interaction.action(),
        interaction: interaction.code().into(),
        outcome,
        patient: if is_patient { id.map(str::to_owned) } else { None }.or_else(|| request.access.patient.clone()),
        resource_type: resource_type.map(|resource_type| resource_type.number),
        resource_id: id.map(str::to_owned),
        request_id: request.request_id.to_owned(),
        address: request.origin.address.map(|address| address.to_canonical().to_string()),
        query: request.origin.query.map(kept),
        token: request.access.token_id.clone(),
    }
}

/// The same for a write, with the patient whose record it is.
pub(super) fn written(
    request: &Request<'_>,
    interaction: Interaction,
    resource_type: Type,
    id: &str,
    content: &Content,
) -> AuditEntry {
    let entry = entry(request, interaction, Some(resource_type), Some(id), AuditOutcome::Success);
    let concerned = content.rows.compartments.first().map(|row| row.patient.clone());
    AuditEntry { patient: entry.patient.or(concerned), ..entry }
}

/// Runs an interaction and records how it ended; the success of a write is recorded by the write itself.
pub(super) async fn recorded<T>(
    request: &Request<'_>,
    interaction: Interaction,
    resource_type: Option<Type>,
    id: Option<&str>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let result = work.await;
    let outcome = match &result {
        Ok(_) if interaction.writes() => return result,
        Ok(_) => AuditOutcome::Success,
        Err(error) => failure(error),
    };
    let kept = request.service.store.audit(entry(request, interaction, resource_type, id, outcome)).await;
    // What cannot be recorded is not given out.
    match (result, kept) {
        (Ok(_), Err(error)) => Err(error.into()),
        (result, _) => result,
    }
}

fn failure(error: &Error) -> AuditOutcome {
    match error.kind {
        Kind::Internal | Kind::Unavailable => AuditOutcome::SeriousFailure,
        _ => AuditOutcome::MinorFailure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_kept_as_it_was_asked_but_no_token_and_no_more_than_a_search_is_long() {
        assert_eq!(kept("Patient?name=B%C3%BCrn&&_count=5"), "Patient?name=B%C3%BCrn&&_count=5");
        for query in ["access_token=a.b.c", "name=x&Access_Token=a.b.c", "%61ccess%5ftoken=a.b.c&name=x"] {
            assert!(!kept(&format!("Patient?{query}")).contains("a.b.c"), "{query}");
        }
        assert_eq!(kept(&format!("Patient?name={}", "ü".repeat(9000))).len(), 8191);
        assert_eq!(kept("Patient?name=a\0b"), "Patient?name=a\u{fffd}b");
    }
}
