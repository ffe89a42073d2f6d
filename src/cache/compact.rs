//! Many put records into fewer: a profile that is put to frame by frame would be listed and read
//! ever more slowly.
//!
//! The records of a run become one, under the number of its latest: written over that one, and only
//! when it stands are the others deleted. Whoever dies in between leaves facts that are there twice,
//! which count once. A record that is put meanwhile has a higher number, and still comes first. All
//! bytes that any of them gives a sequence stay known, since the latest may not be in place yet.

use std::collections::BTreeMap;

use crate::cache::Profile;
use crate::cache::keys::{PUT_CHUNK, SpanId};
use crate::cache::objects;
use crate::cache::put_index::{DIGEST, Listed, Read, listed, read_all};
use crate::cache::record::{Outcome, Record};
use crate::error::Result;
use crate::media::facts::FrameFacts;
use crate::store::Written;

/// Records of a like size that become one.
const RUN: usize = 64;
/// A record joins the run behind it unless it is so many times as large: so each frame's facts are
/// written again no more often than the logarithm of their number.
const LARGER: u64 = 4;
/// Bytes that one record may have: it is read as a whole.
const MAX_BYTES: u64 = 32 << 20;

impl Profile {
    /// Makes one record of the latest ones where they are many. A failure harms nothing: it is said in
    /// the log, and the next put tries again.
    pub(super) async fn compact_puts(&self, records: usize) {
        if records < RUN {
            return;
        }
        if let Err(error) = self.try_compact().await {
            tracing::warn!(%error, "could not make one put record of many");
        }
    }

    async fn try_compact(&self) -> Result<()> {
        let listed = listed(self).await?;
        let run = run_of(&listed);
        let Some(read) = read_all(self, run).await? else {
            return Ok(());
        };
        let Some((latest, merged)) = merge(&read) else {
            return Ok(());
        };
        let id = SpanId {
            chunk_id: PUT_CHUNK.to_owned(),
            span: latest.number,
        };
        let record = Record {
            digest: DIGEST.to_owned(),
            packs: None,
            attempt: crate::hex::new_id(),
            id,
            outcome: Outcome::Frames(merged),
        };
        let key = self.keys.record(&record.id);
        let data = record.encode()?;
        let when = latest.object.unchanged();
        let written = objects::put_json(&*self.store, &key, data.clone(), when).await?;
        let stands = self.store.get(&key).await?.is_some_and(|o| o.data == data);
        if written == Written::Yes && stands {
            let merged = run.iter().filter(|record| record.number < latest.number);
            let keys: Vec<_> = merged.map(|record| record.entry.key.clone()).collect();
            self.store.delete(&keys).await?;
        }
        Ok(())
    }
}

/// The latest records that may become one; none where they are few.
fn run_of(listed: &[Listed]) -> &[Listed] {
    let mut bytes = 0u64;
    let mut from = listed.len();
    for (place, record) in listed.iter().enumerate().rev() {
        let first = bytes == 0;
        let too_large = !first && record.entry.bytes > bytes.saturating_mul(LARGER);
        bytes = bytes.saturating_add(record.entry.bytes);
        if too_large || bytes > MAX_BYTES {
            break;
        }
        from = place;
    }
    let run = listed.get(from..).unwrap_or_default();
    if run.len() < RUN { &[] } else { run }
}

/// All that the records say, the latest facts of a sequence first and each of its sha256 once; none
/// where one of them is damaged.
fn merge(run: &[Read]) -> Option<(&Read, Vec<FrameFacts>)> {
    let latest = run.last()?;
    let mut by_seq: BTreeMap<u64, Vec<&FrameFacts>> = BTreeMap::new();
    for record in run.iter().rev() {
        for facts in record.frames.as_ref()? {
            let known = by_seq.entry(facts.seq).or_default();
            if known.iter().all(|later| later.sha256 != facts.sha256) {
                known.push(facts);
            }
        }
    }
    let merged = by_seq.into_values().flatten().cloned();
    Some((latest, merged.collect()))
}
