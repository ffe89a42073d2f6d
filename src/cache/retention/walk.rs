//! A collection: all timelines, one after the other, then what is too much.

use futures::{StreamExt, stream};

use crate::cache::Cache;
use crate::cache::retention::place::{Held, Place};
use crate::cache::retention::{Ages, Asked, Collected, Failed, Leftover, LetGo, Policies};
use crate::error::{Code, Error, Result};

/// Timelines that are looked at together.
const AT_ONCE: usize = 4;
/// Timelines after which the place is written.
const PLACE_EVERY: u64 = 64;

/// What became of one timeline.
#[derive(Default)]
struct Seen {
    gone: Option<LetGo>,
    left: Vec<Leftover>,
    held: Option<Held>,
}

/// A walk under way.
struct Walk<'a> {
    cache: &'a Cache,
    asked: &'a Asked,
    policies: Policies,
    ages: Ages,
    place: Place,
    collected: Collected,
}

impl Cache {
    /// Lets go what the policies let go, and what no record names. One that was stopped is gone on with.
    /// `hear`: timelines that were looked at.
    ///
    /// # Errors
    /// FIELD_INVALID for policies in the store that cannot be read; the store's own. What is wrong with
    /// one timeline is among the answers.
    pub async fn collect(
        &self,
        asked: &Asked,
        hear: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Collected> {
        let policies = asked.policies.clone().or(self.stored_policies().await?);
        let now = self.store_time().await?;
        let mut place = self.collection_place().await?;
        // What would go is told of all, wherever a walk was stopped.
        if asked.dry_run || place.after.is_none() {
            place = Place {
                began: now,
                finished: place.finished,
                ..Place::default()
            };
        }
        let mut walk = Walk {
            cache: self,
            asked,
            policies,
            ages: Ages::new(now, place.horizon()),
            collected: Collected {
                resumed_after: place.after.clone(),
                ..Collected::default()
            },
            place,
        };
        walk.all(hear).await?;
        walk.end().await
    }

    async fn stored_policies(&self) -> Result<Policies> {
        let key = self.layout.policies();
        let Some(object) = self.store.get(&key).await? else {
            return Ok(Policies::default());
        };
        let wrong = |error: Error| {
            let message = format!("{}, key={key}", error.message());
            error.reworded(message)
        };
        let text = str::from_utf8(&object.data)
            .map_err(|e| wrong(Error::field("the policies are no text").caused_by(e)))?;
        Policies::parse(text).map_err(wrong)
    }
}

impl Walk<'_> {
    async fn all(&mut self, hear: &(dyn Fn(u64) + Send + Sync)) -> Result<()> {
        let mut token = None;
        loop {
            let page = self.cache.list_timelines(token, None).await?;
            let ids = page.ids.into_iter().filter(|id| self.is_to_come(id));
            let ids: Vec<_> = ids.collect();
            for some in ids.chunks(AT_ONCE) {
                self.some(some).await?;
                hear(self.collected.walked);
            }
            token = page.next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// Listings have folders in the order of their names with the slash.
    fn is_to_come(&self, id: &str) -> bool {
        let folder = |id: &str| format!("{id}/");
        let after = self.place.after.as_deref();
        after.is_none_or(|after| folder(id) > folder(after))
    }

    async fn some(&mut self, ids: &[String]) -> Result<()> {
        let this = &*self;
        let looks = ids.iter().map(|id| this.look(id));
        let seen: Vec<_> = stream::iter(looks.collect::<Vec<_>>())
            .buffered(AT_ONCE)
            .collect()
            .await;
        let before = self.collected.walked / PLACE_EVERY;
        for (id, seen) in ids.iter().zip(seen) {
            self.take(id, seen)?;
        }
        if !self.asked.dry_run && self.collected.walked / PLACE_EVERY != before {
            self.cache.keep_place(&self.place).await?;
        }
        Ok(())
    }

    fn take(&mut self, id: &str, seen: Result<Seen>) -> Result<()> {
        self.collected.walked += 1;
        self.place.after = Some(id.to_owned());
        match seen {
            Ok(seen) => {
                self.collected.timelines.extend(seen.gone);
                self.collected.leftovers.extend(seen.left);
                self.place.held.extend(seen.held);
                Ok(())
            }
            Err(error) if is_its_own(&error) => {
                self.place.missed = true;
                self.collected.failed.push(Failed {
                    timeline: id.to_owned(),
                    reason: error.reason().name().to_owned(),
                    message: error.message().to_owned(),
                });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn look(&self, id: &str) -> Result<Seen> {
        let mut seen = Seen::default();
        if let Some((prefix, policy)) = self.policies.of(id) {
            let standing = self.cache.standing(id).await?;
            let legacy = !self.asked.legacy && self.cache.is_legacy(id).await?;
            let why = policy.lets_go(prefix, &standing, self.ages.now);
            if let Some(why) = why.filter(|_| !legacy) {
                self.cache.let_go(id, self.asked.dry_run).await?;
                seen.gone = Some(LetGo {
                    timeline: id.to_owned(),
                    objects: standing.tally.objects,
                    bytes: standing.tally.bytes,
                    why,
                });
                return Ok(seen);
            }
            let now = self.ages.now;
            let held = || Held::of(id, &standing, (now, legacy));
            seen.held = policy.has_limit().then(held);
        }
        for name in self.cache.list_profiles(id).await? {
            let profile = self.cache.profile(id, &name)?;
            let left = profile.collect_leftovers(&self.ages, self.asked.dry_run);
            let tally = left.await?;
            if tally.objects > 0 {
                seen.left.push(Leftover {
                    timeline: id.to_owned(),
                    profile: name,
                    objects: tally.objects,
                    bytes: tally.bytes,
                });
            }
        }
        Ok(seen)
    }

    async fn end(mut self) -> Result<Collected> {
        let asked = (&self.policies, self.asked.dry_run);
        self.cache
            .keep_limits(asked, &self.place.held, &mut self.collected)
            .await?;
        if !self.asked.dry_run {
            self.collected.temporary = self.cache.store.sweep().await?;
            let finished = match self.place.missed {
                true => self.place.finished,
                false => Some(self.place.began),
            };
            let place = Place {
                finished,
                ..Place::default()
            };
            self.cache.keep_place(&place).await?;
        }
        Ok(self.collected)
    }
}

/// One timeline is to blame, and others can be looked at.
fn is_its_own(error: &Error) -> bool {
    matches!(
        error.reason().code(),
        Code::DataLoss | Code::FailedPrecondition
    )
}
