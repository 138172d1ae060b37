//! What people see: each page is a view of `vesta_pages`, filled from what the engine says. A GET shows, a POST changes and
//! answers 303 to what comes next; every form carries the session's token.

mod account;
mod administration;
mod apps;
mod interaction;
mod launcher;
mod login;
mod sign_out;
mod upstream;
mod view;

use poem::{Request, Response};
use vesta_oauth::{OAuthError, Opened, Role, User};
use vesta_pages::{Frame, Link, Person};

use super::route::Page;
use super::throttle::Asked;
use super::{Call, cookie, form};
use crate::audit::{Event, UNKNOWN, Who};
use crate::fhir::parse_query;

/// The client of what people do here, beside no app.
const PAGES: &str = "vesta-pages";

pub(super) use interaction::authorize;
pub(super) use sign_out::logout;
pub(super) use view::asset;
pub(in super::super) use view::frame;

/// A page that is nobody's: the server's first.
pub(in super::super) fn html(status: u16, page: &impl vesta_pages::Template) -> Response {
    view::html(status, page, LeadsTo::Here)
}

/// A request of a browser.
struct Visit<'a> {
    call: &'a Call<'a>,
    opened: Opened,
    /// Who is logged in.
    user: Option<User>,
    query: Vec<(String, String)>,
    /// The form, where the request has one, and it is of this session.
    form: Option<Vec<(String, String)>>,
}

use view::LeadsTo;

/// A page's answer, or why there is none.
type Shown = Result<Response, OAuthError>;

pub(super) async fn answer(call: &Call<'_>, page: Page<'_>, request: &mut Request) -> Response {
    let visit = match Visit::new(call, request).await {
        Ok(visit) => visit,
        Err(refused) => return view::refused(call, &refused),
    };
    let shown = match page {
        Page::Login => login::login(&visit).await,
        Page::SecondFactor => login::second_factor(&visit).await,
        Page::Upstream => upstream::start(&visit).await,
        Page::UpstreamCallback => upstream::back(&visit).await,
        Page::Patient => interaction::patient(&visit).await,
        Page::Encounter => interaction::encounter(&visit).await,
        Page::Consent => interaction::consent(&visit).await,
        Page::SignOut => sign_out::sign_out(&visit).await,
        Page::Account => account::account(&visit).await,
        Page::Apps => apps::apps(&visit).await,
        Page::App { id } => apps::app(&visit, id).await,
        Page::Launcher => launcher::launcher(&visit).await,
        Page::Clients => administration::clients(&visit).await,
        Page::ClientDetail { id } => administration::client(&visit, id).await,
        Page::Users => administration::users(&visit).await,
        Page::User { id } => administration::user(&visit, id).await,
    };
    shown.unwrap_or_else(|refused| visit.refused(&refused, None))
}

/// The browser's session. A new one is a record in the database, so that they are not made without end.
async fn open_session(call: &Call<'_>, request: &Request) -> Result<Opened, OAuthError> {
    let secret = cookie::session(request.headers(), call.site);
    if let Some(session) = call.engine.existing_session(secret.as_deref()).await? {
        return Ok(Opened { session, secret: None });
    }
    call.throttle(Asked::Token, None)?;
    call.engine.session(None).await
}

/// The parameters of what an app sends the browser to, by GET or POST. What another site's page sends by POST comes without
/// the cookie (`SameSite=Lax`), and by GET with it: RFC 6265bis, 5.2. So the browser is asked to come again by GET; else it
/// would be a stranger, and get a session of nobody in place of its own. What is too long for an address is taken as it came.
async fn parameters(
    call: &Call<'_>,
    request: &mut Request,
    path: &str,
) -> Result<Result<Vec<(String, String)>, Response>, OAuthError> {
    const LONGEST: usize = 6 << 10;
    if *request.method() != http::Method::POST {
        return Ok(Ok(parse_query(request.uri().query().unwrap_or_default())));
    }
    let form = form::read(request).await?;
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let is_known = cookie::session(request.headers(), call.site).is_some();
    Ok(match is_known || query.len() > LONGEST {
        true => Ok(form),
        false => Err(view::see_other(&format!("{}/{path}?{query}", call.site.addresses.issuer))),
    })
}

/// A page that one returns to: one of ours by its name, never an address.
fn page_named(name: &str) -> Option<&'static str> {
    ["apps", "launcher", "clients", "users", "account"].into_iter().find(|page| *page == name)
}

impl<'a> Visit<'a> {
    async fn new(call: &'a Call<'a>, request: &mut Request) -> Result<Visit<'a>, OAuthError> {
        let mut visit = Visit::of(call, open_session(call, request).await?).await?;
        visit.query = parse_query(request.uri().query().unwrap_or_default());
        if *request.method() == http::Method::POST {
            visit.form = Some(form::read(request).await?);
        }
        if let Some(fields) = &visit.form {
            // "Cross-site request forgery": a form that this session was not given is not taken.
            if !call.engine.is_own_form(&visit.opened.session, form::value(fields, "csrf")) {
                return Err(OAuthError::invalid_request(
                    "the form is of another session, or is too old: go back, load the page anew and try again",
                ));
            }
        }
        Ok(visit)
    }

    /// In a session, without a request to one of its pages.
    async fn of(call: &'a Call<'a>, opened: Opened) -> Result<Visit<'a>, OAuthError> {
        let user = match &opened.session.user {
            Some(user) => call.engine.user(user).await?,
            None => None,
        };
        Ok(Visit { call, opened, user, query: Vec::new(), form: None })
    }

    /// Where a page of this server is.
    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.call.site.addresses.issuer)
    }

    /// The request that the page is a part of.
    fn interaction(&self) -> Option<&str> {
        let of_form = self.form.as_deref().and_then(|form| form::value(form, "interaction"));
        of_form.or(form::value(&self.query, "interaction"))
    }

    fn field(&self, name: &str) -> &str {
        self.form.as_deref().and_then(|form| form::value(form, name)).unwrap_or_default()
    }

    /// What the request has of a page that one returns to.
    fn next(&self) -> Option<&'static str> {
        let of_form = self.form.as_deref().and_then(|form| form::value(form, "next"));
        page_named(of_form.or(form::value(&self.query, "next"))?)
    }

    /// The user, if one is logged in; else the address at which to log in and come back.
    fn needed(&self, next: &'static str) -> Result<&User, String> {
        self.user.as_ref().ok_or_else(|| format!("{}?next={next}", self.url("login")))
    }

    /// Leaves a line in the audit log about what the user did.
    async fn record(&self, event: Event, user: &str, client: &str, patient: Option<&str>) -> Result<(), OAuthError> {
        self.call.record(event, Who { actor: user, client, patient, user: None }, true).await
    }

    /// The same of a user who is made or changed, by whom is logged in.
    async fn record_changed(&self, changed: &User) -> Result<(), OAuthError> {
        let actor = self.user.as_ref().map_or(UNKNOWN, |user| user.id.as_str());
        let who = Who { actor, client: PAGES, patient: changed.patient(), user: Some(&changed.id) };
        self.call.record(Event::UserChanged, who, true).await
    }

    fn frame(&self) -> Frame {
        let mut frame = frame(self.call.site, self.call.request_id);
        frame.csrf = self.opened.session.csrf.clone();
        frame.notice = form::value(&self.query, "notice").and_then(view::notice).map(str::to_owned);
        if let Some(user) = &self.user {
            let mut links = vec![Link::new("Apps with access", self.url("apps"))];
            if user.role != Role::Patient {
                links.push(Link::new("Start an app", self.url("launcher")));
            }
            if user.role == Role::Administrator {
                links.push(Link::new("Apps and clients", self.url("clients")));
                links.push(Link::new("People", self.url("users")));
            }
            links.push(Link::new("Account", self.url("account")));
            frame.person = Some(Person { name: user.display_name.clone(), links, sign_out: self.url("sign-out") });
        }
        frame
    }

    /// 303: what comes next is fetched by GET, whatever led here. RFC 9700, 4.12.
    fn redirect(&self, url: &str) -> Response {
        let mut response = view::see_other(url);
        self.keep_session(&mut response);
        response
    }

    fn show(&self, page: &impl vesta_pages::Template) -> Response {
        self.show_leading(page, LeadsTo::Here)
    }

    fn show_leading(&self, page: &impl vesta_pages::Template, leads_to: LeadsTo<'_>) -> Response {
        let mut response = view::html(200, page, leads_to);
        self.keep_session(&mut response);
        response
    }

    /// `back`: to the app, which is told there.
    fn refused(&self, refused: &OAuthError, back: Option<&str>) -> Response {
        let mut response = view::error_page(self.frame(), refused, back);
        self.keep_session(&mut response);
        response
    }

    /// A new session's secret goes to the browser.
    fn keep_session(&self, response: &mut Response) {
        if let Some(secret) = &self.opened.secret {
            cookie::set(response.headers_mut(), self.call.site, Some(secret));
        }
    }
}
