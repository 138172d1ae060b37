//! The rules for XHTML in a narrative: well formed, with elements and attributes from a closed list.
//! <https://hl7.org/fhir/R4/narrative.html#xhtml>

/// The basic HTML formatting elements of chapters 7 to 11 (except section 4 of chapter 9) and 15 of HTML 4.0, `<a>`,
/// images, and the `style` attributes.
const ELEMENTS: [&str; 58] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
];

const ATTRIBUTES: [&str; 44] = [
    "abbr",
    "align",
    "alt",
    "axis",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "char",
    "charoff",
    "cite",
    "class",
    "color",
    "colspan",
    "compact",
    "coords",
    "datetime",
    "dir",
    "frame",
    "headers",
    "height",
    "href",
    "hreflang",
    "id",
    "lang",
    "longdesc",
    "name",
    "nowrap",
    "rel",
    "rev",
    "rowspan",
    "rules",
    "scope",
    "shape",
    "span",
    "src",
    "start",
    "style",
    "summary",
    "title",
    "type",
    "usemap",
    "valign",
    "width",
];

/// Why a text is no narrative; holds no content.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NotWellFormed,
    Element,
    Attribute,
    Root,
}

/// Walks the tags.
pub(super) fn check(text: &str) -> Result<(), Problem> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim();
    if !rest.starts_with("<div") {
        return Err(Problem::Root);
    }
    while let Some(start) = rest.find('<') {
        if open.is_empty() && start > 0 {
            return Err(Problem::Root);
        }
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = &comment[comment.find("-->").ok_or(Problem::NotWellFormed)? + 3..];
            continue;
        }
        let end = tag_end(rest).ok_or(Problem::NotWellFormed)?;
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim_end()) {
                return Err(Problem::NotWellFormed);
            }
        } else {
            let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let name = element(tag)?;
            if !is_empty {
                open.push(name);
            }
        }
        if open.is_empty() {
            return if rest.is_empty() { Ok(()) } else { Err(Problem::Root) };
        }
    }
    Err(Problem::NotWellFormed)
}

/// The place of the `>`: one inside a quoted value does not count.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (None, '>') => return Some(index),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    None
}

/// The element's name, once its attributes are known to be allowed.
fn element(tag: &str) -> Result<&str, Problem> {
    let (name, mut attributes) = tag.split_at(tag.find(char::is_whitespace).unwrap_or(tag.len()));
    if !ELEMENTS.contains(&name) {
        return Err(Problem::Element);
    }
    loop {
        attributes = attributes.trim_start();
        if attributes.is_empty() {
            return Ok(name);
        }
        let (attribute, rest) = attributes.split_once('=').ok_or(Problem::NotWellFormed)?;
        let attribute = attribute.trim_end();
        if !ATTRIBUTES.contains(&attribute) && attribute != "xmlns" && attribute != "xml:lang" {
            return Err(Problem::Attribute);
        }
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'')).ok_or(Problem::NotWellFormed)?;
        attributes = rest[1..].split_once(quote).ok_or(Problem::NotWellFormed)?.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_attributes_come_from_a_closed_list() {
        for text in [
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class='a'>1 &lt; 2<br/></p><!-- <x> --></div>",
            "<div><a href=\"#a>b\">x</a></div>",
            " <div/> ",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, problem) in [
            ("", Problem::Root),
            ("text", Problem::Root),
            ("<p></p>", Problem::Root),
            ("<div></div><div></div>", Problem::Root),
            ("<div><p></div>", Problem::NotWellFormed),
            ("<div>", Problem::NotWellFormed),
            ("<div><a href=x></a></div>", Problem::NotWellFormed),
            ("<div><script>x</script></div>", Problem::Element),
            ("<div><p onclick='x'>y</p></div>", Problem::Attribute),
            ("<div><form/></div>", Problem::Element),
        ] {
            assert_eq!(check(text), Err(problem), "{text}");
        }
    }
}
