//! Whose certificates are believed.

use std::path::Path;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::failure::{Failure, Kind};

/// A client that trusts the authorities of this PEM file and no others, as the AWS tools take
/// AWS_CA_BUNDLE; none where none is named: the SDK's own trusts the system's.
pub(super) fn client(bundle: Option<&Path>) -> Result<Option<SharedHttpClient>, Failure> {
    let Some(path) = bundle else { return Ok(None) };
    let pem = read(path)?;
    let trusted = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let client = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context.map_err(|e| unusable(path, &e))?);
    Ok(Some(client.build_https()))
}

/// Read once here, because the SDK panics at a file that holds anything else.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let pem = std::fs::read(path).map_err(|e| unusable(path, &e))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| unusable(path, &e))?;
        roots.add(certificate).map_err(|e| unusable(path, &e))?;
    }
    match roots.is_empty() {
        false => Ok(pem),
        true => Err(unusable(path, &"no certificate is in it")),
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    let path = path.display();
    Failure::caused(Kind::Bundle, format!("{path}: {why}"))
}
