//! The first words with a server, and why there were none: so that a wrong address says what is wrong with it.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, ClientConnection, RootCertStore};
use tonic::Status;
use tonic::transport::{Channel, Uri};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::error::{Error, Reason, Result};

/// Who takes a connection and says nothing on it for so long is no server.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// RFC 8446, 5.1: the first byte of what TLS sends first, an alert or a handshake.
const TLS_RECORDS: [u8; 2] = [0x15, 0x16];

/// What is wrong, and how to mend it.
type Why = (String, &'static str);

/// Asks after the server's health, without a token. Any answer will do: that there is one is what matters.
///
/// # Errors
/// STORE_UNAVAILABLE where no gRPC is spoken; the error says whether TLS is.
pub(super) async fn greet(channel: &Channel, (server, uri): (&str, &Uri)) -> Result<()> {
    let mut health = HealthClient::new(channel.clone());
    let asked = health.check(HealthCheckRequest::default());
    let broken = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Err(status)) if is_broken(&status) => Some(status),
        Ok(_) => return Ok(()),
        Err(_) => None,
    };
    let plain = uri.scheme_str() == Some("http");
    let why: Why = if plain && speaks_tls(uri).await {
        (
            "it speaks TLS there".to_owned(),
            "write https://HOST:PORT, and name its authority by --tls-ca where the system does not know it",
        )
    } else if broken.is_none() {
        (
            format!("it said nothing, waited_secs={}", PATIENCE.as_secs()),
            LOOK,
        )
    } else {
        ("what listens there speaks no gRPC".to_owned(), LOOK)
    };
    let error = not_reached(server, why);
    Err(match broken {
        Some(status) => error.caused_by(status),
        None => error,
    })
}

const LOOK: &str = "start it with `framecache serve`, or look at its address";

/// Whether the connection ended, and not a call on it: what a server says has no cause on this side.
pub(super) fn is_broken(status: &Status) -> bool {
    status.source().is_some()
}

fn not_reached(server: &str, (why, hint): Why) -> Error {
    let message = format!("could not connect to the server: {why}");
    Error::new(Reason::StoreUnavailable, message)
        .about("server", server)
        .hint(hint)
}

/// Says why there is no connection.
pub(super) fn unreachable(server: &str, error: tonic::transport::Error) -> Error {
    let why = match (tls_fault(&error), io_fault(&error)) {
        (Some(fault), _) => of_tls(fault),
        (None, Some(fault)) => of_io(fault),
        (None, None) => (last_words(&error), LOOK),
    };
    not_reached(server, why).caused_by(error)
}

/// An error and its causes, outermost first.
fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    // Not `e.source()`: a reference to an error is an error, too, and lives for less.
    std::iter::successors(Some(error), |e| StdError::source(*e))
}

fn last_words(error: &(dyn StdError + 'static)) -> String {
    causes(error)
        .last()
        .map_or_else(String::new, |e| e.to_string())
}

fn io_fault<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e io::Error> {
    causes(error).find_map(|e| e.downcast_ref())
}

/// It is inside an `io::Error`, which does not name it as its cause.
fn tls_fault<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    causes(error).find_map(|e| match e.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref()?.downcast_ref(),
        None => e.downcast_ref(),
    })
}

fn of_io(fault: &io::Error) -> Why {
    let why = match fault.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not use its socket".to_owned(),
        io::ErrorKind::TimedOut => "it did not answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "it hung up while hands were shaken".to_owned()
        }
        _ => fault.to_string(),
    };
    (why, LOOK)
}

fn of_tls(fault: &rustls::Error) -> Why {
    match fault {
        rustls::Error::InvalidCertificate(fault) => of_certificate(fault),
        rustls::Error::InvalidMessage(_) => (
            "it speaks no TLS there".to_owned(),
            "write HOST:PORT, without https://, and leave out --tls-ca",
        ),
        fault => (
            format!("hands could not be shaken ({fault})"),
            "look at the server's log and at its --tls-cert, --tls-key and --tls-client-ca",
        ),
    }
}

fn of_certificate(fault: &CertificateError) -> Why {
    use CertificateError as C;
    let (why, hint) = match fault {
        C::UnknownIssuer => (
            "its certificate is from no authority that is trusted here",
            "name the authority's PEM file by --tls-ca (FRAMECACHE_TLS_CA)",
        ),
        C::NotValidForName | C::NotValidForNameContext { .. } => (
            "its certificate is not for this name",
            "ask by a name or an address that the certificate has as subjectAltName",
        ),
        C::Expired | C::ExpiredContext { .. } => {
            ("its certificate has expired", "renew it, or set the clock")
        }
        C::NotValidYet | C::NotValidYetContext { .. } => (
            "its certificate is not valid yet",
            "set the clocks of both machines",
        ),
        fault if is_authority(fault) => (
            "its certificate is an authority's own (CA:TRUE), which is no server's: so `openssl req -x509` makes them",
            "make it anew with -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:HOST, \
             and give that file as --tls-ca, too",
        ),
        fault => return (format!("its certificate is not taken ({fault})"), MAKE),
    };
    (why.to_owned(), hint)
}

const MAKE: &str = "give the server a certificate whose subjectAltName names it";

/// The verifier's own error, whose type is not ours to name.
fn is_authority(fault: &CertificateError) -> bool {
    format!("{fault:?}").contains("CaUsedAsEndEntity")
}

/// Whether a greeting of TLS is answered by TLS. For plain addresses where HTTP/2 was not understood.
async fn speaks_tls(uri: &Uri) -> bool {
    let asked = tokio::time::timeout(PATIENCE, first_byte(uri)).await;
    matches!(asked, Ok(Ok(byte)) if TLS_RECORDS.contains(&byte))
}

async fn first_byte(uri: &Uri) -> io::Result<u8> {
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
    let mut peer = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    peer.write_all(&client_hello(host)?).await?;
    peer.read_u8().await
}

/// Trusts nobody: the handshake goes no further than its first answer.
fn client_hello(host: &str) -> io::Result<Vec<u8>> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    let name = name.map_err(io::Error::other)?;
    let mut hello = Vec::new();
    ClientConnection::new(Arc::new(config), name)
        .map_err(io::Error::other)?
        .write_tls(&mut hello)?;
    Ok(hello)
}
