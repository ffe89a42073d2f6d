//! How much changes from frame to frame of a profile, and where its scenes end: of what is cached.

use futures::stream::{BoxStream, StreamExt, try_unfold};

use crate::cache::Profile;
use crate::cache::facts::FactsBatch;
use crate::cache::read::View;
use crate::error::{Error, Result};
use crate::frames::{Frames, absent};
use crate::similar::cuts::{Finder, Scored};

/// What is left of facts that are read, and the finder until they end.
type State = (BoxStream<'static, Result<FactsBatch>>, Option<Finder>);

impl Frames {
    /// The frames that are there from a sequence on, in sequence order, some at a time; nothing is extracted.
    ///
    /// # Errors
    /// FIELD_INVALID for a threshold that is none; TIMELINE_NOT_FOUND; the store's own.
    pub async fn cuts(
        &self,
        profile: &Profile,
        threshold: f64,
        first: u64,
    ) -> Result<BoxStream<'static, Result<Vec<Scored>>>> {
        check_threshold(threshold)?;
        let view = profile.view().await?;
        if matches!(view, View::Absent) {
            return Err(absent(profile));
        }
        self.cache().note_use(profile.keys().timeline());
        let batches = profile.facts_from(&view, first, u64::MAX).await?;
        let state: State = (batches, Some(Finder::new(threshold)));
        let scored = try_unfold(state, |(mut batches, mut finder)| async move {
            let Some(found) = &mut finder else {
                return Ok(None);
            };
            let mut out = Vec::new();
            match batches.next().await.transpose()? {
                Some(FactsBatch::Frames(frames)) => {
                    frames.iter().for_each(|facts| found.add(facts, &mut out));
                }
                Some(FactsBatch::Without { .. }) => found.gap(),
                None => {
                    if let Some(found) = finder.take() {
                        found.end(&mut out);
                    }
                }
            }
            Ok(Some((out, (batches, finder))))
        });
        Ok(scored.boxed())
    }
}

/// # Errors
/// FIELD_INVALID unless it is a number from 0 to 1.
fn check_threshold(threshold: f64) -> Result<()> {
    if (0.0..=1.0).contains(&threshold) {
        return Ok(());
    }
    Err(Error::field(format!(
        "a threshold is a number from 0 to 1: threshold={threshold}"
    ))
    .hint("0.15 finds most cuts; less finds more")
    .in_field("threshold"))
}
