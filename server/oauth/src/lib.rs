//! The authorization server of Vesta without HTTP and without SQL: OAuth 2, OpenID Connect and SMART App Launch 2.2 as
//! state machines over a small [`Storage`], with clock and chance as parameters. One file a grant or endpoint.
//!
//! ```text
//! read_authorization → begin → step … choose_patient, choose_encounter → decide | deny      (a browser, with a session)
//! authenticate → token                                                                       (a client)
//! introspect, revoke, userinfo, register, read_logout
//! start_upstream → finish_upstream → log_in_upstream                                        (staff, at another OpenID provider)
//! ```
//!
//! Secrets (codes, refresh tokens, client secrets, sessions, launches) are kept as SHA-256 only, passwords as argon2id. Password
//! hashing takes tens of milliseconds: who calls [`Engine::check_password`] keeps it off the threads that answer others.

mod authenticate;
mod authorize;
mod client;
mod client_credentials;
mod code;
mod discovery;
mod engine;
mod error;
mod grant;
mod interaction;
mod introspect;
mod keys;
mod launch;
mod logout;
mod parameters;
mod password;
mod refresh;
mod registration;
mod revoke;
mod scope;
mod scopes;
mod secret;
mod session;
mod settings;
mod storage;
mod token;
mod upstream;
mod user;
mod userinfo;

pub use authenticate::{ASSERTION_TYPE, Credentials};
pub use authorize::{AuthorizationRequest, Prompt, Refusal};
pub use client::{AuthMethod, Client, ClientState, KeyFetcher};
pub use engine::Engine;
pub use error::{ErrorBody, ErrorCode, OAuthError};
pub use grant::{Access, Grant, LaunchContext};
pub use interaction::{Consent, Interaction, Step};
pub use keys::{Dated, IdentityKey, KeyPair, KeyRing, Keys, Rotation, Shared, SigningKey, SigningKeyError, rotate_pem};
pub use logout::Logout;
pub use parameters::Parameters;
pub use registration::Registered;
pub use scope::{
    Level, OTHER_SCOPES, OperationScope, Permission, Permissions, Scope, ScopeError, parse_operations, parse_scope,
    parse_scopes, says_nothing_of_resources,
};
pub use scopes::{Named, covers, read as read_scope};
pub use secret::{Random, system_random};
pub use session::{Opened, Session};
pub use settings::{Lifetimes, Matching, PasswordGrant, Settings, Upstream};
pub use storage::{Clock, Filter, Kind, Memory, Record, Revoked, Storage, StorageError};
pub use token::{ADMINISTRATOR, ALGORITHM, Claims, NewToken, TOKEN_TYPE, TokenResponse};
pub use upstream::{HttpRequest, HttpResponse, ProviderClient, UpstreamError, UpstreamIdentity, UpstreamUser};
pub use user::{LoginError, NewUser, Role, SHORTEST_PASSWORD, User, check_strength};
