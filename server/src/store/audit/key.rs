//! The key of a site's audit log. It is kept outside the database: who can change rows cannot make their chain fit.

use aws_lc_rs::{constant_time, hmac};

/// HMAC-SHA-256. <https://www.rfc-editor.org/rfc/rfc2104>
#[derive(Debug, Clone)]
pub struct AuditKey(hmac::Key);

/// What is authenticated: a code made for one is none for another.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Subject {
    Entry,
    Head,
    /// Where chains of plain hashes ended.
    Beginning,
}

impl AuditKey {
    pub fn new(key: &[u8; 32]) -> Self {
        AuditKey(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(in super::super) fn authenticate(&self, subject: Subject, message: &[u8]) -> Vec<u8> {
        let name: &[u8] = match subject {
            Subject::Entry => b"vesta audit entry\0",
            Subject::Head => b"vesta audit head\0",
            Subject::Beginning => b"vesta audit beginning\0",
        };
        let mut context = hmac::Context::with_key(&self.0);
        context.update(name);
        context.update(message);
        context.sign().as_ref().to_vec()
    }

    pub(in super::super) fn verifies(&self, subject: Subject, message: &[u8], code: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.authenticate(subject, message), code).is_ok()
    }
}
