//! A package that is wrong is refused with its reason and leaves `spec/` as it was.

use std::io::Write;

use tempfile::TempDir;

use super::*;

const PATIENT: &str = r##"{"resourceType":"StructureDefinition","id":"p","url":"http://e/p","name":"P","status":"active",
  "kind":"resource","abstract":false,"type":"Patient","derivation":"constraint","snapshot":{"element":[
  {"id":"Patient","path":"Patient","min":0,"max":"*"},
  {"id":"Patient.gender","path":"Patient.gender","min":1,"max":"1","type":[{"code":"code"}],"fixedCode":"female",
   "binding":{"strength":"required","valueSet":"http://e/ValueSet/absent|1.0"}},
  {"id":"Patient.multipleBirth[x]","path":"Patient.multipleBirth[x]","min":0,"max":"1","type":[{"code":"decimal"}],
   "patternDecimal":1.50}]}}"##;

fn manifest(name: &str, version: &str) -> String {
    format!(
        r#"{{"name":"{name}","version":"{version}","canonical":"http://e","fhirVersions":["4.0.1"],
        "dependencies":{{"hl7.fhir.r4.core":"4.0.1"}}}}"#
    )
}

fn tgz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn add_bytes(spec: &Path, name: &str, bytes: &[u8]) -> Result<String, SpecError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("package.tgz");
    fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    add(spec, &name.parse().unwrap(), &path)
}

fn good() -> Vec<u8> {
    tgz(&[
        ("package/package.json", &manifest("test.guide", "1.0.0")),
        ("package/.index.json", "{}"),
        ("package/StructureDefinition-p.json", PATIENT),
        ("package/ImplementationGuide-c.json", r#"{"resourceType":"ImplementationGuide","id":"c"}"#),
        ("package/example/Patient-x.json", "not even JSON"),
        ("package/xml/StructureDefinition-p.xml", "<x/>"),
    ])
}

/// The folder after a good package went in, with all its files.
fn with_good() -> (TempDir, BTreeMap<String, String>) {
    let spec = TempDir::new().unwrap();
    add_bytes(spec.path(), "test.guide@1.0.0", &good()).unwrap();
    let files = read_folder(spec.path()).unwrap();
    (spec, files)
}

/// `spec add` of these bytes fails with a message that holds `reason`, and nothing changed.
fn refuses(name: &str, bytes: &[u8], reason: &str) {
    let (spec, before) = with_good();
    let error = add_bytes(spec.path(), name, bytes).unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
    assert_eq!(read_folder(spec.path()).unwrap(), before);
    assert_eq!(fs::read_dir(spec.path()).unwrap().count(), 2, "the lock and one package, nothing left behind");
}

#[test]
fn a_package_becomes_a_digest_and_a_locked_entry() {
    let (_spec, files) = with_good();
    let digest = &files["test.guide/1.0.0/StructureDefinition/p.json"];
    assert!(digest.contains(r#""value":1.50"#), "decimals stay as written: {digest}");
    let lock: Lock = toml::from_str(&files["lock.toml"]).unwrap();
    let locked = lock.get("test.guide", "1.0.0").unwrap();
    assert_eq!(locked.absent_dependencies, ["hl7.fhir.r4.core@4.0.1"]);
    assert_eq!(locked.unresolved_value_sets.required, ["http://e/ValueSet/absent"]);
    assert_eq!(files.len(), 2);
}

#[test]
fn adding_the_same_again_changes_nothing() {
    let (spec, before) = with_good();
    add_bytes(spec.path(), "test.guide@1.0.0", &good()).unwrap();
    assert_eq!(read_folder(spec.path()).unwrap(), before);
}

#[test]
fn a_truncated_archive_is_refused() {
    let bytes = good();
    refuses("test.guide@1.0.0", &bytes[..bytes.len() - 20], "broken or cut short");
    refuses("test.guide@1.0.0", &bytes[..bytes.len() - 2], "broken or cut short");
}

#[test]
fn what_is_no_archive_is_refused() {
    refuses("test.guide@1.0.0", b"<html>404 not found</html>", "broken or cut short");
}

#[test]
fn a_damaged_archive_is_refused() {
    let mut bytes = good();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    refuses("test.guide@1.0.0", &bytes, "broken or cut short");
}

#[test]
fn another_version_than_asked_for_is_refused() {
    refuses("test.guide@1.0.1", &good(), "holds test.guide@1.0.0, but test.guide@1.0.1 was asked for");
}

#[test]
fn another_package_than_asked_for_is_refused() {
    refuses("other.guide@1.0.0", &good(), "holds test.guide@1.0.0, but other.guide@1.0.0 was asked for");
}

#[test]
fn an_archive_without_a_manifest_is_refused() {
    refuses("test.guide@1.0.0", &tgz(&[("package/StructureDefinition-p.json", PATIENT)]), "no package/package.json");
}

#[test]
fn a_package_for_another_fhir_version_is_refused() {
    let manifest = manifest("test.guide", "1.0.0").replace("4.0.1\"]", "5.0.0\"]");
    let bytes = tgz(&[("package/package.json", &manifest), ("package/StructureDefinition-p.json", PATIENT)]);
    refuses("test.guide@1.0.0", &bytes, "the package is for FHIR 5.0.0");
}

#[test]
fn a_definition_that_is_no_json_is_refused_with_its_file_and_place() {
    let manifest = manifest("test.guide", "1.0.0");
    let bytes = tgz(&[("package/package.json", &manifest), ("package/StructureDefinition-p.json", "{\"id\":")]);
    refuses("test.guide@1.0.0", &bytes, "package/StructureDefinition-p.json: EOF while parsing a value at line 1");
}

#[test]
fn a_profile_without_a_snapshot_is_refused() {
    let manifest = manifest("test.guide", "1.0.0");
    let differential = PATIENT.replace("\"snapshot\"", "\"differential\"");
    let bytes = tgz(&[("package/package.json", &manifest), ("package/StructureDefinition-p.json", &differential)]);
    refuses("test.guide@1.0.0", &bytes, "http://e/p has no snapshot");
}

#[test]
fn a_digest_edited_by_hand_is_refused() {
    let (spec, _) = with_good();
    let path = spec.path().join("test.guide/1.0.0/StructureDefinition/p.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("female", "male")).unwrap();
    let error = add_bytes(spec.path(), "test.guide@1.0.0", &good()).unwrap_err().to_string();
    assert!(error.contains("is not what spec/lock.toml locks"), "{error}");
}

#[test]
fn a_package_that_another_builds_on_stays() {
    let (spec, before) = with_good();
    let manifest = manifest("test.other", "2.0.0").replace("hl7.fhir.r4.core\":\"4.0.1", "test.guide\":\"1.0.0");
    let bytes = tgz(&[("package/package.json", &manifest), ("package/StructureDefinition-p.json", PATIENT)]);
    add_bytes(spec.path(), "test.other@2.0.0", &bytes).unwrap();
    let error = remove(spec.path(), &"test.guide@1.0.0".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("test.other@2.0.0 builds on it"), "{error}");
    remove(spec.path(), &"test.other@2.0.0".parse().unwrap()).unwrap();
    assert_eq!(read_folder(spec.path()).unwrap(), before);
    remove(spec.path(), &"test.guide@1.0.0".parse().unwrap()).unwrap();
    assert!(read_folder(spec.path()).unwrap().keys().eq(["lock.toml"]));
}

/// What is checked in is what `spec add` makes of the published archives.
#[test]
fn the_locked_digests_are_those_of_the_archives() {
    let root = workspace::root();
    let shared = root.join("../shared/spec");
    if !shared.exists() {
        println!("skipped: there is no ../shared/spec");
        return;
    }
    let lock: Lock = toml::from_str(&fs::read_to_string(root.join("spec/lock.toml")).unwrap()).unwrap();
    for locked in &lock.packages {
        let Ok(bytes) = fs::read(shared.join(format!("{}-{}.tgz", locked.name, locked.version))) else { continue };
        let archive = archive::read_archive(&bytes, &locked.name, &locked.version).unwrap();
        assert_eq!(archive.manifest, Manifest::of(locked));
    }
}
