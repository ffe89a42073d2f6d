//! Where a server is, and the way there.

use std::path::PathBuf;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::client::remote::Wire;
use crate::client::remote::greet::{PATIENCE, greet, unreachable};
use crate::error::{Error, Result};

/// A peer that answers no ping for so long is gone, and its calls end.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
const WINDOW_BYTES: u32 = 16 << 20;

/// Where a server listens, and what it wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerAddress {
    /// `HOST:PORT`, `http://…`, `https://…` or `unix:/path`.
    pub target: String,
    /// A bearer token.
    pub token: Option<String>,
    /// PEM file of the authority that its certificate is from. Default: the system's.
    pub tls_ca: Option<PathBuf>,
}

/// Sends the token with each call.
#[derive(Clone)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

impl ServerAddress {
    pub(super) async fn connect(&self) -> Result<Wire> {
        let token = self.bearer()?;
        let endpoint = self.endpoint()?;
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|e| unreachable(&self.target, e))?;
        greet(&channel, (&self.target, endpoint.uri())).await?;
        Ok(Wire::new(channel, Token(token)))
    }

    fn bearer(&self) -> Result<Option<MetadataValue<Ascii>>> {
        let Some(token) = &self.token else {
            return Ok(None);
        };
        let value = MetadataValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|_| {
            Error::field("the token has characters that none can have")
                .hint("give it as it is, without line ends")
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn endpoint(&self) -> Result<Endpoint> {
        let uri = self.uri()?;
        let is_tls = uri.starts_with("https://");
        if self.tls_ca.is_some() && !is_tls {
            return Err(Error::field(format!(
                "a certificate authority is given, and no TLS is spoken, server={}",
                self.target
            ))
            .hint("write https://HOST:PORT, or leave --tls-ca out"));
        }
        let endpoint = Endpoint::from_shared(uri).map_err(|e| self.wrong().caused_by(e))?;
        let endpoint = endpoint
            .connect_timeout(PATIENCE)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        if !is_tls {
            return Ok(endpoint);
        }
        let tls = self.tls()?;
        endpoint
            .tls_config(tls)
            .map_err(|e| self.wrong().caused_by(e))
    }

    /// As [`Endpoint`] takes it.
    fn uri(&self) -> Result<String> {
        let target = self.target.as_str();
        if let Some(path) = target.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(self.wrong())
            } else {
                Ok(format!("unix:{path}"))
            };
        }
        let is_url = target.starts_with("http://") || target.starts_with("https://");
        let scheme = match (is_url, &self.tls_ca) {
            (true, _) => "",
            (false, Some(_)) => "https://",
            (false, None) => "http://",
        };
        let uri: http::Uri = format!("{scheme}{target}")
            .parse()
            .map_err(|e| self.wrong().caused_by(e))?;
        let whole =
            uri.host().is_some_and(|host| !host.is_empty()) && (is_url || uri.port().is_some());
        if !whole || uri.path().len() > 1 || uri.query().is_some() {
            return Err(self.wrong());
        }
        Ok(uri.to_string())
    }

    fn tls(&self) -> Result<ClientTlsConfig> {
        let Some(path) = &self.tls_ca else {
            return Ok(ClientTlsConfig::new().with_native_roots());
        };
        let pem = std::fs::read(path).map_err(|e| {
            let path = path.display();
            Error::field(format!(
                "could not read the certificate authority: {e}, path={path}"
            ))
            .caused_by(e)
        })?;
        Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
    }

    fn wrong(&self) -> Error {
        Error::field(format!(
            "this is no address of a server, server={}",
            self.target
        ))
        .hint("write HOST:PORT, https://HOST:PORT or unix:/path")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(target: &str) -> Result<String> {
        let target = target.to_owned();
        ServerAddress {
            target,
            ..ServerAddress::default()
        }
        .uri()
    }

    #[test]
    fn an_address_is_a_host_with_a_port_a_url_or_a_socket() {
        for (target, expected) in [
            ("localhost:50051", "http://localhost:50051/"),
            ("[::1]:50051", "http://[::1]:50051/"),
            ("https://frames.example", "https://frames.example/"),
            ("http://10.0.0.1:80", "http://10.0.0.1:80/"),
            ("unix:/run/f.sock", "unix:/run/f.sock"),
            ("unix:///run/f.sock", "unix:/run/f.sock"),
        ] {
            assert_eq!(uri(target).unwrap(), expected);
        }
        for wrong in [
            "",
            "localhost",
            ":50051",
            "unix:",
            "ftp://a:1",
            "http://",
            "a:1/path",
            "a b:1",
            "a:99999",
        ] {
            assert!(uri(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_authority_alone_asks_for_tls_and_never_goes_with_plain_http() {
        let address = |target: &str| ServerAddress {
            target: target.to_owned(),
            tls_ca: Some("ca.pem".into()),
            token: None,
        };
        assert_eq!(address("a:1").uri().unwrap(), "https://a:1/");
        assert!(
            address("http://a:1")
                .endpoint()
                .unwrap_err()
                .message()
                .contains("no TLS")
        );
    }

    #[test]
    fn a_token_with_a_line_end_is_refused_and_none_is_shown() {
        let address = ServerAddress {
            token: Some("a\nb".to_owned()),
            ..ServerAddress::default()
        };
        assert!(address.bearer().is_err());
        let address = ServerAddress {
            token: Some("s3cret".to_owned()),
            ..ServerAddress::default()
        };
        assert!(!format!("{:?}", address.bearer().unwrap()).contains("s3cret"));
    }
}
