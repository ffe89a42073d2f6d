//! What settings may be: addresses, origins, files of TLS, each with the words for what it is not.

use std::path::PathBuf;

use crate::config::serve::{Listen, TlsFiles};
use crate::error::{Error, Result};

pub fn listen(text: &str) -> Result<Listen> {
    match text.strip_prefix("unix:") {
        Some("") => Err(Error::field("the listener names no socket: listen=unix:")
            .hint("write unix:/path/of/the.sock")),
        Some(path) => Ok(Listen::Unix(PathBuf::from(path))),
        None => host_and_port("listen", text).map(Listen::Tcp),
    }
}

pub fn address(what: &str, text: &str) -> Result<Option<String>> {
    match text {
        "none" => Ok(None),
        text => host_and_port(what, text).map(Some),
    }
}

/// As browsers write them: a scheme, a host, a port where it is not the scheme's, and nothing else.
pub fn origins(said: Vec<String>) -> Result<Vec<String>> {
    let fits = |origin: &String| {
        let host = ["http://", "https://"]
            .iter()
            .find_map(|scheme| origin.strip_prefix(scheme));
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b);
        host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain))
    };
    match said.iter().find(|origin| !fits(origin)) {
        None => Ok(said),
        Some(origin) => Err(Error::field(format!(
            "this is no origin of pages: http_origin={origin:?}"
        ))
        .hint("write it as browsers do, in lower case and without a path: https://tools.example")),
    }
}

fn host_and_port(what: &str, text: &str) -> Result<String> {
    let parts = text.rsplit_once(':');
    let fits = parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if fits {
        return Ok(text.to_owned());
    }
    Err(
        Error::field(format!("this is no address to listen on: {what}={text:?}"))
            .hint("write HOST:PORT, as in 127.0.0.1:50051 or [::1]:50051"),
    )
}

pub fn tls(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
) -> Result<Option<TlsFiles>> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles {
            cert,
            key,
            client_ca,
        })),
        (None, None) if client_ca.is_none() => Ok(None),
        _ => Err(
            Error::field("TLS needs the server's certificate and its key")
                .hint("give both --tls-cert and --tls-key"),
        ),
    }
}
