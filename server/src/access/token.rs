//! Access tokens as JWTs: how they are signed and what they say is the authorization server's; here stands why one is not
//! accepted. RFC 9068, <https://www.rfc-editor.org/rfc/rfc9068>.

pub(super) use vesta_oauth::{ALGORITHM, TOKEN_TYPE};
pub use vesta_oauth::{Claims, NewToken, SigningKey, SigningKeyError};

use super::ScopeError;

/// Why a token is not accepted. The texts go to the client: they say which check failed, and nothing of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the access token is not a JWT of this server")]
    Malformed,
    #[error("the access token's typ is not at+jwt: an ID token or a client assertion does not give access")]
    Type,
    #[error("the access token is not signed with ES256")]
    Algorithm,
    #[error("the access token's signature is not of this site's key")]
    Signature,
    #[error("the access token was issued for another server or site")]
    Issuer,
    #[error("the access token's audience is another server or site")]
    Audience,
    #[error("the access token has expired")]
    Expired,
    #[error("the access token is of the future: compare the clocks")]
    NotYet,
    #[error("the access token was revoked")]
    Revoked,
    #[error("what was revoked lately is not known at the moment, so no token is accepted: try again")]
    NoNews,
    #[error("the access token has a scope that is not understood: {0}")]
    Scope(#[from] ScopeError),
    #[error("the access token has patient scopes and no patient")]
    NoPatient,
    #[error("system scopes are switched off on this server")]
    SystemScopes,
}
