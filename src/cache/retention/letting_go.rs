//! Whole timelines: what they are, and that they go.

use std::collections::BTreeMap;

use futures::TryStreamExt;

use crate::cache::Cache;
use crate::cache::clear::ClearRequest;
use crate::cache::keys::DEFAULT_PROFILE;
use crate::cache::objects;
use crate::cache::retention::place::Held;
use crate::cache::retention::{Collected, LetGo, Over, Policies, SAFE_SECS, Standing, Why};
use crate::error::Result;

impl Cache {
    /// What a timeline's objects tell of it, and its mark.
    pub(super) async fn standing(&self, timeline: &str) -> Result<Standing> {
        let mut standing = Standing::default();
        let prefix = self.layout.timeline_prefix(timeline)?;
        let mut entries = std::pin::pin!(objects::entries(&*self.store, &prefix));
        while let Some(entry) = entries.try_next().await? {
            standing.tally.add(&entry);
            standing.written = standing.written.max(entry.modified);
        }
        let mark = objects::entry(&*self.store, &self.layout.used(timeline)).await?;
        standing.used = mark.and_then(|mark| mark.modified);
        Ok(standing)
    }

    /// Whether its frames are of others, who gave them no plan.
    pub(super) async fn is_legacy(&self, timeline: &str) -> Result<bool> {
        self.profile(timeline, DEFAULT_PROFILE)?.is_legacy().await
    }

    /// All of a timeline goes: records, frames, overlays, plans, then its mark.
    pub(super) async fn let_go(&self, timeline: &str, dry_run: bool) -> Result<()> {
        if dry_run {
            return Ok(());
        }
        let request = ClearRequest {
            overlays: true,
            plan: true,
            ..ClearRequest::default()
        };
        self.clear(timeline, None, request).await?;
        self.store.delete(&[self.layout.used(timeline)]).await
    }

    /// Has timelines go until each prefix has no more than it may have, those unused longest first.
    pub(super) async fn keep_limits(
        &self,
        (policies, dry_run): (&Policies, bool),
        held: &[Held],
        collected: &mut Collected,
    ) -> Result<()> {
        let mut of_prefix: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
        for held in held {
            if let Some((prefix, _)) = policies.of(&held.timeline) {
                of_prefix.entry(prefix).or_default().push(held);
            }
        }
        for (prefix, max) in policies.limits() {
            let held = of_prefix.remove(prefix).unwrap_or_default();
            let (doomed, bytes) = beyond(held, max);
            for held in doomed {
                self.let_go(&held.timeline, dry_run).await?;
                collected.timelines.push(LetGo {
                    timeline: held.timeline.clone(),
                    objects: held.objects,
                    bytes: held.bytes,
                    why: Why::Max {
                        prefix: prefix.to_owned(),
                        max,
                    },
                });
            }
            if bytes > max {
                collected.over.push(Over {
                    prefix: prefix.to_owned(),
                    bytes,
                    max,
                });
            }
        }
        Ok(())
    }
}

impl Held {
    pub fn of(timeline: &str, standing: &Standing, (now, legacy): (i64, bool)) -> Held {
        let idle = standing.age(now).min(match standing.used {
            Some(used) => now.saturating_sub(used),
            None => i64::MAX,
        });
        Held {
            timeline: timeline.to_owned(),
            objects: standing.tally.objects,
            bytes: standing.tally.bytes,
            last: now.saturating_sub(idle),
            stays: legacy || idle <= SAFE_SECS,
        }
    }
}

/// What is to go until the rest has `max` bytes at most, and how many bytes the rest has.
fn beyond(mut held: Vec<&Held>, max: u64) -> (Vec<&Held>, u64) {
    held.sort_by_key(|held| (held.last, &held.timeline));
    let all = held.iter().map(|held| held.bytes);
    let mut bytes = all.fold(0, u64::saturating_add);
    let mut doomed = Vec::new();
    for held in held.into_iter().filter(|held| !held.stays) {
        if bytes <= max {
            break;
        }
        bytes = bytes.saturating_sub(held.bytes);
        doomed.push(held);
    }
    (doomed, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_too_much_the_longest_unused_goes_and_no_more_than_must() {
        let held = |timeline: &str, bytes: u64, last: i64, stays: bool| Held {
            timeline: timeline.to_owned(),
            objects: 1,
            bytes,
            last,
            stays,
        };
        let all = [
            held("a", 40, 30, false),
            held("b", 30, 10, false),
            held("young", 50, 5, true),
            held("c", 20, 20, false),
        ];
        let beyond = |max| {
            let (doomed, left) = super::beyond(all.iter().collect(), max);
            let names = doomed.iter().map(|held| held.timeline.as_str());
            (names.collect::<Vec<_>>().join(" "), left)
        };
        assert_eq!(beyond(140), (String::new(), 140));
        assert_eq!(beyond(139), ("b".to_owned(), 110));
        assert_eq!(beyond(100), ("b c".to_owned(), 90));
        assert_eq!(beyond(10), ("b c a".to_owned(), 50));
    }
}
