//! The relying party: clients of their own, a browser with a script in the place of people, and what a run is told of a
//! server to do so. Knows nothing of tests.

pub mod browser;
pub(crate) mod client;
pub mod page;
pub(crate) mod redact;
pub(crate) mod relying;
pub mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use script::{Names, Script};

const CLINIC: &str = "scripts/clinic.toml";

/// What a run is told of a server whose authorization it judges.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// What people do on its pages: a file beside this one; Vesta's where none is named.
    #[serde(default, rename = "script")]
    script_file: Option<PathBuf>,
    #[serde(skip)]
    pub script: Script,
    /// `patient`, `clinician` and `administrator`, each with what the script's steps fill in: `username`, `password`; of a
    /// patient, `patient` is the id of their record, of a clinician, `patient`, `patient_name` and `encounter` what they
    /// choose.
    #[serde(default)]
    pub people: BTreeMap<String, Names>,
    /// Where the server does not register clients dynamically: those that were registered by hand.
    #[serde(default)]
    pub clients: BTreeMap<Kind, Given>,
    /// Where the server sends the browser back, and where it starts the app: nobody needs to serve them.
    #[serde(default)]
    pub redirect_uri: Option<String>,
    #[serde(default)]
    pub launch_uri: Option<String>,
    /// `host:port` that speaks TLS as the server does, where its addresses are without.
    #[serde(default)]
    pub tls: Option<String>,
}

/// The clients of a run, by how they say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Public,
    /// A secret, by HTTP Basic.
    Symmetric,
    /// A secret in the form.
    SymmetricPost,
    /// A key of curve P-384.
    Asymmetric,
    /// An RSA key.
    AsymmetricRsa,
    /// A backend service.
    Service,
    /// Of another maker, with a secret.
    Stranger,
    /// What is granted to it is taken back.
    Withdrawn,
}

/// A client that was registered by hand.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<String>,
    /// A file with the private key: PKCS #8 in PEM.
    #[serde(default)]
    pub private_key: Option<PathBuf>,
    /// How the server knows the key.
    #[serde(default)]
    pub kid: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("{path}: {cause}", path = path.display())]
    File { path: PathBuf, cause: String },
    #[error(transparent)]
    Script(#[from] script::ScriptError),
}

impl Setup {
    /// Vesta's script, and the people of its demo clinic.
    pub fn clinic() -> Result<Setup, SetupError> {
        let failed = |error: toml::de::Error| SetupError::File { path: CLINIC.into(), cause: error.to_string() };
        let mut setup: Setup = toml::from_str(include_str!("../../scripts/clinic.toml")).map_err(failed)?;
        setup.script = Script::vesta()?;
        Ok(setup)
    }

    /// A TOML file; what it names stands beside it.
    pub fn read(path: &Path) -> Result<Setup, SetupError> {
        let failed = |cause: String| SetupError::File { path: path.to_path_buf(), cause };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let mut setup: Setup = toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        setup.script = match &setup.script_file {
            Some(file) => Script::read(&folder.join(file))?,
            None => Script::vesta()?,
        };
        for given in setup.clients.values_mut() {
            if let Some(file) = &mut given.private_key {
                *file = folder.join(&*file);
            }
        }
        Ok(setup)
    }

    pub(crate) fn redirect_uri(&self) -> &str {
        self.redirect_uri.as_deref().unwrap_or("https://conformance.example/callback")
    }

    pub(crate) fn launch_uri(&self) -> &str {
        self.launch_uri.as_deref().unwrap_or("https://conformance.example/launch")
    }
}

impl Kind {
    /// As people read it. None begins another.
    pub(crate) fn client_name(self) -> &'static str {
        match self {
            Kind::Public => "Conformance kit, public app",
            Kind::Symmetric => "Conformance kit, app with a secret in the header",
            Kind::SymmetricPost => "Conformance kit, app with a secret in the form",
            Kind::Asymmetric => "Conformance kit, app with a key",
            Kind::AsymmetricRsa => "Conformance kit, app with an RSA key",
            Kind::Service => "Conformance kit, service",
            Kind::Stranger => "Conformance kit, another maker's app",
            Kind::Withdrawn => "Conformance kit, app that loses access",
        }
    }

    /// `token_endpoint_auth_method`: RFC 7591, 2.
    pub(crate) fn auth_method(self) -> &'static str {
        match self {
            Kind::Public | Kind::Withdrawn => "none",
            Kind::Symmetric => "client_secret_basic",
            Kind::SymmetricPost | Kind::Stranger => "client_secret_post",
            Kind::Asymmetric | Kind::AsymmetricRsa | Kind::Service => "private_key_jwt",
        }
    }
}
