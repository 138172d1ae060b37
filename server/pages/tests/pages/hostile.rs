//! What others choose, such as a client's name, is text on our pages, whatever it holds.

use vesta_pages::{
    App, Apps, Client, Confirm, Consent, EncounterPicker, Form, Granted, Identity, Launchable, Launcher, Link, Login,
    Message, Patient, PatientPicker, Record, Template, TokenFacts, TokenTool, User, Users,
};

use super::fixtures::{admin, own, sign_in};
use super::wellformed;

const NAMES: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "</title></h1><!--",
    "{{ frame.csrf }} {% include \"x\" %} &amp; &#60;b&#62;",
    // A right-to-left override, which would turn around the words behind it.
    "Trusted \u{202e}ppa live",
];

/// Every page on which something stands that a stranger, a patient or an upstream record chose, with that in all places.
fn pages_with(name: &str) -> Vec<(&'static str, String)> {
    let text = name.to_owned();
    let link = Link::new(name, "https://example.org/\"><script>");
    let person = Patient {
        id: text.clone(),
        name: text.clone(),
        birth_date: text.clone(),
        sex: text.clone(),
        identifier: text.clone(),
    };
    let form = Form::to("form").with("interaction", name);
    vec![
        (
            "login",
            render(&Login {
                app: Some(text.clone()),
                username: text.clone(),
                form: form.clone(),
                elsewhere: vec![link.clone()],
                ..sign_in::login()
            }),
        ),
        (
            "consent",
            render(&Consent {
                app: App { name: text.clone(), goes_to: text.clone(), links: vec![link.clone()], ..sign_in::app() },
                record: Record::Patient { name: text.clone(), about: text.clone() },
                identity: vec![text.clone()],
                mistake: Some(text.clone()),
                ..sign_in::consent()
            }),
        ),
        (
            "apps",
            render(&Apps {
                grants: vec![Granted {
                    app: text.clone(),
                    patient: Some(text.clone()),
                    other: vec![text.clone()],
                    ..own::grants().remove(0)
                }],
                ..own::apps()
            }),
        ),
        (
            "patient-picker",
            render(&PatientPicker {
                name: text.clone(),
                identifier: text.clone(),
                birth_date: text.clone(),
                app: Some(text.clone()),
                found: Some(vec![person.clone()]),
                ..own::patient_picker()
            }),
        ),
        (
            "encounter-picker",
            render(&EncounterPicker { patient: person.clone(), app: Some(text.clone()), ..own::encounter_picker() }),
        ),
        (
            "launcher",
            render(&Launcher {
                patient: person,
                apps: vec![Launchable { id: text.clone(), name: text.clone(), about: text.clone() }],
                ..own::launcher()
            }),
        ),
        ("client", render(&hostile_client(name, &link))),
        ("users", render(&Users { name: text.clone(), ..admin::users() })),
        (
            "user",
            render(&User {
                password: Some(text.clone()),
                identities: vec![Identity { issuer: text.clone(), subject: text.clone() }],
                provider: Some(text.clone()),
                subject: text.clone(),
                ..admin::user()
            }),
        ),
        (
            "token-tool",
            render(&TokenTool {
                facts: Some(TokenFacts {
                    facts: vec![(text.clone(), text.clone())],
                    scopes: vec![text.clone()],
                    ..admin::facts()
                }),
                ..admin::token_tool()
            }),
        ),
        (
            "message",
            render(&Message {
                frame: super::fixtures::frame(),
                title: text.clone(),
                text: text.clone(),
                advice: Some(text.clone()),
                detail: Some(text.clone()),
                links: vec![link.clone()],
                is_error: true,
            }),
        ),
        (
            "confirm",
            render(&Confirm {
                frame: super::fixtures::patient(),
                form,
                title: text.clone(),
                text: vec![text.clone()],
                yes: text,
                no: link,
                danger: true,
            }),
        ),
    ]
}

fn render(page: &impl Template) -> String {
    page.render().expect("a page")
}

fn hostile_client(name: &str, link: &Link) -> Client {
    let text = name.to_owned();
    let mut client = admin::client();
    client.row.name.clone_from(&text);
    client.row.id.clone_from(&text);
    client.contacts = vec![text.clone()];
    client.redirect_uris = vec![text.clone()];
    client.keys = vec![text.clone()];
    client.other_scopes = vec![text.clone()];
    client.secret = Some(text.clone());
    client.launch_uri = Some(text);
    client.links = vec![link.clone()];
    client
}

#[test]
fn what_others_chose_is_text_wherever_it_stands() {
    let long = "W".repeat(5000);
    for name in NAMES.iter().copied().chain([long.as_str()]) {
        for (page, html) in pages_with(name) {
            wellformed::check(&html).unwrap_or_else(|error| panic!("{page}: {name}: {error}"));
            assert!(!html.contains("<script") && !html.contains("<img"), "{page}: {name}");
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

#[test]
fn a_client_links_to_the_web_only() {
    let links = [
        "javascript:alert(1)",
        "JavaScript:alert(1)//https://a",
        "data:text/html,x",
        "/relative",
        "https://example.org/",
    ];
    let links: Vec<Link> = links.into_iter().map(|href| Link::new("Website", href)).collect();
    let consent = Consent { app: App { links: links.clone(), ..sign_in::app() }, ..sign_in::consent() };
    let client = Client { links, ..admin::client() };
    for html in [consent.render().unwrap(), client.render().unwrap()] {
        assert_eq!(html.matches(">Website<").count(), 1, "{html}");
        assert!(html.contains("href=\"https://example.org/\""));
    }
}
