//! The conformance kit's browser, in the words of these tests: what does not work is a panic.

use vesta_conformance::party::browser::{self, Leaves};
use vesta_conformance::party::page::Page;

use crate::harness::World;

/// It leaves the server for an app.
pub(super) struct Browser(browser::Browser);

/// Where a chain of redirects ended.
pub(super) struct Landed(browser::Landed);

impl Browser {
    pub(super) fn new(world: &World) -> Browser {
        Browser::at(&world.address())
    }

    pub(super) fn at(address: &str) -> Browser {
        Browser(browser::Browser::new(Leaves::Server(address.to_owned())))
    }

    /// It goes to any server, to those over TLS by this authority's certificates, and stops at the app.
    pub(super) fn of_the_web(authority: &str, app: &str) -> Browser {
        Browser(browser::Browser::trusting(Leaves::At(vec![app.to_owned()]), authority))
    }

    #[track_caller]
    pub(super) fn get(&mut self, url: &str) -> Landed {
        Landed(self.0.open(url).expect("an answer"))
    }

    /// Sends the page's form: its fields, these, and no switch but what is among these.
    #[track_caller]
    pub(super) fn send(&mut self, page: &Page, fields: &[(&str, &str)]) -> Landed {
        let form = page.last_form().expect("a form");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let standing = form.fields().into_iter().filter(|(name, _)| fields.iter().all(|(known, _)| known != name));
        let pairs: Vec<(String, String)> = standing.chain(fields.iter().map(owned)).collect();
        Landed(self.0.submit(form, &pairs).expect("an answer"))
    }

    /// Sends the page's form with these controls, filled in so, by the button.
    #[track_caller]
    pub(super) fn press(
        &mut self,
        page: &Page,
        controls: &[&str],
        fill: &[(&str, &str)],
        button: Option<(&str, &str)>,
    ) -> Landed {
        let form = page.form_with(controls).unwrap_or_else(|| panic!("no form with {controls:?}: {}", page.words()));
        Landed(self.0.submit(form, &form.filled(fill, &[], button)).expect("an answer"))
    }

    /// A form of the test's own making.
    #[track_caller]
    pub(super) fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Landed {
        Landed(self.0.send_pairs(url, fields).expect("an answer"))
    }
}

impl Landed {
    #[track_caller]
    pub(super) fn page(self) -> Page {
        match self.0 {
            browser::Landed::Page(page) => page,
            browser::Landed::Away(url) => panic!("sent away to {url}"),
        }
    }

    #[track_caller]
    pub(super) fn away(self) -> String {
        match self.0 {
            browser::Landed::Away(url) => url,
            browser::Landed::Page(page) => panic!("{} {}: {}", page.status, page.url, page.words()),
        }
    }
}

/// The token that the page's forms carry.
#[track_caller]
pub(super) fn csrf(page: &Page) -> String {
    let form = page.form_with(&["csrf"]).expect("a form");
    form.fields().into_iter().find(|(name, _)| name == "csrf").expect("a token").1
}
