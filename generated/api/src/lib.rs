//! The APIs as documents, and (to come) the routes that are made from them. What is generated stands in `openapi/`.

use std::sync::LazyLock;

use poem_openapi::OpenApiService;

/// The OpenAPI 3.0 document of the FHIR API, emitted by `cargo xtask codegen`.
pub const FHIR_OPENAPI: &str = include_str!("../openapi/fhir.json");

/// The HTML page of a Swagger UI that shows the document at `document_url`. Scripts and styles stand in the page (1.6
/// MB): nothing is fetched from elsewhere.
///
/// # Panics
/// If `poem-openapi`, whose page this is, has another page than the version that is pinned.
pub fn swagger_page(document_url: &str) -> String {
    // The page shows the service's own document; ours is no service of poem-openapi, so it is named by its URL.
    static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
        let page = OpenApiService::new((), "", "").swagger_ui_html();
        // The last: the scripts before it are long.
        let (before, after) = page.rsplit_once(DOCUMENT).expect("poem-openapi's page has its document");
        (before.to_owned(), after.to_owned())
    });
    let (before, after) = &*PAGE;
    let url = serde_json::Value::from(document_url).to_string();
    // A URL may hold what ends a script.
    // Without `validatorUrl` the page would send the document's address to a service of Swagger's.
    format!("{before}url: {}, validatorUrl: null,{after}", url.replace('<', "\\u003c"))
}

/// Where the page names the document.
const DOCUMENT: &str = "spec: spec,";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_the_document_that_is_named_and_fetches_nothing_else() {
        let page = swagger_page("/openapi/fhir.json");
        assert_eq!(page.matches(r#"url: "/openapi/fhir.json", validatorUrl: null,"#).count(), 1);
        assert!(page.contains("SwaggerUIBundle({") && !page.contains(DOCUMENT));
        let markup = page.split("<style").next().unwrap_or_default();
        assert!(!page.contains("<script src") && !markup.contains("<link"), "{markup}");
        assert!(swagger_page("</script>").contains(r#"url: "\u003c/script>","#));
    }
}
