//! A client: how it is registered, and how it says who it is.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{Given, Kind, Setup};

/// "urn:ietf:params:oauth:client-assertion-type:jwt-bearer": RFC 7523, 2.2.
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) key: Option<Key>,
}

#[derive(Clone)]
pub(crate) struct Key {
    algorithm: Algorithm,
    kid: String,
    private: EncodingKey,
    /// As a JWK; none where the server has it already.
    public: Option<Value>,
}

/// What of an assertion is another than it should be: claims, members of the header, and who signs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assertion {
    pub(crate) claims: Vec<(String, Value)>,
    pub(crate) kid: Option<String>,
    pub(crate) jku: Option<String>,
    /// Another key than the one that was registered.
    pub(crate) forged: bool,
    /// `alg: none`
    pub(crate) unsigned: bool,
}

impl Key {
    /// "at least one of RS384 or ES384".
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys>
    pub(crate) fn new(is_rsa: bool) -> Result<Key, String> {
        let kid = new_id()?;
        let failed = |error: &dyn std::fmt::Display| format!("no key can be made: {error}");
        if is_rsa {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|error| failed(&error))?;
            let der = pair.as_der().map_err(|error| failed(&error))?;
            let private = EncodingKey::from_rsa_pem(pem(der.as_ref()).as_bytes()).map_err(|error| failed(&error))?;
            let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
            let (n, e) = (URL_SAFE_NO_PAD.encode(&parts.n), URL_SAFE_NO_PAD.encode(&parts.e));
            let public = json!({ "kty": "RSA", "alg": "RS384", "use": "sig", "kid": kid, "n": n, "e": e });
            return Ok(Key { algorithm: Algorithm::RS384, kid, private, public: Some(public) });
        }
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(|error| failed(&error))?;
        let der = pair.to_pkcs8v1().map_err(|error| failed(&error))?;
        let private = EncodingKey::from_ec_pem(pem(der.as_ref()).as_bytes()).map_err(|error| failed(&error))?;
        // The point, uncompressed: a byte that says so, and the two coordinates.
        let point = pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(point.len() / 2);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let public = json!({ "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": kid, "x": x, "y": y });
        Ok(Key { algorithm: Algorithm::ES384, kid, private, public: Some(public) })
    }

    fn given(given: &Given) -> Result<Option<Key>, String> {
        let Some(file) = &given.private_key else { return Ok(None) };
        let shown = file.display();
        let text = std::fs::read(file).map_err(|error| format!("{shown}: {error}"))?;
        let rsa = EncodingKey::from_rsa_pem(&text).map(|private| (Algorithm::RS384, private));
        let read = rsa.or_else(|_| EncodingKey::from_ec_pem(&text).map(|private| (Algorithm::ES384, private)));
        let (algorithm, private) = read.map_err(|error| format!("{shown}: {error}"))?;
        let kid = given.kid.clone().ok_or_else(|| format!("{shown}: the client needs a kid beside its key"))?;
        Ok(Some(Key { algorithm, kid, private, public: None }))
    }

    /// "The authentication JWT".
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#request>
    pub(crate) fn assertion(&self, client: &str, audience: &str, change: &Assertion) -> Result<String, String> {
        let mut claims = json!({ "iss": client, "sub": client, "aud": audience, "exp": now() + 240, "jti": new_id()? });
        for (name, value) in &change.claims {
            match (value, claims.as_object_mut()) {
                (Value::Null, Some(members)) => drop(members.shift_remove(name)),
                _ => claims[name] = value.clone(),
            }
        }
        let mut header = Header::new(self.algorithm);
        header.kid = Some(change.kid.clone().unwrap_or_else(|| self.kid.clone()));
        header.jku.clone_from(&change.jku);
        if change.unsigned {
            let header = json!({ "alg": "none", "typ": "JWT", "kid": self.kid });
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            return Ok(format!("{}.{}.", part(&header), part(&claims)));
        }
        let other = if change.forged { Some(Key::new(self.algorithm == Algorithm::RS384)?) } else { None };
        let private = other.as_ref().map_or(&self.private, |other| &other.private);
        jsonwebtoken::encode(&header, &claims, private).map_err(|error| format!("no assertion can be signed: {error}"))
    }
}

impl Client {
    pub(crate) fn given(kind: Kind, given: &Given) -> Result<Client, String> {
        let (id, secret) = (given.client_id.clone(), given.client_secret.clone());
        Ok(Client { kind, id, secret, key: Key::given(given)? })
    }

    /// What it registers: RFC 7591, 2.
    pub(crate) fn metadata(kind: Kind, setup: &Setup, scope: &str, key: Option<&Key>) -> Value {
        let mut metadata = json!({
            "client_name": kind.client_name(),
            "token_endpoint_auth_method": kind.auth_method(),
            "scope": scope,
        });
        if kind == Kind::Service {
            metadata["grant_types"] = json!(["client_credentials"]);
        } else {
            metadata["grant_types"] = json!(["authorization_code", "refresh_token"]);
            metadata["response_types"] = json!(["code"]);
            metadata["redirect_uris"] = json!([setup.redirect_uri()]);
            metadata["initiate_login_uri"] = setup.launch_uri().into();
        }
        if let Some(public) = key.and_then(|key| key.public.as_ref()) {
            metadata["jwks"] = json!({ "keys": [public] });
        }
        metadata
    }
}

/// Seconds since 1970.
#[allow(clippy::disallowed_methods, reason = "assertions are for now, by the clock that the server has too")]
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// That was not there before.
pub(crate) fn new_id() -> Result<String, String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_signed_by_the_key_that_is_published() {
        for is_rsa in [false, true] {
            let key = Key::new(is_rsa).unwrap();
            let jwk = serde_json::from_value(key.public.clone().unwrap()).unwrap();
            let verifying = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
            let mut validation = jsonwebtoken::Validation::new(key.algorithm);
            validation.set_audience(&["https://example.org/token"]);
            let verified = |change: &Assertion| {
                let signed = key.assertion("me", "https://example.org/token", change).unwrap();
                jsonwebtoken::decode::<Value>(&signed, &verifying, &validation).is_ok()
            };
            assert!(verified(&Assertion::default()));
            assert!(!verified(&Assertion { forged: true, ..Assertion::default() }));
            assert!(!verified(&Assertion { unsigned: true, ..Assertion::default() }));
            let other = vec![("aud".to_owned(), json!("https://elsewhere.example/"))];
            assert!(!verified(&Assertion { claims: other, ..Assertion::default() }));
        }
    }
}
