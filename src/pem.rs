//! Certificates and keys, as PEM files hold them.

use std::path::Path;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Result};
use crate::small_file::read_small;

/// A larger file is no chain of certificates.
const MAX_BYTES: u64 = 1 << 20;

/// At least one.
///
/// # Errors
/// FIELD_INVALID for a file that cannot be read, is no PEM, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|e| wrong("it is no PEM", path).caused_by(e))?;
    match found.is_empty() {
        true => Err(wrong("it holds no certificate", path)),
        false => Ok(found),
    }
}

/// # Errors
/// FIELD_INVALID for a file that cannot be read, or holds none.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|e| wrong("it holds no private key", path).caused_by(e))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    read_small(path, MAX_BYTES).map_err(|unread| unread.told(|why| wrong(&why, path)))
}

/// A file that is none of TLS.
pub fn wrong(why: &str, path: &Path) -> Error {
    let shown = path.display();
    Error::field(format!("a file of TLS cannot be used: {why}, path={shown}"))
        .hint("give certificates and keys as PEM files that this user may read")
}
