//! Where a queue is, as a person names it.

use std::fmt;
use std::str::FromStr;

use crate::config::queue::{QueueAt, QueueTls};
use crate::error::{Error, Result};
use crate::queue::trust::check;

const DEFAULT_NAME: &str = "framecache";
const DEFAULT_PORT: u16 = 4222;
const MAX_NAME: usize = 64;

/// `nats://[USER:PASSWORD@ | TOKEN@]HOST[:PORT][,HOST[:PORT]…][/NAME]`; `tls://` for TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Each with its scheme.
    pub servers: Vec<String>,
    pub login: Login,
    /// Of the queue on these servers.
    pub name: String,
    /// Nothing but TLS is spoken, whatever a server says of itself.
    pub is_secure: bool,
    pub tls: QueueTls,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    None,
    Token(String),
    Password(String, String),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        if !matches!(scheme, "nats" | "tls") {
            return Err(wrong("the scheme is neither nats nor tls"));
        }
        let (before, name) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match before.rsplit_once('@') {
            Some((login, hosts)) => (login_of(login)?, hosts),
            None => (Login::None, before),
        };
        let servers: Result<Vec<String>> =
            hosts.split(',').map(|host| server(scheme, host)).collect();
        Ok(Address {
            servers: servers?,
            login,
            name: name_of(name)?,
            is_secure: scheme == "tls",
            tls: QueueTls::default(),
        })
    }
}

impl Address {
    /// # Errors
    /// FIELD_INVALID for what names no queue, and for files of TLS that cannot be used.
    pub fn of(queue: &QueueAt) -> Result<Address> {
        check(&queue.tls)?;
        let address: Address = queue.url.parse()?;
        Ok(Address {
            is_secure: address.is_secure || queue.tls.is_given(),
            tls: queue.tls.clone(),
            ..address
        })
    }
}

impl fmt::Display for Address {
    /// Without what logs in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.servers.join(","))?;
        match self.name.as_str() {
            DEFAULT_NAME => Ok(()),
            name => write!(f, "/{name}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

fn login_of(text: &str) -> Result<Login> {
    let plain = |part: &str| match part.is_empty() || part.contains('%') {
        true => Err(wrong("a user, password or token is empty, or has a %")),
        false => Ok(part.to_owned()),
    };
    match text.split_once(':') {
        Some((user, password)) => Ok(Login::Password(plain(user)?, plain(password)?)),
        None => Ok(Login::Token(plain(text)?)),
    }
}

fn server(scheme: &str, host: &str) -> Result<String> {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    if host.is_empty() || !host.chars().all(bare) {
        return Err(wrong("a host is missing, or is none"));
    }
    let (_, after) = host.rsplit_once(']').unwrap_or(("", host));
    match after.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(format!("{scheme}://{host}")),
        Some(_) => Err(wrong("a port is no number")),
        None => Ok(format!("{scheme}://{host}:{DEFAULT_PORT}")),
    }
}

fn name_of(text: &str) -> Result<String> {
    let name = match text.trim_end_matches('/') {
        "" => DEFAULT_NAME,
        name => name,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match name.len() <= MAX_NAME && name.chars().all(plain) {
        true => Ok(name.to_owned()),
        false => Err(wrong(
            "its name has other characters than letters, digits, - and _",
        )),
    }
}

/// Says nothing of the address itself, which may hold a password.
fn wrong(what: &str) -> Error {
    Error::field(format!("this names no queue: {what}"))
        .hint("write nats://HOST:4222, tls://HOST:4222 or nats://USER:PASSWORD@HOST/NAME")
        .in_field("queue")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_servers_a_login_and_a_name_and_never_shows_the_login() {
        let address: Address = "nats://me:secret@a,b:99,[::1]:7/team-1".parse().unwrap();
        assert_eq!(
            address.servers,
            ["nats://a:4222", "nats://b:99", "nats://[::1]:7"]
        );
        assert!(address.login == Login::Password("me".to_owned(), "secret".to_owned()));
        assert_eq!(
            address.to_string(),
            "nats://a:4222,nats://b:99,nats://[::1]:7/team-1"
        );
        assert!(!format!("{address:?}").contains("secret"));
        let plain: Address = "tls://broker".parse().unwrap();
        assert_eq!(
            (plain.name.as_str(), plain.to_string().as_str()),
            ("framecache", "tls://broker:4222")
        );
        let token: Address = "nats://t0ken@broker".parse().unwrap();
        assert!(token.login == Login::Token("t0ken".to_owned()));
    }

    #[test]
    fn what_names_no_queue_is_refused_without_its_password() {
        for text in [
            "",
            "broker:4222",
            "http://broker",
            "nats://",
            "nats://a:port",
            "nats://a,,b",
            "nats://@a",
            "nats://a/b.c",
            "nats://a/b c",
            "nats://u:@a",
            "nats://a b",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.hint_text().is_some(), "{text}");
        }
        let error = "nats://me:secret@a:port".parse::<Address>().unwrap_err();
        assert!(!error.message().contains("secret"));
    }
}
