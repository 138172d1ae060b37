//! Clients, and the tool that says what a token is.

use jiff::Timestamp;
use vesta_oauth::{Access, AuthMethod, Claims, Client, ClientState, OAuthError};
use vesta_pages::{
    ClientGrant, ClientRow, Clients, Confirm, Form, Link, Mistake, Pager, TokenFacts, TokenState, TokenTool,
};

use super::super::super::form;
use super::super::interaction::split;
use super::super::login::refuse_others;
use super::super::{Shown, Visit};
use crate::audit::Event;

const ROWS: usize = 50;
const GRANTS: usize = 50;
/// The page of the token tool, in place of an id.
const TOKEN_TOOL: &str = "token";

pub(in super::super) async fn clients(visit: &Visit<'_>) -> Shown {
    let user = match visit.needed("clients") {
        Ok(user) => user,
        Err(login) => return Ok(visit.redirect(&login)),
    };
    refuse_others(user)?;
    let value = |name: &str| form::value(&visit.query, name).unwrap_or_default();
    let (name, state) = (value("name"), state_of(value("state")));
    let after = Some(value("after")).filter(|after| !after.is_empty());
    let engine = visit.call.engine;
    let mut rows = Vec::new();
    let mut after = after.map(str::to_owned);
    let mut next = None;
    // Filters look at each: a page is filled from as many as it takes.
    'filled: loop {
        let found = engine.clients(after.as_deref(), ROWS).await?;
        for client in &found {
            let is_meant = state.is_none_or(|state| client.state == state)
                && client.name.to_lowercase().contains(&name.to_lowercase());
            if is_meant {
                if rows.len() == ROWS {
                    next = after;
                    break 'filled;
                }
                rows.push(row(visit, client, None));
            }
            after = Some(client.id.clone());
        }
        if found.len() < ROWS {
            break;
        }
    }
    let query = |pairs: &[(&str, &str)]| {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()))
            .finish();
        if query.is_empty() { visit.url("clients") } else { format!("{}?{query}", visit.url("clients")) }
    };
    let filters = [("", "All"), ("pending", "Waiting for approval"), ("enabled", "Enabled"), ("disabled", "Disabled")];
    let page = Clients {
        frame: visit.frame(),
        search: Form::to(visit.url("clients")).with("state", value("state")),
        name: name.to_owned(),
        filters: filters
            .into_iter()
            .map(|(word, text)| Link {
                current: word == value("state"),
                ..Link::new(text, query(&[("state", word), ("name", name)]))
            })
            .collect(),
        clients: rows,
        pager: Pager {
            previous: None,
            next: next.map(|after| query(&[("state", value("state")), ("name", name), ("after", &after)])),
        },
        token_tool: visit.url(&format!("clients/{TOKEN_TOOL}")),
    };
    Ok(visit.show(&page))
}

fn state_of(word: &str) -> Option<ClientState> {
    match word {
        "pending" => Some(ClientState::Pending),
        "enabled" => Some(ClientState::Enabled),
        "disabled" => Some(ClientState::Disabled),
        _ => None,
    }
}

fn time(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// `last_used` is told on the client's own page: it stands in the grants, of which a list would read all.
fn row(visit: &Visit<'_>, client: &Client, last_used: Option<i64>) -> ClientRow {
    let kind = match client.auth_method {
        AuthMethod::None => "Public",
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => "Confidential, with a secret",
        AuthMethod::PrivateKeyJwt => "Confidential, with a key",
    };
    let mut levels: Vec<&str> = client
        .scopes()
        .filter_map(|scope| scope.split_once('/'))
        .map(|(level, _)| level)
        .filter(|level| *level != "launch")
        .collect();
    levels.sort_unstable();
    levels.dedup();
    ClientRow {
        name: client.name.clone(),
        id: client.id.clone(),
        href: visit.url(&format!("clients/{}", client.id)),
        state: match client.state {
            ClientState::Pending => vesta_pages::ClientState::Pending,
            ClientState::Enabled => vesta_pages::ClientState::Enabled,
            ClientState::Disabled => vesta_pages::ClientState::Disabled,
        },
        kind: match client.skips_launch_consent {
            true => format!("{kind}; approved for all staff"),
            false => kind.to_owned(),
        },
        levels: levels.join(", "),
        registered: time(client.registered).unwrap_or_default(),
        last_used: last_used.and_then(time),
    }
}

pub(in super::super) async fn client(visit: &Visit<'_>, id: &str) -> Shown {
    let user = match visit.needed("clients") {
        Ok(user) => user,
        Err(login) => return Ok(visit.redirect(&login)),
    };
    refuse_others(user)?;
    if id == TOKEN_TOOL {
        return token_tool(visit).await;
    }
    let engine = visit.call.engine;
    let Some(known) = engine.client(id).await? else {
        return Ok(visit.redirect(&visit.url("clients")));
    };
    let mut secret = None;
    let action = visit.field("action");
    if action == "delete" && visit.field("sure") != "yes" {
        return Ok(visit.show(&ask_to_delete(visit, &known)));
    }
    if visit.form.is_some() {
        let event = match action {
            "approve" | "enable" => Event::ClientEnabled,
            "disable" | "delete" => Event::ClientDisabled,
            "revoke-grant" => Event::TokenRevoked,
            _ => Event::ClientChanged,
        };
        visit.record(event, &user.id, id, None).await?;
    }
    match action {
        "approve" | "enable" => drop(engine.set_client_state(id, ClientState::Enabled).await?),
        "disable" => drop(engine.set_client_state(id, ClientState::Disabled).await?),
        "rotate-secret" => secret = engine.rotate_secret(id).await?,
        "exempt-pkce" => drop(engine.set_pkce_exempt(id, true).await?),
        "require-pkce" => drop(engine.set_pkce_exempt(id, false).await?),
        "skip-consent" => drop(engine.set_skips_launch_consent(id, true).await?),
        "ask-consent" => drop(engine.set_skips_launch_consent(id, false).await?),
        "revoke-grant" => {
            let grant = engine.grant(visit.field("grant")).await?.filter(|grant| grant.client == id);
            if let Some(grant) = grant {
                engine.revoke_grant(&grant.id).await?;
            }
        }
        "delete" => {
            engine.delete_client(id).await?;
            return Ok(visit.redirect(&format!("{}?notice=deleted", visit.url("clients"))));
        }
        _ => {}
    }
    if visit.form.is_some() && secret.is_none() {
        return Ok(visit.redirect(&format!("{}?notice=saved", visit.url(&format!("clients/{id}")))));
    }
    let known = engine.client(id).await?.unwrap_or(known);
    let page = detail(visit, &known, secret).await?;
    Ok(visit.show(&page))
}

fn ask_to_delete(visit: &Visit<'_>, client: &Client) -> Confirm {
    let here = visit.url(&format!("clients/{}", client.id));
    Confirm {
        frame: visit.frame(),
        form: Form::to(&here).with("action", "delete").with("sure", "yes"),
        title: format!("Delete {}?", client.name),
        text: vec!["All access that people gave it ends at once. It would have to register anew.".to_owned()],
        yes: "Delete it".to_owned(),
        no: Link::new("Keep it", here),
        danger: true,
    }
}

async fn detail(visit: &Visit<'_>, client: &Client, secret: Option<String>) -> Result<vesta_pages::Client, OAuthError> {
    let engine = visit.call.engine;
    let scopes: Vec<String> = client.scopes().map(str::to_owned).collect();
    let (scopes, other_scopes) = split(&scopes);
    let all = engine.grants_of_client(&client.id).await?;
    let mut grants = Vec::new();
    for grant in all.iter().take(GRANTS) {
        let person =
            engine.user(&grant.user).await?.map_or_else(|| "A person who is gone".to_owned(), |user| user.display_name);
        grants.push(ClientGrant {
            id: grant.id.clone(),
            person,
            patient: grant.context.patient.as_ref().map(|id| format!("Patient/{id}")),
            since: time(grant.created).unwrap_or_default(),
            last_used: time(grant.last_used),
            expires: (grant.access != Access::Online).then(|| time(grant.expires_at())).flatten(),
        });
    }
    let keys = match (&client.jwks_uri, &client.jwks) {
        (Some(uri), _) => vec![uri.clone()],
        (None, Some(set)) => {
            let keys = set.get("keys").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            let text = |key: &serde_json::Value, name: &str| {
                key.get(name).and_then(serde_json::Value::as_str).unwrap_or("?").to_owned()
            };
            keys.iter().map(|key| format!("{} ({})", text(key, "kid"), text(key, "kty"))).collect()
        }
        (None, None) => Vec::new(),
    };
    let links =
        [("Website", client.client_uri()), ("Privacy policy", client.policy_uri()), ("Terms", client.tos_uri())];
    let contacts = client.metadata.get("contacts").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    Ok(vesta_pages::Client {
        frame: visit.frame(),
        form: Form::to(visit.url(&format!("clients/{}", client.id))),
        back: visit.url("clients"),
        row: row(visit, client, all.iter().map(|grant| grant.last_used).max()),
        secret,
        has_secret: client.auth_method.has_secret(),
        exempt_from_pkce: (!client.is_public()).then_some(client.pkce_exempt),
        skips_consent: (!client.is_public()).then_some(client.skips_launch_consent),
        contacts: contacts.iter().filter_map(|contact| contact.as_str().map(str::to_owned)).collect(),
        links: links.into_iter().filter_map(|(text, url)| Some(Link::new(text, url?))).collect(),
        launch_uri: client.initiate_login_uri.clone(),
        redirect_uris: client.redirect_uris.clone(),
        post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
        keys,
        scopes,
        other_scopes,
        more_grants: (all.len() > grants.len()).then(|| visit.url(&format!("clients/{}", client.id))),
        grants,
    })
}

/// "Token Tools": what a token says, and taking it back.
async fn token_tool(visit: &Visit<'_>) -> Shown {
    let engine = visit.call.engine;
    let path = visit.url(&format!("clients/{TOKEN_TOOL}"));
    let mut page = TokenTool {
        frame: visit.frame(),
        form: Form::to(&path),
        back: visit.url("clients"),
        facts: None,
        mistakes: Vec::new(),
    };
    let token = visit.field("token").trim();
    if visit.form.is_none() {
        return Ok(visit.show(&page));
    }
    match engine.inspect(token).await? {
        None => page.mistakes.push(Mistake::new("token", "This is no access token of this site")),
        Some((claims, is_good)) => {
            if is_good && visit.field("action") == "revoke" {
                let by = visit.user.as_ref().map_or("", |user| user.id.as_str());
                visit.record(Event::TokenRevoked, by, &claims.client_id, claims.patient.as_deref()).await?;
                engine.revoke_token(&claims).await?;
                page.facts = Some(facts(visit, &claims, false, None).await?);
            } else {
                let revoke = is_good.then(|| Form::to(&path).with("action", "revoke").with("token", token));
                page.facts = Some(facts(visit, &claims, is_good, revoke).await?);
            }
        }
    }
    Ok(visit.show(&page))
}

async fn facts(
    visit: &Visit<'_>,
    claims: &Claims,
    is_good: bool,
    revoke: Option<Form>,
) -> Result<TokenFacts, OAuthError> {
    let engine = visit.call.engine;
    let is_over = claims.exp <= engine.now().as_second();
    let at = |seconds: i64| time(seconds).map(|time| time.to_string()).unwrap_or_default();
    let client = engine.client(&claims.client_id).await?.map_or_else(|| claims.client_id.clone(), |client| client.name);
    let person = engine.user(&claims.sub).await?.map_or_else(|| claims.sub.clone(), |user| user.display_name);
    let mut facts = vec![
        ("App".to_owned(), client),
        ("For".to_owned(), person),
        ("Issued".to_owned(), at(claims.iat)),
        ("Expires".to_owned(), at(claims.exp)),
    ];
    if let Some(patient) = &claims.patient {
        facts.push(("Patient".to_owned(), format!("Patient/{patient}")));
    }
    Ok(TokenFacts {
        kind: "Access token".to_owned(),
        state: match (is_good, is_over) {
            (true, _) => TokenState::Active,
            (false, true) => TokenState::Expired,
            (false, false) => TokenState::Revoked,
        },
        facts,
        scopes: claims.scope.split_ascii_whitespace().map(str::to_owned).collect(),
        revoke,
    })
}
