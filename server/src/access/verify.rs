//! From the text of a token to an [`AccessContext`]. A verified token is remembered by its hash until it expires or is
//! revoked, since a signature costs as much as the read it guards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use vesta_oauth::{KeyRing, Shared};

use super::token::{ALGORITHM, Claims, SigningKey, TOKEN_TYPE, TokenError};
use super::{AccessContext, Level, parse_operations, parse_scopes};
use crate::clock::Clock;

/// How many verified tokens a site remembers.
const REMEMBERED: usize = 10_000;
/// And how much memory they may come to take, about, in bytes: tokens with long scopes count as several.
const MOST_MEMORY: u64 = 32 * 1024 * 1024;

/// Weighs what is remembered of a token.
#[derive(Clone)]
struct Weigher;

impl Weighter<[u8; 32], Arc<Verified>> for Weigher {
    fn weight(&self, _: &[u8; 32], verified: &Arc<Verified>) -> u64 {
        let weight = (verified.context.weight() + size_of::<Verified>()) as u64;
        weight.max(MOST_MEMORY / REMEMBERED as u64)
    }
}

/// How far the clock of another process that issues tokens may be ahead, in seconds.
const CLOCK_SKEW: i64 = 60;

/// After so many seconds without news of what was revoked, nothing is accepted.
const OLDEST_NEWS: i64 = 10;

/// Verifies the tokens of one site.
pub struct Verifier {
    keys: Shared<KeyRing<SigningKey>>,
    issuer: String,
    audience: String,
    system_scopes: bool,
    clock: Clock,
    verified: Cache<[u8; 32], Arc<Verified>, Weigher>,
    revoked: RwLock<HashMap<String, i64>>,
    /// Whether `revoked` has any: spares the lock on nearly every site.
    any_revoked: AtomicBool,
    /// When it was last known what was revoked, in seconds since 1970; 0 where nobody tells.
    news: AtomicI64,
    looks: Looks,
}

/// Counts the looks into the memory of verified tokens. The counters are looked up once: to do so costs more than a hit.
#[derive(Default)]
struct Looks {
    hits: OnceLock<metrics::Counter>,
    misses: OnceLock<metrics::Counter>,
}

impl Looks {
    fn count(&self, hit: bool) {
        let counter = match hit {
            true => self.hits.get_or_init(|| metrics::counter!("vesta_token_cache_total", "result" => "hit")),
            false => self.misses.get_or_init(|| metrics::counter!("vesta_token_cache_total", "result" => "miss")),
        };
        counter.increment(1);
    }
}

struct Verified {
    context: Arc<AccessContext>,
    token_id: String,
    grant: Option<String>,
    expires: i64,
}

impl Verified {
    /// What it is revoked by: itself, the grant it belongs to, or the client where it belongs to none.
    fn names(&self) -> impl Iterator<Item = &str> {
        let of_grant = self.grant.as_deref().unwrap_or(&self.context.client_id);
        [self.token_id.as_str(), of_grant].into_iter()
    }
}

impl Verifier {
    /// `issuer` and `audience` are what this site's tokens must say.
    pub fn new(keys: KeyRing<SigningKey>, issuer: &str, audience: &str, system_scopes: bool, clock: Clock) -> Verifier {
        Verifier {
            keys: Shared::new(keys),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            system_scopes,
            clock,
            verified: Cache::with_weighter(REMEMBERED, MOST_MEMORY, Weigher),
            revoked: RwLock::default(),
            any_revoked: AtomicBool::new(false),
            news: AtomicI64::new(0),
            looks: Looks::default(),
        }
    }

    pub fn verify(&self, token: &str) -> Result<Arc<AccessContext>, TokenError> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        let hash: [u8; 32] = digest.as_ref().try_into().map_err(|_| TokenError::Malformed)?;
        let now = self.clock.now().as_second();
        let news = self.news.load(Ordering::Relaxed);
        if news != 0 && now - news > OLDEST_NEWS {
            return Err(TokenError::NoNews);
        }
        let remembered = self.verified.get(&hash);
        self.looks.count(remembered.is_some());
        if let Some(verified) = remembered {
            let refused = if verified.expires <= now {
                TokenError::Expired
            } else if self.is_revoked(&verified) {
                TokenError::Revoked
            } else {
                return Ok(verified.context.clone());
            };
            self.verified.remove(&hash);
            return Err(refused);
        }
        let verified = Arc::new(self.verify_anew(token, now)?);
        self.verified.insert(hash, verified.clone());
        Ok(verified.context.clone())
    }

    fn verify_anew(&self, token: &str, now: i64) -> Result<Verified, TokenError> {
        // Each part is read once: jsonwebtoken's own `decode` reads the header twice and the claims twice.
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = read(header)?;
        let token_type = header.typ.as_deref().unwrap_or_default();
        let token_type = token_type.strip_prefix("application/").unwrap_or(token_type);
        if header.alg != "ES256" {
            return Err(TokenError::Algorithm);
        }
        // "MUST be understood": RFC 7515, 4.1.11.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        if !token_type.eq_ignore_ascii_case(TOKEN_TYPE) {
            return Err(TokenError::Type);
        }
        let keys = self.keys.get();
        let at = Timestamp::from_second(now).unwrap_or_default();
        let key = keys.find(header.kid.as_deref(), at).ok_or(TokenError::Signature)?;
        match jsonwebtoken::crypto::verify(signature, signed.as_bytes(), key.key.verifying(), ALGORITHM) {
            Ok(true) => {}
            Ok(false) => return Err(TokenError::Signature),
            Err(_) => return Err(TokenError::Malformed),
        }
        let claims: Claims = read(claims)?;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != self.audience {
            return Err(TokenError::Audience);
        }
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        if claims.iat > now + CLOCK_SKEW {
            return Err(TokenError::NotYet);
        }
        let scopes = parse_scopes(&claims.scope)?;
        let operations = parse_operations(&claims.scope);
        let of_operations = |level| operations.iter().any(|scope| scope.level == level);
        let has = |level| scopes.iter().any(|scope| scope.level == level) || of_operations(level);
        if has(Level::Patient) && claims.patient.is_none() {
            return Err(TokenError::NoPatient);
        }
        if has(Level::System) && !self.system_scopes {
            return Err(TokenError::SystemScopes);
        }
        let asked = |wanted| claims.scope.split_ascii_whitespace().any(|scope| scope == wanted);
        let context = AccessContext {
            fhir_user: claims.fhir_user.filter(|_| asked("openid") && asked("fhirUser")),
            subject: claims.sub.into(),
            client_id: claims.client_id.into(),
            token_id: Some(claims.jti.as_str().into()),
            is_administrator: claims.roles.iter().any(|role| role == vesta_oauth::ADMINISTRATOR),
            patient: claims.patient,
            scopes,
            operations,
            ..AccessContext::default()
        };
        // Not longer than its key is good for, either.
        let until = key.verifies_until.map_or(i64::MAX, Timestamp::as_second);
        let expires = claims.exp.min(until);
        let verified = Verified { context: Arc::new(context), token_id: claims.jti, grant: claims.grant, expires };
        if self.is_revoked(&verified) { Err(TokenError::Revoked) } else { Ok(verified) }
    }

    /// From now on these keys: what others signed is looked at anew.
    pub fn set_keys(&self, keys: KeyRing<SigningKey>) {
        self.keys.set(Arc::new(keys));
        self.verified.clear();
    }

    /// All that was revoked until now is known. Whoever says so once must go on: without news nothing is accepted.
    pub fn note_news(&self) {
        self.news.store(self.clock.now().as_second(), Ordering::Relaxed);
    }

    /// From now on the token with this `jti` is refused, or all tokens of this grant or of this client without grants. `expires`: when it
    /// need no longer be remembered.
    pub fn revoke(&self, token_id: &str, expires: i64) {
        let now = self.clock.now().as_second();
        let mut revoked = self.revoked.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        revoked.retain(|_, expires| *expires > now);
        revoked.insert(token_id.to_owned(), expires);
        self.any_revoked.store(true, Ordering::Release);
    }

    fn is_revoked(&self, verified: &Verified) -> bool {
        if !self.any_revoked.load(Ordering::Acquire) {
            return false;
        }
        let revoked = self.revoked.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        verified.names().any(|name| revoked.contains_key(name))
    }
}

/// What is looked at of a token's header: RFC 7515, 4.1.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// A part of a token: JSON in base64url.
fn read<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests;
