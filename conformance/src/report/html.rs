//! One HTML page with everything in it: the report's JSON, and a script that shows it.

/// The page without its data.
const PAGE: &str = include_str!("page.html");
const PLACE: &str = "{{report}}";

pub(super) fn page(json: &str) -> String {
    // Inside a script element only an end tag could end it; in JSON, `\/` is a slash.
    PAGE.replacen(PLACE, &json.replace("</", "<\\/").replace("<!--", "<\\u0021--"), 1)
}
