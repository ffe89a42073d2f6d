//! TLS on the listener: the certificate as its files are now, and handshakes beside each other.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::config::serve::TlsFiles;
use crate::error::{Error, Result};
use crate::pem::{certificates, private_key, wrong};
use crate::serve::reload::Reloaded;

/// A client that does not say what it wants keeps nothing open for longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What is spoken behind the handshake (RFC 7301): gRPC is HTTP/2 (RFC 9113, 3.2), all else HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    H2,
    Http1,
}

impl Speaks {
    fn alpn(self) -> Vec<u8> {
        match self {
            Speaks::H2 => b"h2".to_vec(),
            Speaks::Http1 => b"http/1.1".to_vec(),
        }
    }
}

/// A server's certificate, and whose clients it lets in; read again when the files change. Connections keep what they
/// were begun with.
pub struct Certificates {
    files: TlsFiles,
    /// For each that may be spoken.
    now: RwLock<[Arc<ServerConfig>; 2]>,
}

impl Certificates {
    /// # Errors
    /// FIELD_INVALID for files that cannot be read, are no PEM, or do not belong together.
    pub fn read(files: &TlsFiles) -> Result<Certificates> {
        Ok(Certificates {
            files: files.clone(),
            now: RwLock::new(read(files)?),
        })
    }

    fn acceptor(&self, speaks: Speaks) -> TlsAcceptor {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        let [h2, http1] = &*now;
        TlsAcceptor::from(match speaks {
            Speaks::H2 => h2.clone(),
            Speaks::Http1 => http1.clone(),
        })
    }
}

impl Reloaded for Certificates {
    fn name(&self) -> &'static str {
        "certificates"
    }

    fn files(&self) -> Vec<PathBuf> {
        let TlsFiles {
            cert,
            key,
            client_ca,
        } = &self.files;
        [cert, key].into_iter().chain(client_ca).cloned().collect()
    }

    fn reload(&self) -> Result<()> {
        let read = read(&self.files)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

fn read(files: &TlsFiles) -> Result<[Arc<ServerConfig>; 2]> {
    let chain = certificates(&files.cert)?;
    let key = private_key(&files.key)?;
    let config = match &files.client_ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(authority) => {
            ServerConfig::builder().with_client_cert_verifier(clients_of(authority)?)
        }
    };
    let config = config.with_single_cert(chain, key).map_err(|e| {
        Error::field("the certificate and its key cannot be used together")
            .hint("give the PEM files of one certificate chain and of its private key")
            .caused_by(e)
    })?;
    Ok([Speaks::H2, Speaks::Http1].map(|speaks| {
        let mut config = config.clone();
        config.alpn_protocols.push(speaks.alpn());
        Arc::new(config)
    }))
}

fn clients_of(authority: &Path) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(authority)?);
    WebPkiClientVerifier::builder(roots.into())
        .build()
        .map_err(|e| wrong("it names no authority", authority).caused_by(e))
}

/// A connection behind its handshake; what is known of it is what is known of the one below.
pub struct Secured<C>(TlsStream<C>);

/// The connections that shake hands, in the order in which they do; the others are dropped. As many shake hands at once
/// as there are connections: a slow one holds up nobody.
pub fn secured<C>(
    connections: impl Stream<Item = io::Result<C>> + Send,
    certificates: Arc<Certificates>,
    speaks: Speaks,
) -> impl Stream<Item = io::Result<Secured<C>>> + Send
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    connections
        .map(move |connection| shake_hands(certificates.acceptor(speaks), connection))
        .buffer_unordered(usize::MAX)
        .filter_map(async |shaken| match shaken {
            Ok(Some(stream)) => Some(Ok(Secured(stream))),
            Ok(None) => None,
            Err(e) => Some(Err(io::Error::other(e))),
        })
}

/// In a task of its own: signing takes a core for up to a millisecond.
fn shake_hands<C>(
    acceptor: TlsAcceptor,
    connection: io::Result<C>,
) -> JoinHandle<Option<TlsStream<C>>>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(connection.ok()?)).await;
        match shaken {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(e)) => {
                tracing::debug!("a client was not let in: {e}");
                None
            }
            Err(_) => {
                tracing::debug!("a client was not let in: it did not shake hands in time");
                None
            }
        }
    })
}

impl<C: Connected> Connected for Secured<C> {
    type ConnectInfo = C::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.0.get_ref().0.connect_info()
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
