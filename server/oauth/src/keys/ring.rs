//! The keys of one kind that a site has: one signs, those to come are published already, and those before verify until the
//! last token of theirs is over. The file is PEM, newest key first, with a line of text before each block that tells its
//! times (RFC 7468, 5.2: "parsers ... ignore explanatory text"); a key without such lines has always signed, and verifies for good.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};

use super::SigningKeyError;

const SIGNS_FROM: &str = "Signs-From:";
const VERIFIES_UNTIL: &str = "Verifies-Until:";

/// A key pair that is kept as PEM.
pub trait KeyPair: Sized {
    fn from_pem(pem: &str) -> Result<Self, SigningKeyError>;

    /// The key's thumbprint: RFC 7638.
    fn id(&self) -> &str;
}

/// A key with its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<K> {
    pub key: K,
    pub signs_from: Option<Timestamp>,
    pub verifies_until: Option<Timestamp>,
}

impl<K> Dated<K> {
    fn is_over(&self, now: Timestamp) -> bool {
        self.verifies_until.is_some_and(|until| until <= now)
    }

    fn is_to_come(&self, now: Timestamp) -> bool {
        self.signs_from.is_some_and(|from| from > now)
    }
}

/// Never empty, newest first.
pub struct KeyRing<K> {
    keys: Vec<Dated<K>>,
}

impl<K: KeyPair> KeyRing<K> {
    pub fn from_pem(text: &str) -> Result<KeyRing<K>, SigningKeyError> {
        let read = |block: Dated<String>| {
            let key = K::from_pem(&block.key)?;
            Ok(Dated { key, signs_from: block.signs_from, verifies_until: block.verifies_until })
        };
        let keys = blocks(text)?.into_iter().map(read).collect::<Result<Vec<_>, SigningKeyError>>()?;
        match keys.is_empty() {
            true => Err(SigningKeyError::new("there is no private key in PEM (PKCS #8)")),
            false => Ok(KeyRing { keys }),
        }
    }

    /// Of one key.
    pub fn of(key: K) -> KeyRing<K> {
        KeyRing { keys: vec![Dated { key, signs_from: None, verifies_until: None }] }
    }

    fn signing(&self, now: Timestamp) -> usize {
        let is_current = |key: &Dated<K>| !key.is_to_come(now) && !key.is_over(now);
        // Where clocks disagree so far that none is, the newest signs: it verifies for good.
        self.keys.iter().position(is_current).unwrap_or_default()
    }

    /// The key that signs now.
    pub fn current(&self, now: Timestamp) -> &K {
        &self.keys[self.signing(now)].key
    }

    /// Those that verify or will: what is published.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = &K> {
        self.keys.iter().filter(move |key| !key.is_over(now)).map(|key| &key.key)
    }

    /// The key that a token names, while it verifies; one that names none is of the current one.
    pub fn find(&self, id: Option<&str>, now: Timestamp) -> Option<&Dated<K>> {
        match id {
            Some(id) => self.keys.iter().find(|key| key.key.id() == id && !key.is_over(now)),
            None => self.keys.get(self.signing(now)),
        }
    }

    /// All of them, newest first, each with whether it is the one that signs.
    pub fn all(&self, now: Timestamp) -> impl Iterator<Item = (&Dated<K>, bool)> {
        let signing = self.signing(now);
        self.keys.iter().enumerate().map(move |(place, key)| (key, place == signing))
    }
}

/// How the keys of a site are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The new key is published so long before it signs, and the one before verifies so long after that.
    Overlap { publish: SignedDuration, keep: SignedDuration },
    /// Somebody else has the keys: they verify nothing from now on, and the new one signs at once.
    Compromised,
}

/// What a file of keys says after a rotation: the fresh key first, and behind it those that still verify.
pub fn rotate_pem(kept: &str, fresh: &str, now: Timestamp, rotation: Rotation) -> Result<String, SigningKeyError> {
    let key = blocks(fresh)?.into_iter().next().ok_or_else(|| SigningKeyError::new("there is no fresh key"))?.key;
    let Rotation::Overlap { publish, keep } = rotation else {
        return Ok(text(&Dated { key, signs_from: Some(now), verifies_until: None }));
    };
    let signs_from = now + publish;
    let mut all = text(&Dated { key, signs_from: Some(signs_from), verifies_until: None });
    for mut known in blocks(kept)? {
        if let Some(from) = known.signs_from.filter(|from| *from > now) {
            return Err(SigningKeyError::new(format!(
                "the key of the last rotation signs from {from} only: rotate again after that"
            )));
        }
        if known.is_over(now) {
            continue;
        }
        known.verifies_until.get_or_insert(signs_from + keep);
        all.push_str(&text(&known));
    }
    Ok(all)
}

fn text(key: &Dated<String>) -> String {
    let line = |name: &str, time: Option<Timestamp>| time.map(|time| format!("{name} {time}\n")).unwrap_or_default();
    line(SIGNS_FROM, key.signs_from) + &line(VERIFIES_UNTIL, key.verifies_until) + &key.key
}

/// The blocks of a PEM file, each with its two lines around it and the times that stand before it.
fn blocks(pem: &str) -> Result<Vec<Dated<String>>, SigningKeyError> {
    let time = |text: &str| {
        let read = text.trim().parse::<Timestamp>();
        read.map(Some)
            .map_err(|_| SigningKeyError::new(format!("{} is no time such as 2026-11-29T08:00:00Z", text.trim())))
    };
    let mut found: Vec<Dated<String>> = Vec::new();
    let (mut signs_from, mut verifies_until, mut open) = (None, None, false);
    for line in pem.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix(SIGNS_FROM).filter(|_| !open) {
            signs_from = time(text)?;
        } else if let Some(text) = line.strip_prefix(VERIFIES_UNTIL).filter(|_| !open) {
            verifies_until = time(text)?;
        } else if line.starts_with("-----BEGIN ") {
            let (signs_from, verifies_until) = (signs_from.take(), verifies_until.take());
            found.push(Dated { key: String::new(), signs_from, verifies_until });
            open = true;
        }
        if let Some(block) = found.last_mut().filter(|_| open) {
            block.key.push_str(line);
            block.key.push('\n');
        }
        open &= !line.starts_with("-----END ");
    }
    Ok(found)
}

/// Keys that are replaced while they are in use.
pub struct Shared<T>(RwLock<Arc<T>>);

impl<T> Shared<T> {
    pub fn new(value: T) -> Shared<T> {
        Shared(RwLock::new(Arc::new(value)))
    }

    pub fn get(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, value: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that is its text.
    struct Name(String);

    impl KeyPair for Name {
        fn from_pem(pem: &str) -> Result<Name, SigningKeyError> {
            Ok(Name(pem.lines().nth(1).unwrap_or_default().to_owned()))
        }

        fn id(&self) -> &str {
            &self.0
        }
    }

    fn pem(name: &str) -> String {
        format!("-----BEGIN PRIVATE KEY-----\n{name}\n-----END PRIVATE KEY-----\n")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn ring(text: &str) -> KeyRing<Name> {
        KeyRing::from_pem(text).unwrap()
    }

    fn published(ring: &KeyRing<Name>, now: Timestamp) -> Vec<&str> {
        ring.published(now).map(KeyPair::id).collect()
    }

    const OVERLAP: Rotation =
        Rotation::Overlap { publish: SignedDuration::from_secs(10), keep: SignedDuration::from_secs(100) };

    /// "the new one signs after the JWKS has been published for a while, old ones verify until the last token of theirs
    /// has expired".
    #[test]
    fn a_new_key_is_published_then_signs_and_the_one_before_verifies_for_a_while() {
        let ring = ring(&rotate_pem(&pem("old"), &pem("new"), at(0), OVERLAP).unwrap());
        for (now, signs, all) in [
            (0, "old", &["new", "old"][..]),
            (9, "old", &["new", "old"]),
            (10, "new", &["new", "old"]),
            (109, "new", &["new", "old"]),
            (110, "new", &["new"]),
        ] {
            assert_eq!(ring.current(at(now)).id(), signs, "{now}");
            assert_eq!(published(&ring, at(now)), all, "{now}");
            assert_eq!(ring.find(Some("old"), at(now)).is_some(), now < 110, "{now}");
            assert_eq!(ring.find(None, at(now)).unwrap().key.id(), signs, "{now}");
        }
    }

    #[test]
    fn a_rotation_waits_for_the_one_before_and_forgets_what_is_over() {
        let first = rotate_pem(&pem("one"), &pem("two"), at(0), OVERLAP).unwrap();
        let error = rotate_pem(&first, &pem("three"), at(9), OVERLAP).unwrap_err().to_string();
        assert!(error.contains("2027-01-15T08:00:10Z"), "{error}");
        let second = rotate_pem(&first, &pem("three"), at(50), OVERLAP).unwrap();
        // The first keeps the end that it was given.
        assert_eq!(published(&ring(&second), at(109)), ["three", "two", "one"]);
        assert_eq!(published(&ring(&second), at(110)), ["three", "two"]);
        let third = rotate_pem(&second, &pem("four"), at(120), OVERLAP).unwrap();
        assert!(!third.contains("one"), "{third}");
    }

    #[test]
    fn keys_in_wrong_hands_verify_nothing_more() {
        let pending = rotate_pem(&pem("old"), &pem("next"), at(0), OVERLAP).unwrap();
        let ring = ring(&rotate_pem(&pending, &pem("new"), at(1), Rotation::Compromised).unwrap());
        assert_eq!(published(&ring, at(1)), ["new"]);
        assert_eq!(ring.current(at(1)).id(), "new");
    }

    /// RFC 7468, 2: text around the blocks is no part of them. And files from before rotations have no times.
    #[test]
    fn text_around_the_blocks_is_passed_over_and_a_broken_time_is_not() {
        let text = format!("of 2026\r\n{}trailing\n{}", pem("a"), pem("b").replace('\n', "\r\n"));
        let ring = ring(&text);
        assert_eq!((ring.current(at(0)).id(), published(&ring, at(0))), ("a", vec!["a", "b"]));
        assert!(KeyRing::<Name>::from_pem("no key").is_err());
        let error = KeyRing::<Name>::from_pem(&format!("Signs-From: soon\n{}", pem("a"))).err().unwrap();
        assert!(error.to_string().contains("soon"), "{error}");
    }
}
