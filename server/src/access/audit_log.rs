//! AuditEvents are shown from the audit log. No scope grants them as it grants stored resources: who may look at the log
//! is decided here, and nobody writes it.

use super::{AccessContext, AccessError, Level, Permission};

/// The one type that is not stored.
pub const AUDIT_EVENT: &str = "AuditEvent";

impl AccessContext {
    /// Whether the token may look at the audit log, of whomever it tells: a `system/` scope, which clients of their own
    /// get from an administrator, or a `user/` scope of an administrator. A constraint would have to be decided by index
    /// rows, which the log has not, so a scope with one opens nothing; nor does a `patient/` scope: the log names staff
    /// and other apps.
    pub fn audit_log(&self, permission: Permission) -> Result<(), AccessError> {
        let opens = self.scopes.iter().any(|scope| {
            let by_level = match scope.level {
                Level::System => true,
                Level::User => self.is_administrator,
                Level::Patient => false,
            };
            by_level
                && scope.constraint.is_empty()
                && scope.resource_type.as_deref().is_none_or(|covered| covered == AUDIT_EVENT)
                && scope.permissions.include(permission)
        });
        let letter = if permission == Permission::Read { 'r' } else { 's' };
        if opens { Ok(()) } else { Err(AccessError::AuditLog { letter }) }
    }

    /// Why AuditEvents are not granted as stored resources.
    pub(super) fn no_audit_events(&self, permissions: &[Permission]) -> AccessError {
        let reading = permissions.iter().find(|asked| matches!(asked, Permission::Read | Permission::Search));
        match reading.map(|asked| self.audit_log(*asked)) {
            None => AccessError::AuditEventsAreRecorded,
            Some(Err(closed)) => closed,
            Some(Ok(())) => AccessError::AuditEventsStandApart,
        }
    }
}
