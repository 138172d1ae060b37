//! What a client learns before it asks: the documents of OpenID Connect, of OAuth (RFC 8414, RFC 9728), and of SMART. They name what
//! works and nothing else.

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, IssuerUrl, JsonWebKeySetUrl, ProviderMetadata, RegistrationUrl, ResponseTypes,
    Scope, TokenUrl, UserInfoUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::KeyFetcher;
use crate::engine::Engine;
use crate::error::OAuthError;
use crate::scopes;
use crate::settings::PasswordGrant;
use crate::storage::Storage;
use crate::token::server_error;

/// What stands in the document beside the members of OpenID Connect Discovery.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Additional {
    introspection_endpoint: String,
    revocation_endpoint: String,
    end_session_endpoint: String,
    code_challenge_methods_supported: Vec<String>,
    introspection_endpoint_auth_methods_supported: Vec<String>,
    revocation_endpoint_auth_methods_supported: Vec<String>,
    // "MUST be present if ... private_key_jwt": RFC 8414, 2.
    introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    authorization_response_iss_parameter_supported: bool,
    prompt_values_supported: Vec<String>,
}

impl AdditionalProviderMetadata for Additional {}

/// The document of OpenID Connect Discovery with what else stands in it.
pub(crate) type Metadata<A> = ProviderMetadata<
    A,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What SMART 2.2 names, and works here. `smart-app-state` is of an endpoint of its own, which the server names beside.
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#smart-on-fhir-oauth-authorization-endpoints-and-capabilities>
const CAPABILITIES: [&str; 19] = [
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
];

const METHODS: [&str; 4] = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
const CONFIDENTIAL: [&str; 3] = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

/// Of client assertions.
const ALGORITHMS: [&str; 2] = ["RS384", "ES384"];

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// `{issuer}/.well-known/openid-configuration`, and the same as RFC 8414's document. `granular`: the scopes of US Core's table, without their level.
    pub fn provider_metadata(&self, granular: &[impl AsRef<str>]) -> Result<Value, OAuthError> {
        let settings = &self.settings;
        let url = |name: &str| settings.endpoint(name);
        let metadata = Metadata::<Additional>::new(
            IssuerUrl::new(settings.issuer.clone()).map_err(server_error)?,
            AuthUrl::new(url("authorize")).map_err(server_error)?,
            JsonWebKeySetUrl::new(url("jwk")).map_err(server_error)?,
            vec![ResponseTypes::new(vec![CoreResponseType::Code])],
            vec![CoreSubjectIdentifierType::Public],
            vec![CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256],
            Additional {
                introspection_endpoint: url("introspect"),
                revocation_endpoint: url("revoke"),
                end_session_endpoint: url("logout"),
                code_challenge_methods_supported: owned(&["S256"]),
                introspection_endpoint_auth_methods_supported: owned(&CONFIDENTIAL),
                revocation_endpoint_auth_methods_supported: owned(&METHODS),
                introspection_endpoint_auth_signing_alg_values_supported: owned(&ALGORITHMS),
                revocation_endpoint_auth_signing_alg_values_supported: owned(&ALGORITHMS),
                authorization_response_iss_parameter_supported: true,
                prompt_values_supported: owned(&["none", "login", "consent", "select_account"]),
            },
        )
        .set_token_endpoint(Some(TokenUrl::new(url("token")).map_err(server_error)?))
        .set_userinfo_endpoint(Some(UserInfoUrl::new(url("userinfo")).map_err(server_error)?))
        .set_registration_endpoint(match settings.registration {
            true => Some(RegistrationUrl::new(url("registration")).map_err(server_error)?),
            false => None,
        })
        .set_scopes_supported(Some(self.scopes_supported(granular).into_iter().map(Scope::new).collect()))
        .set_response_modes_supported(Some(vec![CoreResponseMode::Query]))
        .set_grant_types_supported(Some(
            self.grant_types()
                .into_iter()
                .map(|name| serde_json::from_value(json!(name)).map_err(server_error))
                .collect::<Result<_, _>>()?,
        ))
        .set_token_endpoint_auth_methods_supported(Some(
            METHODS
                .iter()
                .map(|name| serde_json::from_value(json!(name)).map_err(server_error))
                .collect::<Result<_, _>>()?,
        ))
        .set_token_endpoint_auth_signing_alg_values_supported(Some(vec![
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
            CoreJwsSigningAlgorithm::EcdsaP384Sha384,
        ]))
        .set_claims_supported(Some(
            [
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "nonce",
                "name",
                "preferred_username",
                "email",
                "fhirUser",
            ]
            .iter()
            .map(|name| CoreClaimName::new((*name).to_owned()))
            .collect(),
        ))
        .set_claims_parameter_supported(Some(false))
        .set_request_parameter_supported(Some(false))
        .set_request_uri_parameter_supported(Some(false));
        serde_json::to_value(metadata).map_err(server_error)
    }

    /// `{fhir}/.well-known/smart-configuration`
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata>
    pub fn smart_configuration(&self, granular: &[impl AsRef<str>]) -> Value {
        let settings = &self.settings;
        let url = |name: &str| settings.endpoint(name);
        let mut document = json!({
            "issuer": settings.issuer,
            "jwks_uri": url("jwk"),
            "authorization_endpoint": url("authorize"),
            "token_endpoint": url("token"),
            "userinfo_endpoint": url("userinfo"),
            "introspection_endpoint": url("introspect"),
            "revocation_endpoint": url("revoke"),
            "management_endpoint": url("apps"),
            "end_session_endpoint": url("logout"),
            "token_endpoint_auth_methods_supported": METHODS,
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "grant_types_supported": self.grant_types(),
            "scopes_supported": self.scopes_supported(granular),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": CAPABILITIES,
        });
        if settings.registration {
            document["registration_endpoint"] = url("registration").into();
        }
        document
    }

    /// RFC 9728: where tokens for the FHIR API come from.
    pub fn protected_resource_metadata(&self, granular: &[impl AsRef<str>]) -> Value {
        json!({
            "resource": self.settings.fhir_base,
            "authorization_servers": [self.settings.issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": self.scopes_supported(granular),
            "resource_name": "FHIR R4 API",
        })
    }

    fn scopes_supported(&self, granular: &[impl AsRef<str>]) -> Vec<String> {
        scopes::supported(granular, self.settings.system_scopes)
    }

    fn grant_types(&self) -> Vec<&'static str> {
        let mut types = vec!["authorization_code", "refresh_token"];
        if self.settings.system_scopes {
            types.push("client_credentials");
        }
        if self.settings.password_grant != PasswordGrant::Off {
            types.push("password");
        }
        types
    }
}
