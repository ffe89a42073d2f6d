//! `GET hashes`: a page of them as columns, in the form that the client accepts.

use http::header::{ACCEPT, LINK, VARY};
use http::{HeaderMap, HeaderValue};
use serde::{Serialize, Serializer};

use crate::account::Kind;
use crate::api::convert::hash_message;
use crate::api::pages;
use crate::cache::sealed::sha256_hex;
use crate::error::{Error, Result};
use crate::frames::{HashPage, SEARCH_BYTES};
use crate::http::sent::{Answer, Sent};
use crate::http::{Asked, Problem, arrow};
use crate::timeline::plan::HashKind;

/// Of a page: what is made of them in memory is under `SEARCH_BYTES`.
const PAGE: usize = 1 << 18;
const TOKEN: &str = "hash";

pub async fn hashes(asked: Asked) -> Answer {
    asked.only(&["profile", "kind", "page_size", "page_token"])?;
    let form = Form::wanted(&asked.headers)?;
    let kind = kind(asked.text("kind"))?;
    let first = pages::number(TOKEN, &asked.page_token())?.unwrap_or(0);
    let most = match asked.page_size()? {
        0 => PAGE,
        size => PAGE.min(size as usize),
    };
    let frames = asked.api.frames();
    let profile = frames
        .cache()
        .profile(&asked.timeline()?, &asked.profile()?)?;
    let account = asked.api.account();
    let mut hold = account.take(Kind::Answers, SEARCH_BYTES).await?;
    let page = frames.hashes(&profile, kind, (first, most)).await?;
    let next = page.next.map(|seq| pages::token(TOKEN, seq));
    let told = next.clone().unwrap_or_default();
    let written = account.by_hand(move |_| {
        let bytes = form.written(kind, page, told)?;
        Ok((sha256_hex(&[&bytes]), bytes))
    });
    let (etag, bytes) = written.await?;
    hold.shrink_to(bytes.len() as u64);
    let sent = Sent {
        bytes: bytes.into(),
        kind: form.name(),
        etag,
        immutable: false,
        hold: Some(hold.into()),
    };
    let mut response = sent.answer(&asked)?;
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("accept"));
    if let Some(link) = next.and_then(|token| link(&asked, &token)) {
        headers.insert(LINK, link);
    }
    Ok(response)
}

/// The kind named, or `phash`.
///
/// # Errors
/// FIELD_INVALID for a name that is none.
pub fn kind(asked: Option<&str>) -> Result<HashKind> {
    let kinds = [HashKind::Phash, HashKind::Dhash, HashKind::AverageHash];
    let Some(asked) = asked else {
        return Ok(HashKind::Phash);
    };
    let found = kinds.into_iter().find(|kind| name(*kind) == asked);
    found.ok_or_else(|| {
        let shown: String = asked.chars().take(60).collect();
        Error::field(format!("there is no such hash: kind={shown:?}"))
            .hint("give phash, dhash or average_hash")
            .in_field("kind")
    })
}

fn name(kind: HashKind) -> String {
    let name = hash_message(kind).as_str_name().to_ascii_lowercase();
    name.trim_start_matches("hash_").to_owned()
}

/// Where the next page is (RFC 8288): the same address with its token.
fn link(asked: &Asked, token: &str) -> Option<HeaderValue> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["profile", "kind", "page_size"] {
        if let Some(value) = asked.text(name) {
            query.append_pair(name, value);
        }
    }
    let query = query.append_pair("page_token", token).finish();
    HeaderValue::from_str(&format!("<?{query}>; rel=\"next\"")).ok()
}

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    /// The streaming format of Arrow's columns.
    Arrow,
    /// 64-bit little-endian numbers: all sequences, then all hashes.
    Octets,
}

impl Form {
    const ALL: [Form; 3] = [Form::Json, Form::Arrow, Form::Octets];

    fn name(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Arrow => "application/vnd.apache.arrow.stream",
            Form::Octets => "application/octet-stream",
        }
    }

    /// The one that the client likes best; of equals the first.
    fn wanted(headers: &HeaderMap) -> Result<Form, Problem> {
        let lists = headers.get_all(ACCEPT).iter();
        let lists: Vec<&str> = lists.filter_map(|list| list.to_str().ok()).collect();
        let best = Form::ALL.into_iter().rev();
        let best = best.max_by_key(|form| liking(&lists, form.name()));
        match best.filter(|form| liking(&lists, form.name()) > 0) {
            Some(form) => Ok(form),
            None => {
                let what = "hashes come in no form that Accept names";
                let names = Form::ALL.map(Form::name).join(", ");
                Err(Problem::new(406, "NOT_ACCEPTABLE", what).hint(format!("there are {names}")))
            }
        }
    }

    fn written(self, kind: HashKind, page: HashPage, next: String) -> Result<Vec<u8>> {
        let columns = [page.seqs.as_slice(), page.hashes.as_slice()];
        match self {
            Form::Json => {
                let told = Told {
                    kind: name(kind),
                    seqs: &page.seqs,
                    hashes: page.hashes.iter().map(|hash| Hex(*hash)).collect(),
                    flat: page.flat,
                    without: page.without,
                    next_page_token: next,
                };
                serde_json::to_vec(&told)
                    .map_err(|e| Error::internal("could not write hashes").caused_by(e))
            }
            Form::Arrow => Ok(arrow::stream([
                ("seq", columns[0]),
                (&name(kind), columns[1]),
            ])),
            Form::Octets => Ok(arrow::little_endian(columns)),
        }
    }
}

#[derive(Serialize)]
struct Told<'p> {
    kind: String,
    seqs: &'p [u64],
    hashes: Vec<Hex>,
    flat: u64,
    without: u64,
    next_page_token: String,
}

/// 16 digits, as facts have them.
struct Hex(u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:016x}", self.0))
    }
}

/// How much a client likes a media type, in thousandths (RFC 9110, 12.5.1): by the range that names it most
/// closely. All of it where nothing is said.
fn liking(lists: &[&str], kind: &str) -> u32 {
    let ranges = lists.iter().flat_map(|list| list.split(','));
    let mut ranges = ranges
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    if ranges.peek().is_none() {
        return 1000;
    }
    let family = kind.split_once('/').map_or("", |(family, _)| family);
    let mut liking = (0, 0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().unwrap_or_default().to_ascii_lowercase();
        let closeness = match named.as_str() {
            "*/*" => 1,
            named if named == kind => 3,
            named if named.strip_suffix("/*") == Some(family) => 2,
            _ => continue,
        };
        if closeness > liking.0 {
            liking = (closeness, parts.find_map(weight).unwrap_or(1000));
        }
    }
    liking.1
}

/// `q=0.5` as 500; nothing for another parameter, and none of it for a weight that is no number.
fn weight(parameter: &str) -> Option<u32> {
    let (name, value) = parameter.split_once('=')?;
    let value: f64 = match name.trim().eq_ignore_ascii_case("q") {
        true => value.trim().parse().unwrap_or(0.0),
        false => return None,
    };
    Some((value.clamp(0.0, 1.0) * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &[&'static str]) -> Option<Form> {
        let mut headers = HeaderMap::new();
        for list in accept {
            headers.append(ACCEPT, HeaderValue::from_static(list));
        }
        Form::wanted(&headers).ok()
    }

    #[test]
    fn the_form_is_the_one_that_the_client_likes_best_and_json_where_it_does_not_say() {
        for any in [
            "*/*",
            "application/*",
            "",
            "text/html, */*;q=0.1",
            "application/json;charset=utf-8",
        ] {
            assert_eq!(wanted(&[any]), Some(Form::Json), "{any}");
        }
        assert_eq!(wanted(&[]), Some(Form::Json));
        for arrow in [
            "application/vnd.apache.arrow.stream",
            "application/json;q=0.5, Application/vnd.apache.arrow.stream",
            "*/*;q=0.1, application/json; q=0, application/vnd.apache.arrow.stream;q=0.2",
        ] {
            assert_eq!(wanted(&[arrow]), Some(Form::Arrow), "{arrow}");
        }
        let lists = ["application/json;q=0.1", "application/octet-stream"];
        assert_eq!(wanted(&lists), Some(Form::Octets));
        for none in [
            "text/html",
            "application/json;q=0",
            "*/*;q=0",
            "image/*, text/*",
        ] {
            assert_eq!(wanted(&[none]), None, "{none}");
        }
        assert_eq!(wanted(&["*/*, application/json;q=nan"]), Some(Form::Arrow));
    }

    #[test]
    fn a_kind_is_named_as_facts_name_it() {
        for (text, expected) in [
            (None, HashKind::Phash),
            (Some("average_hash"), HashKind::AverageHash),
        ] {
            assert_eq!(kind(text).unwrap(), expected);
        }
        for wrong in ["", "PHASH", "hash_phash", "md5"] {
            assert_eq!(kind(Some(wrong)).unwrap_err().field_path(), Some("kind"));
        }
    }
}
