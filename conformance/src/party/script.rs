//! What people do in a browser, as data: which page is recognised by which fields, what is filled in, which button is
//! pressed. Vesta's own script is `scripts/vesta.toml`; another server gets another, or a command.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::browser::{Browser, Landed};
use super::page::Page;
use super::redact;

/// Vesta's.
pub const VESTA: &str = include_str!("../../scripts/vesta.toml");

/// What is done on the pages of a server. A way that is not in it cannot be judged.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// From the authorization request back to the app: log-in, choice of a patient, consent.
    pub authorize: Option<Way>,
    /// Somebody of the staff starts an app from the record system.
    pub launch: Option<Way>,
    /// An administrator lets a client be used.
    pub approve: Option<Way>,
    /// A person takes back what an app was granted.
    pub revoke: Option<Way>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Way {
    /// Where it begins, if not where the app sends the browser.
    #[serde(default)]
    pub start: Option<String>,
    /// Of each page the first step that fits it is taken.
    #[serde(default)]
    pub step: Vec<Step>,
    /// A program that goes the whole way instead: it gets a JSON object on its standard input (`start`, `ends` and the
    /// names that steps may use) and prints the address at which the way ended.
    #[serde(default)]
    pub command: Vec<String>,
}

/// Texts may name what is known in braces: `{username}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The page has one form with controls of all these names.
    #[serde(default)]
    pub fields: Vec<String>,
    /// The page has a link whose address or words contain this; it is followed.
    #[serde(default)]
    pub follow: Option<String>,
    /// The page shows these words.
    #[serde(default)]
    pub words: Option<String>,
    /// It is for this only: the name is known.
    #[serde(default)]
    pub given: Option<String>,
    #[serde(default)]
    pub fill: BTreeMap<String, String>,
    /// Switches: those of the name that are on, parted by spaces. Left as they are where the text names what is not known.
    #[serde(default)]
    pub choose: BTreeMap<String, String>,
    /// The name and the value of the button.
    #[serde(default)]
    pub press: Option<(String, String)>,
    /// Behind it the way has ended.
    #[serde(default)]
    pub last: bool,
}

/// What is known while a way is gone.
pub type Names = BTreeMap<String, String>;

#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}", path = path.display())]
pub struct ScriptError {
    path: PathBuf,
    cause: String,
}

/// More pages than this do not lead anywhere.
const PAGES: usize = 15;

impl Script {
    pub fn vesta() -> Result<Script, ScriptError> {
        Script::parse(Path::new("scripts/vesta.toml"), VESTA)
    }

    pub fn read(path: &Path) -> Result<Script, ScriptError> {
        let text = std::fs::read_to_string(path);
        let failed = |error: std::io::Error| ScriptError { path: path.to_path_buf(), cause: error.to_string() };
        Script::parse(path, &text.map_err(failed)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Script, ScriptError> {
        toml::from_str(text).map_err(|error| ScriptError { path: path.to_path_buf(), cause: error.to_string() })
    }
}

/// What a program is told.
#[derive(Serialize)]
struct Told<'a> {
    start: &'a str,
    ends: &'a [String],
    #[serde(flatten)]
    names: &'a Names,
}

impl Way {
    /// Goes it, from `start` where the script names no other beginning, until the browser is sent to one of `ends` or the
    /// last step is done. An error says which page has no step.
    pub fn go(
        &self,
        browser: &mut Browser,
        start: Option<&str>,
        ends: &[String],
        names: &Names,
    ) -> Result<Landed, String> {
        let begin = match (start, &self.start) {
            (Some(start), _) => start.to_owned(),
            (None, Some(start)) => {
                named(start, names).ok_or_else(|| format!("the script's start {start} is not known"))?
            }
            (None, None) => return Err("the script does not say where it begins".to_owned()),
        };
        if !self.command.is_empty() {
            return self.run(&begin, ends, names);
        }
        browser.leave_at(ends.to_vec());
        let landed = browser.open(&begin)?;
        let again = if start.is_none() { Some(begin.as_str()) } else { None };
        self.follow(browser, landed, again, names)
    }

    /// Goes on from where the browser stands. `again` is opened once more where a log-in has led elsewhere.
    pub(crate) fn follow(
        &self,
        browser: &mut Browser,
        mut landed: Landed,
        mut again: Option<&str>,
        names: &Names,
    ) -> Result<Landed, String> {
        for _ in 0..PAGES {
            let page = match landed {
                Landed::Away(_) => return Ok(landed),
                Landed::Page(page) => page,
            };
            let Some(step) = self.step.iter().find(|step| step.fits(&page, names)) else {
                match again.take().filter(|again| page.status == 200 && page.url != *again) {
                    Some(again) => landed = browser.open(again)?,
                    None => return Ok(Landed::Page(page)),
                }
                continue;
            };
            landed = step.take(browser, &page, names)?;
            if step.last {
                return Ok(landed);
            }
        }
        Err(format!("after {PAGES} pages the script has not come to its end"))
    }

    fn run(&self, start: &str, ends: &[String], names: &Names) -> Result<Landed, String> {
        let [program, arguments @ ..] = self.command.as_slice() else { return Err("the command is empty".to_owned()) };
        let failed = |error: std::io::Error| format!("{program}: {error}");
        let told = serde_json::to_vec(&Told { start, ends, names }).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(&told).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        if !output.status.success() {
            return Err(format!("{program}: {}", output.status));
        }
        let url = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match ends.iter().any(|end| url.starts_with(end.as_str())) {
            true => Ok(Landed::Away(url)),
            false => Ok(Landed::Page(Page::read(&url, 200, String::new()))),
        }
    }
}

impl Step {
    fn fits(&self, page: &Page, names: &Names) -> bool {
        let is_given = self.given.as_ref().is_none_or(|name| names.contains_key(name));
        let has_fields = self.fields.is_empty() || page.form_with(&self.fields).is_some();
        let has_link = self.follow.as_ref().is_none_or(|part| self.link(page, part, names).is_some());
        let has_words = self.words.as_ref().is_none_or(|words| page.words().contains(words.as_str()));
        is_given && has_fields && has_link && has_words
    }

    fn link<'p>(&self, page: &'p Page, part: &str, names: &Names) -> Option<&'p str> {
        let part = named(part, names)?;
        page.link_with(&part)
    }

    fn take(&self, browser: &mut Browser, page: &Page, names: &Names) -> Result<Landed, String> {
        if let Some(part) = &self.follow {
            let url = self.link(page, part, names).ok_or("the link is gone")?;
            return browser.open(url);
        }
        let form = if self.fields.is_empty() { page.last_form() } else { page.form_with(&self.fields) };
        let form = form.ok_or_else(|| format!("{}: the page has no form", redact::url(&page.url)))?;
        let needed =
            |text: &str| named(text, names).ok_or_else(|| format!("the script needs {text}, which is not known"));
        let mut fill = Vec::new();
        for (name, text) in &self.fill {
            fill.push((name.as_str(), needed(text)?));
        }
        let choose: Vec<(&str, String)> =
            self.choose.iter().filter_map(|(name, text)| Some((name.as_str(), named(text, names)?))).collect();
        let press = match &self.press {
            Some((name, text)) => Some((name.as_str(), needed(text)?)),
            None => None,
        };
        let fill: Vec<(&str, &str)> = fill.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let choose: Vec<(&str, Vec<&str>)> =
            choose.iter().map(|(name, values)| (*name, values.split_ascii_whitespace().collect())).collect();
        let press = press.as_ref().map(|(name, value)| (*name, value.as_str()));
        browser.submit(form, &form.filled(&fill, &choose, press))
    }
}

/// The text with what is known in the place of its names; none where one is not known.
fn named(text: &str, names: &Names) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}')?;
        filled.push_str(before);
        filled.push_str(names.get(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vestas_own_script_is_readable_and_goes_all_ways() {
        let script = Script::vesta().unwrap();
        for way in [&script.authorize, &script.launch, &script.approve, &script.revoke] {
            assert!(way.as_ref().is_some_and(|way| !way.step.is_empty()));
        }
    }

    #[test]
    fn a_text_takes_what_is_known_and_is_none_where_something_is_not() {
        let names = Names::from([("user".to_owned(), "ann".to_owned())]);
        assert_eq!(named("/of/{user}/x", &names).as_deref(), Some("/of/ann/x"));
        assert_eq!(named("plain", &names).as_deref(), Some("plain"));
        assert_eq!(named("{nobody}", &names), None);
    }

    #[test]
    fn a_command_is_told_the_way_and_says_where_it_ended() {
        let command = [
            "sh",
            "-c",
            "read told; case \"$told\" in *'\"username\":\"ann\"'*) echo https://app.example/?code=1;; esac",
        ];
        let way = Way { start: None, step: Vec::new(), command: command.map(str::to_owned).to_vec() };
        let names = Names::from([("username".to_owned(), "ann".to_owned())]);
        let mut browser = Browser::new(super::super::browser::Leaves::At(Vec::new()));
        let ends = ["https://app.example/".to_owned()];
        let landed = way.go(&mut browser, Some("https://server.example/authorize"), &ends, &names).unwrap();
        assert!(matches!(landed, Landed::Away(url) if url == "https://app.example/?code=1"));
    }
}
