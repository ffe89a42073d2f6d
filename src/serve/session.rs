//! Signing in from a browser. Pictures in a page cannot carry a header, so its token goes on in a cookie: one that no
//! script reads (HttpOnly), that no other site's page brings along (SameSite=Strict), and that counts only where the
//! browser says that a page of this server asks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64_simd::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use crate::api::scope::Scope;
use crate::error::{Error, Result};
use crate::hex::secret;
use crate::http::Problem;
use crate::serve::tokens::{Tokens, is_same};

/// Where it is asked for; needs no token.
pub const PATH: &str = "/v1/session";
/// Of what is sent to sign in.
const MAX_BODY_BYTES: usize = 8 << 10;
/// Browsers keep cookies of 4096 bytes (RFC 6265, 6.1).
const MAX_TOKEN_BYTES: usize = 2048;
const SITE: &str = "sec-fetch-site";

/// Tells somebody where the server is, and the key.
pub type Announce = Box<dyn Fn(SocketAddr, &str) + Send + Sync>;

/// How one person at this machine is let in: by a key that counts once, for a session's cookie. Nobody else is.
pub struct Pass {
    pub announce: Announce,
    pub key: String,
    session: String,
}

impl Pass {
    /// # Errors
    /// INTERNAL where the system gives no randomness.
    pub fn new(announce: Announce) -> Result<Pass> {
        let no_randomness = |e| Error::internal("could not make a key").caused_by(e);
        Ok(Pass {
            announce,
            key: secret().map_err(no_randomness)?,
            session: secret().map_err(no_randomness)?,
        })
    }

    pub fn tokens(&self) -> Tokens {
        Tokens::one(&self.session)
    }
}

/// Who may sign in, and how it is remembered.
pub struct Sessions {
    tokens: Option<Arc<Tokens>>,
    /// A key that was not used yet, and the token it is for.
    key: Mutex<Option<(String, String)>>,
    /// Browsers give a host's cookies to all of its ports: each has a name of its own.
    cookie: String,
    is_tls: bool,
    patience: Duration,
}

/// What a browser sends: one of the two.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    token: Option<String>,
    key: Option<String>,
}

impl Sessions {
    pub fn new(
        tokens: Option<Arc<Tokens>>,
        (port, is_tls): (u16, bool),
        patience: Duration,
    ) -> Sessions {
        Sessions {
            tokens,
            key: Mutex::default(),
            cookie: format!("framecache-{port}"),
            is_tls,
            patience,
        }
    }

    pub fn with_pass(self, pass: &Pass) -> Sessions {
        let key = (pass.key.clone(), pass.session.clone());
        Sessions {
            key: Mutex::new(Some(key)),
            ..self
        }
    }

    /// The token in the cookie of a request that a page of this server makes, or its user by a bookmark.
    fn token_of(&self, method: &Method, headers: &HeaderMap) -> Option<Vec<u8>> {
        let cookies = headers.get_all(COOKIE).iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok());
        let mut named = cookies
            .flat_map(|value| value.split(';'))
            .filter_map(|one| {
                let (name, value) = one.trim().split_once('=')?;
                (name == self.cookie).then_some(value)
            });
        let value = named.next().filter(|_| is_own(method, headers))?;
        URL_SAFE_NO_PAD.decode_to_vec(value).ok()
    }

    /// How far a request's own token goes, or else its cookie's; everything where none is needed.
    pub fn scope_of(&self, method: &Method, headers: &HeaderMap) -> Option<Scope> {
        let Some(tokens) = &self.tokens else {
            return Some(Scope::All);
        };
        match headers.contains_key(AUTHORIZATION) {
            true => tokens.scope_of(headers),
            false => tokens.scope_of_token(&self.token_of(method, headers)?),
        }
    }

    /// The token that is meant, if it is one; a key is used up by that.
    fn let_in(&self, given: Given) -> Result<Option<(String, Scope)>, Problem> {
        let Some(tokens) = &self.tokens else {
            return Ok(None);
        };
        let token = match (given.token, given.key) {
            (Some(token), None) => token,
            (None, Some(key)) => self.taken(&key)?,
            _ => return Err(unreadable()),
        };
        if token.len() > MAX_TOKEN_BYTES {
            let what = "the token is too long for a browser's cookie";
            return Err(Problem::new(400, "LIMIT_EXCEEDED", what)
                .hint("sign in with one of at most 2048 bytes"));
        }
        match tokens.scope_of_token(token.as_bytes()) {
            Some(scope) => Ok(Some((token, scope))),
            None => Err(
                Problem::new(401, "TOKEN_INVALID", "this server does not know this token")
                    .hint("its sha256 must stand in the server's file of --tokens"),
            ),
        }
    }

    fn taken(&self, key: &str) -> Result<String, Problem> {
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = kept
            .as_ref()
            .is_some_and(|(known, _)| is_same(known.as_bytes(), key.as_bytes()));
        let session = if fits { kept.take() } else { None };
        session.map(|(_, token)| token).ok_or_else(|| {
            let what = "the key is wrong, or was used: it counts once";
            Problem::new(401, "KEY_INVALID", what).hint(
                "use the browser that it was opened in first, or start `framecache view` again",
            )
        })
    }

    fn set(&self, value: &str, more: &str) -> Option<HeaderValue> {
        let secure = if self.is_tls { "; Secure" } else { "" };
        let name = &self.cookie;
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
        HeaderValue::from_str(&text).ok()
    }

    fn told(&self, scope: Option<Scope>) -> Response {
        let mut told = json!({"needed": self.tokens.is_some()});
        match scope {
            Some(Scope::All) => told["scope"] = "all".into(),
            Some(Scope::Read) => told["scope"] = "read".into(),
            None => {}
        }
        let mut response = Response::new(Body::from(told.to_string()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

pub fn addresses(sessions: Arc<Sessions>) -> Router {
    Router::new()
        .route(PATH, get(tell).post(sign_in).delete(sign_out))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(sessions)
}

/// `GET /v1/session`: whether a token is needed, and how far the one goes that was sent.
async fn tell(State(sessions): State<Arc<Sessions>>, request: Request) -> Response {
    sessions.told(sessions.scope_of(request.method(), request.headers()))
}

/// `POST /v1/session`
async fn sign_in(
    State(sessions): State<Arc<Sessions>>,
    request: Request,
) -> Result<Response, Problem> {
    check_page(&request)?;
    check_kind(request.headers())?;
    let body = timeout(
        sessions.patience,
        to_bytes(request.into_body(), MAX_BODY_BYTES),
    );
    let body = body.await.map_err(|_| late())?.map_err(|_| unreadable())?;
    let given = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    let Some((token, scope)) = sessions.let_in(given)? else {
        return Ok(sessions.told(Some(Scope::All)));
    };
    let mut response = sessions.told(Some(scope));
    let value = URL_SAFE_NO_PAD.encode_to_string(token);
    set(&mut response, sessions.set(&value, ""));
    Ok(response)
}

/// `DELETE /v1/session`
async fn sign_out(
    State(sessions): State<Arc<Sessions>>,
    request: Request,
) -> Result<Response, Problem> {
    check_page(&request)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    set(&mut response, sessions.set("", "; Max-Age=0"));
    Ok(response)
}

fn set(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}

/// Pages of others sign nobody in or out. What is no browser says nothing of pages.
fn check_page(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let from_a_page = headers.contains_key(SITE) || headers.contains_key(ORIGIN);
    match !from_a_page || is_own(request.method(), headers) {
        true => Ok(()),
        false => Err(
            Problem::new(403, "ORIGIN_DENIED", "a page of another origin asks")
                .hint("sign in and out on this server's own pages"),
        ),
    }
}

/// A page of another origin cannot send this kind unasked (Fetch, 3.2.2).
fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    match kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"application/json")) {
        true => Ok(()),
        false => Err(
            Problem::new(415, "MEDIA_TYPE_UNSUPPORTED", "the body is to be JSON")
                .hint("send it with content-type: application/json"),
        ),
    }
}

/// Whether a page of this very origin makes the request, by the browser's own word (Fetch Metadata, 2.3), which only
/// origins that it trusts are sent; elsewhere by Origin, without which no browser sends what is unsafe (Fetch, 3.1).
/// Other ports of this host are the same site, and another origin.
fn is_own(method: &Method, headers: &HeaderMap) -> bool {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match (headers.get(SITE), headers.get(ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none" && is_safe,
        (None, Some(origin)) => is_host(origin, headers.get(HOST)),
        (None, None) => is_safe,
    }
}

fn is_host(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let named = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    let host = host.and_then(|host| host.to_str().ok());
    named
        .zip(host)
        .is_some_and(|(named, host)| named.eq_ignore_ascii_case(host))
}

fn unreadable() -> Problem {
    Problem::new(400, "FIELD_INVALID", "the body is no sign-in").hint(
        "send {\"token\": \"…\"}, or {\"key\": \"…\"} with the key that `framecache view` prints",
    )
}

fn late() -> Problem {
    Problem::new(
        408,
        "CLIENT_STALLED",
        "the client sent nothing for too long",
    )
    .hint("send a body as soon as its head")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let all = all.iter().map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        all.collect()
    }

    fn sessions() -> Sessions {
        let tokens = Some(Arc::new(Tokens::one("secret")));
        Sessions::new(tokens, (8080, false), Duration::from_secs(1))
    }

    fn cookie(of: &str) -> String {
        format!(
            "a=b; framecache-8080={}",
            URL_SAFE_NO_PAD.encode_to_string(of)
        )
    }

    #[test]
    fn a_cookie_counts_for_the_servers_own_pages_alone() {
        let host = ("host", "h:8080");
        for (method, more, counts) in [
            (Method::GET, vec![("sec-fetch-site", "same-origin")], true),
            (Method::GET, vec![("sec-fetch-site", "none")], true),
            (Method::GET, vec![("sec-fetch-site", "same-site")], false),
            (Method::GET, vec![("sec-fetch-site", "cross-site")], false),
            (Method::PUT, vec![("sec-fetch-site", "same-origin")], true),
            (Method::PUT, vec![("sec-fetch-site", "none")], false),
            (
                Method::PUT,
                vec![("sec-fetch-site", "same-site"), ("origin", "http://h:8080")],
                false,
            ),
            // Browsers say nothing of sites to origins that they do not trust.
            (Method::GET, vec![], true),
            (Method::PUT, vec![], false),
            (Method::PUT, vec![("origin", "http://h:8080")], true),
            (Method::PUT, vec![("origin", "http://h:8081")], false),
            (Method::GET, vec![("origin", "http://evil.example")], false),
            (Method::PUT, vec![("origin", "null")], false),
        ] {
            let brought = cookie("secret");
            let all = [vec![host, ("cookie", brought.as_str())], more.clone()].concat();
            let found = sessions().scope_of(&method, &headers(&all));
            assert_eq!(found, counts.then_some(Scope::All), "{method} {more:?}");
        }
    }

    #[test]
    fn only_the_cookie_of_this_port_with_a_known_token_lets_in() {
        let scope = |value: &str| sessions().scope_of(&Method::GET, &headers(&[("cookie", value)]));
        assert_eq!(scope(&cookie("secret")), Some(Scope::All));
        let other = cookie("secret").replace("8080", "8081");
        for wrong in [
            other.as_str(),
            &cookie("other"),
            "framecache-8080=!",
            "framecache-8080",
            "",
        ] {
            assert_eq!(scope(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_counts_once_and_a_wrong_one_uses_nothing_up() {
        let pass = Pass::new(Box::new(|_, _| ())).unwrap();
        let tokens = Some(Arc::new(pass.tokens()));
        let sessions = Sessions::new(tokens, (1, false), Duration::from_secs(1)).with_pass(&pass);
        let by = |key: &str| {
            let given = Given {
                key: Some(key.to_owned()),
                ..Given::default()
            };
            sessions
                .let_in(given)
                .ok()
                .flatten()
                .map(|(token, _)| token)
        };
        assert_eq!(by("wrong"), None);
        assert_eq!(by(&pass.key), Some(pass.session.clone()));
        assert_eq!(by(&pass.key), None);
        assert_ne!(pass.key, pass.session);
    }

    #[test]
    fn a_cookie_is_not_for_scripts_nor_other_sites_and_secure_where_there_is_tls() {
        let tls = Sessions::new(None, (443, true), Duration::from_secs(1));
        let set = tls.set("x", "").unwrap();
        assert_eq!(
            set,
            "framecache-443=x; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(
            !sessions()
                .set("x", "")
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Secure")
        );
    }
}
