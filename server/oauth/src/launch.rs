//! Launches from the record system: a clinician starts an app, and the app brings the launch back in its authorization request.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch>

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{Client, KeyFetcher};
use crate::engine::{Engine, Stored};
use crate::error::OAuthError;
use crate::grant::LaunchContext;
use crate::secret;
use crate::storage::{Kind, Storage};
use crate::user::User;

/// What a launch is for: an opaque value, good once, for this user and this app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) client: String,
    pub(crate) user: String,
    pub(crate) context: LaunchContext,
    /// The app's request must have come by then.
    good_until: i64,
    /// Once it has come, the person may take their time to log in and consent.
    expires: i64,
}

impl Stored for Launch {
    const KIND: Kind = Kind::Launch;

    fn client(&self) -> Option<&str> {
        Some(&self.client)
    }

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// The URL that starts the app: its launch URL with `iss` and `launch`. Whether the user may see the patient is for the
    /// caller to make sure of.
    pub async fn create_launch(
        &self,
        user: &User,
        client: &Client,
        context: LaunchContext,
    ) -> Result<String, OAuthError> {
        let uri = client.initiate_login_uri.as_deref();
        let uri = uri.ok_or_else(|| OAuthError::invalid_request("the app has no launch URL (initiate_login_uri)"))?;
        let launch = self.create_launch_value(user, client, context).await?;
        let mut url = url::Url::parse(uri).map_err(crate::token::server_error)?;
        url.query_pairs_mut().append_pair("iss", &self.settings.fhir_base).append_pair("launch", &launch);
        Ok(url.into())
    }

    /// The value alone.
    pub async fn create_launch_value(
        &self,
        user: &User,
        client: &Client,
        context: LaunchContext,
    ) -> Result<String, OAuthError> {
        check_context(&context)?;
        if let Some(own) = user.patient()
            && context.patient.as_deref().is_some_and(|patient| patient != own)
        {
            return Err(OAuthError::invalid_request("a patient can start an app for their own record only"));
        }
        let value = secret::new(&self.random);
        let launch = Launch {
            client: client.id.clone(),
            user: user.id.clone(),
            context,
            good_until: self.after(self.settings.lifetimes.launch),
            expires: self.after(self.settings.lifetimes.launch + self.settings.lifetimes.interaction),
        };
        self.add(&secret::hash(&value), &launch).await?;
        Ok(value)
    }

    /// What the launch was for, where it is this client's and was not used.
    pub(crate) async fn find_launch(&self, value: &str, client: &Client) -> Result<Launch, OAuthError> {
        let found = self.load::<Launch>(&secret::hash(value)).await?.map(|kept| kept.value);
        found
            .filter(|launch| launch.client == client.id && launch.good_until > self.now().as_second())
            .ok_or_else(unknown)
    }

    /// Of two who use it, one gets it.
    pub(crate) async fn use_launch(&self, value: &str) -> Result<(), OAuthError> {
        match self.storage.remove(Kind::Launch, &secret::hash(value)).await? {
            true => Ok(()),
            false => Err(unknown()),
        }
    }
}

fn unknown() -> OAuthError {
    OAuthError::invalid_request(
        "launch is not one of this server's for this app, was used, or is too old: start the app anew",
    )
}

/// "fhirContext ... SHALL NOT include Patient or Encounter" but in another role; "each object ... at least one of"; "role SHALL NOT be empty".
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#fhir-context>
fn check_context(context: &LaunchContext) -> Result<(), OAuthError> {
    for object in &context.fhir_context {
        let member = |name: &str| object.get(name);
        if !["reference", "canonical", "identifier"].iter().any(|name| member(name).is_some()) {
            return Err(OAuthError::invalid_request(
                "each object of fhirContext has a reference, canonical or identifier",
            ));
        }
        let role = member("role").and_then(Value::as_str);
        if role == Some("") {
            return Err(OAuthError::invalid_request("a role in fhirContext is not empty"));
        }
        // Relative, absolute, or of a version.
        let reference = member("reference").and_then(Value::as_str).unwrap_or_default();
        let is_in_context = reference.split('/').any(|part| matches!(part, "Patient" | "Encounter"));
        if is_in_context && role.is_none_or(|role| role == "launch") {
            return Err(OAuthError::invalid_request(
                "the patient and encounter in context stand beside fhirContext; in it they have another role",
            ));
        }
    }
    Ok(())
}
