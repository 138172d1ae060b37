//! Log-in at the upstream provider, and those who would come in by it as somebody else.
//! <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>, RFC 9700, RFC 9207.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use vesta_oauth::{
    IdentityKey, Keys, Matching, NewUser, Parameters, Role, Session, Step, Upstream, UpstreamError, UpstreamIdentity,
    UpstreamUser, User,
};

use crate::world::{World, ec_pem, holding, query, request, rsa_pem};

const IDP: &str = "https://idp.example.org/realm";

/// A world with a provider, whose discovery and keys are where they should be.
fn world(matching: Option<Matching>) -> World {
    let world = World::with(|settings| {
        settings.upstream = Some(Upstream {
            name: "Hospital account".to_owned(),
            issuer: IDP.to_owned(),
            client_id: "vesta".to_owned(),
            client_secret: Some("between us".to_owned()),
            scopes: vec!["profile".to_owned(), "email".to_owned()],
            matching,
        });
    });
    world.web.publish(&at(".well-known/openid-configuration"), &metadata(), None);
    world.web.publish(&at("jwks"), &published(rsa_pem()), None);
    world
}

/// The set with the public halves of this key and of the one for access tokens.
fn published(identity: &str) -> Value {
    let keys = Keys::from_pem(ec_pem(), identity).unwrap();
    serde_json::to_value(keys.published(jiff::Timestamp::UNIX_EPOCH)).unwrap()
}

fn at(path: &str) -> String {
    format!("{IDP}/{path}")
}

fn metadata() -> Value {
    json!({
        "issuer": IDP, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"), "jwks_uri": at("jwks"),
        "userinfo_endpoint": at("userinfo"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"], "authorization_response_iss_parameter_supported": true,
    })
}

/// Somebody who was sent to the provider, and what it knows of that.
struct Sent {
    session: Session,
    url: String,
}

impl Sent {
    async fn new(world: &World) -> Sent {
        let session = world.engine.session(None).await.unwrap().session;
        Sent::for_interaction(world, session, None).await
    }

    async fn for_interaction(world: &World, session: Session, interaction: Option<&str>) -> Sent {
        let url = world.engine.start_upstream(&session, interaction, None).await.unwrap();
        assert!(url.starts_with(&at("authorize?")), "{url}");
        Sent { session, url }
    }

    fn asked(&self, name: &str) -> String {
        query(&self.url, name).unwrap_or_else(|| panic!("{name}: {}", self.url))
    }

    /// What an honest provider answers.
    fn answer(&self) -> Vec<(String, String)> {
        let pairs = [("code", "a code"), ("state", &self.asked("state")), ("iss", IDP)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// The claims of an honest ID token.
    fn claims(&self, world: &World, subject: &str) -> Value {
        json!({ "iss": IDP, "aud": "vesta", "sub": subject, "iat": world.now(), "exp": world.now() + 300,
            "nonce": self.asked("nonce"), "auth_time": world.now() })
    }

    async fn back(&self, world: &World, claims: &Value) -> Result<UpstreamUser, UpstreamError> {
        publish_token(world, &signed(claims));
        self.back_with(world, self.answer()).await
    }

    async fn back_with(&self, world: &World, answer: Vec<(String, String)>) -> Result<UpstreamUser, UpstreamError> {
        world.engine.finish_upstream(&Parameters::new(answer), &self.session).await
    }
}

fn publish_token(world: &World, id_token: &str) {
    let token = json!({ "access_token": "theirs", "token_type": "Bearer", "expires_in": 300, "id_token": id_token });
    world.web.publish(&at("token"), &token, None);
}

fn header(algorithm: Algorithm, kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) }
}

fn signed(claims: &Value) -> String {
    let kid = IdentityKey::from_pem(rsa_pem()).unwrap().id().to_owned();
    let key = EncodingKey::from_rsa_pem(rsa_pem().as_bytes()).unwrap();
    jsonwebtoken::encode(&header(Algorithm::RS256, &kid), claims, &key).unwrap()
}

async fn linked(world: &World, subject: &str) -> User {
    let user = world.staff().await;
    assert!(world.engine.link_user(&user.id, &identity(subject)).await.unwrap());
    user
}

fn identity(subject: &str) -> UpstreamIdentity {
    UpstreamIdentity { issuer: IDP.to_owned(), subject: subject.to_owned() }
}

fn is_not_believed(result: Result<UpstreamUser, UpstreamError>, why: &str) {
    match result {
        Err(UpstreamError::NotBelieved(said)) => assert!(said.contains(why), "{said}: {why}"),
        other => panic!("{why}: {other:?}"),
    }
}

/// 3.1.2.1, RFC 7636: what the provider is asked, and how the code is exchanged.
#[tokio::test]
async fn who_is_linked_comes_in_by_code_with_pkce_and_nonce() {
    let world = world(None);
    let user = linked(&world, "24400320").await;
    let sent = Sent::new(&world).await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "vesta"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
        ("max_age", "43200"),
        ("redirect_uri", "https://ehr.example.org/oauth2/default/upstream/callback"),
    ] {
        assert_eq!(sent.asked(name), value);
    }
    assert_eq!(query(&sent.url, "prompt"), None);
    let came = sent.back(&world, &sent.claims(&world, "24400320")).await.unwrap();
    assert_eq!((came.user.id.as_str(), came.authenticated), (user.id.as_str(), world.now()));
    let form = format!("https://form?{}", world.web.sent(&at("token")));
    assert_eq!(query(&form, "code").as_deref(), Some("a code"));
    let verifier = query(&form, "code_verifier").unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    assert_eq!(sent.asked("code_challenge"), crate::world::base64url(hash.as_ref()));
    let opened = world.engine.log_in_upstream(&sent.session, &came).await.unwrap();
    assert_eq!(opened.session.user.as_deref(), Some(user.id.as_str()));
    assert_ne!(opened.session.key, sent.session.key, "session fixation");
    // What it says of itself is kept for a while.
    Sent::new(&world).await;
    assert_eq!(world.web.fetched(&at("jwks")), 1);
}

/// "the state ... bound to the user agent" (RFC 9700, 2.1): the attacker's own answer in the victim's browser, and the
/// victim's in the attacker's.
#[tokio::test]
async fn state_of_another_session() {
    let world = world(None);
    linked(&world, "1").await;
    let (attacker, victim) = (Sent::new(&world).await, Sent::new(&world).await);
    publish_token(&world, &signed(&attacker.claims(&world, "1")));
    let forged = victim.back_with(&world, attacker.answer()).await;
    assert_eq!(forged.unwrap_err(), UpstreamError::Stale);
    // It was not used up by that.
    attacker.back(&world, &attacker.claims(&world, "1")).await.unwrap();
    let without = victim.back_with(&world, vec![("code".to_owned(), "a code".to_owned())]).await;
    assert_eq!(without.unwrap_err(), UpstreamError::Stale);
}

#[tokio::test]
async fn state_replayed() {
    let world = world(None);
    linked(&world, "1").await;
    let sent = Sent::new(&world).await;
    let claims = sent.claims(&world, "1");
    sent.back(&world, &claims).await.unwrap();
    assert_eq!(sent.back(&world, &claims).await.unwrap_err(), UpstreamError::Stale);
    // Two at once: one goes on.
    let sent = Sent::new(&world).await;
    publish_token(&world, &signed(&sent.claims(&world, "1")));
    let (one, other) = tokio::join!(sent.back_with(&world, sent.answer()), sent.back_with(&world, sent.answer()));
    assert_eq!([&one, &other].iter().filter(|result| result.is_ok()).count(), 1);
    // And not for ever.
    let sent = Sent::new(&world).await;
    world.tick(16 * 60);
    assert_eq!(sent.back(&world, &sent.claims(&world, "1")).await.unwrap_err(), UpstreamError::Stale);
}

/// 3.1.3.7, 2, 3, 9, 11: each claim that another token, client or time would have.
#[tokio::test]
async fn id_token_of_another_audience_issuer_or_time() {
    let world = world(None);
    linked(&world, "1").await;
    let now = world.now();
    for (name, value, why) in [
        ("aud", json!("another-client"), "audience"),
        ("aud", json!(["vesta", "another-client"]), "audience"),
        ("azp", json!("another-client"), "azp"),
        ("iss", json!("https://evil.example.org"), "issuer"),
        ("exp", json!(now - 1), "expired"),
        ("iat", json!(now + 3600), "future"),
        ("nonce", json!("another"), "nonce"),
        ("nonce", Value::Null, "nonce"),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), "at_hash"),
    ] {
        let sent = Sent::new(&world).await;
        let mut claims = sent.claims(&world, "1");
        claims[name] = value;
        match sent.back(&world, &claims).await {
            Err(UpstreamError::NotBelieved(said)) => {
                assert!(said.to_lowercase().contains(why), "{name}: {said}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// 3.1.3.7, 11: an ID token that was stolen from an earlier log-in has its nonce.
#[tokio::test]
async fn nonce_replayed() {
    let world = world(None);
    linked(&world, "1").await;
    let first = Sent::new(&world).await;
    let stolen = first.claims(&world, "1");
    first.back(&world, &stolen).await.unwrap();
    let second = Sent::new(&world).await;
    is_not_believed(second.back(&world, &stolen).await, "nonce");
}

/// 3.1.3.7, 6 and 7, RFC 8725: no signature, another's, and one by the secret that the client shares.
#[tokio::test]
async fn id_token_signed_by_nobody_or_another() {
    let world = world(None);
    linked(&world, "1").await;
    let kid = IdentityKey::from_pem(rsa_pem()).unwrap().id().to_owned();
    let part = |value: &Value| crate::world::base64url(value.to_string().as_bytes());
    let other_rsa = IdentityKey::generate_pem().unwrap();
    for attack in ["none", "by the secret", "by another's key", "by a key that is not for it", "cut"] {
        let sent = Sent::new(&world).await;
        let claims = sent.claims(&world, "1");
        let key = EncodingKey::from_rsa_pem(other_rsa.as_bytes()).unwrap();
        let token = match attack {
            "none" => format!("{}.{}.", part(&json!({ "alg": "none" })), part(&claims)),
            "by the secret" => {
                let key = EncodingKey::from_secret(b"between us");
                jsonwebtoken::encode(&header(Algorithm::HS256, &kid), &claims, &key).unwrap()
            }
            "by another's key" => jsonwebtoken::encode(&header(Algorithm::RS256, &kid), &claims, &key).unwrap(),
            "by a key that is not for it" => {
                // The site's key for access tokens stands in the same set.
                let key = EncodingKey::from_ec_pem(ec_pem().as_bytes()).unwrap();
                jsonwebtoken::encode(&header(Algorithm::ES256, &kid), &claims, &key).unwrap()
            }
            _ => {
                let token = signed(&claims);
                token[..token.len() - 6].to_owned()
            }
        };
        publish_token(&world, &token);
        let result = sent.back_with(&world, sent.answer()).await;
        let is_refused = matches!(result, Err(UpstreamError::NotBelieved(_) | UpstreamError::Unreachable(_)));
        assert!(is_refused, "{attack}: {result:?}");
    }
}

/// RFC 9207, 2.4: "compare the extracted iss parameter value to the issuer identifier value".
#[tokio::test]
async fn issuer_mixed_up() {
    let world = world(None);
    linked(&world, "1").await;
    for issuer in [Some("https://evil.example.org"), Some("https://idp.example.org/realm/"), None] {
        let sent = Sent::new(&world).await;
        publish_token(&world, &signed(&sent.claims(&world, "1")));
        let mut answer = sent.answer();
        answer.retain(|(name, _)| name != "iss");
        answer.extend(issuer.map(|issuer| ("iss".to_owned(), issuer.to_owned())));
        is_not_believed(sent.back_with(&world, answer).await, "iss");
    }
    assert_eq!(world.web.sent(&at("token")), "", "no code was sent anywhere");
}

/// Discovery, 4.3: "the issuer value returned MUST be identical".
#[tokio::test]
async fn discovery_of_another_issuer() {
    let world = world(None);
    for (name, value) in
        [("issuer", "https://evil.example.org"), ("authorization_endpoint", "http://idp.example.org/authorize")]
    {
        let mut document = metadata();
        document[name] = value.into();
        world.web.publish(&at(".well-known/openid-configuration"), &document, None);
        let session = world.engine.session(None).await.unwrap().session;
        let refused = world.engine.start_upstream(&session, None, None).await.unwrap_err();
        assert!(matches!(refused, UpstreamError::Unreachable(_) | UpstreamError::NotBelieved(_)), "{refused:?}");
    }
}

/// 5.7: "email ... MUST NOT be used as unique identifiers"; an address that the provider has not verified is anybody's.
#[tokio::test]
async fn unverified_email_is_no_identity() {
    let world = world(Some(Matching::Email));
    let new = NewUser { email: Some("Okafor@example.org"), ..new("okafor", Role::Staff, "Practitioner/1") };
    let user = world.engine.add_user(&new).await.unwrap();
    for verified in [Some(false), None] {
        let sent = Sent::new(&world).await;
        let mut claims = sent.claims(&world, "evil");
        claims["email"] = "okafor@example.org".into();
        if let Some(verified) = verified {
            claims["email_verified"] = verified.into();
        }
        assert_eq!(sent.back(&world, &claims).await.unwrap_err(), UpstreamError::Unverified);
    }
    let with_email = |claims: &mut Value| {
        claims["email"] = "okafor@example.org".into();
        claims["email_verified"] = true.into();
    };
    let sent = Sent::new(&world).await;
    let mut claims = sent.claims(&world, "honest");
    with_email(&mut claims);
    assert_eq!(sent.back(&world, &claims).await.unwrap().user.id, user.id);
    // Bound from then on: the address in other hands is nobody.
    let sent = Sent::new(&world).await;
    let mut claims = sent.claims(&world, "who has the address now");
    with_email(&mut claims);
    assert_eq!(
        sent.back(&world, &claims).await.unwrap_err(),
        UpstreamError::Unknown(identity("who has the address now"))
    );
    // And the same person with another address is still who they are.
    let sent = Sent::new(&world).await;
    assert_eq!(sent.back(&world, &sent.claims(&world, "honest")).await.unwrap().user.id, user.id);
}

fn new<'a>(name: &'a str, role: Role, own: &'a str) -> NewUser<'a> {
    NewUser { name, display_name: name, email: None, role, fhir_user: Some(own), password: None }
}

/// An address that two have says nothing of who it is.
#[tokio::test]
async fn email_of_two_is_no_identity() {
    let world = world(Some(Matching::Email));
    for name in ["one", "two"] {
        let new = NewUser { email: Some("shared@example.org"), ..new(name, Role::Staff, "Practitioner/1") };
        world.engine.add_user(&new).await.unwrap();
    }
    let sent = Sent::new(&world).await;
    let mut claims = sent.claims(&world, "1");
    claims["email"] = "shared@example.org".into();
    claims["email_verified"] = true.into();
    assert_eq!(sent.back(&world, &claims).await.unwrap_err(), UpstreamError::Unknown(identity("1")));
}

/// A claim lets in no patient, nobody who is disabled, and nobody at all where the operator has not set one.
#[tokio::test]
async fn claims_let_in_no_patient_and_nobody_without_the_setting() {
    let matched = world(Some(Matching::PreferredUsername));
    let patient = matched.patient().await;
    let gone = matched.staff().await;
    matched.engine.set_user_enabled(&gone.id, false).await.unwrap();
    for name in [patient.name.as_str(), gone.name.as_str(), "nobody"] {
        let sent = Sent::new(&matched).await;
        let mut claims = sent.claims(&matched, "1");
        claims["preferred_username"] = name.into();
        assert_eq!(sent.back(&matched, &claims).await.unwrap_err(), UpstreamError::Unknown(identity("1")), "{name}");
    }
    // Linked by an administrator, a patient comes in too.
    matched.engine.link_user(&patient.id, &identity("2")).await.unwrap();
    let sent = Sent::new(&matched).await;
    assert_eq!(sent.back(&matched, &sent.claims(&matched, "2")).await.unwrap().user.id, patient.id);
    let unmatched = world(None);
    let user = unmatched.staff().await;
    let sent = Sent::new(&unmatched).await;
    let mut claims = sent.claims(&unmatched, "1");
    claims["preferred_username"] = user.name.as_str().into();
    assert_eq!(sent.back(&unmatched, &claims).await.unwrap_err(), UpstreamError::Unknown(identity("1")));
}

/// 5.4: what scopes ask for may be told by the UserInfo endpoint only; 5.3.2: "the sub Claim in the UserInfo Response MUST be
/// verified to exactly match the sub Claim in the ID Token".
#[tokio::test]
async fn userinfo_of_another_subject() {
    let world = world(Some(Matching::PreferredUsername));
    let user = world.staff().await;
    world.web.publish(&at("userinfo"), &json!({ "sub": "another", "preferred_username": user.name }), None);
    let sent = Sent::new(&world).await;
    is_not_believed(sent.back(&world, &sent.claims(&world, "1")).await, "userinfo");
    world.web.publish(&at("userinfo"), &json!({ "sub": "1", "preferred_username": user.name }), None);
    let sent = Sent::new(&world).await;
    assert_eq!(sent.back(&world, &sent.claims(&world, "1")).await.unwrap().user.id, user.id);
}

/// Who is disabled here does not come in from there, and neither does who was unlinked.
#[tokio::test]
async fn disabled_or_unlinked_user_with_a_good_id_token() {
    let world = world(None);
    let user = linked(&world, "1").await;
    let other = world.patient().await;
    let taken = world.engine.link_user(&other.id, &identity("1")).await;
    assert!(taken.is_err(), "an identity is one person's");
    world.engine.set_user_enabled(&user.id, false).await.unwrap();
    let sent = Sent::new(&world).await;
    assert_eq!(sent.back(&world, &sent.claims(&world, "1")).await.unwrap_err(), UpstreamError::Unknown(identity("1")));
    world.engine.set_user_enabled(&user.id, true).await.unwrap();
    let browser = world.browser(&user).await;
    assert_eq!(world.engine.unlink_user(&user.id, Some(IDP)).await.unwrap(), 1);
    let sent = Sent::new(&world).await;
    assert_eq!(sent.back(&world, &sent.claims(&world, "1")).await.unwrap_err(), UpstreamError::Unknown(identity("1")));
    let sessions = world.memory.dump().into_iter().filter(|record| record.key == browser.key).count();
    assert_eq!(sessions, 0, "who was unlinked is signed out");
    // Free for another.
    assert!(world.engine.link_user(&other.id, &identity("1")).await.unwrap());
}

/// `prompt=login` and `max_age` mean the person, not the provider's cookie: an unattended browser is let through there
/// unasked. <https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest>
#[tokio::test]
async fn old_log_in_at_the_provider_is_no_log_in_anew() {
    let world = world(None);
    let user = linked(&world, "1").await;
    let app = world.public("user/Patient.rs").await;
    for (name, value, asked) in [("prompt", "login", "43200"), ("max_age", "300", "300")] {
        let session = world.browser(&user).await;
        world.tick(600);
        let asking = request(&app, "user/Patient.rs").set(name, value);
        let id = world.begin(&asking, &session).await.unwrap();
        let session = holding(session, &id);
        assert!(matches!(world.engine.step(&id, &session).await.unwrap(), Step::Login { .. }));
        let sent = Sent::for_interaction(&world, session.clone(), Some(&id)).await;
        assert_eq!(sent.asked("max_age"), asked);
        assert_eq!(query(&sent.url, "prompt").as_deref(), (name == "prompt").then_some("login"));
        let mut claims = sent.claims(&world, "1");
        claims["auth_time"] = (world.now() - 4000).into();
        assert_eq!(sent.back(&world, &claims).await.unwrap_err(), UpstreamError::NotRecent);
        let sent = Sent::for_interaction(&world, session.clone(), Some(&id)).await;
        let mut claims = sent.claims(&world, "1");
        claims.as_object_mut().unwrap().remove("auth_time");
        assert_eq!(sent.back(&world, &claims).await.unwrap_err(), UpstreamError::NotRecent, "it does not say");
        // In another tab, without the request: logged in, and still not anew.
        let sent = Sent::for_interaction(&world, session.clone(), None).await;
        let mut claims = sent.claims(&world, "1");
        claims["auth_time"] = (world.now() - 4000).into();
        let came = sent.back(&world, &claims).await.unwrap();
        let elsewhere = world.engine.log_in_upstream(&session, &came).await.unwrap().session;
        assert!(matches!(world.engine.step(&id, &elsewhere).await.unwrap(), Step::Login { .. }), "{name}");
        // Asked anew, it goes on.
        let sent = Sent::for_interaction(&world, elsewhere, Some(&id)).await;
        let came = sent.back(&world, &sent.claims(&world, "1")).await.unwrap();
        assert_eq!(came.interaction.as_deref(), Some(id.as_str()));
        let anew = world.engine.log_in_upstream(&sent.session, &came).await.unwrap().session;
        assert!(matches!(world.engine.step(&id, &anew).await.unwrap(), Step::Consent(_)), "{name}");
    }
}

/// An interaction goes on in the browser where it was begun only.
#[tokio::test]
async fn interaction_of_another_browser_is_not_sent_upstream() {
    let world = world(None);
    let user = linked(&world, "1").await;
    let app = world.public("user/Patient.rs").await;
    let own = world.browser(&user).await;
    let id = world.begin(&request(&app, "user/Patient.rs"), &own).await.unwrap();
    let stranger = world.engine.session(None).await.unwrap().session;
    assert!(matches!(world.engine.start_upstream(&stranger, Some(&id), None).await, Err(UpstreamError::Failed(_))));
}

/// A second factor of this server's is not stepped over by the way in, unless the provider says that it asked for several
/// (`amr`, RFC 8176).
#[tokio::test]
async fn second_factor_is_not_stepped_over() {
    let world = world(None);
    let user = linked(&world, "1").await;
    let (secret, _) = world.engine.new_totp(&user, "Vesta").unwrap();
    let totp = totp_rs::Builder::new()
        .with_secret(totp_rs::Secret::try_from_base32(&secret).unwrap())
        .with_account_name("doctor".to_owned())
        .with_issuer(Some("Vesta".to_owned()))
        .build();
    let code = totp.unwrap().generate(world.now().unsigned_abs()).to_string();
    world.engine.confirm_totp(&user.id, &secret, &code).await.unwrap();
    for (amr, owes) in [(json!(["pwd"]), true), (json!(["pwd", "otp", "mfa"]), false), (Value::Null, true)] {
        let sent = Sent::new(&world).await;
        let mut claims = sent.claims(&world, "1");
        if !amr.is_null() {
            claims["amr"] = amr;
        }
        let came = sent.back(&world, &claims).await.unwrap();
        assert_eq!(came.owes_second_factor, owes);
        assert_eq!(world.engine.log_in_upstream(&sent.session, &came).await.is_err(), owes);
    }
}

/// The provider's keys change: a key that is not there is looked for once, and not for whoever sends rubbish.
#[tokio::test]
async fn key_rotated_at_the_provider() {
    let world = world(None);
    linked(&world, "1").await;
    Sent::new(&world).await;
    let fresh = IdentityKey::generate_pem().unwrap();
    let kid = IdentityKey::from_pem(&fresh).unwrap().id().to_owned();
    let key = EncodingKey::from_rsa_pem(fresh.as_bytes()).unwrap();
    let token =
        |sent: &Sent| jsonwebtoken::encode(&header(Algorithm::RS256, &kid), &sent.claims(&world, "1"), &key).unwrap();
    let sent = Sent::new(&world).await;
    publish_token(&world, &token(&sent));
    assert!(matches!(sent.back_with(&world, sent.answer()).await, Err(UpstreamError::NotBelieved(_))));
    assert_eq!(world.web.fetched(&at("jwks")), 1, "not within ten seconds");
    world.tick(10);
    world.web.publish(&at("jwks"), &published(&fresh), None);
    let sent = Sent::new(&world).await;
    publish_token(&world, &token(&sent));
    sent.back_with(&world, sent.answer()).await.unwrap();
    assert_eq!(world.web.fetched(&at("jwks")), 2);
}

/// What the provider says went wrong is told as a code and never in its words.
#[tokio::test]
async fn errors_of_the_provider_are_told_as_codes() {
    let world = world(None);
    for (error, told) in [("access_denied", "access_denied"), ("<script>alert(1)</script>", "an error")] {
        let sent = Sent::new(&world).await;
        let mut answer = sent.answer();
        answer.retain(|(name, _)| name != "code");
        answer.push(("error".to_owned(), error.to_owned()));
        assert_eq!(sent.back_with(&world, answer).await.unwrap_err(), UpstreamError::Refused(told.to_owned()));
    }
}
