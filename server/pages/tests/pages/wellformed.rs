//! Whether HTML of ours is well formed: every element that is opened is closed in its turn, attributes are quoted and
//! stand once, ids are unique, and what is named by `for`, `aria-labelledby`, `aria-describedby` or `#…` is there.

use std::collections::HashSet;

const VOID: [&str; 5] = ["meta", "link", "input", "br", "path"];

pub(crate) fn check(html: &str) -> Result<(), String> {
    let body = html.strip_prefix("<!DOCTYPE html>").ok_or("does not begin with its type")?;
    let mut open: Vec<&str> = Vec::new();
    let mut ids = HashSet::new();
    let mut named = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find('<') {
        if rest[..at].contains('>') {
            return Err(format!("a bare > in: {}", &rest[..at]));
        }
        let end = at + rest[at..].find('>').ok_or("a tag has no end")?;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(last) if last == name => {}
                last => return Err(format!("</{name}> closes {last:?}")),
            }
            continue;
        }
        let tag = tag.strip_suffix('/').unwrap_or(tag);
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        for (attribute, value) in attributes_of(name, attributes)? {
            match attribute {
                "id" if !ids.insert(value) => return Err(format!("the id {value} stands twice")),
                "for" | "aria-labelledby" | "aria-describedby" => named.extend(value.split(' ')),
                "href" => named.extend(value.strip_prefix('#').filter(|id| id.starts_with(char::is_lowercase))),
                "style" => return Err(format!("<{name}> has a style inside")),
                _ if attribute.starts_with("on") => return Err(format!("<{name}> has a script inside")),
                _ => {}
            }
        }
        match name {
            // A script of its own file; the sample app has one.
            "script" if attributes.contains("src=") && rest.starts_with("</script>") => open.push(name),
            "script" | "style" => return Err(format!("<{name}> in the page")),
            _ if VOID.contains(&name) => {}
            _ => open.push(name),
        }
    }
    if !open.is_empty() {
        return Err(format!("not closed: {open:?}"));
    }
    match named.into_iter().find(|id| !ids.contains(id)) {
        Some(id) => Err(format!("nothing has the id {id}")),
        None => Ok(()),
    }
}

/// Names with their values, without the quotes. Values hold no `<` and no `"`, since they are escaped.
fn attributes_of<'a>(tag: &str, text: &'a str) -> Result<Vec<(&'a str, &'a str)>, String> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|one: char| one == '=' || one.is_whitespace()).unwrap_or(rest.len());
        let name = &rest[..end];
        if !name.chars().all(|one| one.is_ascii_alphanumeric() || "-:".contains(one)) {
            return Err(format!("<{tag}> has the attribute {name}"));
        }
        rest = &rest[end..];
        let mut value = "";
        if let Some(quoted) = rest.strip_prefix('=') {
            let quoted = quoted.strip_prefix('"').ok_or_else(|| format!("<{tag}>: {name} has no quotes"))?;
            let end = quoted.find('"').ok_or_else(|| format!("<{tag}>: the value of {name} has no end"))?;
            value = &quoted[..end];
            rest = &quoted[end + 1..];
        }
        if found.iter().any(|(known, _)| *known == name) {
            return Err(format!("<{tag}> has {name} twice"));
        }
        found.push((name, value));
        rest = rest.trim_start();
    }
    Ok(found)
}

#[test]
fn what_is_not_well_formed_is_found() {
    let judged = |body: &str| check(&format!("<!DOCTYPE html>{body}")).is_ok();
    assert!(judged("<p id=\"a\">One <a href=\"#a\">two</a><br></p>"));
    for bad in [
        "<p>",
        "<p></div>",
        "<p id=\"a\"></p><p id=\"a\"></p>",
        "<a href=\"#a\"></a>",
        "<label for=\"a\"></label>",
        "<p class=a></p>",
        "<p class=\"a\" class=\"b\"></p>",
        "<p style=\"\"></p>",
        "<p onclick=\"\"></p>",
        "<script></script>",
        "<script src=\"a\">alert(1)</script>",
    ] {
        assert!(!judged(bad), "{bad}");
    }
}
