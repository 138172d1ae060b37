//! Cursors: the place a page begins, for the `next` and `previous` links. Encrypted, since sort values are names and
//! dates; bound to the search they were made for. Access is applied anew on each page, so a cursor grants nothing.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::plan::Position;
use super::plan::order::Written;
use super::query::Search;
use crate::store::SortValue;

/// A cursor that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    #[error("the page link was changed, or was made by another server: search again from the first page")]
    Unreadable,
    #[error("the page link belongs to another search: use it with the parameters it was given with")]
    OtherSearch,
}

/// A site's key for cursors.
pub struct CursorKey(LessSafeKey);

#[derive(Serialize, Deserialize)]
struct Content {
    v: Vec<Written>,
    k: i64,
    f: bool,
    /// The fingerprint of the search.
    s: Vec<u8>,
}

const FINGERPRINT: usize = 12;

impl CursorKey {
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, secret).expect("32 bytes are a key of AES-256");
        CursorKey(LessSafeKey::new(key))
    }

    /// The cursor as it stands in a link. `nonce` is random, and another one each time.
    pub fn seal(&self, search: &Search, position: &Position, nonce: [u8; NONCE_LEN]) -> String {
        let content = Content {
            v: position.values.iter().map(Written::from).collect(),
            k: position.key,
            f: position.forward,
            s: fingerprint(search),
        };
        let mut sealed = serde_json::to_vec(&content).expect("numbers and text are JSON");
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .expect("a cursor is shorter than AES-GCM's limit");
        URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
    }

    pub fn open(&self, search: &Search, cursor: &str) -> Result<Position, CursorError> {
        let unreadable = CursorError::Unreadable;
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| unreadable)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or(unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable)?;
        let mut sealed = sealed.to_vec();
        let content = self.0.open_in_place(nonce, Aad::empty(), &mut sealed).map_err(|_| unreadable)?;
        let content: Content = serde_json::from_slice(content).map_err(|_| unreadable)?;
        if content.s != fingerprint(search) {
            return Err(CursorError::OtherSearch);
        }
        Ok(Position {
            values: content.v.into_iter().map(SortValue::from).collect(),
            key: content.k,
            forward: content.f,
        })
    }
}

/// What decides which resources are found, and in which order; not how many are on a page.
fn fingerprint(search: &Search) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(search.types.join(","));
    for (name, value) in &search.used {
        if !matches!(name.as_str(), "_count" | "_total" | "_summary" | "_elements" | "_include" | "_revinclude") {
            for part in [name, value] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
    }
    hasher.finalize()[..FINGERPRINT].to_vec()
}
