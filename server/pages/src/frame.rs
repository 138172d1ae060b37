//! What all pages share: where they are, who is signed in, and where to go from there.

/// The frame around a page.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// What people call this site, such as the practice's name.
    pub site: String,
    /// Where the landing page is.
    pub home: String,
    /// Where [`crate::STYLESHEET`] is, with its hash in the path.
    pub stylesheet: String,
    /// Where [`crate::ICON`] is.
    pub icon: String,
    /// The value of the field `csrf` in every form.
    pub csrf: String,
    pub person: Option<Person>,
    /// What has just been done, said above the page: "The app has no more access to your record."
    pub notice: Option<String>,
    pub request_id: String,
}

/// Who is signed in.
#[derive(Debug, Clone, Default)]
pub struct Person {
    pub name: String,
    /// The pages that this person has, in the order in which they stand in the head.
    pub links: Vec<Link>,
    /// The page that asks whether to sign out.
    pub sign_out: String,
}

#[derive(Debug, Clone, Default)]
pub struct Link {
    pub text: String,
    pub href: String,
    /// Whether it is the page that is shown.
    pub current: bool,
}

impl Link {
    pub fn new(text: impl Into<String>, href: impl Into<String>) -> Self {
        Self { text: text.into(), href: href.into(), current: false }
    }

    /// Whether it leads to a page of the web. What a client says of itself may be anything, `javascript:` too, and is
    /// not linked then.
    pub(crate) fn is_web(&self) -> bool {
        let scheme = self.href.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http"))
    }
}
