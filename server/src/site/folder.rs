//! The data folder: where everything that the server makes for itself is, and how secrets are made in it.
//!
//! ```text
//! data/tls/                       ca.pem, ca.key: the certificate authority of this folder
//! data/sites/<site>/keys/         signing.pem, identity.pem: the site's ES256 and RS256 keys; audit.key: its audit log's
//! data/sites/<site>/public_url    under which address the site was last served: tokens name it
//! data/sites/<site>/…             the site's database on SQLite, and its files
//! ```

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::SiteName;

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error(
        "the data folder {} cannot be used: {source}. Choose another with --data, or give this user the right to \
         write there", path.display()
    )]
    Unusable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot make {}: {reason}", path.display())]
    Make { path: PathBuf, reason: String },
}

#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Makes the folder if it is not there.
    pub fn open(path: &Path) -> Result<DataFolder, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        make_folder(path).map_err(unusable)?;
        Ok(DataFolder(fs::canonicalize(path).map_err(unusable)?))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    pub fn site(&self, name: &SiteName) -> PathBuf {
        self.0.join("sites").join(name.as_str())
    }

    /// The sites that have a folder, sorted.
    pub fn sites(&self) -> Vec<SiteName> {
        let entries = fs::read_dir(self.0.join("sites")).into_iter().flatten().flatten();
        let mut names: Vec<SiteName> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        names.sort();
        names
    }
}

/// A folder that only its owner may enter, with those above it.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Reads a file that only its owner may read, or makes it on first use. Safe when several processes do so at once:
/// all get the same text.
pub fn load_or_create(path: &Path, make: impl FnOnce() -> Result<String, String>) -> Result<String, FolderError> {
    let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(unusable),
    }
    let text = make().map_err(|reason| FolderError::Make { path: path.to_owned(), reason })?;
    if let Some(folder) = path.parent() {
        make_folder(folder).map_err(unusable)?;
    }
    // Written aside and then linked: a name appears only with its whole content, and never replaces another's.
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    write_secret(&aside, &text).map_err(unusable)?;
    let linked = fs::hard_link(&aside, path);
    fs::remove_file(&aside).map_err(unusable)?;
    match linked {
        Ok(()) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(path).map_err(unusable),
        Err(error) => Err(unusable(error)),
    }
}

/// Writes a file anew that only its owner may read; who reads it meanwhile has the old text or the new one.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    write_secret(&aside, text)?;
    fs::rename(&aside, path)
}

fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/secret.pem");
        assert_eq!(load_or_create(&path, || Ok("first".to_owned())).unwrap(), "first");
        assert_eq!(load_or_create(&path, || panic!("it is there")).unwrap(), "first");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            assert_eq!(mode(path.parent().unwrap()), 0o700);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataFolder::open(&file.join("data")).unwrap_err().to_string();
        assert!(error.contains("file/data") && error.contains("--data"), "{error}");
    }
}
