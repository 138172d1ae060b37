//! A site's keys in its folder: `signing.pem` and `identity.pem`, made on first use and replaced by `vesta keys rotate`. All
//! processes that serve the site share the folder, and look each second whether the files are others.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use vesta_oauth::{IdentityKey, KeyRing, Keys, NewToken, Rotation, SigningKey, SigningKeyError, rotate_pem};

use super::folder::replace;
use super::{DataFolder, FolderError, SiteError, load_or_create};
use crate::config::SiteName;

type Make = fn() -> Result<String, SigningKeyError>;

/// The two files, and how a key of each is made.
const ACCESS: (&str, Make) = ("signing.pem", SigningKey::generate_pem);
const IDENTITY: (&str, Make) = ("identity.pem", IdentityKey::generate_pem);

fn path(folder: &DataFolder, site: &SiteName, name: &str) -> PathBuf {
    folder.site(site).join("keys").join(name)
}

fn load(path: &Path, make: Make) -> Result<String, SiteError> {
    Ok(load_or_create(path, || make().map_err(|error| error.to_string()))?)
}

/// The keys of access tokens: to make and to read them takes no time.
pub fn access_keys(folder: &DataFolder, site: &SiteName) -> Result<KeyRing<SigningKey>, SiteError> {
    let path = path(folder, site, ACCESS.0);
    KeyRing::from_pem(&load(&path, ACCESS.1)?).map_err(|source| SiteError::Key { path, source })
}

/// All keys; to make those of ID tokens takes a while.
pub fn site_keys(folder: &DataFolder, site: &SiteName) -> Result<Keys, SiteError> {
    let access = access_keys(folder, site)?;
    let path = path(folder, site, IDENTITY.0);
    let identity = KeyRing::from_pem(&load(&path, IDENTITY.1)?).map_err(|source| SiteError::Key { path, source })?;
    Ok(Keys { access, identity })
}

/// Signs a token with the site's current key: for who may read it.
pub fn issue(folder: &DataFolder, site: &SiteName, token: &NewToken<'_>) -> Result<String, SiteError> {
    let failed = |source| SiteError::Key { path: path(folder, site, ACCESS.0), source };
    access_keys(folder, site)?.current(token.now).issue(token).map_err(failed)
}

/// Puts a new key of each kind before those that are there.
pub fn rotate_keys(folder: &DataFolder, site: &SiteName, now: Timestamp, rotation: Rotation) -> Result<(), SiteError> {
    // One after the other: else one of two would be lost.
    let lock = path(folder, site, "rotation.lock");
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Unusable { path, source }
    };
    let kept = [ACCESS, IDENTITY].map(|(name, make)| load(&path(folder, site, name), make));
    let locked = File::create(&lock).map_err(unusable(&lock))?;
    locked.lock().map_err(unusable(&lock))?;
    let mut rotated = Vec::new();
    // Both are ready before one is written.
    for ((name, make), kept) in [ACCESS, IDENTITY].into_iter().zip(kept) {
        kept?;
        let path = path(folder, site, name);
        let kept = fs::read_to_string(&path).map_err(unusable(&path))?;
        let fresh = make().and_then(|fresh| rotate_pem(&kept, &fresh, now, rotation));
        let fresh = fresh.map_err(|source| SiteError::Key { path: path.clone(), source })?;
        rotated.push((path, fresh));
    }
    for (path, text) in rotated {
        replace(&path, &text).map_err(unusable(&path))?;
    }
    Ok(())
}

/// By what one sees that the files are others: when each was written, and how long it is.
pub(super) type Seen = [Option<(SystemTime, u64)>; 2];

pub(super) fn seen(folder: &DataFolder, site: &SiteName) -> Seen {
    [ACCESS, IDENTITY].map(|(name, _)| {
        let metadata = fs::metadata(path(folder, site, name)).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_rotation_leaves_files_that_are_their_owners_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let site = SiteName::default();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let old = access_keys(&data, &site).unwrap().current(now).id().to_owned();
        let before = seen(&data, &site);
        let rotation = Rotation::Overlap { publish: SignedDuration::ZERO, keep: SignedDuration::from_hours(24) };
        rotate_keys(&data, &site, now, rotation).unwrap();
        assert_ne!(seen(&data, &site), before);
        let keys = site_keys(&data, &site).unwrap();
        assert_eq!((keys.access.published(now).count(), keys.identity.published(now).count()), (2, 2));
        assert_ne!(keys.access.current(now).id(), old);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(path(&data, &site, ACCESS.0)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
        // What cannot be read is not written over.
        fs::write(path(&data, &site, IDENTITY.0), "Signs-From: soon\n").unwrap();
        let error = rotate_keys(&data, &site, now, rotation).unwrap_err().to_string();
        assert!(error.contains("identity.pem") && error.contains("soon"), "{error}");
        assert_eq!(access_keys(&data, &site).unwrap().published(now).count(), 2);
    }
}
