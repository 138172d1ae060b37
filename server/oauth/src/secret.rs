//! Secrets: made at random, kept as hashes, compared in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where random bytes come from.
pub type Random = std::sync::Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The system's, by aws-lc-rs. Without random numbers nothing here is safe, so the process ends.
pub fn system_random() -> Random {
    std::sync::Arc::new(|bytes| {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            std::process::abort();
        }
    })
}

/// 256 bits as 43 characters that may stand anywhere.
pub(crate) fn new(random: &Random) -> String {
    let mut bytes = [0u8; 32];
    random(&mut bytes);
    base64url(&bytes)
}

/// 127 bits, for what is a name and no secret. It begins with a letter: a command takes what begins with `-` for an option.
pub(crate) fn new_id(random: &Random) -> String {
    let mut bytes = [0u8; 16];
    random(&mut bytes);
    bytes[0] &= 0x7f;
    base64url(&bytes)
}

/// What is kept of a secret. It has 256 bits of chance, so that a plain hash cannot be turned round.
pub(crate) fn hash(secret: &str) -> String {
    base64url(&sha256(secret.as_bytes()))
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut hash = [0u8; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// Whether a secret is the one whose hash is kept.
pub(crate) fn is(secret: &str, kept: &str) -> bool {
    are_equal(&hash(secret), kept)
}

/// In a time that tells nothing of where they differ.
pub(crate) fn are_equal(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_given_to_a_command() {
        for first in 0..=u8::MAX {
            let random: Random = std::sync::Arc::new(move |bytes| bytes.fill(first));
            let id = new_id(&random);
            assert!(id.starts_with(|first: char| first.is_ascii_alphabetic()), "{id}");
        }
    }
}
