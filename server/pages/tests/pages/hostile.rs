//! What others choose, such as a client's name, is text on our pages, whatever it holds.

use vesta_pages::{App, Consent, Link, Login, Template};

use super::fixtures::sign_in;
use super::wellformed;

const NAMES: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "</title></h1><!--",
    "{{ frame.csrf }} {% include \"x\" %} &amp; &#60;b&#62;",
    // A right-to-left override, which would turn around the words behind it.
    "Trusted \u{202e}ppa live",
];

#[test]
fn a_client_name_is_text_wherever_it_stands() {
    let long = "W".repeat(5000);
    for name in NAMES.iter().copied().chain([long.as_str()]) {
        let consent = Consent {
            app: App {
                name: name.into(),
                goes_to: name.into(),
                links: vec![Link::new(name, "https://example.org/\"><script>")],
                ..sign_in::app()
            },
            ..sign_in::consent()
        };
        let login = Login { app: Some(name.into()), username: name.into(), ..sign_in::login() };
        for html in [consent.render().unwrap(), login.render().unwrap()] {
            wellformed::check(&html).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!html.contains("<script") && !html.contains("<img"), "{name}");
        }
    }
}

#[test]
fn a_direction_override_ends_with_the_name() {
    let name = NAMES[4];
    let html = Consent { app: App { name: name.into(), ..sign_in::app() }, ..sign_in::consent() }.render().unwrap();
    let places = html.matches('\u{202e}').count();
    // The page's title holds plain text only, so nothing can isolate it there.
    let isolated = html.matches(&format!("<bdi>{name}</bdi>")).count();
    assert_eq!(places, isolated + 1, "{html}");
}
