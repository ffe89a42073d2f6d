//! TLS between this client and a queue: files that are of use, and what a failed handshake says.

use std::error::Error as StdError;
use std::io;

use async_nats::ConnectOptions;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::config::queue::QueueTls;
use crate::error::{Error, Result};
use crate::pem::{certificates, private_key, wrong};
use crate::queue::address::Address;

/// # Errors
/// FIELD_INVALID for files that cannot be read, are no PEM, or do not belong together. They are read again at each
/// connection: one that is renewed counts from the next one on.
pub fn check(tls: &QueueTls) -> Result<()> {
    let mut roots = RootCertStore::empty();
    if let Some(ca) = &tls.ca {
        let (taken, _) = roots.add_parsable_certificates(certificates(ca)?);
        if taken == 0 {
            return Err(wrong("it names no authority", ca));
        }
    }
    let Some((cert, key)) = &tls.own else {
        return Ok(());
    };
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = config.with_client_auth_cert(certificates(cert)?, private_key(key)?);
    config.map(drop).map_err(|e| {
        Error::field("the certificate for the queue and its key cannot be used together")
            .hint("give the PEM files of one certificate chain and of its private key")
            .caused_by(e)
    })
}

/// Options that speak to the address's servers as it says.
pub(super) fn options(address: &Address, mut options: ConnectOptions) -> ConnectOptions {
    let QueueTls { ca, own } = &address.tls;
    if let Some(ca) = ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((cert, key)) = own {
        options = options.add_client_certificate(cert.clone(), key.clone());
    }
    options.require_tls(address.is_secure)
}

/// What would mend it where it is TLS that failed.
pub(super) fn hint(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    Some(match fault(error)? {
        rustls::Error::InvalidCertificate(_) => {
            "name the authority of the queue's certificate by --queue-ca (FRAMECACHE_QUEUE_CA), and the queue by a host that its certificate has as subjectAltName"
        }
        rustls::Error::AlertReceived(_) => {
            "the queue asks for a certificate that it trusts: give --queue-cert and --queue-key"
        }
        _ => {
            "see whether the queue speaks TLS there (nats-server: tls {cert_file, key_file}), or write nats:// where it does not"
        }
    })
}

/// It is inside an `io::Error`, which does not name it as its cause.
fn fault<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    let mut causes = std::iter::successors(Some(error), |e| StdError::source(*e));
    causes.find_map(|e| match e.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref()?.downcast_ref(),
        None => e.downcast_ref(),
    })
}
