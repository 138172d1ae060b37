//! Query strings: taken apart and put together. One way for links, `If-None-Exist`, conditional references and the
//! requests in a Bundle.

/// The decoded parameters of `name=a&name=b`, in order.
pub(super) fn parse(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The reverse of [`parse`].
pub(super) fn write<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}
