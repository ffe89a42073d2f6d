//! PutFrames. The frames of a call are held until its end, when one record commits them.

use bytes::Bytes;
use futures::Stream;
use prost::Message;
use tonic::{Status, Streaming};

use crate::account::{self, Account, Intake};
use crate::api::convert::{facts, profile_name};
use crate::api::put::{check_size, ready};
use crate::api::v1;
use crate::api::v1::put_frame::Image;
use crate::cache::Profile;
use crate::cache::put::{PutFrame, ReadyFrame};
use crate::error::{Code, Error, Reason, Result};
use crate::jpeg::RawPicture;
use crate::media::facts::FrameFacts;
use crate::rpc::incoming::Ended;
use crate::rpc::parts::Joiner;
use crate::rpc::{MAX_MESSAGE_BYTES, Service, incoming};
use crate::store::MAX_OBJECT_BYTES;

/// Of raw pictures.
const QUALITY: u32 = 85;
/// What a call may hold; the largest raw picture fits where --memory has room for it.
const MAX_HELD_BYTES: u64 = 256 << 20;
/// What a frame is taken to cost beside the bytes of its messages.
const BESIDE_BYTES: u64 = 1024;
/// Of one frame's facts as a message: all that our own extraction says has about 400.
const MAX_FACTS_BYTES: usize = 4096;

impl Service {
    pub(super) async fn put_frames(
        &self,
        (messages, intake): (Streaming<v1::PutFramesRequest>, Intake),
    ) -> Result<v1::PutFramesResponse, Status> {
        let done = self.put_messages(messages, intake).await;
        done.map_err(Ended::status)
    }

    async fn put_messages(
        &self,
        mut messages: impl Stream<Item = Result<v1::PutFramesRequest, Status>> + Unpin,
        intake: Intake,
    ) -> Result<v1::PutFramesResponse, Ended> {
        let Some(mut first) = incoming::next(&mut messages).await? else {
            return Err(Error::field("the stream has no messages").in_field("timeline"))?;
        };
        let frame = first.frame.take();
        let mut call = self.put_call(first, intake)?;
        if let Some(frame) = frame {
            call.take(frame).await?;
        }
        while let Some(mut request) = incoming::next(&mut messages).await? {
            let frame = request.frame.take();
            call.check_header(&request)?;
            let frame =
                frame.ok_or_else(|| Error::field("a message has no frame").in_field("frame"))?;
            call.take(frame).await?;
        }
        Ok(call.commit().await?)
    }

    fn put_call(&self, header: v1::PutFramesRequest, intake: Intake) -> Result<PutCall> {
        let cache = self.api.frames().cache();
        let profile = cache.profile(&header.timeline, profile_name(&header.profile))?;
        let quality = header.quality.unwrap_or(QUALITY);
        let fits = u8::try_from(quality).ok().filter(|q| (1..=100).contains(q));
        let quality = fits.ok_or_else(|| {
            Error::field(format!("there is no such JPEG quality: quality={quality}"))
                .hint("give a quality from 1 to 100")
                .in_field("quality")
        })?;
        Ok(PutCall {
            profile,
            header,
            quality,
            intake,
            account: self.api.account().clone(),
            open: None,
            ready: Vec::new(),
        })
    }
}

/// One call: what has come so far.
struct PutCall {
    profile: Profile,
    /// The first message, without its frame.
    header: v1::PutFramesRequest,
    quality: u8,
    intake: Intake,
    account: Account,
    open: Option<OpenFrame>,
    ready: Vec<ReadyFrame>,
}

/// A frame whose last part has not come.
struct OpenFrame {
    seq: u64,
    facts: FrameFacts,
    kind: Kind,
    joiner: Joiner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Jpeg,
    Rgb,
    Gray,
}

impl PutCall {
    /// Later messages may repeat what the first one said.
    fn check_header(&self, request: &v1::PutFramesRequest) -> Result<()> {
        let first = &self.header;
        let same = |later: &str, first: &str| later.is_empty() || later == first;
        let field = if !same(&request.timeline, &first.timeline) {
            "timeline"
        } else if !same(&request.profile, &first.profile) {
            "profile"
        } else if request.quality.is_some() && request.quality != first.quality {
            "quality"
        } else {
            return Ok(());
        };
        let message = format!("{field} changes in mid-stream");
        Err(Error::field(message)
            .hint("say it in the first message")
            .in_field(field))
    }

    async fn take(&mut self, part: v1::PutFrame) -> Result<()> {
        let (seq, last) = (part.sequence, part.last);
        let named = |e: Error| e.about("seq", seq).below_field("frame");
        check_message(part.encoded_len()).map_err(named)?;
        self.check_held()?;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenFrame::new(&part).map_err(named)?,
        };
        open.add(part).map_err(named)?;
        if last {
            let joined = open.joiner.len();
            let ready = open.finish(self.quality, &self.account).await;
            let ready = ready.map_err(named)?;
            // A raw picture gives way to its JPEG.
            let jpeg = ready.jpeg().len() as u64;
            self.intake.let_go(joined.saturating_sub(jpeg));
            self.ready.push(ready);
        } else {
            self.open = Some(open);
        }
        Ok(())
    }

    /// What came of frames, and what they cost beside their bytes.
    fn check_held(&self) -> Result<()> {
        let beside = self.ready.len() as u64 * BESIDE_BYTES;
        let limit = MAX_HELD_BYTES
            .min(self.intake.most())
            .saturating_sub(beside);
        incoming::check(&self.intake, limit).map_err(|e| e.in_field("frame"))
    }

    async fn commit(self) -> Result<v1::PutFramesResponse> {
        if let Some(open) = &self.open {
            let message = format!(
                "the stream ended in the middle of a frame, seq={}",
                open.seq
            );
            return Err(Error::field(message)
                .hint("send all of its parts, and the last with `last`")
                .in_field("frame.last"));
        }
        let done =
            self.profile
                .put_ready(self.ready)
                .await
                .map_err(|e| match e.reason().code() {
                    Code::InvalidArgument => e.below_field("frame"),
                    _ => e,
                })?;
        let bytes = done.frames.iter().filter_map(|f| f.bytes);
        Ok(v1::PutFramesResponse {
            frames: done.frames.len() as u64,
            bytes: bytes.sum(),
            record: done.record,
        })
    }
}

impl OpenFrame {
    fn new(part: &v1::PutFrame) -> Result<Self> {
        let kind = Kind::of(part)?;
        let given = part.facts.clone().unwrap_or_default();
        if given.encoded_len() > MAX_FACTS_BYTES {
            let message = format!("a frame's facts are too long: limit_bytes={MAX_FACTS_BYTES}");
            return Err(Error::new(Reason::RequestLimit, message).in_field("facts"));
        }
        let facts = facts(given).map_err(|e| e.below_field("facts"))?;
        let limit = match kind.samples() {
            None => MAX_OBJECT_BYTES,
            Some(samples) => raw_size(&facts)?.bytes(samples),
        };
        Ok(OpenFrame {
            seq: part.sequence,
            facts,
            kind,
            joiner: Joiner::new(limit),
        })
    }

    fn add(&mut self, part: v1::PutFrame) -> Result<()> {
        if part.sequence != self.seq {
            let message = format!(
                "another frame begins before the last part of one came, open_seq={}",
                self.seq
            );
            return Err(Error::field(message)
                .hint("send each frame's parts one after the other, the last with `last`")
                .in_field("sequence"));
        }
        let kind = Kind::of(&part)?;
        if kind != self.kind {
            let message = "a frame's parts are of two kinds";
            return Err(Error::field(message).in_field(kind.field()));
        }
        let data = match part.image {
            Some(Image::Jpeg(data) | Image::Rgb(data) | Image::Gray(data)) => data,
            None => Bytes::new(),
        };
        let added = self.joiner.add(data, part.offset);
        added.map_err(|e| e.in_field(kind.field()))
    }

    /// The frame as it will be stored; pixels are encoded.
    async fn finish(self, quality: u8, account: &Account) -> Result<ReadyFrame> {
        let field = self.kind.field();
        let (seq, mut facts) = (self.seq, self.facts);
        let data = self.joiner.finish();
        let Some(samples) = self.kind.samples() else {
            let jpeg = PutFrame {
                seq,
                jpeg: data,
                facts,
            };
            return account.by_hand(move |_| ready(jpeg)).await;
        };
        let size = raw_size(&facts)?;
        if data.len() as u64 != size.bytes(samples) {
            let message = format!(
                "pixels are not as many as width and height say: bytes={} expected={}",
                data.len(),
                size.bytes(samples)
            );
            return Err(Error::field(message).in_field(field));
        }
        facts.quality = Some(quality);
        // For its planes and its JPEG.
        let room = account
            .take(account::Kind::Pictures, data.len() as u64)
            .await?;
        let coding = account.by_hand(move |stop| {
            let _room = room;
            let raw = RawPicture {
                data: &data,
                width: size.width as usize,
                height: size.height as usize,
                samples: samples as usize,
            };
            let jpeg = raw.jpeg(quality, stop)?.into();
            ready(PutFrame { seq, jpeg, facts })
        });
        coding.await
    }
}

/// # Errors
/// LIMIT_EXCEEDED over what a message may have; other methods' may be larger.
fn check_message(bytes: usize) -> Result<()> {
    if bytes <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    let message = format!("a message is too large: limit_bytes={MAX_MESSAGE_BYTES}");
    Err(Error::new(Reason::RequestLimit, message)
        .hint("send a payload over 3 MiB in several messages, with offset and last"))
}

impl Kind {
    fn of(part: &v1::PutFrame) -> Result<Self> {
        match part.image {
            Some(Image::Jpeg(_)) => Ok(Kind::Jpeg),
            Some(Image::Rgb(_)) => Ok(Kind::Rgb),
            Some(Image::Gray(_)) => Ok(Kind::Gray),
            None => Err(Error::field("a frame has no picture")
                .hint("send jpeg, rgb or gray")
                .in_field("jpeg")),
        }
    }

    fn field(self) -> &'static str {
        match self {
            Kind::Jpeg => "jpeg",
            Kind::Rgb => "rgb",
            Kind::Gray => "gray",
        }
    }

    /// Bytes a pixel; none for what is encoded already.
    fn samples(self) -> Option<u64> {
        match self {
            Kind::Jpeg => None,
            Kind::Rgb => Some(3),
            Kind::Gray => Some(1),
        }
    }
}

/// Of a raw picture, in pixels.
#[derive(Debug, Clone, Copy)]
struct RawSize {
    width: u32,
    height: u32,
}

impl RawSize {
    fn bytes(self, samples: u64) -> u64 {
        u64::from(self.width) * u64::from(self.height) * samples
    }
}

fn raw_size(facts: &FrameFacts) -> Result<RawSize> {
    let side = |name: &str, side: Option<u32>| {
        side.filter(|side| *side > 0).ok_or_else(|| {
            Error::field(format!("a raw picture has no {name}"))
                .hint("say facts.width and facts.height")
                .in_field(format!("facts.{name}"))
        })
    };
    let width = side("width", facts.width)?;
    let height = side("height", facts.height)?;
    check_size(width, height).map_err(|e| e.in_field("facts.width"))?;
    Ok(RawSize { width, height })
}
