//! A browser without scripts: it keeps cookies, follows redirects within the server, and sends forms as they stand in the page.

use std::collections::BTreeMap;

use crate::harness::{Answer, Client, World};

pub(super) struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

/// Where a chain of redirects ended.
pub(super) enum Landed {
    Page(Page),
    /// At an app.
    Away(String),
}

/// A page of the server.
pub(super) struct Page {
    pub(super) url: String,
    pub(super) text: String,
    pub(super) answer: Answer,
}

impl Browser {
    pub(super) fn new(world: &World) -> Browser {
        Browser { client: Client { base: world.address(), token: None }, cookies: BTreeMap::new() }
    }

    pub(super) fn get(&mut self, url: &str) -> Landed {
        self.go("GET", url, None)
    }

    /// Sends the page's form: its hidden fields, and these.
    pub(super) fn send(&mut self, page: &Page, fields: &[(&str, &str)]) -> Landed {
        let body =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(page.hidden()).extend_pairs(fields).finish();
        self.go("POST", &page.action(), Some(body))
    }

    /// A form of the test's own making.
    pub(super) fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Landed {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.go("POST", url, Some(body))
    }

    fn go(&mut self, method: &str, url: &str, body: Option<String>) -> Landed {
        let (mut method, mut url, mut body) = (method.to_owned(), url.to_owned(), body);
        for _ in 0..10 {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let cookies = cookies.join("; ");
            let mut headers = vec![("accept", "text/html"), ("content-type", "application/x-www-form-urlencoded")];
            if !cookies.is_empty() {
                headers.push(("cookie", &cookies));
            }
            let answer = self.client.send(&method, &url, &headers, body.as_deref().map(str::as_bytes));
            for cookie in answer.headers.get_all("set-cookie") {
                let cookie = cookie.to_str().expect("a cookie").to_owned();
                assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
                let (name, rest) = cookie.split_once('=').expect("a cookie");
                let value = rest.split(';').next().unwrap_or_default();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            if answer.status != 303 {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                return Landed::Page(Page { url, text, answer });
            }
            let next = answer.header("location").expect("a place to go").to_owned();
            if !next.starts_with(&self.client.base) {
                return Landed::Away(next);
            }
            (method, url, body) = ("GET".to_owned(), next, None);
        }
        panic!("redirected without end to {url}");
    }
}

impl Landed {
    #[track_caller]
    pub(super) fn page(self) -> Page {
        match self {
            Landed::Page(page) => page,
            Landed::Away(url) => panic!("sent away to {url}"),
        }
    }

    #[track_caller]
    pub(super) fn away(self) -> String {
        match self {
            Landed::Away(url) => url,
            Landed::Page(page) => panic!("{} {}: {}", page.answer.status, page.url, page.words()),
        }
    }
}

impl Page {
    fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
        let (_, rest) = text.split_once(before)?;
        rest.split(after).next()
    }

    /// Where the page's last form goes: a search form stands before the one that chooses.
    fn action(&self) -> String {
        let form = self.forms().last().copied().expect("a form");
        unescape(Self::between(form, "action=\"", "\"").expect("an action"))
    }

    fn forms(&self) -> Vec<&str> {
        let forms = self.text.split("<form").skip(1).filter(|form| form.contains("method=\"post\""));
        forms.filter_map(|form| form.split("</form>").next()).collect()
    }

    fn hidden(&self) -> Vec<(String, String)> {
        let form = self.forms().last().copied().expect("a form");
        let inputs = form.split("<input").skip(1).filter_map(|input| input.split('>').next());
        inputs
            .filter(|input| input.contains("type=\"hidden\""))
            .map(|input| {
                let value =
                    |name: &str| unescape(Self::between(input, &format!("{name}=\""), "\"").unwrap_or_default());
                (value("name"), value("value"))
            })
            .collect()
    }

    /// The values of the scopes that can be switched.
    pub(super) fn scopes(&self) -> Vec<String> {
        let inputs = self.text.split("<input").skip(1).filter_map(|input| input.split('>').next());
        inputs
            .filter(|input| input.contains("name=\"scope\""))
            .map(|input| unescape(Self::between(input, "value=\"", "\"").unwrap_or_default()))
            .collect()
    }

    /// The page's text without its marks.
    pub(super) fn words(&self) -> String {
        let main = self.text.split_once("<main").map_or(self.text.as_str(), |(_, rest)| rest);
        let pieces = main.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text.trim());
        unescape(&pieces.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" "))
    }
}

fn unescape(text: &str) -> String {
    let replaced = text.replace("&quot;", "\"").replace("&#34;", "\"").replace("&#39;", "'").replace("&lt;", "<");
    replaced
        .replace("&gt;", ">")
        .replace("&#38;", "&")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&amp;", "&")
}
