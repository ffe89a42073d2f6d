//! What an address is asked: the parts of its path and its query, checked as gRPC checks its fields.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::account::{Account, Intake};
use crate::api::convert::profile_name;
use crate::api::scope::{Asks, Scope, allowed};
use crate::api::{Api, v1};
use crate::error::{Error, Result};
use crate::http::{Problem, Web};
use crate::media::time::Exact;
use crate::timeline::request::check_id;

/// How long an answer waits for a frame that is being extracted, unless said otherwise, and at most.
const WAIT: Duration = Duration::from_secs(30);
const MAX_WAIT_SECS: u64 = 600;

/// One request, but for its body.
pub struct Asked {
    pub web: Arc<Web>,
    /// On this call's account.
    pub api: Api,
    pub scope: Scope,
    pub method: Method,
    pub headers: HeaderMap,
    /// What comes of its body.
    pub intake: Intake,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    /// As it came, to be handed on.
    pub raw_query: Option<String>,
}

impl FromRequestParts<Arc<Web>> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, web).await;
        let path = path.map_err(|_| {
            Error::field("the address is no text: it must be UTF-8 behind its percent-encoding")
                .in_field("path")
        })?;
        let path = path.iter();
        let path = path.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let raw_query = parts.uri.query().map(str::to_owned);
        let query = form_urlencoded::parse(raw_query.as_deref().unwrap_or_default().as_bytes());
        let api = match parts.extensions.get::<Account>() {
            Some(account) => web.api.for_call(account),
            None => web.api.clone(),
        };
        let intake = parts.extensions.get::<Intake>().cloned();
        Ok(Asked {
            web: web.clone(),
            scope: Scope::of(&parts.extensions),
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            intake: intake.unwrap_or_else(|| Intake::new(api.account())),
            path: path.collect(),
            query: query.into_owned().collect(),
            raw_query,
            api,
        })
    }
}

impl Asked {
    /// Refuses what the address has no use for, so that no misspelt name is taken for none.
    ///
    /// # Errors
    /// FIELD_INVALID in the name, for one that is unknown or given twice.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        for (n, (name, _)) in self.query.iter().enumerate() {
            let shown: String = name.chars().take(60).collect();
            if !known.contains(&name.as_str()) {
                let message = format!("this address has no such parameter: name={shown:?}");
                return Err(Error::field(message)
                    .hint(format!("it takes {}", listed(known)))
                    .in_field(shown));
            }
            if self
                .query
                .iter()
                .skip(n + 1)
                .any(|(other, _)| other == name)
            {
                let message = format!("a parameter is given twice: name={name}");
                return Err(Error::field(message).in_field(name));
            }
        }
        Ok(())
    }

    /// A part of the path, decoded; nothing where the address has none of that name.
    pub fn part(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// # Errors
    /// FIELD_INVALID for what is no id.
    pub fn id(&self, name: &str) -> Result<String> {
        let id = self.part(name);
        check_id(name, id)?;
        Ok(id.to_owned())
    }

    pub fn timeline(&self) -> Result<String> {
        self.id("timeline")
    }

    /// The profile named, or `default`.
    pub fn profile(&self) -> Result<String> {
        let profile = profile_name(self.text("profile").unwrap_or_default());
        check_id("profile", profile)?;
        Ok(profile.to_owned())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// # Errors
    /// FIELD_INVALID for what is no whole number of that size.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.text(name).map(|text| whole(name, text)).transpose()
    }

    /// # Errors
    /// FIELD_INVALID for what is no number of seconds.
    pub fn seconds(&self, name: &str) -> Result<Option<Exact>> {
        let parse = |text: &str| text.parse().map_err(|e: Error| e.in_field(name));
        self.text(name).map(parse).transpose()
    }

    /// Given without a value it is set.
    ///
    /// # Errors
    /// FIELD_INVALID for any value but 1, true, 0 and false.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.text(name) {
            None | Some("0" | "false") => Ok(false),
            Some("" | "1" | "true") => Ok(true),
            Some(_) => Err(Error::field(format!("{name} is neither set nor not"))
                .hint("give 1 or 0, or leave it out")
                .in_field(name)),
        }
    }

    pub fn page_token(&self) -> String {
        self.text("page_token").unwrap_or_default().to_owned()
    }

    pub fn page_size(&self) -> Result<u32> {
        Ok(self.number("page_size")?.unwrap_or(0))
    }

    /// How long to wait for a frame that is being extracted.
    pub fn wait(&self) -> Result<Duration> {
        let secs = self
            .number("wait")?
            .map(|secs: u64| secs.min(MAX_WAIT_SECS));
        Ok(secs.map_or(WAIT, Duration::from_secs))
    }

    /// What becomes of a frame that is not cached: a token that only reads is answered what is there.
    pub fn on_miss(&self) -> Result<v1::OnMiss> {
        match (self.text("on_miss"), self.scope) {
            (Some("extract"), _) | (None, Scope::All) => Ok(v1::OnMiss::Extract),
            (Some("fail"), _) | (None, Scope::Read) => Ok(v1::OnMiss::Fail),
            (Some(_), _) => Err(Error::field("on_miss is neither extract nor fail")
                .hint("leave it out to have what is planned extracted first")
                .in_field("on_miss")),
        }
    }

    /// The request, where its token allows all that is in it.
    pub fn allowed<T: Asks>(&self, request: T) -> Result<T> {
        allowed(self.scope, request)
    }
}

/// # Errors
/// FIELD_INVALID, naming the field. A number is written in one way only: an address has one name.
pub fn whole<T: FromStr>(name: &str, text: &str) -> Result<T> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = text.parse().ok().filter(|_| plain);
    number.ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        Error::field(format!("{name} is no number that fits: {name}={shown:?}"))
            .hint("write a whole number in digits, without zeros in front")
            .in_field(name)
    })
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_in_one_way() {
        assert_eq!(whole::<u64>("seq", "0").unwrap(), 0);
        assert_eq!(whole::<u64>("seq", "70").unwrap(), 70);
        for wrong in [
            "",
            "07",
            "+7",
            "-1",
            "7 ",
            "٧",
            "1e3",
            "18446744073709551616",
        ] {
            let error = whole::<u64>("seq", wrong).unwrap_err();
            assert_eq!(error.field_path(), Some("seq"), "{wrong}");
        }
    }
}
