//! The client that asks a server.

mod connect;
mod convert;
mod duplicates;
mod error;
mod extract;
mod frames;
mod greet;
mod join;
mod overlays;
mod probe;
mod put;
mod similar;
mod tensors;
mod timelines;

use async_trait::async_trait;
use futures::stream::BoxStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::api::v1::frame_service_client::FrameServiceClient;
use crate::api::v1::media_service_client::MediaServiceClient;
use crate::api::v1::overlay_service_client::OverlayServiceClient;
use crate::cache::Tally;
use crate::cache::clear::Cleared;
use crate::cache::overlays::{OverlayScope, PutOverlay};
use crate::cache::put::{PutDone, ReadyFrame};
use crate::cache::status::Ids;
use crate::client::{
    Clear, Client, Hear, Of, Overlay, OverlayQuery, OverlayRow, Picture, ProfileKind, Report, Rows,
};
use crate::error::{Error, Result};
use crate::foundry::Probe;
use crate::frames::{Extraction, Found, FoundTwins, Pick, Search, Summary, Take, Twins, Which};
use crate::media::facts::FrameFacts;
use crate::media::time::Exact;
use crate::similar::cuts::Scored;
use crate::source::check_absolute;
use crate::timeline::plan::{ChunkSpec, Window};

pub use connect::ServerAddress;
use connect::Token;

/// What the server's messages may have: more than they ever do.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

type Wire = InterceptedService<Channel, Token>;

pub struct Remote {
    address: ServerAddress,
    wire: Wire,
}

impl Remote {
    /// # Errors
    /// FIELD_INVALID for an address that is none, or certificates that cannot be read;
    /// STORE_UNAVAILABLE where nobody answers there.
    pub async fn connect(address: ServerAddress) -> Result<Self> {
        let wire = address.connect().await?;
        Ok(Remote { address, wire })
    }

    fn frame_service(&self) -> FrameServiceClient<Wire> {
        FrameServiceClient::new(self.wire.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn overlay_service(&self) -> OverlayServiceClient<Wire> {
        OverlayServiceClient::new(self.wire.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn media_service(&self) -> MediaServiceClient<Wire> {
        MediaServiceClient::new(self.wire.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

#[async_trait]
impl Client for Remote {
    fn describe(&self) -> Result<String> {
        Ok(format!("server {}", self.address.target))
    }

    async fn extract(&self, asked: &Extraction, hear: Hear<'_>) -> Result<Summary> {
        extract::extract(self, asked, hear).await
    }

    async fn facts(&self, of: Of<'_>) -> Result<Rows<Vec<FrameFacts>>> {
        timelines::facts(self, of).await
    }

    async fn shown_at(&self, of: Of<'_>, times: &[Exact]) -> Result<Vec<u64>> {
        frames::shown_at(self, of, times).await
    }

    async fn within(&self, of: Of<'_>, window: Window) -> Result<Vec<u64>> {
        frames::within(self, of, window).await
    }

    async fn picked(&self, of: Of<'_>, which: Which, pick: Pick) -> Result<Vec<u64>> {
        frames::picked(self, of, (which, pick)).await
    }

    async fn twins(&self, asked: Twins) -> Result<FoundTwins> {
        duplicates::twins(self, asked).await
    }

    async fn similar(&self, search: Search) -> Result<Found> {
        similar::similar(self, search).await
    }

    async fn cuts(&self, of: Of<'_>, threshold: f64) -> Result<Rows<Vec<Scored>>> {
        similar::cuts(self, of, threshold).await
    }

    async fn prepare(&self, of: Of<'_>, seqs: &[u64], _: Hear<'_>) -> Result<()> {
        frames::prepare(self, of, seqs).await
    }

    async fn frames(
        &self,
        of: Of<'_>,
        seqs: &[u64],
    ) -> Result<BoxStream<'static, Result<Picture>>> {
        Ok(frames::frames(self, of, seqs))
    }

    async fn decode(&self, of: Of<'_>, seqs: &[u64], take: Take<'_>) -> Result<()> {
        tensors::decode(self, of, (seqs, take)).await
    }

    async fn put_frames(&self, of: Of<'_>, frames: Vec<ReadyFrame>) -> Result<PutDone> {
        put::frames(self, of, frames).await
    }

    async fn put_overlays(&self, of: Of<'_>, overlays: Vec<PutOverlay>) -> Result<Vec<Result<()>>> {
        put::overlays(self, of, overlays).await
    }

    async fn overlays(&self, of: Of<'_>, asked: OverlayQuery) -> Result<Rows<Overlay>> {
        overlays::get(self, of, asked).await
    }

    async fn overlay_jobs(&self, of: Of<'_>) -> Result<Vec<String>> {
        overlays::jobs(self, of).await
    }

    async fn overlay_stages(&self, of: Of<'_>, job: &str) -> Result<Vec<String>> {
        overlays::stages(self, of, job).await
    }

    async fn list_overlays(&self, of: Of<'_>, scope: &OverlayScope) -> Result<Vec<OverlayRow>> {
        overlays::items(self, of, scope).await
    }

    async fn delete_overlays(
        &self,
        of: Of<'_>,
        scope: &OverlayScope,
        dry_run: bool,
    ) -> Result<Tally> {
        overlays::delete(self, of, (scope, dry_run)).await
    }

    async fn timelines(&self, token: Option<String>) -> Result<Ids> {
        timelines::timelines(self, token).await
    }

    async fn profiles(&self, timeline: &str) -> Result<Vec<String>> {
        timelines::profiles(self, timeline).await
    }

    async fn kind(&self, of: Of<'_>) -> Result<ProfileKind> {
        timelines::kind(self, of).await
    }

    async fn report(&self, of: Of<'_>, check_sources: bool) -> Result<Report> {
        timelines::report(self, of, check_sources).await
    }

    async fn clear(
        &self,
        timeline: &str,
        profile: Option<&str>,
        what: Clear,
    ) -> Result<Vec<(String, Cleared)>> {
        timelines::clear(self, (timeline, profile), what).await
    }

    async fn probe(&self, source: &ChunkSpec) -> Result<Probe> {
        probe::probe(self, source).await
    }
}

/// Refuses a source that only this machine could find, as the server would, before it is asked.
///
/// # Errors
/// FIELD_INVALID for a relative path.
fn check_source(spec: &ChunkSpec) -> Result<()> {
    let mut uris = std::iter::once(&spec.uri).chain(&spec.init_uri);
    uris.try_for_each(|uri| check_absolute(uri))
}

/// An answer that breaks the contract.
fn nonsense(what: &str) -> Error {
    Error::internal(format!("the server's answer makes no sense: {what}"))
        .hint("use a framecache and a server of the same release")
}
