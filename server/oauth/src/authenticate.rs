//! Which client asks: RFC 6749, 2.3; `private_key_jwt` by SMART's profile of RFC 7523.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::client::{AuthMethod, Client, KeyFetcher};
use crate::engine::{Engine, Kept, Stored};
use crate::error::OAuthError;
use crate::parameters::Parameters;
use crate::secret;
use crate::storage::{Kind, Storage};

/// The assertion's own type: RFC 7523, 2.2.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// "no more than five minutes in the future"
const LONGEST: i64 = 300;
/// By how much a client's clock may differ, in seconds.
const LEEWAY: i64 = 60;
/// Keys without a word on how long they may be kept are fetched again after so many seconds.
const KEEP_KEYS: u64 = 300;
/// Keys are not fetched more often than this for assertions that name unknown ones.
const FETCH_AGAIN: i64 = 10;

/// What a request brings to authenticate its client.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// Of `Authorization: Basic`, decoded: the client's id and secret.
    pub basic: Option<(String, String)>,
}

impl Credentials {
    /// From the header's value. "The client identifier is encoded using the application/x-www-form-urlencoded encoding
    /// algorithm": RFC 6749, 2.3.1.
    pub fn read(authorization: Option<&str>) -> Result<Credentials, OAuthError> {
        let Some((scheme, rest)) = authorization.and_then(|text| text.split_once(' ')) else {
            return Ok(Credentials::default());
        };
        if !scheme.eq_ignore_ascii_case("basic") {
            return Ok(Credentials::default());
        }
        let wrong = || OAuthError::invalid_client("the Authorization header is not Basic as RFC 6749, 2.3.1 has it");
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let (id, secret) = text.split_once(':').ok_or_else(wrong)?;
        let decoded = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced)
                .decode_utf8()
                .map(|text| text.into_owned())
                .map_err(|_| wrong())
        };
        Ok(Credentials { basic: Some((decoded(id)?, decoded(secret)?)) })
    }
}

/// A `jti` that was used.
#[derive(Serialize, Deserialize)]
struct UsedAssertion {
    client: String,
    expires: i64,
}

impl Stored for UsedAssertion {
    const KIND: Kind = Kind::Assertion;

    fn client(&self) -> Option<&str> {
        Some(&self.client)
    }

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// What was found at a `jwks_uri`.
#[derive(Serialize, Deserialize)]
struct FetchedKeys {
    url: String,
    set: Value,
    fetched: i64,
    good_until: i64,
}

impl Stored for FetchedKeys {
    const KIND: Kind = Kind::ClientKeys;
}

#[derive(Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    aud: Value,
    #[serde(deserialize_with = "seconds")]
    exp: i64,
    #[serde(default, deserialize_with = "some_seconds")]
    nbf: Option<i64>,
    #[serde(default, deserialize_with = "some_seconds")]
    iat: Option<i64>,
    jti: String,
}

/// "NumericDate ... non-integer values can be represented": RFC 7519, 2. A part of a second counts for nothing.
fn seconds<'de, D: Deserializer<'de>>(reader: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(reader)?;
    let whole = number.as_i64().or_else(|| number.as_f64().map(|time| time.floor() as i64));
    whole.ok_or_else(|| serde::de::Error::custom("expected seconds since 1970"))
}

fn some_seconds<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<i64>, D::Error> {
    seconds(reader).map(Some)
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// The client that the request is from. A public client names itself, and is believed as far as what it brings else
    /// (a code with its verifier, a refresh token) is its own.
    pub async fn authenticate(&self, credentials: &Credentials, form: &Parameters) -> Result<Client, OAuthError> {
        let assertion = form.one("client_assertion")?;
        let in_form = form.one("client_secret")?;
        let ways = [credentials.basic.is_some(), assertion.is_some(), in_form.is_some()];
        if ways.into_iter().filter(|used| *used).count() > 1 {
            // RFC 6749, 2.3: "MUST NOT use more than one authentication method in each request"
            return Err(OAuthError::invalid_request("the client authenticates in more than one way: use one"));
        }
        let named = form.one("client_id")?;
        if let Some(assertion) = assertion {
            if form.one("client_assertion_type")? != Some(ASSERTION_TYPE) {
                return Err(OAuthError::invalid_request(format!("client_assertion_type must be {ASSERTION_TYPE}")));
            }
            let client = self.by_assertion(assertion).await?;
            return same(named, client);
        }
        if let Some((id, secret)) = &credentials.basic {
            let client = self.by_secret(id, secret).await?;
            return same(named, client);
        }
        let id = named.ok_or_else(|| {
            OAuthError::invalid_client("the client must authenticate: by Basic, client_secret, client_assertion, or client_id alone for a public client")
        })?;
        if let Some(secret) = in_form {
            return self.by_secret(id, secret).await;
        }
        let client = self.enabled_client(id).await?;
        match client.auth_method {
            AuthMethod::None => Ok(client),
            method => Err(OAuthError::invalid_client(format!("this client must authenticate by {}", method.as_str()))),
        }
    }

    async fn by_secret(&self, id: &str, given: &str) -> Result<Client, OAuthError> {
        let client = self.enabled_client(id).await?;
        let is_its = client.auth_method.has_secret()
            && client.secret_hash.as_deref().is_some_and(|kept| secret::is(given, kept));
        if is_its {
            Ok(client)
        } else {
            Err(OAuthError::invalid_client("the client's secret is wrong, or it does not use one"))
        }
    }

    async fn by_assertion(&self, assertion: &str) -> Result<Client, OAuthError> {
        let malformed = |_| OAuthError::invalid_client("the client assertion is not a signed JWT");
        let header = jsonwebtoken::decode_header(assertion).map_err(malformed)?;
        if !matches!(header.alg, Algorithm::RS384 | Algorithm::ES384) {
            return Err(OAuthError::invalid_client("the client assertion must be signed by RS384 or ES384"));
        }
        // "If any of the listed extension Header Parameters are not understood ... the JWS is invalid": RFC 7515, 4.1.11.
        if header.crit.is_some() {
            return Err(OAuthError::invalid_client(
                "the client assertion has critical header parameters (crit): none are understood here",
            ));
        }
        // Who it claims to be, to find the keys: believed only once the signature holds.
        let claims = jsonwebtoken::dangerous::insecure_decode::<AssertionClaims>(assertion)
            .map_err(|_| OAuthError::invalid_client("the client assertion must have iss, sub, aud, exp and jti"))?
            .claims;
        if claims.iss != claims.sub {
            return Err(OAuthError::invalid_client("iss and sub of the client assertion must both be the client_id"));
        }
        let client = self.enabled_client(&claims.iss).await?;
        if client.auth_method != AuthMethod::PrivateKeyJwt {
            return Err(OAuthError::invalid_client("this client does not authenticate by private_key_jwt"));
        }
        if header.jku.is_some() && header.jku != client.jwks_uri {
            return Err(OAuthError::invalid_client("jku of the client assertion is not the registered jwks_uri"));
        }
        let key = self.key_of(&client, &header).await?;
        let mut validation = Validation::new(header.alg);
        // The times and the audience are looked at here, by the clock that is a parameter.
        validation.validate_exp = false;
        validation.validate_aud = false;
        // All that are needed are fields of the claims; jsonwebtoken does not take a time with a fraction for one.
        validation.set_required_spec_claims::<&str>(&[]);
        let verified = jsonwebtoken::decode::<AssertionClaims>(assertion, &key, &validation).map_err(|_| {
            OAuthError::invalid_client("the client assertion's signature is not of the key that it names")
        })?;
        self.check_assertion(&client, verified.claims).await?;
        Ok(client)
    }

    async fn check_assertion(&self, client: &Client, claims: AssertionClaims) -> Result<(), OAuthError> {
        let token_url = self.settings.endpoint("token");
        let is_ours =
            |audience: &Value| audience.as_str().is_some_and(|text| text == token_url || text == self.settings.issuer);
        let named = claims.aud.as_array().map_or_else(|| is_ours(&claims.aud), |all| all.iter().any(is_ours));
        if !named {
            return Err(OAuthError::invalid_client(format!("aud of the client assertion must be {token_url}")));
        }
        let now = self.now().as_second();
        if claims.exp <= now - LEEWAY {
            return Err(OAuthError::invalid_client("the client assertion has expired: compare the clocks"));
        }
        if claims.exp > now + LONGEST + LEEWAY {
            return Err(OAuthError::invalid_client(
                "exp of the client assertion must be no more than five minutes from now",
            ));
        }
        if claims.nbf.into_iter().chain(claims.iat).any(|time| time > now + LEEWAY) {
            return Err(OAuthError::invalid_client("the client assertion is of the future: compare the clocks"));
        }
        if claims.jti.is_empty() || claims.jti.len() > 500 {
            return Err(OAuthError::invalid_client("jti of the client assertion must have 1 to 500 characters"));
        }
        // "ensure that the `jti` value has not been previously encountered for the given `iss` within the maximum allowed
        // authentication JWT lifetime": of two at once, the database lets one in.
        let key = secret::hash(&format!("{} {}", client.id, claims.jti));
        let used = UsedAssertion { client: client.id.clone(), expires: claims.exp + LEEWAY + 1 };
        match self.add(&key, &used).await? {
            true => Ok(()),
            false => Err(OAuthError::invalid_client("the client assertion was used before: each has a jti of its own")),
        }
    }

    /// "exactly one key": by `kid` and `kty`.
    async fn key_of(&self, client: &Client, header: &Header) -> Result<DecodingKey, OAuthError> {
        if let Some(set) = &client.jwks {
            return select(set, header);
        }
        let url = client.jwks_uri.as_deref().ok_or_else(|| OAuthError::invalid_client("the client has no keys"))?;
        let now = self.now().as_second();
        let known = self.load::<FetchedKeys>(&secret::hash(url)).await?;
        if let Some(known) = &known {
            let found = select(&known.value.set, header);
            // A key that is not there may be a new one: "rotation".
            if known.value.good_until > now && (found.is_ok() || known.value.fetched + FETCH_AGAIN > now) {
                return found;
            }
        }
        let set = self.fetch_keys(url, known).await?;
        select(&set, header)
    }

    async fn fetch_keys(&self, url: &str, known: Option<Kept<FetchedKeys>>) -> Result<Value, OAuthError> {
        let refused =
            |reason: String| OAuthError::invalid_client(format!("the keys at the client's jwks_uri: {reason}"));
        let (text, lifetime) = self.fetcher.fetch(url).await.map_err(refused)?;
        let set: Value = serde_json::from_str(&text).map_err(|_| refused("what is there is not JSON".to_owned()))?;
        read_key_set(&set).map_err(|reason| refused(reason.to_owned()))?;
        let now = self.now().as_second();
        let lifetime = lifetime.map_or(KEEP_KEYS, |lifetime| lifetime.as_secs().min(24 * 3600));
        let fetched = FetchedKeys { url: url.to_owned(), set, fetched: now, good_until: now + lifetime.cast_signed() };
        // That another process has just done the same does no harm.
        match known {
            Some(mut kept) => {
                kept.value = fetched;
                self.replace(&kept).await?;
                Ok(kept.value.set)
            }
            None => {
                self.add(&secret::hash(url), &fetched).await?;
                Ok(fetched.set)
            }
        }
    }
}

/// `client_id` beside the credentials must be the same.
fn same(named: Option<&str>, client: Client) -> Result<Client, OAuthError> {
    match named {
        Some(id) if id != client.id => Err(OAuthError::invalid_client("client_id is not that of the credentials")),
        _ => Ok(client),
    }
}

/// A set of public keys.
pub(crate) fn read_key_set(set: &Value) -> Result<JwkSet, &'static str> {
    let keys = set.get("keys").and_then(Value::as_array).ok_or("expected an object with keys")?;
    if keys.is_empty() || keys.len() > 50 {
        return Err("expected 1 to 50 keys");
    }
    if keys.iter().any(|key| key.get("d").is_some() || key.get("k").is_some()) {
        return Err("a private or symmetric key is in it: send public keys only, and replace this one");
    }
    // Keys of kinds that are not known here are passed over: RFC 7517, 5.
    let known = keys.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    let known = JwkSet { keys: known.collect() };
    if known.keys.is_empty() {
        Err("none of the keys is of a kind that is known here: send RSA or EC (P-384)")
    } else {
        Ok(known)
    }
}

fn select(set: &Value, header: &Header) -> Result<DecodingKey, OAuthError> {
    let set = read_key_set(set).map_err(OAuthError::invalid_client)?;
    let kid = header
        .kid
        .as_deref()
        .ok_or_else(|| OAuthError::invalid_client("the client assertion must name its key (kid)"))?;
    let mut fitting = set.keys.iter().filter(|key| key.common.key_id.as_deref() == Some(kid) && fits(key, header.alg));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => {
            DecodingKey::from_jwk(key).map_err(|_| OAuthError::invalid_client("the client's key is broken"))
        }
        (None, _) => {
            Err(OAuthError::invalid_client("the client has no key of the kid and the kind that the assertion names"))
        }
        (Some(_), Some(_)) => Err(OAuthError::invalid_client("several keys of the client have this kid")),
    }
}

fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let is_kind = match &key.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            // RFC 7518, 3.3: "A key of size 2048 bits or larger MUST be used".
            let bits = secret::from_base64url(&rsa.n).map_or(0, |n| n.len() * 8);
            algorithm == Algorithm::RS384 && bits >= 2048
        }
        AlgorithmParameters::EllipticCurve(curve) => {
            algorithm == Algorithm::ES384 && curve.curve == EllipticCurve::P384
        }
        _ => false,
    };
    let signs = key.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let verifies =
        key.common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    // "alg" of a key is what it is for: RFC 7517, 4.4.
    let named = key.common.key_algorithm.is_none_or(|named| named.to_string() == format!("{algorithm:?}"));
    is_kind && signs && verifies && named
}
