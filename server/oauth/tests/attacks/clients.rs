//! How clients authenticate: secrets, and assertions signed by their own keys.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>

use std::sync::OnceLock;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use vesta_oauth::{ASSERTION_TYPE, ClientState, Credentials, ErrorCode, OAuthError, Parameters, TokenResponse};

use crate::world::{App, ISSUER, REDIRECT, World, base64url, code_of, rsa_pem};

/// A client's key pair.
pub(crate) struct ClientKey {
    signing: EncodingKey,
    algorithm: Algorithm,
    kid: &'static str,
    pub(crate) jwks: Value,
}

pub(crate) fn rsa() -> ClientKey {
    rsa_of(rsa_pem(), "rsa-1")
}

fn rsa_of(pem: &str, kid: &'static str) -> ClientKey {
    let public = vesta_oauth::Keys::from_pem(crate::world::ec_pem(), pem).unwrap();
    let published = serde_json::to_value(public.published(jiff::Timestamp::UNIX_EPOCH)).unwrap();
    let key = &published["keys"][0];
    let jwks = json!({ "keys": [{ "kty": "RSA", "n": key["n"], "e": key["e"], "kid": kid, "alg": "RS384" }] });
    ClientKey { signing: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), algorithm: Algorithm::RS384, kid, jwks }
}

fn ec() -> ClientKey {
    static PAIR: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    let (pem, point) = PAIR.get_or_init(|| {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        (pair.serialize_pem(), pair.public_key_raw().to_vec())
    });
    let (x, y) = point[1..].split_at(48);
    let key = json!({
        "kty": "EC", "crv": "P-384", "x": base64url(x), "y": base64url(y), "kid": "ec-1", "use": "sig", "key_ops": ["verify"],
    });
    ClientKey {
        signing: EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
        algorithm: Algorithm::ES384,
        kid: "ec-1",
        jwks: json!({ "keys": [key] }),
    }
}

impl ClientKey {
    fn sign(&self, claims: &Value) -> String {
        self.sign_with(self.header(), claims)
    }

    fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.to_owned());
        header
    }

    fn sign_with(&self, header: Header, claims: &Value) -> String {
        jsonwebtoken::encode(&header, claims, &self.signing).unwrap()
    }
}

const SCOPE: &str = "system/*.rs system/Patient.$export";

async fn backend(world: &World, keys: Value) -> App {
    let mut metadata = json!({
        "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"], "scope": SCOPE,
    });
    match keys {
        Value::String(url) => metadata["jwks_uri"] = url.into(),
        set => metadata["jwks"] = set,
    }
    world.client(metadata).await
}

fn claims(world: &World, app: &App, id: &str) -> Value {
    json!({
        "iss": app.id(), "sub": app.id(), "aud": format!("{ISSUER}/token"), "exp": world.now() + 300, "jti": id,
    })
}

fn with(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims.clone();
    claims[name] = value.into();
    claims
}

async fn token(world: &World, assertion: &str, scope: &str) -> Result<TokenResponse, OAuthError> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
        ("scope", scope),
    ];
    let form: Parameters = form.into_iter().collect();
    let client = world.engine.authenticate(&Credentials::default(), &form).await?;
    world.engine.token(&client, &form).await
}

/// "Servers SHALL ... RS384 ... ES384": both.
#[tokio::test]
async fn both_algorithms_that_smart_names_are_accepted() {
    let world = World::new();
    for key in [rsa(), ec()] {
        let app = backend(&world, key.jwks.clone()).await;
        let token = token(&world, &key.sign(&claims(&world, &app, "1")), "system/*.rs").await.unwrap();
        assert_eq!(token.scope, "system/*.rs");
        // "SHOULD NOT exceed 300 seconds"; "A refresh token SHALL NOT be issued".
        assert_eq!((token.expires_in, token.refresh_token, token.id_token), (300, None, None));
    }
}

/// "exp ... no more than five minutes in the future"; a minute is allowed for clocks that differ.
#[tokio::test]
async fn assertion_longer_than_five_minutes() {
    let world = World::new();
    let key = ec();
    let app = backend(&world, key.jwks.clone()).await;
    let good = claims(&world, &app, "a");
    for (expires, jti, good_one) in
        [(300, "b", true), (360, "c", true), (361, "d", false), (3600, "e", false), (-60, "f", false), (-59, "g", true)]
    {
        let claims = with(&with(&good, "exp", world.now() + expires), "jti", jti);
        let answer = token(&world, &key.sign(&claims), "system/*.rs").await;
        assert_eq!(answer.is_ok(), good_one, "{expires}: {answer:?}");
    }
    for name in ["nbf", "iat"] {
        let claims = with(&good, name, world.now() + 120);
        assert_eq!(code_of(token(&world, &key.sign(&claims), "system/*.rs").await), ErrorCode::InvalidClient);
    }
}

/// "jti ... has not been previously encountered for the given iss within the maximum allowed authentication JWT lifetime".
#[tokio::test]
async fn assertion_used_twice() {
    let world = World::new();
    let key = ec();
    let app = backend(&world, key.jwks.clone()).await;
    let assertion = key.sign(&claims(&world, &app, "once"));
    token(&world, &assertion, "system/*.rs").await.unwrap();
    assert_eq!(code_of(token(&world, &assertion, "system/*.rs").await), ErrorCode::InvalidClient);
    // Until the assertion itself is too old, however late.
    world.tick(359);
    assert_eq!(code_of(token(&world, &assertion, "system/*.rs").await), ErrorCode::InvalidClient);
    // Another client's jti is its own.
    let other = backend(&world, key.jwks.clone()).await;
    token(&world, &key.sign(&claims(&world, &other, "once")), "system/*.rs").await.unwrap();
}

/// Two processes get the same assertion at the same moment: one lets it in.
#[tokio::test]
async fn jti_race_two_writers() {
    let world = World::new();
    let key = ec();
    let app = backend(&world, key.jwks.clone()).await;
    let assertion = key.sign(&claims(&world, &app, "race"));
    let (one, other) = tokio::join!(token(&world, &assertion, "system/*.rs"), token(&world, &assertion, "system/*.rs"));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

#[tokio::test]
async fn assertion_for_another_server() {
    let world = World::new();
    let key = ec();
    let app = backend(&world, key.jwks.clone()).await;
    let good = claims(&world, &app, "x");
    for aud in [
        json!("https://evil.example.org/token"),
        json!(["https://evil.example.org/token"]),
        json!(null),
        json!(7),
        json!([]),
        json!("https://ehr.example.org/oauth2/other/token"),
    ] {
        let refused = token(&world, &key.sign(&with(&good, "aud", aud.clone())), "system/*.rs").await;
        assert_eq!(code_of(refused), ErrorCode::InvalidClient, "{aud}");
    }
}

#[tokio::test]
async fn assertion_of_another_client() {
    let world = World::new();
    let (key, other) = (ec(), rsa());
    let app = backend(&world, key.jwks.clone()).await;
    let good = claims(&world, &app, "x");
    for (name, value) in [("sub", "somebody"), ("iss", "somebody"), ("jti", "")] {
        let refused = token(&world, &key.sign(&with(&good, name, value)), "system/*.rs").await;
        assert_eq!(code_of(refused), ErrorCode::InvalidClient, "{name}");
    }
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(code_of(token(&world, &key.sign(&claims), "system/*.rs").await), ErrorCode::InvalidClient, "{name}");
    }
    // Signed by another's key, under the name of the right one.
    let mut header = other.header();
    header.kid = Some(key.kid.to_owned());
    assert_eq!(code_of(token(&world, &other.sign_with(header, &good), "system/*.rs").await), ErrorCode::InvalidClient);
    // The name beside it is another's.
    let victim = backend(&world, key.jwks.clone()).await;
    let assertion = key.sign(&good);
    let form =
        [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &assertion), ("client_id", victim.id())];
    let form: Parameters = form.into_iter().collect();
    assert_eq!(code_of(world.engine.authenticate(&Credentials::default(), &form).await), ErrorCode::InvalidClient);
}

/// A signature that is none: RFC 8725, 2.1.
#[tokio::test]
async fn alg_none() {
    let world = World::new();
    let key = ec();
    let app = backend(&world, key.jwks.clone()).await;
    let body = base64url(claims(&world, &app, "x").to_string().as_bytes());
    for header in
        [r#"{"alg":"none","kid":"ec-1"}"#, r#"{"alg":"None"}"#, r#"{"kid":"ec-1"}"#, r#"{"alg":""}"#, "{}", ""]
    {
        for signature in ["", "AAAA"] {
            let assertion = format!("{}.{body}.{signature}", base64url(header.as_bytes()));
            assert_eq!(code_of(token(&world, &assertion, "system/*.rs").await), ErrorCode::InvalidClient, "{header}");
        }
    }
}

/// The public key, which everybody has, as the secret of an HMAC: RFC 8725, 2.1.
#[tokio::test]
async fn alg_confusion_hs256_with_public_key() {
    let world = World::new();
    let key = rsa();
    let app = backend(&world, key.jwks.clone()).await;
    for secret in [key.jwks.to_string(), key.jwks["keys"][0]["n"].as_str().unwrap().to_owned()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384] {
            let mut header = Header::new(algorithm);
            header.kid = Some(key.kid.to_owned());
            let assertion =
                jsonwebtoken::encode(&header, &claims(&world, &app, "x"), &EncodingKey::from_secret(secret.as_bytes()))
                    .unwrap();
            assert_eq!(code_of(token(&world, &assertion, "system/*.rs").await), ErrorCode::InvalidClient);
        }
    }
    // Weaker than SMART's, with the right key.
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(key.kid.to_owned());
    let assertion = key.sign_with(header, &claims(&world, &app, "y"));
    assert_eq!(code_of(token(&world, &assertion, "system/*.rs").await), ErrorCode::InvalidClient);
}

/// "kid and kty pick exactly one key".
#[tokio::test]
async fn kid_of_another_kty() {
    let world = World::new();
    let (first, second) = (rsa(), ec());
    let mut elliptic = second.jwks["keys"][0].clone();
    elliptic["kid"] = first.kid.into();
    // Both have the same kid: the kind decides.
    let both = json!({ "keys": [first.jwks["keys"][0], elliptic] });
    let app = backend(&world, both).await;
    let good = claims(&world, &app, "1");
    token(&world, &first.sign(&good), "system/*.rs").await.unwrap();
    let mut header = second.header();
    header.kid = Some(first.kid.to_owned());
    token(&world, &second.sign_with(header, &with(&good, "jti", "2")), "system/*.rs").await.unwrap();
    // None named, an unknown one, or two alike.
    let mut header = first.header();
    header.kid = None;
    let unnamed = first.sign_with(header, &with(&good, "jti", "3"));
    assert_eq!(code_of(token(&world, &unnamed, "system/*.rs").await), ErrorCode::InvalidClient);
    let unknown = second.sign(&with(&good, "jti", "4"));
    assert_eq!(code_of(token(&world, &unknown, "system/*.rs").await), ErrorCode::InvalidClient);
    let twice = json!({ "keys": [first.jwks["keys"][0], first.jwks["keys"][0]] });
    let app = backend(&world, twice).await;
    let twice = first.sign(&claims(&world, &app, "5"));
    assert_eq!(code_of(token(&world, &twice, "system/*.rs").await), ErrorCode::InvalidClient);
}

/// A key says what it is for: RFC 7517, 4.2 to 4.4.
#[tokio::test]
async fn key_for_another_purpose() {
    let world = World::new();
    let key = ec();
    for (name, value) in [("use", json!("enc")), ("key_ops", json!(["encrypt"])), ("alg", json!("ES256"))] {
        let mut jwks = key.jwks.clone();
        jwks["keys"][0][name] = value;
        let app = backend(&world, jwks).await;
        let refused = token(&world, &key.sign(&claims(&world, &app, "1")), "system/*.rs").await;
        assert_eq!(code_of(refused), ErrorCode::InvalidClient, "{name}");
    }
}

/// "jku ... if present, SHALL match the JWKS URL value that the client supplied"; a key in the header is nobody's.
#[tokio::test]
async fn key_that_the_assertion_brings_along() {
    let world = World::new();
    let url = "https://backend.example.org/jwks";
    let key = ec();
    world.web.publish(url, &key.jwks, None);
    let evil = "https://evil.example.org/jwks";
    world.web.publish(evil, &key.jwks, None);
    let app = backend(&world, json!(url)).await;
    let mut header = key.header();
    header.jku = Some(evil.to_owned());
    let refused = token(&world, &key.sign_with(header, &claims(&world, &app, "1")), "system/*.rs").await;
    assert_eq!(code_of(refused), ErrorCode::InvalidClient);
    assert_eq!(world.web.fetched(evil), 0);
    let mut header = key.header();
    header.jku = Some(url.to_owned());
    token(&world, &key.sign_with(header, &claims(&world, &app, "2")), "system/*.rs").await.unwrap();
    // Its own key inside the header, in place of the registered one.
    let stranger = rsa();
    let mut header = stranger.header();
    header.jwk = serde_json::from_value(stranger.jwks["keys"][0].clone()).ok();
    let refused = token(&world, &stranger.sign_with(header, &claims(&world, &app, "3")), "system/*.rs").await;
    assert_eq!(code_of(refused), ErrorCode::InvalidClient);
}

/// "SHALL NOT cache a JWKS for longer than the client's cache-control header indicates", and new keys are found.
#[tokio::test]
async fn keys_by_url_are_kept_as_long_as_said_and_fetched_again_for_a_new_key() {
    let world = World::new();
    let url = "https://backend.example.org/jwks";
    let (old, new) = (rsa(), ec());
    world.web.publish(url, &old.jwks, Some(100));
    let app = backend(&world, json!(url)).await;
    let sign = |key: &ClientKey, id: &str| key.sign(&claims(&world, &app, id));
    token(&world, &sign(&old, "1"), "system/*.rs").await.unwrap();
    token(&world, &sign(&old, "2"), "system/*.rs").await.unwrap();
    assert_eq!(world.web.fetched(url), 1);
    // An unknown key: once in a while it is looked for, and not as often as somebody likes.
    assert_eq!(code_of(token(&world, &sign(&new, "3"), "system/*.rs").await), ErrorCode::InvalidClient);
    assert_eq!(world.web.fetched(url), 1);
    world.tick(11);
    world.web.publish(url, &new.jwks, Some(100));
    token(&world, &sign(&new, "4"), "system/*.rs").await.unwrap();
    assert_eq!(world.web.fetched(url), 2);
    // The old one is gone with it.
    assert_eq!(code_of(token(&world, &sign(&old, "5"), "system/*.rs").await), ErrorCode::InvalidClient);
    world.tick(100);
    token(&world, &sign(&new, "6"), "system/*.rs").await.unwrap();
    assert_eq!(world.web.fetched(url), 3);
    // What is there by now is no key set.
    world.tick(100);
    for broken in [
        json!("<html>"),
        json!({}),
        json!({ "keys": [] }),
        json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "ec-1" }] }),
    ] {
        world.web.publish(url, &broken, None);
        assert_eq!(code_of(token(&world, &sign(&new, "7"), "system/*.rs").await), ErrorCode::InvalidClient, "{broken}");
    }
}

#[tokio::test]
async fn backend_service_takes_only_what_was_approved() {
    let world = World::new();
    let key = ec();
    let app = backend(&world, key.jwks.clone()).await;
    for (at, (scope, error)) in [
        ("system/*.cruds", ErrorCode::InvalidScope),
        ("patient/*.rs", ErrorCode::InvalidScope),
        ("user/*.rs", ErrorCode::InvalidScope),
        ("openid", ErrorCode::InvalidScope),
        ("system/Group.$export", ErrorCode::InvalidScope),
        (" ", ErrorCode::InvalidScope),
        ("", ErrorCode::InvalidRequest),
        ("system/Nothing.rs", ErrorCode::InvalidScope),
    ]
    .into_iter()
    .enumerate()
    {
        let assertion = key.sign(&claims(&world, &app, &at.to_string()));
        assert_eq!(code_of(token(&world, &assertion, scope).await), error, "{scope}");
    }
    let narrower = "system/Observation.r?category=laboratory system/Patient.$export";
    let answer = token(&world, &key.sign(&claims(&world, &app, "good")), narrower).await.unwrap();
    assert_eq!(answer.scope, narrower);
    assert!(world.is_active(&answer.access_token).await);
    world.engine.set_client_state(app.id(), ClientState::Disabled).await.unwrap();
    assert!(!world.is_active(&answer.access_token).await, "a disabled client's token is good no more");
    use vesta_oauth::Storage as _;
    let feed = world.memory.revoked_since(0).await.unwrap();
    assert!(feed.iter().any(|line| line.what == app.id()), "and every process learns of it");
    let refused = token(&world, &key.sign(&claims(&world, &app, "late")), "system/*.rs").await;
    assert_eq!(code_of(refused), ErrorCode::InvalidClient);
}

#[tokio::test]
async fn system_scopes_that_are_switched_off() {
    let world = World::with(|settings| settings.system_scopes = false);
    for scope in ["system/*.rs", "system/Patient.$export"] {
        let metadata = json!({ "jwks": ec().jwks, "scope": scope });
        assert_eq!(code_of(world.engine.register(&metadata).await), ErrorCode::InvalidScope, "{scope}");
    }
}

#[tokio::test]
async fn secret_that_is_wrong() {
    let world = World::new();
    let app = world.confidential("openid patient/*.rs").await;
    let public = world.public("openid patient/*.rs").await;
    let good = app.secret.clone().unwrap();
    let basic = |id: &str, secret: &str| Credentials { basic: Some((id.to_owned(), secret.to_owned())) };
    let none = Parameters::default();
    world.engine.authenticate(&basic(app.id(), &good), &none).await.unwrap();
    for (id, secret) in [
        (app.id(), "wrong"),
        (app.id(), ""),
        (app.id(), &good[1..]),
        (public.id(), ""),
        (public.id(), "x"),
        ("nobody", "x"),
    ] {
        assert_eq!(
            code_of(world.engine.authenticate(&basic(id, secret), &none).await),
            ErrorCode::InvalidClient,
            "{id}"
        );
    }
    // A confidential client that comes without its secret is not a public one.
    let named: Parameters = [("client_id", app.id())].into_iter().collect();
    assert_eq!(code_of(world.engine.authenticate(&Credentials::default(), &named).await), ErrorCode::InvalidClient);
    // What is kept is no secret, and the kept text is none either.
    let kept = app.client.secret_hash.clone().unwrap();
    assert_ne!(kept, good);
    assert_eq!(code_of(world.engine.authenticate(&basic(app.id(), &kept), &none).await), ErrorCode::InvalidClient);
    let fresh = world.engine.rotate_secret(app.id()).await.unwrap().unwrap();
    assert_eq!(code_of(world.engine.authenticate(&basic(app.id(), &good), &none).await), ErrorCode::InvalidClient);
    world.engine.authenticate(&basic(app.id(), &fresh), &none).await.unwrap();
}

/// "The client MUST NOT use more than one authentication method in each request": RFC 6749, 2.3.
#[tokio::test]
async fn two_ways_at_once() {
    let world = World::new();
    let app = world.confidential("openid patient/*.rs").await;
    let secret = app.secret.clone().unwrap();
    let credentials = Credentials { basic: Some((app.id().to_owned(), secret)) };
    assert_eq!(code_of(world.engine.authenticate(&credentials, &app.form(&[])).await), ErrorCode::InvalidRequest);
    let other = Credentials { basic: credentials.basic.clone() };
    let named: Parameters = [("client_id", "another")].into_iter().collect();
    assert_eq!(code_of(world.engine.authenticate(&other, &named).await), ErrorCode::InvalidClient);
}

/// "encoded using the application/x-www-form-urlencoded encoding algorithm": RFC 6749, 2.3.1.
#[test]
fn basic_is_read_as_the_standard_writes_it() {
    use base64::Engine as _;
    let header = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let read = Credentials::read(Some(&header("a%3Ab:c+d%25:e"))).unwrap();
    assert_eq!(read.basic, Some(("a:b".to_owned(), "c d%:e".to_owned())));
    assert_eq!(Credentials::read(Some("Bearer x")).unwrap().basic, None);
    assert_eq!(Credentials::read(None).unwrap().basic, None);
    for broken in ["Basic !", "Basic", &header("no colon"), "Basic /w=="] {
        let read = Credentials::read(Some(broken));
        assert!(read.is_err() || read.unwrap().basic.is_none(), "{broken}");
    }
}

/// An asymmetric client that stands before a person: SMART's `client-confidential-asymmetric`.
#[tokio::test]
async fn asymmetric_app_must_sign_to_redeem_its_code() {
    let world = World::new();
    let key = ec();
    let app = world
        .client(json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks, "redirect_uris": [REDIRECT],
            "scope": "openid launch/patient patient/*.rs",
        }))
        .await;
    let user = world.patient().await;
    let code = world.code(&app, &user, "openid launch/patient patient/*.rs").await;
    assert_eq!(code_of(world.exchange(&app, &code).await), ErrorCode::InvalidClient);
    let assertion = key.sign(&claims(&world, &app, "1"));
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", crate::world::VERIFIER),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion.as_str()),
    ];
    assert!(world.token(&app, &pairs).await.is_ok());
}

/// "If any of the listed extension Header Parameters are not understood and supported by the recipient, then the JWS is
/// invalid": <https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11>
#[tokio::test]
async fn critical_header_that_is_not_understood() {
    let world = World::new();
    let key = ec();
    let app = backend(&world, key.jwks.clone()).await;
    let mut header = key.header();
    header.crit = Some(vec!["exp".to_owned()]);
    let assertion = key.sign_with(header, &claims(&world, &app, "critical"));
    assert_eq!(code_of(token(&world, &assertion, "system/*.rs").await), ErrorCode::InvalidClient);
}

/// "NumericDate ... non-integer values can be represented": <https://www.rfc-editor.org/rfc/rfc7519#section-2>
#[tokio::test]
async fn times_of_an_assertion_may_have_a_fraction() {
    let world = World::new();
    let key = ec();
    let app = backend(&world, key.jwks.clone()).await;
    for (at, (expires, is_good)) in
        [(299.5, true), (360.9, true), (361.0, false), (-60.5, false)].into_iter().enumerate()
    {
        let mut claims = claims(&world, &app, &format!("{at}"));
        claims["exp"] = (world.now() as f64 + expires).into();
        claims["iat"] = (world.now() as f64 - 0.5).into();
        let answer = token(&world, &key.sign(&claims), "system/*.rs").await;
        assert_eq!(answer.is_ok(), is_good, "{expires}: {answer:?}");
    }
}
