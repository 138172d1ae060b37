//! Every page in its states: what it says (snapshots), that its HTML is well formed, and that nothing that somebody
//! else chose, such as an app's name, becomes markup.

mod fixtures;
mod hostile;
mod wellformed;

use fixtures::{pages, sample_app};

#[test]
fn pages_say_what_they_should() {
    for (name, html) in pages() {
        // The empty lines that a template leaves say nothing.
        let html: Vec<&str> = html.lines().filter(|line| !line.is_empty()).collect();
        insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, {
            insta::assert_snapshot!("page", html.join("\n"));
        });
    }
}

#[test]
fn pages_are_well_formed() {
    for (name, html) in pages().into_iter().chain(sample_app()) {
        if let Err(error) = wellformed::check(&html) {
            panic!("{name}: {error}");
        }
    }
}

/// Every page works without JavaScript, and its policy allows none.
#[test]
fn pages_have_no_script() {
    for (name, html) in pages() {
        assert!(!html.contains("<script"), "{name}");
    }
}
