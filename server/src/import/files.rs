//! The files to import: which there are, and the JSON documents in each.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

/// The longest line of an NDJSON file, in bytes.
const LONGEST_LINE: u64 = 256 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub path: PathBuf,
    /// In bytes, as it lies on the disk.
    pub size: u64,
}

/// What was named, folders searched through, in the order of their names.
#[derive(Debug, Default)]
pub struct Inputs {
    pub files: Vec<Input>,
    /// Files in the folders that are neither JSON nor NDJSON by their name.
    pub skipped: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct FileError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Finds the files. A file that is named itself is taken whatever its name; in folders only `*.json` and `*.ndjson`
/// (or `*.jsonl`) are, also with `.gz`.
pub fn find(paths: &[PathBuf]) -> Result<Inputs, FileError> {
    let mut inputs = Inputs::default();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|source| FileError { path: path.clone(), source })?;
        if metadata.is_dir() {
            folder(path, &mut inputs).map_err(|source| FileError { path: path.clone(), source })?;
        } else {
            inputs.files.push(Input { path: path.clone(), size: metadata.len() });
        }
    }
    Ok(inputs)
}

fn folder(path: &Path, inputs: &mut Inputs) -> io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Links are followed, as `find -L` does: data folders are often linked in.
        let metadata = std::fs::metadata(&path)?;
        if metadata.is_dir() {
            folder(&path, inputs)?;
        } else if format(&path).is_some() {
            inputs.files.push(Input { path, size: metadata.len() });
        } else {
            inputs.skipped.push(path);
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Ndjson,
}

/// By the name; compression is seen in the content.
fn format(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "json" => Some(Format::Json),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        _ => None,
    }
}

/// A JSON document in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// From 1; none where the file is one document.
    pub line: Option<u64>,
    pub text: Vec<u8>,
}

/// Shows each document to `visit`, until that says stop. `read` hears of the bytes that were read from the disk.
pub fn documents(path: &Path, read: impl FnMut(u64), mut visit: impl FnMut(Document) -> bool) -> io::Result<()> {
    let mut file = BufReader::with_capacity(1 << 18, Counted { inner: File::open(path)?, read });
    let is_compressed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let mut content: Box<dyn BufRead> =
        if is_compressed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
    if format(path) != Some(Format::Ndjson) {
        let mut text = Vec::new();
        content.read_to_end(&mut text)?;
        visit(Document { line: None, text });
        return Ok(());
    }
    for line in 1.. {
        let mut text = Vec::new();
        if (&mut content).take(LONGEST_LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.len() as u64 == LONGEST_LINE && !text.ends_with(b"\n") {
            let message = format!("line {line} is longer than {} MB", LONGEST_LINE >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if !visit(Document { line: Some(line), text }) {
            break;
        }
    }
    Ok(())
}

struct Counted<R, F> {
    inner: R,
    read: F,
}

impl<R: Read, F: FnMut(u64)> Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.read)(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn lines(path: &Path) -> Vec<(Option<u64>, String)> {
        let mut found = Vec::new();
        documents(
            path,
            |_| {},
            |document| {
                found.push((document.line, String::from_utf8(document.text).unwrap().trim().to_owned()));
                true
            },
        )
        .unwrap();
        found
    }

    #[test]
    fn folders_are_searched_for_json_and_ndjson_plain_or_compressed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        for name in ["b.ndjson.gz", "a.json", "readme.txt", "inner/C.JSON"] {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let inputs = find(&[folder.path().to_path_buf()]).unwrap();
        let names: Vec<_> = inputs
            .files
            .iter()
            .map(|input| input.path.strip_prefix(folder.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a.json", "b.ndjson.gz", "inner/C.JSON"]);
        assert_eq!(inputs.skipped.len(), 1);
        assert!(find(&[folder.path().join("absent")]).is_err());
    }

    #[test]
    fn a_line_is_a_document_with_its_number_and_empty_lines_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndjson");
        std::fs::write(&path, "{\"a\":1}\r\n\n{\"b\":2}").unwrap();
        assert_eq!(lines(&path), [(Some(1), "{\"a\":1}".to_owned()), (Some(3), "{\"b\":2}".to_owned())]);
    }

    #[test]
    fn compression_is_seen_in_the_content_whatever_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"{\n}").unwrap();
        let mut compressed = encoder.finish().unwrap();
        // Several members, as `cat a.gz b.gz` makes them, are one text.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b" ").unwrap();
        compressed.extend(encoder.finish().unwrap());
        std::fs::write(&path, compressed).unwrap();
        assert_eq!(lines(&path), [(None, "{\n}".to_owned())]);
    }

    #[test]
    fn the_bytes_read_add_up_to_the_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndjson");
        std::fs::write(&path, "{}\n".repeat(1000)).unwrap();
        let mut bytes = 0;
        documents(&path, |count| bytes += count, |_| true).unwrap();
        assert_eq!(bytes, 3000);
    }
}
