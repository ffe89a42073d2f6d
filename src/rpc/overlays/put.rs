//! PutOverlays.

use base64_simd::STANDARD;
use bytes::Bytes;
use futures::Stream;
use prost::Message;
use tonic::{Status, Streaming};

use crate::account::Intake;
use crate::api::MAX_OVERLAY_BYTES;
use crate::api::convert::profile_name;
use crate::api::status::rpc_status;
use crate::api::v1;
use crate::api::v1::put_overlay::Image;
use crate::cache::Profile;
use crate::cache::keys::OverlayId;
use crate::cache::overlays::PutOverlay;
use crate::error::{Error, Reason, Result};
use crate::frames::blocking;
use crate::rpc::incoming::Ended;
use crate::rpc::parts::Joiner;
use crate::rpc::{Service, incoming};

/// What a call may hold at a time: a large overlay beside a batch.
const MAX_HELD_BYTES: u64 = MAX_OVERLAY_BYTES + 2 * BATCH_BYTES as u64;
/// Overlays that are stored together: so many, and so many bytes.
const BATCH_ITEMS: usize = 64;
const BATCH_BYTES: usize = 16 << 20;
/// Overlays of a call, and those of them that may fail: results are one message.
const MAX_OVERLAYS: u64 = 100_000;
const MAX_FAILED: u64 = 2000;

impl Service {
    pub(in crate::rpc) async fn put_overlays(
        &self,
        (messages, intake): (Streaming<v1::PutOverlaysRequest>, Intake),
    ) -> Result<v1::PutOverlaysResponse, Status> {
        let done = self.put_overlay_messages(messages, intake).await;
        done.map_err(Ended::status)
    }

    async fn put_overlay_messages(
        &self,
        mut messages: impl Stream<Item = Result<v1::PutOverlaysRequest, Status>> + Unpin,
        intake: Intake,
    ) -> Result<v1::PutOverlaysResponse, Ended> {
        let Some(mut first) = incoming::next(&mut messages).await? else {
            return Err(Error::field("the stream has no messages").in_field("timeline"))?;
        };
        let part = first.overlay.take();
        let cache = self.api.frames().cache();
        let mut call = PutCall {
            profile: cache.profile(&first.timeline, profile_name(&first.profile))?,
            header: first,
            open: None,
            batch: Vec::new(),
            batch_bytes: 0,
            results: Vec::new(),
            failed: 0,
            intake,
            taken: 0,
        };
        if let Some(part) = part {
            call.take(part).await?;
        }
        while let Some(mut request) = incoming::next(&mut messages).await? {
            let part = request.overlay.take();
            call.check_header(&request)?;
            let part =
                part.ok_or_else(|| Error::field("a message has no overlay").in_field("overlay"))?;
            call.take(part).await?;
        }
        Ok(call.finish().await?)
    }
}

/// One call: what has come and is not stored yet, and what became of the rest.
struct PutCall {
    profile: Profile,
    /// The first message, without its overlay.
    header: v1::PutOverlaysRequest,
    open: Option<OpenOverlay>,
    /// Overlays to store, or why they cannot be.
    batch: Vec<Result<PutOverlay>>,
    batch_bytes: usize,
    results: Vec<v1::PutOverlayResult>,
    failed: u64,
    intake: Intake,
    /// Bytes of messages since the last batch.
    taken: u64,
}

/// An overlay whose last part has not come.
struct OpenOverlay {
    id: OverlayId,
    base64: bool,
    joiner: Joiner,
}

impl PutCall {
    /// Later messages may repeat what the first one said.
    fn check_header(&self, request: &v1::PutOverlaysRequest) -> Result<()> {
        let same = |later: &str, first: &str| later.is_empty() || later == first;
        let field = if !same(&request.timeline, &self.header.timeline) {
            "timeline"
        } else if !same(&request.profile, &self.header.profile) {
            "profile"
        } else {
            return Ok(());
        };
        let message = format!("{field} changes in mid-stream");
        Err(Error::field(message)
            .hint("say it in the first message")
            .in_field(field))
    }

    async fn take(&mut self, part: v1::PutOverlay) -> Result<()> {
        let last = part.last;
        self.taken += part.encoded_len() as u64;
        let held = incoming::check(&self.intake, MAX_HELD_BYTES);
        held.map_err(|e| e.in_field("overlay"))?;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(&part)?,
        };
        let (seq, name) = (open.id.seq, open.shown_name());
        open.add(part).map_err(|e| {
            let named = e.about("seq", seq).about("name", &name);
            named.below_field("overlay")
        })?;
        if !last {
            self.open = Some(open);
            return Ok(());
        }
        let overlay = open.finish().await;
        self.batch_bytes += overlay.as_ref().map_or(0, |overlay| overlay.png.len());
        self.batch.push(overlay);
        if self.batch.len() >= BATCH_ITEMS || self.batch_bytes >= BATCH_BYTES {
            self.store().await?;
        }
        Ok(())
    }

    fn begin(&self, part: &v1::PutOverlay) -> Result<OpenOverlay> {
        let count = self.results.len() + self.batch.len();
        if count as u64 >= MAX_OVERLAYS {
            let message = format!("a call puts more overlays than it may: limit={MAX_OVERLAYS}");
            return Err(Error::new(Reason::RequestLimit, message)
                .hint("make several calls; those before this one are stored")
                .in_field("overlay"));
        }
        Ok(OpenOverlay {
            id: OverlayId {
                job: part.job.clone(),
                stage: part.stage.clone(),
                seq: part.sequence,
                name: part.name.clone(),
            },
            base64: matches!(part.image, Some(Image::Base64(_))),
            joiner: Joiner::new(MAX_OVERLAY_BYTES),
        })
    }

    /// Stores the batch; what failed alone is in its result.
    async fn store(&mut self) -> Result<()> {
        self.batch_bytes = 0;
        let mut results: Vec<Option<Error>> = Vec::with_capacity(self.batch.len());
        let mut places = Vec::new();
        let mut overlays = Vec::new();
        for overlay in self.batch.drain(..) {
            match overlay {
                Ok(overlay) => {
                    places.push(results.len());
                    overlays.push(overlay);
                    results.push(None);
                }
                Err(error) => results.push(Some(error)),
            }
        }
        if !overlays.is_empty() {
            let stored = self.profile.put_overlays(overlays).await?;
            for (place, result) in places.into_iter().zip(stored) {
                if let Some(slot) = results.get_mut(place) {
                    *slot = result.err();
                }
            }
        }
        // Nothing is open between batches: all of it was stored.
        self.intake.let_go(std::mem::take(&mut self.taken));
        results.into_iter().try_for_each(|error| self.report(error))
    }

    fn report(&mut self, error: Option<Error>) -> Result<()> {
        self.failed += u64::from(error.is_some());
        if self.failed > MAX_FAILED {
            let message = format!("too many overlays of one call failed: limit={MAX_FAILED}");
            return Err(Error::new(Reason::RequestLimit, message)
                .hint("make calls of fewer overlays to be told about each")
                .in_field("overlay"));
        }
        let error = error.map(|error| rpc_status(&error.below_field("overlay")));
        self.results.push(v1::PutOverlayResult {
            index: self.results.len() as u64,
            error,
        });
        Ok(())
    }

    async fn finish(mut self) -> Result<v1::PutOverlaysResponse> {
        if let Some(open) = &self.open {
            let message = "the stream ended in the middle of an overlay";
            return Err(Error::field(message)
                .about("seq", open.id.seq)
                .about("name", open.shown_name())
                .hint("send all of its parts, and the last with `last`")
                .in_field("overlay.last"));
        }
        self.store().await?;
        Ok(v1::PutOverlaysResponse {
            results: self.results,
        })
    }
}

impl OpenOverlay {
    fn shown_name(&self) -> String {
        let name: String = self.id.name.chars().take(60).collect();
        format!("{name:?}")
    }

    /// Later parts may repeat what the first one said.
    fn check_same(&self, part: &v1::PutOverlay) -> Result<()> {
        let same = |later: &str, first: &str| later.is_empty() || later == first;
        let field = if !same(&part.job, &self.id.job) {
            "job"
        } else if !same(&part.stage, &self.id.stage) {
            "stage"
        } else if !same(&part.name, &self.id.name) {
            "name"
        } else if part.sequence != 0 && part.sequence != self.id.seq {
            "sequence"
        } else {
            return Ok(());
        };
        let message = "another overlay begins before the last part of one came";
        Err(Error::field(message)
            .hint("send each overlay's parts one after the other, the last with `last`")
            .in_field(field))
    }

    fn add(&mut self, part: v1::PutOverlay) -> Result<()> {
        self.check_same(&part)?;
        let (base64, data, field) = match part.image {
            Some(Image::Png(data)) => (false, data, "png"),
            Some(Image::Base64(text)) => (true, Bytes::from(text), "base64"),
            None => {
                return Err(Error::field("an overlay has no picture")
                    .hint("send png or base64")
                    .in_field("png"));
            }
        };
        if base64 != self.base64 {
            return Err(Error::field("an overlay's parts are of two kinds").in_field(field));
        }
        let added = self.joiner.add(data, part.offset);
        added.map_err(|e| e.in_field(field))
    }

    async fn finish(self) -> Result<PutOverlay> {
        let (id, data) = (self.id, self.joiner.finish());
        if !self.base64 {
            return Ok(PutOverlay { id, png: data });
        }
        let decoded = blocking(move || Ok(STANDARD.decode_to_vec(&data))).await?;
        match decoded {
            Ok(png) => Ok(PutOverlay {
                id,
                png: png.into(),
            }),
            Err(_) => Err(Error::field("an overlay is no base64")
                .hint("encode it by RFC 4648, section 4, with padding")
                .in_field("base64")),
        }
    }
}
