//! Sample resources, as they stand in published files: transaction Bundles, and the examples of a package.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

/// A resource as a server must hold it after an import.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The file, for messages.
    pub origin: String,
    pub resource: Value,
}

impl Sample {
    pub fn resource_type(&self) -> &str {
        self.resource["resourceType"].as_str().unwrap_or_default()
    }

    pub fn id(&self) -> &str {
        self.resource["id"].as_str().unwrap_or_default()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{origin}: not JSON: {source}")]
    Json { origin: String, source: serde_json::Error },
    #[error("{origin}: {message}")]
    Content { origin: String, message: String },
}

/// The resources of all transaction Bundles (`*.json.gz`) in a folder. Each has the id of its `urn:uuid:` address, and
/// its references to others of the Bundle are relative, as
/// <https://hl7.org/fhir/R4/http.html#trules> has it.
pub fn bundles(folder: &Path) -> Result<Vec<Sample>, SampleError> {
    let read = |source| SampleError::Read { path: folder.to_path_buf(), source };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(read)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, _>>()
        .map_err(read)?;
    paths.retain(|path| path.to_string_lossy().ends_with(".json.gz"));
    paths.sort();
    let mut samples = Vec::new();
    for path in paths {
        let origin = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = File::open(&path).map_err(|source| SampleError::Read { path: path.clone(), source })?;
        let bundle = json(GzDecoder::new(BufReader::new(file)), &origin)?;
        samples.extend(entries(&bundle, &origin)?);
    }
    Ok(samples)
}

/// The resources of a folder's `*.ndjson` and `*.json` files: single resources, and Bundles whose entries have ids.
pub fn folder(folder: &Path) -> Result<Vec<Sample>, SampleError> {
    let read = |source| SampleError::Read { path: folder.to_path_buf(), source };
    let files: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(read)?.collect();
    let mut paths: Vec<PathBuf> = files.map_err(read)?.into_iter().map(|file| file.path()).collect();
    paths.sort();
    let mut samples = Vec::new();
    for path in paths {
        let origin = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = || std::fs::read(&path).map_err(|source| SampleError::Read { path: path.clone(), source });
        let values = match path.extension().and_then(|extension| extension.to_str()) {
            Some("ndjson") => {
                let text = text()?;
                let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
                lines.map(|line| json(line, &origin)).collect::<Result<Vec<_>, _>>()?
            }
            Some("json") => match json(&*text()?, &origin)? {
                mut bundle
                    if bundle["resourceType"] == "Bundle" && bundle["entry"][0]["resource"]["id"].is_string() =>
                {
                    let entries = bundle["entry"].as_array_mut().into_iter().flatten();
                    entries.map(|entry| entry["resource"].take()).collect()
                }
                resource => vec![resource],
            },
            _ => continue,
        };
        samples.extend(values.into_iter().map(|resource| Sample { origin: origin.clone(), resource }));
    }
    Ok(samples)
}

fn entries(bundle: &Value, origin: &str) -> Result<Vec<Sample>, SampleError> {
    let fault = |message: &str| SampleError::Content { origin: origin.to_owned(), message: message.to_owned() };
    let entries = bundle["entry"].as_array().ok_or_else(|| fault("a Bundle without entries"))?;
    let mut addresses = BTreeMap::new();
    for entry in entries {
        let full_url = entry["fullUrl"].as_str().ok_or_else(|| fault("an entry without fullUrl"))?;
        let id = full_url.strip_prefix("urn:uuid:").ok_or_else(|| fault("a fullUrl that is no urn:uuid"))?;
        let resource_type = entry["resource"]["resourceType"].as_str().ok_or_else(|| fault("no resourceType"))?;
        addresses.insert(full_url.to_owned(), format!("{resource_type}/{id}"));
    }
    let mut samples = Vec::new();
    for entry in entries {
        let mut resource = entry["resource"].clone();
        let address = &addresses[entry["fullUrl"].as_str().unwrap_or_default()];
        if let (Some(object), Some((_, id))) = (resource.as_object_mut(), address.split_once('/')) {
            object.insert("id".to_owned(), id.into());
        }
        resolve(&mut resource, &addresses);
        samples.push(Sample { origin: origin.to_owned(), resource });
    }
    Ok(samples)
}

/// Replaces the Bundle's own addresses wherever a reference or a uri holds one.
fn resolve(value: &mut Value, addresses: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(address) = addresses.get(text.as_str()) {
                text.clone_from(address);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, addresses)),
        Value::Object(members) => members.values_mut().for_each(|member| resolve(member, addresses)),
        _ => {}
    }
}

/// The examples of a FHIR package, `package/example/*.json` in the published archive.
pub fn examples(package: &Path) -> Result<Vec<Sample>, SampleError> {
    let read = |source| SampleError::Read { path: package.to_path_buf(), source };
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(File::open(package).map_err(read)?)));
    let mut samples = Vec::new();
    for entry in archive.entries().map_err(read)? {
        let entry = entry.map_err(read)?;
        let path = entry.path().map_err(read)?.into_owned();
        let is_example = path.parent().is_some_and(|folder| folder == Path::new("package/example"));
        if is_example && path.extension().is_some_and(|extension| extension == "json") {
            let origin = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let resource = json(entry, &origin)?;
            samples.push(Sample { origin, resource });
        }
    }
    samples.sort_by(|one, other| one.origin.cmp(&other.origin));
    Ok(samples)
}

fn json(mut from: impl Read, origin: &str) -> Result<Value, SampleError> {
    let mut text = Vec::new();
    from.read_to_end(&mut text).map_err(|source| SampleError::Read { path: origin.into(), source })?;
    // Some published files begin with a byte order mark.
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    serde_json::from_slice(text).map_err(|source| SampleError::Json { origin: origin.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_of_the_bundle_become_relative_references() {
        let bundle = json!({ "entry": [
            { "fullUrl": "urn:uuid:p", "resource": { "resourceType": "Patient" } },
            { "fullUrl": "urn:uuid:o", "resource": {
                "resourceType": "Observation", "id": "other",
                "subject": { "reference": "urn:uuid:p" }, "focus": [{ "reference": "#own" }] } },
        ] });
        let samples = entries(&bundle, "a.json").unwrap();
        assert_eq!(samples[0].resource, json!({ "resourceType": "Patient", "id": "p" }));
        assert_eq!(samples[1].id(), "o");
        assert_eq!(samples[1].resource["subject"]["reference"], "Patient/p");
        assert_eq!(samples[1].resource["focus"][0]["reference"], "#own");
        assert!(entries(&json!({ "entry": [{ "resource": {} }] }), "a.json").is_err());
    }
}
