//! Every parameter of R4 and the guides on real resources, where the samples are there.

use std::io::Read;
use std::path::Path;

use super::*;

/// The resources of a Synthea Bundle, references as they are.
fn samples(most: usize) -> Option<Vec<Value>> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/samples/synthea"));
    let Some(files) = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).next() else {
        println!("skipped: there is no ../shared/samples/synthea beside the repository");
        return None;
    };
    let mut files: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).filter(|path| path.is_file()).collect();
    files.sort();
    let mut resources = Vec::new();
    for file in files.iter().take(most) {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(file).expect("a sample is read");
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("a sample is unpacked");
        let Ok(bundle) = vesta_runtime::json::parse(&bytes) else { continue };
        let entries = bundle["entry"].as_array().into_iter().flatten();
        resources.extend(entries.map(|entry| entry["resource"].clone()).filter(|resource| resource["id"].is_string()));
    }
    Some(resources)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_and_memory_agree_on_every_parameter_of_real_resources() {
    let Some(all) = samples(2) else { return };
    // A few of each type say as much as all.
    let mut few: Vec<Value> = Vec::new();
    for resource in all {
        let of_type = few.iter().filter(|other| other["resourceType"] == resource["resourceType"]).count();
        // The clinics are in several Bundles.
        let is_new = few.iter().all(|other| other["id"] != resource["id"]);
        if of_type < 25 && is_new {
            few.push(resource);
        }
    }
    let fixture = Fixture::generated().await;
    fixture.put(&few).await;
    let asked = differential::compare(&fixture, &few, 4).await;
    assert!(asked > 1000, "only {asked} queries were made");
}
