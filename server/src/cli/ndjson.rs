//! Files of resources, one a type and one resource a line: what `export` and `demo --write` leave behind.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Failure;

/// The file of a type, under another name until it is complete.
pub(super) struct NdjsonFile {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
}

impl NdjsonFile {
    pub(super) fn create(folder: &Path, resource_type: &str) -> Result<NdjsonFile, Failure> {
        NdjsonFile::at(NdjsonFile::path(folder, resource_type))
    }

    /// A file of any name.
    pub(super) fn at(path: PathBuf) -> Result<NdjsonFile, Failure> {
        let partial = path.with_extension("ndjson.part");
        let file = File::create(&partial).map_err(|error| unusable(&partial, &error))?;
        Ok(NdjsonFile { path, partial, file: BufWriter::new(file) })
    }

    /// Where the file of a type is when it is complete.
    pub(super) fn path(folder: &Path, resource_type: &str) -> PathBuf {
        folder.join(format!("{resource_type}.ndjson"))
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Failure> {
        self.file.write_all(lines).map_err(|error| unusable(&self.partial, &error))
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        let NdjsonFile { path, partial, file } = self;
        let file = file.into_inner().map_err(|error| unusable(&partial, &error.into_error()))?;
        file.sync_all().map_err(|error| unusable(&partial, &error))?;
        std::fs::rename(&partial, &path).map_err(|error| unusable(&path, &error))
    }
}

/// Makes the folder, if it is not there.
pub(super) fn make_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))
}

pub(super) fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Other(format!("{}: {error}", path.display()))
}
