//! One page of ListObjectsV2.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;

use serde::{Deserialize, Serialize};

use super::{S3Store, version_of};
use crate::aws::{Failure, Kind, answered};
use crate::store::{Entry, ListRequest, Page, check_key};

/// The most that S3 gives at once.
const PAGE_ROWS: usize = 1000;

/// Where a listing goes on: what `Page::next` holds, as JSON.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    /// The service's own token; none where it gave none.
    token: Option<String>,
    /// What all rows to come lie behind, as the bucket names it.
    after: String,
}

impl S3Store {
    pub(super) async fn list_once(&self, request: &ListRequest<'_>) -> Result<Page, Failure> {
        let before = request.token.as_deref().map(read_place).transpose()?;
        let token = before.as_ref().and_then(|place| place.token.clone());
        let start_after = before.as_ref().filter(|place| place.token.is_none());
        let rows = request.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS);
        let client = self.aws.client().await?;
        let call = client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}{}", self.prefix, request.prefix))
            .set_delimiter(request.delimited.then(|| "/".to_owned()))
            .set_start_after(start_after.map(|place| place.after.clone()))
            .set_continuation_token(token)
            .max_keys(i32::try_from(rows).unwrap_or(1000))
            // XML cannot carry every character that a key can.
            .encoding_type(EncodingType::Url);
        let answer = answered(self.aws.endpoint().stall, call.send()).await?;
        let next = next_place(&answer, before)?;
        self.page(answer, next)
    }

    fn page(&self, answer: ListObjectsV2Output, next: Option<Place>) -> Result<Page, Failure> {
        let encoded = is_encoded(&answer);
        let own = |key: Option<String>| self.own_key(&plain(key?, encoded)?);
        let objects = answer.contents.unwrap_or_default().into_iter();
        let entries = objects.filter_map(|object| {
            Some(Entry {
                key: own(object.key).filter(|key| check_key(key).is_ok())?,
                bytes: object.size.and_then(|bytes| u64::try_from(bytes).ok())?,
                modified: object.last_modified.map(|time| time.secs()),
                version: version_of(object.e_tag),
            })
        });
        let prefixes = answer.common_prefixes.unwrap_or_default().into_iter();
        let prefixes = prefixes.filter_map(|common| {
            own(common.prefix).filter(|prefix| check_key(prefix.trim_end_matches('/')).is_ok())
        });
        Ok(Page {
            entries: entries.collect(),
            prefixes: prefixes.collect(),
            next: next.as_ref().map(write_place).transpose()?,
        })
    }

    /// Without the store's own prefix. None for what is no key of ours (a folder
    /// marker of a console, say).
    fn own_key(&self, key: &str) -> Option<String> {
        key.strip_prefix(&self.prefix).map(str::to_owned)
    }
}

/// What lies behind this answer; none at the end. A service that gives no token (those that know
/// the first version of the call alone) is asked to start behind the last row.
fn next_place(
    answer: &ListObjectsV2Output,
    before: Option<Place>,
) -> Result<Option<Place>, Failure> {
    let rows = rows(answer);
    let after = before.as_ref().map(|place| place.after.clone());
    if let (Some(after), Some(first)) = (&after, rows.iter().min())
        && !lies_behind(first, after)
    {
        return Err(stuck(
            "a page of a listing begins before the end of the page before it",
        ));
    }
    if answer.is_truncated != Some(true) {
        return Ok(None);
    }
    let token = answer.next_continuation_token.clone();
    let same = before.is_some_and(|place| place.token == token);
    match rows.into_iter().max() {
        Some(after) => Ok(Some(Place { token, after })),
        None if token.is_none() || same => {
            Err(stuck("a page of a listing is empty, and not the last"))
        }
        None => Ok(Some(Place {
            token,
            after: after.unwrap_or_default(),
        })),
    }
}

/// As the bucket names them; of a common prefix the last key that it can stand for.
fn rows(answer: &ListObjectsV2Output) -> Vec<String> {
    let encoded = is_encoded(answer);
    let keys = answer.contents().iter().filter_map(|object| object.key());
    let prefixes = answer.common_prefixes().iter();
    let prefixes = prefixes.filter_map(|common| common.prefix());
    let decoded = |row: &str| plain(row.to_owned(), encoded);
    let last_below = |prefix| Some(format!("{}\u{10ffff}", decoded(prefix)?));
    let keys = keys.filter_map(decoded);
    keys.chain(prefixes.filter_map(last_below)).collect()
}

/// In the order of bytes, or in that of services that keep folders (SeaweedFS), where `a/b` comes before `a.b`.
fn lies_behind(row: &str, after: &str) -> bool {
    row > after || row.split('/').gt(after.split('/'))
}

fn stuck(cause: &'static str) -> Failure {
    Failure::new(Kind::Listing, cause)
}

fn read_place(token: &str) -> Result<Place, Failure> {
    serde_json::from_str(token).map_err(|e| Failure::caused(Kind::Refused, e))
}

fn write_place(place: &Place) -> Result<String, Failure> {
    serde_json::to_string(place).map_err(|e| Failure::caused(Kind::Refused, e))
}

fn is_encoded(answer: &ListObjectsV2Output) -> bool {
    answer.encoding_type == Some(EncodingType::Url)
}

fn plain(key: String, encoded: bool) -> Option<String> {
    if encoded { decode(&key) } else { Some(key) }
}

/// Undoes the service's URL encoding, in which `+` is a space.
fn decode(encoded: &str) -> Option<String> {
    let mut bytes = encoded.bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn listed_keys_are_decoded_as_s3_encodes_them() {
        assert_eq!(decode("a/b+c%2Bd%25%C3%A4").as_deref(), Some("a/b c+d%ä"));
        assert_eq!(decode("plain").as_deref(), Some("plain"));
        for broken in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
