//! What clients call.

use http::{Method, StatusCode};
use poem::{Request, Response};
use serde_json::Value;
use vesta_oauth::{Claims, Credentials, ErrorCode, LaunchContext, OAuthError, Parameters, TokenResponse};

use super::super::fhir::bearer;
use super::super::negotiate;
use super::answer::{json, no_token, public_json};
use super::chart::Chart;
use super::route::Route;
use super::throttle::Asked;
use super::{Call, credentials, form, well_known};
use crate::audit::{Event, Who};
use crate::site::with_password;

impl Call<'_> {
    pub(super) async fn endpoint(&self, route: Route<'_>, request: &mut Request) -> Result<Response, OAuthError> {
        match route {
            Route::Token => self.token(request).await,
            Route::Register => self.register(request).await,
            Route::Client { id } => self.client(id, request).await,
            Route::Introspect => self.introspect(request).await,
            Route::Revoke => self.revoke(request).await,
            Route::UserInfo => self.userinfo(request).await,
            Route::Launch => self.launch(request).await,
            Route::Keys => Ok(public_json(&self.engine.keys().published(self.engine.now()))),
            Route::Discovery => {
                let document = self.engine.provider_metadata(well_known::granular())?;
                Ok(public_json(&document))
            }
            Route::Style => Ok(public_json(&style())),
            Route::Authorize | Route::Logout | Route::Asset { .. } | Route::Page(_) => {
                Err(OAuthError::invalid_request("this address is for people"))
            }
        }
    }

    async fn token(&self, request: &mut Request) -> Result<Response, OAuthError> {
        let credentials = credentials(request)?;
        let form = Parameters::new(form::read(request).await?);
        let named = credentials.basic.as_ref().map(|(id, _)| id.as_str()).or(form.one("client_id")?).map(str::to_owned);
        self.throttle(Asked::Token, named.as_deref())?;
        let answered = self.tokens(&credentials, form).await;
        let claims = answered.as_ref().ok().and_then(|answer| {
            // It was signed here just now.
            jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(&answer.access_token).ok()
        });
        let who = match &claims {
            Some(claims) => {
                Who { actor: &claims.sub, client: &claims.client_id, patient: claims.patient.as_deref(), user: None }
            }
            // Nothing that was not authenticated is believed.
            None => Who::UNKNOWN,
        };
        self.record(Event::TokenIssued, who, claims.is_some()).await?;
        Ok(json(200, &answered?))
    }

    async fn tokens(&self, credentials: &Credentials, form: Parameters) -> Result<TokenResponse, OAuthError> {
        let client = self.engine.authenticate(credentials, &form).await?;
        match form.one("grant_type")? {
            // A password is hashed on the way.
            Some("password") => {
                self.throttle(Asked::Login, form.one("username")?)?;
                with_password(self.engine, move |engine| async move { engine.token(&client, &form).await }).await?
            }
            _ => self.engine.token(&client, &form).await,
        }
    }

    /// What a client does to itself.
    async fn record_client(&self, event: Event, id: &str) -> Result<(), OAuthError> {
        self.record(event, Who { actor: id, client: id, ..Who::UNKNOWN }, true).await
    }

    async fn register(&self, request: &mut Request) -> Result<Response, OAuthError> {
        self.throttle(Asked::Registration, None)?;
        let metadata = body(request, ErrorCode::InvalidClientMetadata).await?;
        let registered = self.engine.register(&metadata).await?;
        self.record_client(Event::ClientRegistered, &registered.client.id).await?;
        // "201 Created": RFC 7591, 3.2.1.
        Ok(json(201, &registered.body))
    }

    async fn client(&self, id: &str, request: &mut Request) -> Result<Response, OAuthError> {
        self.throttle(Asked::Registration, None)?;
        let token = bearer(request.headers()).map(str::to_owned);
        let token = token.as_deref();
        match *request.method() {
            Method::PUT => {
                let metadata = body(request, ErrorCode::InvalidClientMetadata).await?;
                let registered = self.engine.update_registration(id, token, &metadata).await?;
                self.record_client(Event::ClientChanged, id).await?;
                Ok(json(200, &registered.body))
            }
            Method::DELETE => {
                self.engine.delete_registration(id, token).await?;
                self.record_client(Event::ClientDisabled, id).await?;
                Ok(Response::builder().status(StatusCode::NO_CONTENT).finish())
            }
            _ => Ok(json(200, &self.engine.read_registration(id, token).await?.body)),
        }
    }

    async fn introspect(&self, request: &mut Request) -> Result<Response, OAuthError> {
        let credentials = credentials(request)?;
        let bearer = bearer(request.headers()).map(str::to_owned);
        let form = Parameters::new(form::read(request).await?);
        let named = credentials.basic.as_ref().map(|(id, _)| id.as_str()).or(form.one("client_id")?);
        self.throttle(Asked::Introspection, named)?;
        Ok(json(200, &self.engine.introspect(&credentials, bearer.as_deref(), &form).await?))
    }

    async fn revoke(&self, request: &mut Request) -> Result<Response, OAuthError> {
        let credentials = credentials(request)?;
        let form = Parameters::new(form::read(request).await?);
        self.throttle(Asked::Token, None)?;
        let client = self.engine.authenticate(&credentials, &form).await?;
        self.engine.revoke(&client, &form).await?;
        self.record_client(Event::TokenRevoked, &client.id).await?;
        Ok(json(200, &serde_json::json!({})))
    }

    async fn userinfo(&self, request: &mut Request) -> Result<Response, OAuthError> {
        let Some(token) = bearer(request.headers()).map(str::to_owned) else {
            return Ok(no_token("an access token is needed: send it as Authorization: Bearer …"));
        };
        Ok(json(200, &self.engine.userinfo(&token).await?))
    }

    /// Another record system starts an app for its user: it is a client of ours with a token of that user, and says what is
    /// open there. The answer has the URL to send the browser to.
    async fn launch(&self, request: &mut Request) -> Result<Response, OAuthError> {
        let invalid = || {
            OAuthError::new(
                ErrorCode::InvalidToken,
                "an access token of the user is needed, with the scope of the patient",
            )
        };
        let Some(token) = bearer(request.headers()).map(str::to_owned) else {
            return Ok(no_token("an access token of the user is needed: send it as Authorization: Bearer …"));
        };
        let access = self.site.verifier.verify(&token).map_err(|_| invalid())?;
        let user = self.engine.user(&access.subject).await?.filter(|user| user.enabled).ok_or_else(invalid)?;
        let wanted = body(request, ErrorCode::InvalidRequest).await?;
        let text = |name: &str| wanted.get(name).and_then(Value::as_str).map(str::to_owned);
        let client_id =
            text("client_id").ok_or_else(|| OAuthError::invalid_request("client_id is missing: the app to start"))?;
        let client = self.engine.client(&client_id).await?;
        let client = client.ok_or_else(|| OAuthError::invalid_request("no app has this client_id"))?;
        let context = LaunchContext {
            patient: text("patient"),
            encounter: text("encounter"),
            fhir_context: wanted.get("fhirContext").and_then(Value::as_array).cloned().unwrap_or_default(),
            intent: text("intent"),
            tenant: text("tenant"),
            need_patient_banner: wanted.get("need_patient_banner").and_then(Value::as_bool),
        };
        // What the app is told of must be what the token reaches, whoever's it is.
        let chart = Chart::of_access(self, &access);
        let unreached =
            |what: &str| OAuthError::invalid_request(format!("{what} is not there, or the token does not reach it"));
        match (context.patient.as_deref(), context.encounter.as_deref()) {
            (None, Some(_)) => return Err(OAuthError::invalid_request("encounter needs the patient beside it")),
            (Some(patient), _) if chart.patient(patient).await?.is_none() => return Err(unreached("the patient")),
            (Some(patient), Some(encounter)) if !chart.has_encounter(patient, encounter).await? => {
                return Err(unreached("the encounter"));
            }
            _ => {}
        }
        let patient = context.patient.clone();
        let url = self.engine.create_launch(&user, &client, context).await?;
        let who = Who { actor: &user.id, client: &client.id, patient: patient.as_deref(), user: None };
        self.record(Event::Launch, who, true).await?;
        Ok(json(201, &serde_json::json!({ "launch_url": url })))
    }
}

/// A JSON body. "with a content type of application/json": RFC 7591, 3.1. So no form of a page elsewhere can send one.
async fn body(request: &mut Request, wrong: ErrorCode) -> Result<Value, OAuthError> {
    let wrong = || OAuthError::new(wrong, "the body must be a JSON object, sent as Content-Type: application/json");
    if !negotiate::is_json(request.headers()) {
        return Err(wrong());
    }
    let bytes = form::bytes(request).await?;
    serde_json::from_slice(&bytes).map_err(|_| wrong())
}

/// Values for apps that want to look like their surroundings.
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#styling>
fn style() -> Value {
    serde_json::json!({
        "color_background": "#ffffff",
        "color_error": "#b3261e",
        "color_highlight": "#0b6b74",
        "color_modal_backdrop": "",
        "color_success": "#1c6e3d",
        "color_text": "#1b2427",
        "dim_border_radius": "6px",
        "dim_font_size": "16px",
        "dim_spacing_size": "16px",
        "font_family_body": "system-ui, sans-serif",
        "font_family_heading": "system-ui, sans-serif"
    })
}
