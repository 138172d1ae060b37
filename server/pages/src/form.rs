//! What forms share.

/// Where a form is sent, and what is sent with it unseen.
#[derive(Debug, Clone, Default)]
pub struct Form {
    pub action: String,
    /// Names and values. `csrf` is not among them: [`crate::Frame`] has it.
    pub hidden: Vec<(String, String)>,
}

impl Form {
    pub fn to(action: impl Into<String>) -> Self {
        Self { action: action.into(), hidden: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.hidden.push((name.into(), value.into()));
        self
    }
}

/// Something that is wrong in what was entered: said at the top of the page with a link to the field, and at the field.
#[derive(Debug, Clone)]
pub struct Mistake {
    /// The field's name.
    pub field: &'static str,
    /// What is wrong and what would be right: "Enter your username".
    pub text: String,
}

impl Mistake {
    pub fn new(field: &'static str, text: impl Into<String>) -> Self {
        Self { field, text: text.into() }
    }
}

/// What is wrong with one field.
pub(crate) fn mistake<'a>(mistakes: &'a [Mistake], field: &str) -> Option<&'a str> {
    mistakes.iter().find(|mistake| mistake.field == field).map(|mistake| mistake.text.as_str())
}

/// The ids of what describes a field, for `aria-describedby`.
pub(crate) fn described(mistakes: &[Mistake], field: &str, hint: &str) -> Option<String> {
    let mistake = mistake(mistakes, field).map(|_| format!("{field}-mistake"));
    let hint = (!hint.is_empty()).then(|| format!("{field}-hint"));
    let ids: Vec<String> = mistake.into_iter().chain(hint).collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

pub(crate) fn password_hint(shortest: usize) -> String {
    format!("At least {shortest} characters. The person should change it after signing in for the first time.")
}
