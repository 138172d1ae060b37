//! Access tokens and ID tokens: what they say, who believes them, and who must not.

use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use openidconnect::core::{
    CoreGenderClaim, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
};
use openidconnect::{AdditionalClaims, ClientId, IdToken, IssuerUrl, Nonce};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vesta_oauth::{ErrorCode, IdentityKey, KeyRing, Keys, Rotation, Settings, SigningKey, rotate_pem};

use crate::world::{BASE, ISSUER, World, base64url, ec_pem, keys, query, request, rsa_pem};

const SCOPE: &str = "openid fhirUser profile launch/patient patient/*.rs offline_access";

fn part(token: &str, at: usize) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// RFC 9068, 2: what an access token says. Its header is no secret, and names the key.
#[tokio::test]
async fn access_token_is_of_rfc_9068() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    let header = part(&tokens.access_token, 0);
    assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("at+jwt"), Some("ES256")));
    assert_eq!(header["kid"], world.engine.keys().access.current(world.engine.now()).id());
    let claims = part(&tokens.access_token, 1);
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["aud"], BASE);
    assert_eq!(claims["sub"], user.id.as_str());
    assert_eq!(claims["client_id"], app.id());
    assert_eq!(claims["exp"], world.now() + 3600);
    assert_eq!(claims["iat"], world.now());
    assert_eq!(claims["scope"], SCOPE);
    assert_eq!(claims["patient"], "p1");
    assert_eq!(claims["fhirUser"], format!("{BASE}/Patient/p1"));
    assert_eq!((tokens.token_type, tokens.expires_in), ("Bearer", 3600));
    // Nobody's name is in it.
    assert!(claims.get("name").is_none());
    let other = world.tokens(&app, &user, SCOPE).await;
    assert_ne!(part(&other.access_token, 1)["jti"], claims["jti"]);
}

/// "A site's tokens are worthless at another": by its keys, its issuer and its audience, each alone.
#[tokio::test]
async fn other_sites_token() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    assert!(world.is_active(&tokens.access_token).await);
    let fresh = SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap();
    let other_keys =
        Keys { access: KeyRing::of(fresh), identity: KeyRing::of(IdentityKey::from_pem(rsa_pem()).unwrap()) };
    for (settings, keys) in [
        (Settings::new(ISSUER, BASE), other_keys),
        (Settings::new("https://ehr.example.org/oauth2/other", BASE), keys()),
        (Settings::new(ISSUER, "https://ehr.example.org/apis/other/fhir"), keys()),
    ] {
        let other = world.engine_with(settings, keys);
        let refused = other.userinfo(&tokens.access_token).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::InvalidToken);
        assert!(other.inspect(&tokens.access_token).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn expired_token() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    world.tick(3599);
    assert!(world.is_active(&tokens.access_token).await);
    world.tick(1);
    assert!(!world.is_active(&tokens.access_token).await);
}

/// RFC 8725: the algorithm and the type are what this server uses, whatever the header says.
#[tokio::test]
async fn forged_access_token() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let good = world.tokens(&app, &user, SCOPE).await.access_token;
    let (header, claims) = (part(&good, 0), part(&good, 1));
    let (head, body, signature) = {
        let mut parts = good.split('.');
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
    };
    let mut wider = claims.clone();
    wider["scope"] = "system/*.cruds".into();
    let wider = base64url(wider.to_string().as_bytes());
    let none = base64url(br#"{"typ":"at+jwt","alg":"none"}"#);
    let mut forged = vec![
        format!("{head}.{wider}.{signature}"),
        format!("{none}.{body}."),
        format!("{none}.{body}.{signature}"),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        String::new(),
        "..".to_owned(),
    ];
    // The public key as an HMAC's secret; another key; another type under the right key.
    let public = serde_json::to_string(&world.engine.keys().published(world.engine.now())).unwrap();
    let signed = |algorithm: Algorithm, typ: &str, kid: Option<&str>, key: &EncodingKey| {
        let mut header = Header::new(algorithm);
        header.typ = Some(typ.to_owned());
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    };
    let kid = header["kid"].as_str();
    let own = EncodingKey::from_ec_pem(ec_pem().as_bytes()).unwrap();
    let stranger = EncodingKey::from_ec_pem(SigningKey::generate_pem().unwrap().as_bytes()).unwrap();
    let identity = EncodingKey::from_rsa_pem(rsa_pem().as_bytes()).unwrap();
    forged.extend([
        signed(Algorithm::HS256, "at+jwt", kid, &EncodingKey::from_secret(public.as_bytes())),
        signed(Algorithm::ES256, "at+jwt", kid, &stranger),
        signed(Algorithm::ES256, "at+jwt", Some("unknown"), &own),
        signed(Algorithm::ES256, "JWT", kid, &own),
        signed(Algorithm::RS256, "at+jwt", None, &identity),
    ]);
    for token in forged {
        assert!(!world.is_active(&token).await, "{token}");
    }
    assert!(
        world.is_active(&signed(Algorithm::ES256, "at+jwt", kid, &own)).await,
        "the test itself signs as the server does"
    );
}

/// An ID token says who somebody is; it gives no access.
#[tokio::test]
async fn id_token_as_access_token() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    assert!(!world.is_active(&tokens.id_token.unwrap()).await);
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Own {
    #[serde(rename = "fhirUser")]
    fhir_user: String,
}

impl AdditionalClaims for Own {}

type Token = IdToken<Own, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// A relying party of another make verifies it by what is published: RS256, issuer, audience, nonce, at_hash.
/// <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
#[tokio::test]
async fn id_token_is_verified_by_a_relying_party() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let url = world.consent(&request(&app, SCOPE).set("nonce", "n-1"), &user).await;
    let authenticated = world.now();
    world.tick(30);
    let tokens = world.exchange(&app, &query(&url, "code").unwrap()).await.unwrap();
    let published = serde_json::to_string(&world.engine.keys().published(world.engine.now())).unwrap();
    let published: CoreJsonWebKeySet = serde_json::from_str(&published).unwrap();
    let issuer = IssuerUrl::new(ISSUER.to_owned()).unwrap();
    let now = world.now();
    let verifier = openidconnect::core::CoreIdTokenVerifier::new_public_client(
        ClientId::new(app.id().to_owned()),
        issuer,
        published,
    )
    .set_time_fn(move || chrono::DateTime::from_timestamp(now, 0).unwrap());
    let token: Token = tokens.id_token.as_deref().unwrap().parse().unwrap();
    assert_eq!(part(tokens.id_token.as_deref().unwrap(), 0)["alg"], "RS256");
    let claims = token.claims(&verifier, &Nonce::new("n-1".to_owned())).unwrap();
    assert_eq!(claims.subject().as_str(), user.id);
    assert_eq!(claims.additional_claims().fhir_user, format!("{BASE}/Patient/p1"));
    assert_eq!(claims.auth_time().unwrap().timestamp(), authenticated);
    let hash = openidconnect::AccessTokenHash::from_token(
        &openidconnect::AccessToken::new(tokens.access_token.clone()),
        token.signing_alg().unwrap(),
        token.signing_key(&verifier).unwrap(),
    );
    assert_eq!(claims.access_token_hash(), Some(&hash.unwrap()));
    assert!(token.claims(&verifier, &Nonce::new("n-2".to_owned())).is_err(), "another's nonce");
    assert_eq!(part(tokens.id_token.as_deref().unwrap(), 1).get("email"), None, "what was not asked for is not told");
}

/// "key rotation with overlap": what the former key signed is good until it expires, the new one signs after it has been
/// published for a while, and then the former one is gone. The process goes on all the while.
#[tokio::test]
async fn keys_that_were_rotated() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let before = world.tokens(&app, &user, SCOPE).await;
    let engine = &world.engine;
    let published = || {
        let set = serde_json::to_value(engine.keys().published(engine.now())).unwrap();
        set["keys"].as_array().unwrap().len()
    };
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let (old, old_identity) = (kid(&before.access_token), kid(before.id_token.as_deref().unwrap()));
    let hour = SignedDuration::from_hours(1);
    let rotation = Rotation::Overlap { publish: SignedDuration::from_mins(10), keep: hour };
    let access = rotate_pem(ec_pem(), &SigningKey::generate_pem().unwrap(), engine.now(), rotation).unwrap();
    let identity = rotate_pem(rsa_pem(), &IdentityKey::generate_pem().unwrap(), engine.now(), rotation).unwrap();
    engine.set_keys(Keys::from_pem(&access, &identity).unwrap());
    assert_eq!(published(), 4);
    let meanwhile = world.tokens(&app, &user, SCOPE).await;
    assert_eq!(kid(&meanwhile.access_token), old, "it is published first");
    world.tick(600);
    let after = world.tokens(&app, &user, SCOPE).await;
    assert_ne!(kid(&after.access_token), old);
    assert_ne!(kid(after.id_token.as_deref().unwrap()), old_identity);
    for tokens in [&before, &meanwhile, &after] {
        assert!(world.is_active(&tokens.access_token).await);
    }
    world.tick(3600);
    assert_eq!(published(), 2);
    let last = world.tokens(&app, &user, SCOPE).await;
    assert!(world.is_active(&last.access_token).await);
    // What an old key signs after its end is worth nothing.
    let late = SigningKey::from_pem(ec_pem()).unwrap();
    engine.set_keys(Keys { access: KeyRing::of(late), identity: KeyRing::from_pem(&identity).unwrap() });
    let forged = world.tokens(&app, &user, SCOPE).await;
    engine.set_keys(Keys::from_pem(&access, &identity).unwrap());
    assert!(!world.is_active(&forged.access_token).await);
    for broken in ["", "no key", &access[..100], &identity] {
        assert!(Keys::from_pem(broken, &identity).is_err(), "{broken}");
    }
}

/// "v1 scopes asked for are returned as v1": `permission-v1`.
#[tokio::test]
async fn scopes_come_back_in_the_words_in_which_they_were_asked_for() {
    let world = World::new();
    let scope = "openid launch/patient patient/*.read patient/Observation.rs http://smarthealthit.org/fhir/scopes/patient/Patient.r";
    let app = world.public(scope).await;
    let user = world.patient().await;
    assert_eq!(world.tokens(&app, &user, scope).await.scope, scope);
}

/// "changes when its content does".
#[tokio::test]
async fn style_has_another_address_when_it_changes() {
    let world = World::with(|settings| settings.style_version = Some("abc".to_owned()));
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let style = world.tokens(&app, &user, SCOPE).await.context["smart_style_url"].clone();
    assert_eq!(style, format!("{ISSUER}/smart/smart-style?v=abc"));
}

/// RFC 6749, 5.1, and what SMART adds, as it goes over the wire.
#[tokio::test]
async fn token_response_is_of_the_standards_names() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let staff = world.staff().await;
    let tokens = world.tokens(&app, &staff, SCOPE).await;
    let body = serde_json::to_value(&tokens).unwrap();
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    insta::assert_json_snapshot!(json!(names));
    assert_eq!(body["need_patient_banner"], true, "an app that stands alone shows whose record it is");
}

/// "acr_values ... requested as a Voluntary Claim": this server knows no levels of assurance by names that a client could rely
/// on, so it promises none, goes on, and claims none. <https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest>
#[tokio::test]
async fn assurance_that_is_asked_for_is_not_claimed() {
    let world = World::new();
    let app = world.public("openid patient/*.rs").await;
    let user = world.patient().await;
    let asked = request(&app, "openid patient/*.rs").set("acr_values", "urn:example:loa3 phrh");
    let code = query(&world.consent(&asked, &user).await, "code").unwrap();
    let id_token = world.exchange(&app, &code).await.unwrap().id_token.unwrap();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(&id_token).unwrap();
    assert_eq!((claims.get("acr"), claims.get("amr")), (None, None));
    let promised = world.engine.provider_metadata(&[] as &[&str]).unwrap();
    assert_eq!(promised.get("acr_values_supported"), None);
    let supported = promised["claims_supported"].as_array().unwrap();
    assert!(supported.iter().all(|claim| claim != "acr" && claim != "amr"));
}
