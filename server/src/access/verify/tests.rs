//! The table of tokens that must be refused, and the two that must not.

use std::sync::atomic::AtomicI64;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use vesta_oauth::{Rotation, rotate_pem};

use super::*;
use crate::access::NewToken;

const ISSUER: &str = "https://ehr.example.org/oauth2/default";
const AUDIENCE: &str = "https://ehr.example.org/apis/default/fhir";
const NOW: i64 = 1_800_000_000;

struct House {
    pem: String,
    verifier: Verifier,
    now: Arc<AtomicI64>,
}

fn house(system_scopes: bool) -> House {
    let pem = SigningKey::generate_pem().unwrap();
    let now = Arc::new(AtomicI64::new(NOW));
    let moving = now.clone();
    let clock = Clock::from_fn(move || Timestamp::from_second(moving.load(Ordering::Relaxed)).unwrap());
    let key = SigningKey::from_pem(&pem).unwrap();
    House { verifier: Verifier::new(KeyRing::of(key), ISSUER, AUDIENCE, system_scopes, clock), pem, now }
}

impl House {
    fn token(&self, change: impl FnOnce(&mut NewToken<'_>)) -> String {
        let mut token = NewToken {
            issuer: ISSUER,
            audience: AUDIENCE,
            subject: "someone",
            client_id: "an-app",
            scope: "openid patient/*.rs",
            patient: Some("42"),
            encounter: None,
            fhir_user: None,
            grant: None,
            roles: &[],
            now: Timestamp::from_second(NOW).unwrap(),
            lifetime: SignedDuration::from_mins(5),
            id: "token-1".to_owned(),
        };
        change(&mut token);
        SigningKey::from_pem(&self.pem).unwrap().issue(&token).unwrap()
    }

    /// A token with any header and claims, signed with the right key.
    fn signed(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ec_pem(self.pem.as_bytes()).unwrap()).unwrap()
    }

    fn refused(&self, token: &str) -> TokenError {
        self.verifier.verify(token).expect_err("it must be refused")
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "s", "aud": AUDIENCE, "client_id": "c", "exp": NOW + 60, "iat": NOW, "jti": "j",
        "scope": "user/*.rs",
    })
}

fn header() -> Header {
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some("at+jwt".to_owned());
    header
}

#[test]
fn a_token_says_who_asks_and_for_what() {
    let house = house(true);
    let context = house.verifier.verify(&house.token(|_| ())).unwrap();
    assert_eq!(&*context.subject, "someone");
    assert_eq!(&*context.client_id, "an-app");
    assert_eq!(context.patient.as_deref(), Some("42"));
    assert_eq!(context.scopes.len(), 1);
    // Without a key's id, and with the long form of the type: RFC 9068, 2.1.
    let mut long = header();
    long.typ = Some("application/AT+JWT".to_owned());
    assert!(house.verifier.verify(&house.signed(&long, &claims())).is_ok());
}

#[test]
fn every_token_that_is_not_of_this_site_and_hour_is_refused() {
    let house = house(false);
    let other = self::house(false);
    let good = house.token(|_| ());
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let forged_claims = encode(&json!({ "scope": "user/*.cruds" }));
    let hmac = {
        // The classic confusion: the public key's text taken as the secret of a symmetric algorithm.
        let public = rcgen::KeyPair::from_pem(&house.pem).unwrap().public_key_pem();
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(public.as_bytes())).unwrap()
    };
    let none = format!("{}.{}.", encode(&json!({ "alg": "none", "typ": "at+jwt" })), encode(&claims()));
    let mut id_token = header();
    id_token.typ = Some("JWT".to_owned());
    let mut critical = header();
    critical.crit = Some(vec!["b64".to_owned()]);
    let without = |claim: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        house.signed(&header(), &claims)
    };

    for (what, token, expected) in [
        ("expired", house.token(|token| token.lifetime = SignedDuration::from_secs(0)), TokenError::Expired),
        (
            "of the future",
            house.token(|token| token.now = Timestamp::from_second(NOW + 3600).unwrap()),
            TokenError::NotYet,
        ),
        ("another site's issuer", house.token(|token| token.issuer = "https://other/oauth2/x"), TokenError::Issuer),
        ("another site's audience", house.token(|token| token.audience = "https://other/fhir"), TokenError::Audience),
        ("another site's key", other.token(|_| ()), TokenError::Signature),
        ("alg none", none, TokenError::Algorithm),
        ("alg HS256 with the public key", hmac, TokenError::Algorithm),
        ("a header that must be understood", house.signed(&critical, &claims()), TokenError::Malformed),
        ("an ID token", house.signed(&id_token, &claims()), TokenError::Type),
        ("changed claims", format!("{}.{forged_claims}.{}", parts[0], parts[2]), TokenError::Signature),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), TokenError::Signature),
        ("no JWT", "abc".to_owned(), TokenError::Malformed),
        ("empty", String::new(), TokenError::Malformed),
        ("four parts", format!("{good}.{}", parts[2]), TokenError::Signature),
        ("a signature that is no base64url", format!("{}.{}.+/", parts[0], parts[1]), TokenError::Malformed),
        ("no expiry", without("exp"), TokenError::Malformed),
        ("no audience", without("aud"), TokenError::Malformed),
        ("no token id", without("jti"), TokenError::Malformed),
        ("patient scopes without patient", house.token(|token| token.patient = None), TokenError::NoPatient),
        ("system scopes, off", house.token(|token| token.scope = "system/*.rs"), TokenError::SystemScopes),
    ] {
        assert_eq!(house.refused(&token), expected, "{what}");
    }
    assert!(matches!(house.refused(&house.token(|token| token.scope = "admin")), TokenError::Scope(_)));
    assert!(house.verifier.verify(&good).is_ok());
}

#[test]
fn a_remembered_token_still_expires() {
    let house = house(true);
    let token = house.token(|_| ());
    assert!(house.verifier.verify(&token).is_ok());
    house.now.store(NOW + 299, Ordering::Relaxed);
    assert!(house.verifier.verify(&token).is_ok());
    house.now.store(NOW + 300, Ordering::Relaxed);
    assert_eq!(house.refused(&token), TokenError::Expired);
    assert_eq!(house.refused(&token), TokenError::Expired);
}

#[test]
fn a_remembered_token_is_refused_once_revoked() {
    let house = house(true);
    let token = house.token(|_| ());
    let untouched = house.token(|token| token.id = "token-2".to_owned());
    assert!(house.verifier.verify(&token).is_ok());
    house.verifier.revoke("token-1", NOW + 300);
    assert_eq!(house.refused(&token), TokenError::Revoked);
    assert_eq!(house.refused(&token), TokenError::Revoked);
    assert!(house.verifier.verify(&untouched).is_ok());
}

/// A token with many constraints counts as several, so that memory is bounded whatever scopes are granted.
#[test]
fn what_is_remembered_is_weighed() {
    let weigh = |scope: &str| {
        let scopes = parse_scopes(scope).unwrap();
        let context = Arc::new(AccessContext { scopes, ..AccessContext::default() });
        Weigher.weight(&[0; 32], &Arc::new(Verified { context, token_id: String::new(), grant: None, expires: 0 }))
    };
    let usual = weigh("openid patient/*.rs");
    assert_eq!(usual, MOST_MEMORY / REMEMBERED as u64);
    let long = format!("patient/Observation.rs?code={}", "12345-6,".repeat(500).trim_end_matches(','));
    assert!(weigh(&long) > 10 * usual, "{}", weigh(&long));
}

/// "key rotation with overlap": tokens of both keys are good, remembered or not, and once a key is over none of its are.
#[test]
fn a_key_that_was_replaced_verifies_as_long_as_it_says() {
    let house = house(true);
    let token = house.token(|token| token.lifetime = SignedDuration::from_hours(1));
    house.verifier.verify(&token).unwrap();
    let now = Timestamp::from_second(NOW).unwrap();
    let minute = SignedDuration::from_mins(1);
    let rotation = Rotation::Overlap { publish: SignedDuration::ZERO, keep: minute };
    let pem = rotate_pem(&house.pem, &SigningKey::generate_pem().unwrap(), now, rotation).unwrap();
    house.verifier.set_keys(KeyRing::from_pem(&pem).unwrap());
    house.verifier.verify(&token).unwrap();
    house.now.store(NOW + 60, Ordering::Relaxed);
    assert_eq!(house.refused(&token), TokenError::Expired, "it is remembered as long as its key is good");
    assert_eq!(house.refused(&token), TokenError::Signature);
    house.now.store(NOW, Ordering::Relaxed);
    house.verifier.verify(&token).unwrap();
    let pem = rotate_pem(&pem, &SigningKey::generate_pem().unwrap(), now, Rotation::Compromised).unwrap();
    house.verifier.set_keys(KeyRing::from_pem(&pem).unwrap());
    assert_eq!(house.refused(&token), TokenError::Signature, "nothing is remembered of it");
}

/// "without news for ten seconds a process refuses": also what it remembers, and until there are news again.
#[test]
fn without_news_of_what_was_revoked_no_token_is_taken() {
    let house = house(true);
    let token = house.token(|token| token.lifetime = SignedDuration::from_hours(1));
    house.now.store(NOW + 60, Ordering::Relaxed);
    house.verifier.verify(&token).expect("nobody has told of news yet: nobody follows");
    house.verifier.note_news();
    house.now.store(NOW + 60 + OLDEST_NEWS, Ordering::Relaxed);
    house.verifier.verify(&token).unwrap();
    house.now.store(NOW + 61 + OLDEST_NEWS, Ordering::Relaxed);
    assert_eq!(house.refused(&token), TokenError::NoNews);
    house.verifier.note_news();
    house.verifier.verify(&token).unwrap();
}
