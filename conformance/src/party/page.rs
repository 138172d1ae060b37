//! What a page shows to who fills it in: its forms with their fields, its links, its words. Scripts do not run.

use html5gum::{HtmlString, Spanned, StartTag, Token, Tokenizer};
use url::Url;

/// A page of a server.
#[derive(Debug, Clone)]
pub struct Page {
    pub url: String,
    pub status: u16,
    pub text: String,
    forms: Vec<Form>,
    links: Vec<Link>,
    words: String,
}

/// A form, as it would be sent if nothing were touched.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// Where it goes: a whole URL.
    pub action: String,
    pub is_post: bool,
    id: String,
    controls: Vec<Control>,
}

#[derive(Debug, Clone)]
struct Control {
    name: String,
    value: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Is sent as it stands, or as it is filled in.
    Field,
    /// Is sent where it is on.
    Switch {
        on: bool,
    },
    Button,
}

#[derive(Debug, Clone, Default)]
struct Link {
    url: String,
    words: String,
}

impl Page {
    /// Reads HTML; whatever it is, it is a page.
    pub fn read(url: &str, status: u16, text: String) -> Page {
        let mut reader = Reader { base: Url::parse(url).ok(), ..Reader::default() };
        for token in Tokenizer::new(&text).flatten() {
            match token {
                Token::StartTag(tag) => reader.start(&tag),
                Token::EndTag(tag) => reader.end(&shown(&tag.name)),
                Token::String(text) => reader.said(&shown(&text)),
                _ => {}
            }
        }
        let Reader { forms, links, words, .. } = reader;
        Page { url: url.to_owned(), status, text, forms, links, words: words.trim().to_owned() }
    }

    pub fn words(&self) -> &str {
        &self.words
    }

    /// The first form that has controls of all these names.
    pub fn form_with(&self, names: &[impl AsRef<str>]) -> Option<&Form> {
        self.forms.iter().find(|form| names.iter().all(|name| form.has(name.as_ref())))
    }

    /// The page's last form that is sent: one that searches stands before the one that chooses.
    pub fn last_form(&self) -> Option<&Form> {
        self.forms.iter().rev().find(|form| form.is_post)
    }

    /// The first link whose address or words contain this.
    pub fn link_with(&self, part: &str) -> Option<&str> {
        let found = self.links.iter().find(|link| link.url.contains(part) || link.words.contains(part));
        found.map(|link| link.url.as_str())
    }

    /// The values of the switches of a name, over all forms.
    pub fn switches(&self, name: &str) -> Vec<String> {
        self.forms.iter().flat_map(|form| form.switches(name)).collect()
    }
}

impl Form {
    fn has(&self, name: &str) -> bool {
        self.controls.iter().any(|control| control.name == name)
    }

    /// What is sent: fields as they stand but for those that are filled in, the switches that are on but for those of the
    /// names that are chosen, and the button that is pressed.
    pub fn filled(
        &self,
        fill: &[(&str, &str)],
        choose: &[(&str, Vec<&str>)],
        press: Option<(&str, &str)>,
    ) -> Vec<(String, String)> {
        let is_chosen = |name: &str| choose.iter().any(|(known, _)| *known == name);
        let is_filled = |name: &str| fill.iter().any(|(known, _)| *known == name);
        let standing = self.controls.iter().filter(|control| match control.kind {
            Kind::Field => true,
            Kind::Switch { on } => on && !is_chosen(&control.name),
            Kind::Button => false,
        });
        let mut pairs: Vec<(String, String)> = standing
            .filter(|control| !control.name.is_empty() && !is_filled(&control.name))
            .map(|control| (control.name.clone(), control.value.clone()))
            .collect();
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        pairs.extend(fill.iter().copied().map(pair));
        for (name, values) in choose {
            pairs.extend(values.iter().map(|value| pair((name, value))));
        }
        pairs.extend(press.map(pair));
        pairs
    }

    /// The hidden and other fields, as they stand, without switches and buttons.
    pub fn fields(&self) -> Vec<(String, String)> {
        let fields = self.controls.iter().filter(|control| control.kind == Kind::Field);
        fields.map(|control| (control.name.clone(), control.value.clone())).collect()
    }

    /// The values of the switches of a name.
    pub fn switches(&self, name: &str) -> Vec<String> {
        let switches = self.controls.iter().filter(|control| matches!(control.kind, Kind::Switch { .. }));
        switches.filter(|control| control.name == name).map(|control| control.value.clone()).collect()
    }
}

#[derive(Default)]
struct Reader {
    base: Option<Url>,
    forms: Vec<Form>,
    links: Vec<Link>,
    words: String,
    is_in_form: bool,
    is_in_link: bool,
    /// The name of a list of options, and whether one is its value already.
    list: Option<(String, bool)>,
    area: Option<String>,
    /// Inside what is not shown.
    hidden: usize,
}

impl Reader {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = shown(&tag.name);
        let attribute =
            |name: &str| tag.attributes.get(name.as_bytes()).map(|value: &Spanned<HtmlString, ()>| shown(value));
        let text = |name: &str| attribute(name).unwrap_or_default();
        match name.as_str() {
            "form" => {
                let is_post = text("method").eq_ignore_ascii_case("post");
                let action = self.absolute(&text("action"));
                self.forms.push(Form { action, is_post, id: text("id"), controls: Vec::new() });
                self.is_in_form = true;
            }
            "input" | "button" => {
                let kind =
                    attribute("type").unwrap_or_else(|| if name == "button" { "submit" } else { "text" }.to_owned());
                let kind = match kind.to_ascii_lowercase().as_str() {
                    "submit" | "image" => Kind::Button,
                    "button" | "reset" => return,
                    "checkbox" | "radio" => Kind::Switch { on: attribute("checked").is_some() },
                    _ => Kind::Field,
                };
                let default = if matches!(kind, Kind::Switch { .. }) { "on" } else { "" };
                let value = attribute("value").unwrap_or_else(|| default.to_owned());
                self.control(&text("form"), Control { name: text("name"), value, kind });
            }
            "select" => self.list = Some((text("name"), false)),
            "option" => {
                if let Some((name, is_set)) = self.list.clone()
                    && (!is_set || attribute("selected").is_some())
                {
                    if is_set && let Some(form) = self.forms.last_mut() {
                        form.controls.retain(|control| control.name != name);
                    }
                    self.control("", Control { name: name.clone(), value: text("value"), kind: Kind::Field });
                    self.list = Some((name, true));
                }
            }
            "textarea" => self.area = Some(text("name")),
            "a" => {
                self.links.push(Link { url: self.absolute(&text("href")), words: String::new() });
                self.is_in_link = true;
            }
            "script" | "style" | "head" => self.hidden += 1,
            _ => {}
        }
    }

    /// Belongs to the form around it, or to the one that it names.
    fn control(&mut self, form: &str, control: Control) {
        let named = self.forms.iter().position(|known| !form.is_empty() && known.id == form);
        let around = self.forms.len().checked_sub(1).filter(|_| self.is_in_form && form.is_empty());
        if let Some(form) = named.or(around).and_then(|place| self.forms.get_mut(place)) {
            form.controls.push(control);
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "form" => self.is_in_form = false,
            "a" => self.is_in_link = false,
            "select" => self.list = None,
            "textarea" => {
                if let Some(name) = self.area.take() {
                    self.control("", Control { name, value: String::new(), kind: Kind::Field });
                }
            }
            "script" | "style" | "head" => self.hidden = self.hidden.saturating_sub(1),
            _ => {}
        }
    }

    fn said(&mut self, text: &str) {
        if self.hidden > 0 {
            return;
        }
        for word in text.split_whitespace() {
            if !self.words.is_empty() {
                self.words.push(' ');
            }
            self.words.push_str(word);
        }
        if self.is_in_link
            && let Some(link) = self.links.last_mut()
        {
            link.words.push_str(text);
        }
    }

    fn absolute(&self, reference: &str) -> String {
        let joined = self.base.as_ref().and_then(|base| base.join(reference).ok());
        joined.map_or_else(|| reference.to_owned(), String::from)
    }
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><head><title>No word</title></head><script>var a = "<form>";</script>
        <h1>Choose &amp; go</h1><form id="search" action="/search"><input name="q" value="old"></form>
        <form method="POST" action="next?a=1&amp;b=2"><input type="hidden" name="csrf" value="&quot;x&quot;">
        <input type="checkbox" name="scope" value="a" checked><input type="checkbox" name="scope" value="b" checked>
        <input type="checkbox" name="scope" value="c"><select name="list"><option value="1"><option value="2" selected></select>
        <textarea name="note"></textarea><button name="decision" value="allow">Yes</button></form>
        <button form="search" name="page" value="2"></button><a href="../apps/1">An <b>app</b></a>"#;

    fn page() -> Page {
        Page::read("https://example.org/one/two", 200, PAGE.to_owned())
    }

    fn pairs(filled: &[(String, String)]) -> Vec<(&str, &str)> {
        filled.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// <https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#constructing-the-form-data-set>
    #[test]
    fn a_form_is_sent_as_it_stands_but_for_what_is_done_to_it() {
        let page = page();
        let form = page.form_with(&["decision"]).unwrap();
        assert_eq!((form.action.as_str(), form.is_post), ("https://example.org/one/next?a=1&b=2", true));
        let untouched = form.filled(&[], &[], None);
        let expected = [("csrf", "\"x\""), ("scope", "a"), ("scope", "b"), ("list", "2"), ("note", "")];
        assert_eq!(pairs(&untouched), expected);
        let touched = form.filled(&[("note", "n")], &[("scope", vec!["c"])], Some(("decision", "allow")));
        let expected = [("csrf", "\"x\""), ("list", "2"), ("note", "n"), ("scope", "c"), ("decision", "allow")];
        assert_eq!(pairs(&touched), expected);
        assert_eq!(page.switches("scope"), ["a", "b", "c"]);
    }

    #[test]
    fn a_button_belongs_to_the_form_that_it_names_and_links_are_found_by_their_words() {
        let page = page();
        assert!(page.form_with(&["q", "page"]).is_some_and(|form| !form.is_post));
        assert_eq!(page.link_with("An app"), Some("https://example.org/apps/1"));
        assert_eq!(page.words(), "Choose & go Yes An app");
    }
}
