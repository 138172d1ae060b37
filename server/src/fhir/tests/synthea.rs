//! Real input: Synthea's transaction Bundles.

use super::*;

/// The four smallest Bundles beside this checkout; none (with a word) where there are none. All twelve are imported,
/// and read back, by the end-to-end tests.
fn samples() -> Vec<Value> {
    let mut folders = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let Some(files) = folders.find_map(|folder| std::fs::read_dir(folder.join("shared/samples/synthea")).ok()) else {
        println!("skipped: no ../shared beside this checkout");
        return Vec::new();
    };
    let mut files: Vec<_> = files
        .map(|file| file.unwrap())
        .filter(|file| file.path().to_string_lossy().ends_with(".json.gz"))
        .map(|file| (file.metadata().unwrap().len(), file.path()))
        .collect();
    files.sort();
    files
        .into_iter()
        .take(4)
        .map(|(_, path)| {
            let mut text = Vec::new();
            let file = std::fs::File::open(path).unwrap();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
            vesta_runtime::json::parse(&text).unwrap()
        })
        .collect()
}

/// Every resource comes back as it was sent, but for its id, its version and the links that became literal.
#[tokio::test]
async fn synthea_bundles_are_stored_without_a_lost_or_altered_resource() {
    let fixture = Fixture::new("user/*.cruds").await;
    let request = fixture.request();
    for sent in samples() {
        let answer = body_of(bundle::bundle(&request, &bytes(&sent)).await.unwrap());
        let (sent, answered) = (sent["entry"].as_array().unwrap(), answer["entry"].as_array().unwrap());
        assert_eq!(sent.len(), answered.len());
        let mut literal = Vec::new();
        for (sent, answered) in sent.iter().zip(answered) {
            assert_eq!(answered["response"]["status"], "201 Created");
            let location = answered["response"]["location"].as_str().unwrap();
            let reference = location[BASE.len() + 1..].split("/_history").next().unwrap().to_owned();
            literal.push((sent["fullUrl"].as_str().unwrap(), reference));
        }
        let links: std::collections::HashMap<&str, &str> =
            literal.iter().map(|(full_url, reference)| (*full_url, reference.as_str())).collect();
        for (sent, (_, reference)) in sent.iter().zip(&literal) {
            let (name, id) = reference.split_once('/').unwrap();
            let read = read::read(&request, name, id, &ReadConditions::default(), &[]).await.unwrap();
            let mut expected = sent["resource"].clone();
            expected["id"] = json!(id);
            relink(&mut expected, &links);
            let mut found = body_of(read);
            for resource in [&mut expected, &mut found] {
                let object = resource.as_object_mut().unwrap();
                if let Some(Value::Object(meta)) = object.get_mut("meta") {
                    meta.shift_remove("versionId");
                    meta.shift_remove("lastUpdated");
                }
                object.retain(|name, value| name != "meta" || value.as_object().is_some_and(|meta| !meta.is_empty()));
            }
            assert_eq!(found, expected);
        }
    }
}

fn relink(value: &mut Value, links: &std::collections::HashMap<&str, &str>) {
    match value {
        Value::String(text) => {
            if let Some(literal) = links.get(text.as_str()) {
                *text = (*literal).to_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| relink(value, links)),
        Value::Object(object) => object.values_mut().for_each(|value| relink(value, links)),
        _ => {}
    }
}
