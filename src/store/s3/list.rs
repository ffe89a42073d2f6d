//! One page of ListObjectsV2.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;

use super::S3Store;
use crate::aws::{Failure, answered};
use crate::store::{ETag, Entry, ListRequest, Page, check_key};

/// The most that S3 gives at once.
const PAGE_ROWS: usize = 1000;

impl S3Store {
    pub(super) async fn list_once(&self, request: &ListRequest<'_>) -> Result<Page, Failure> {
        let rows = request.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS);
        let call = self
            .aws
            .client()
            .await
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}{}", self.prefix, request.prefix))
            .set_delimiter(request.delimited.then(|| "/".to_owned()))
            .set_continuation_token(request.token.clone())
            .max_keys(i32::try_from(rows).unwrap_or(1000))
            // XML cannot carry every character that a key can.
            .encoding_type(EncodingType::Url);
        let answer = answered(self.aws.endpoint().stall, call.send()).await?;
        Ok(self.page(answer))
    }

    fn page(&self, answer: ListObjectsV2Output) -> Page {
        let encoded = answer.encoding_type == Some(EncodingType::Url);
        let own = |key: Option<String>| self.own_key(key?, encoded);
        let next = answer.next_continuation_token;
        let objects = answer.contents.unwrap_or_default().into_iter();
        let entries = objects.filter_map(|object| {
            Some(Entry {
                key: own(object.key).filter(|key| check_key(key).is_ok())?,
                bytes: object.size.and_then(|bytes| u64::try_from(bytes).ok())?,
                modified: object.last_modified.map(|time| time.secs()),
                version: object.e_tag.map(ETag).filter(ETag::tells),
            })
        });
        let prefixes = answer.common_prefixes.unwrap_or_default().into_iter();
        let prefixes = prefixes.filter_map(|common| {
            own(common.prefix).filter(|prefix| check_key(prefix.trim_end_matches('/')).is_ok())
        });
        Page {
            entries: entries.collect(),
            prefixes: prefixes.collect(),
            next: next.filter(|_| answer.is_truncated == Some(true)),
        }
    }

    /// Without the store's own prefix. None for what is no key of ours (a folder
    /// marker of a console, say).
    fn own_key(&self, key: String, encoded: bool) -> Option<String> {
        let key = if encoded { decode(&key)? } else { key };
        key.strip_prefix(&self.prefix).map(str::to_owned)
    }
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
