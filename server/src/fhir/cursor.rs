//! Where a page goes on, as a text for a link: encrypted, since sort keys can be names and dates of birth, and bound
//! to the query it belongs to. A cursor gives no access: that is applied anew on each page.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::outcome::{Error, Kind};

/// Makes and reads the cursors of a site.
pub(super) struct Cursors {
    key: LessSafeKey,
}

impl Cursors {
    /// `secret` is the site's own and lasts: links go on working over a restart, and in every process of the site.
    pub(super) fn new(secret: &[u8; 32]) -> Cursors {
        #[expect(clippy::expect_used, reason = "only a key of another length is refused")]
        let key = UnboundKey::new(&AES_256_GCM_SIV, secret).expect("a key of 256 bits");
        Cursors { key: LessSafeKey::new(key) }
    }

    /// `query` is what the cursor is bound to: the path and the parameters of the search.
    pub(super) fn seal(&self, query: &str, position: &[u8]) -> String {
        let mut sealed = position.to_vec();
        // AES-GCM-SIV stays safe under a repeated nonce: it only shows that two cursors are the same.
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        match self.key.seal_in_place_append_tag(nonce, Aad::from(query.as_bytes()), &mut sealed) {
            Ok(()) => URL_SAFE_NO_PAD.encode(sealed),
            // Only for more than 64 GB.
            Err(_) => String::new(),
        }
    }

    pub(super) fn open(&self, query: &str, cursor: &str) -> Result<Vec<u8>, Error> {
        let refused = || {
            Error::new(
                Kind::Invalid,
                "This page link is not one of this search: follow the links as they were given, or search anew.",
            )
        };
        let mut sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let opened = self.key.open_in_place(nonce, Aad::from(query.as_bytes()), &mut sealed).map_err(|_| refused())?;
        Ok(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_query_and_key_only_and_shows_nothing() {
        let cursors = Cursors::new(&[7; 32]);
        let sealed = cursors.seal("Patient?name=a", b"Doe 1980-01-01");
        assert_eq!(cursors.open("Patient?name=a", &sealed).unwrap(), b"Doe 1980-01-01");
        assert!(cursors.open("Patient?name=b", &sealed).is_err());
        assert!(Cursors::new(&[8; 32]).open("Patient?name=a", &sealed).is_err());
        let mut other = sealed.clone();
        other.replace_range(0..1, if other.starts_with('A') { "B" } else { "A" });
        assert!(cursors.open("Patient?name=a", &other).is_err());
        assert!(cursors.open("Patient?name=a", "").is_err());
        assert!(!String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(sealed).unwrap()).contains("Doe"));
    }
}
