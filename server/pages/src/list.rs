//! Lists that are shown page by page.

/// Where the rest of a list is.
#[derive(Debug, Clone, Default)]
pub struct Pager {
    /// For a list that a link shows: the URL of the page before and of the page behind. For one that a form found:
    /// what the form sends as `page`.
    pub previous: Option<String>,
    pub next: Option<String>,
}

impl Pager {
    pub(crate) fn is_empty(&self) -> bool {
        self.previous.is_none() && self.next.is_none()
    }
}
