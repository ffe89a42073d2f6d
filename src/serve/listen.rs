//! Where calls come in: a TCP address or a Unix socket.

use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream as Probe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use rustix::fs::Mode;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::serve::Listen;
use crate::error::{Error, Result};
use crate::serve::connections::{Connection, Connections};
use crate::serve::tls::Speaks;

/// After a refused accept (too many open files) the next one waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound listener.
pub enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// Removed when the server ends.
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listener::Tcp(_, address) => address.fmt(f),
            Listener::Unix(_, file) => write!(f, "unix:{}", file.0.display()),
        }
    }
}

/// Whether only this machine reaches it. Looks names up.
///
/// # Errors
/// FIELD_INVALID for a name that has no address.
pub fn is_local(listen: &Listen) -> Result<bool> {
    Ok(match listen {
        Listen::Unix(_) => true,
        Listen::Tcp(address) => lookup(address)?.iter().all(|a| a.ip().is_loopback()),
    })
}

fn lookup(address: &str) -> Result<Vec<SocketAddr>> {
    let nowhere = || {
        Error::field(format!("this name has no address: listen={address}"))
            .hint("listen on an address of this machine, such as 127.0.0.1:50051")
    };
    let found = address
        .to_socket_addrs()
        .map_err(|e| nowhere().caused_by(e))?;
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() {
        return Err(nowhere());
    }
    Ok(found)
}

/// # Errors
/// FIELD_INVALID where it cannot be bound, saying why.
pub async fn bind(listen: &Listen) -> Result<Listener> {
    match listen {
        Listen::Tcp(address) => {
            let (listener, bound) = bind_tcp(address).await?;
            Ok(Listener::Tcp(listener, bound))
        }
        Listen::Unix(path) => bind_unix(path),
    }
}

/// A listener, and the address it has (port 0 is any free one).
///
/// # Errors
/// FIELD_INVALID where it cannot be bound, saying why.
pub async fn bind_tcp(address: &str) -> Result<(TcpListener, SocketAddr)> {
    let addresses = lookup(address)?;
    let taken = |e: std::io::Error| {
        let why = match e.kind() {
            ErrorKind::AddrInUse => "another program has it",
            ErrorKind::PermissionDenied => "it needs more permissions",
            ErrorKind::AddrNotAvailable => "it is none of this machine's",
            _ => "the system refused it",
        };
        Error::field(format!(
            "could not listen: {why}, address={address} because={}",
            e.kind()
        ))
        .hint("choose another port, or port 0 for any free one")
        .caused_by(e)
    };
    let listener = TcpListener::bind(&addresses[..]).await.map_err(taken)?;
    let bound = listener.local_addr().map_err(taken)?;
    Ok((listener, bound))
}

fn bind_unix(path: &Path) -> Result<Listener> {
    remove_stale(path)?;
    // Nobody else may connect, not even between bind and chmod.
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound.map_err(|e| {
        Error::field(format!(
            "could not make the socket: path={} because={}",
            path.display(),
            e.kind()
        ))
        .hint("name a socket in a folder that this user may write to, at most 107 bytes long")
        .caused_by(e)
    })?;
    Ok(Listener::Unix(listener, SocketFile(path.to_owned())))
}

/// A socket that nobody answers on was left behind by a server that was killed.
fn remove_stale(path: &Path) -> Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    let shown = path.display();
    if !found.file_type().is_socket() {
        let message = format!("something that is no socket is in the way: path={shown}");
        return Err(Error::field(message).hint("name another path"));
    }
    match Probe::connect(path) {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|e| {
                Error::field(format!("could not remove a stale socket: path={shown}")).caused_by(e)
            })
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        _ => Err(
            Error::field(format!("another server has this socket: path={shown}"))
                .hint("end it, or name another path"),
        ),
    }
}

/// Connections as they come, those that there is room for. Never ends, never fails: a refused accept
/// is logged and tried again.
pub fn tcp_connections(
    listener: TcpListener,
    connections: Arc<Connections>,
    speaks: Speaks,
) -> impl Stream<Item = std::io::Result<Connection<TcpStream>>> + Send {
    futures::stream::unfold(
        (listener, connections),
        move |(listener, connections)| async move {
            loop {
                let (stream, from) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(e) => {
                        refused(&e).await;
                        continue;
                    }
                };
                // Only latency suffers without it.
                let _ = stream.set_nodelay(true);
                if let Some(connection) = connections.admit(stream, (Some(from.ip()), speaks)).await
                {
                    return Some((Ok(connection), (listener, connections)));
                }
            }
        },
    )
}

/// As [`tcp_connections`].
pub fn unix_connections(
    listener: UnixListener,
    connections: Arc<Connections>,
) -> impl Stream<Item = std::io::Result<Connection<UnixStream>>> + Send {
    futures::stream::unfold(
        (listener, connections),
        |(listener, connections)| async move {
            loop {
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(e) => {
                        refused(&e).await;
                        continue;
                    }
                };
                if let Some(connection) = connections.admit(stream, (None, Speaks::H2)).await {
                    return Some((Ok(connection), (listener, connections)));
                }
            }
        },
    )
}

async fn refused(error: &std::io::Error) {
    tracing::warn!("could not accept a connection: {error}");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_loopback_and_sockets_are_local() {
        let tcp = |address: &str| is_local(&Listen::Tcp(address.to_owned())).unwrap();
        assert!(tcp("127.0.0.1:0") && tcp("127.9.9.9:1") && tcp("[::1]:50051"));
        assert!(!tcp("0.0.0.0:0") && !tcp("[::]:0") && !tcp("192.0.2.1:1"));
        assert!(is_local(&Listen::Unix("/anywhere".into())).unwrap());
        assert!(is_local(&Listen::Tcp("no.such.name.invalid:1".into())).is_err());
    }

    #[tokio::test]
    async fn a_socket_is_its_owners_alone_and_goes_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let listener = bind_unix(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let Err(error) = bind_unix(&path) else {
            panic!("two servers on one socket");
        };
        assert!(error.message().contains("another server"), "{error}");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_anything_else_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(bind_unix(&path).is_ok());
        std::fs::write(&path, "kept").unwrap();
        assert!(bind_unix(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
    }
}
