//! Frames whose hash is near another's, in one timeline or in all: each hash that the cache holds is looked at.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::account::Kind;
use crate::cache::Profile;
use crate::cache::columns::Column;
use crate::cache::read::View;
use crate::error::{Error, Reason, Result};
use crate::frames::serve::OnMiss;
use crate::frames::{Frames, absent};
use crate::hash::compute;
use crate::jpeg::dimensions;
use crate::media::limits::MAX_PIXELS;
use crate::pixel::RgbImage;
use crate::pixel::luma::of_rgb;
use crate::similar::cuts::hash_of;
use crate::similar::mirror::mirrored;
use crate::similar::scan::near;
use crate::similar::tones::{is_flat, is_flatness_of_flat};
use crate::timeline::plan::HashKind;

/// Hashes that are looked at by one hand: a millisecond or two.
const BATCH: usize = 1 << 18;
/// What one search holds at a time: a batch of columns, and records that columns are made of.
const SEARCH_BYTES: u64 = 16 << 20;
/// Timelines that are looked up ahead.
const TIMELINES_AHEAD: usize = 8;
/// Timelines that could not be searched, of which an answer has the names.
const MAX_UNREAD: usize = 100;

/// What is looked for.
#[derive(Debug, Clone)]
pub enum Query {
    Hash(u64),
    /// A cached frame, which is not found itself.
    Frame {
        timeline: String,
        profile: String,
        seq: u64,
    },
    /// A JPEG.
    Picture(Bytes),
}

/// A search.
#[derive(Debug, Clone)]
pub struct Search {
    pub query: Query,
    /// None: all timelines that have the profile.
    pub timeline: Option<String>,
    pub profile: String,
    pub kind: HashKind,
    /// Bits that may differ.
    pub distance: u32,
    /// Frames that show it mirrored left to right, too.
    pub mirrored: bool,
    /// Frames found at most; at least 1.
    pub limit: usize,
    /// Only what comes behind this one in order.
    pub after: Option<Place>,
}

/// The order of what is found: nearest first, then by timeline and sequence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub distance: u32,
    pub timeline: Arc<str>,
    pub seq: u64,
}

/// A frame that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    pub place: Place,
    pub timestamp: Option<f64>,
    /// It is nearer mirrored.
    pub mirrored: bool,
}

impl Eq for Near {}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Of what was looked for.
    pub hash: u64,
    /// What was looked for is flat, and near nothing.
    pub flat: bool,
    /// In order.
    pub near: Vec<Near>,
    /// More come behind these.
    pub more: bool,
    /// Hashes that were looked at.
    pub searched: u64,
    /// Timelines that could not be searched, 100 at most: a later release wrote them, or their plan is damaged.
    pub unread: Vec<String>,
}

/// The hashes that are looked for.
#[derive(Debug, Clone, Copy)]
struct Like {
    hash: u64,
    mirrored: Option<u64>,
    flat: bool,
}

impl Frames {
    /// # Errors
    /// TIMELINE_NOT_FOUND, FRAME_NOT_CACHED; FIELD_INVALID for a frame that has no such hash and for what is
    /// no JPEG; MEMORY_BUDGET and QUEUE_FULL where others have memory and hands for half a minute; the store's own.
    pub async fn similar(&self, search: &Search) -> Result<Found> {
        let like = self.like(search).await?;
        let mut scan = Scan::new(search, like);
        if like.flat {
            return Ok(scan.found());
        }
        let _hold = self
            .cache()
            .account()
            .take(Kind::Answers, SEARCH_BYTES)
            .await?;
        let mut there = self.searched(search).await?;
        while let Some((profile, looked)) = there.next().await {
            match looked {
                Ok(view) => scan = self.scan((&profile, &view), scan).await?,
                Err(error) if search.timeline.is_none() && is_its_own(&error) => {
                    scan.unread(profile.keys().timeline());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(scan.found())
    }

    async fn like(&self, search: &Search) -> Result<Like> {
        let kind = search.kind;
        match &search.query {
            Query::Hash(hash) => Ok(Like {
                hash: *hash,
                mirrored: search.mirrored.then(|| mirrored(kind, *hash)),
                flat: false,
            }),
            Query::Picture(jpeg) => self.like_picture(jpeg.clone(), search).await,
            Query::Frame {
                timeline,
                profile,
                seq,
            } => {
                let profile = self.cache().profile(timeline, profile)?;
                self.like_frame((&profile, *seq), search).await
            }
        }
    }

    /// Mirrored, a frame is looked for by its stored picture: its hash does not tell all of it.
    async fn like_frame(&self, (profile, seq): (&Profile, u64), search: &Search) -> Result<Like> {
        let serving = self.serve(profile);
        let facts = serving.find_facts(seq, OnMiss::Fail).await?;
        let facts = facts.ok_or_else(|| Error::internal("a frame was left out"))?;
        let hash = hash_of(&facts, search.kind).ok_or_else(|| no_hash(profile, seq))?;
        let mut like = Like {
            hash,
            mirrored: None,
            flat: is_flat(&facts),
        };
        if !search.mirrored || like.flat {
            return Ok(like);
        }
        like.mirrored = match search.kind {
            HashKind::AverageHash => Some(mirrored(search.kind, hash)),
            HashKind::Phash | HashKind::Dhash => {
                let frame = serving.find_frame(seq, OnMiss::Fail, None).await?;
                let frame = frame.ok_or_else(|| Error::internal("a frame was left out"))?;
                self.like_picture(frame.jpeg.clone(), search)
                    .await?
                    .mirrored
            }
        };
        Ok(like)
    }

    /// The hashes of a JPEG's picture, decoded where all pictures are.
    async fn like_picture(&self, jpeg: Bytes, search: &Search) -> Result<Like> {
        let bytes = bytes_to_hash(&jpeg)?;
        let account = self.cache().account();
        let _hold = account.take(Kind::Pictures, bytes).await?;
        let (foundry, kind, turn) = (self.foundry().clone(), search.kind, search.mirrored);
        let work = move |wanted: &crate::account::Wanted| {
            let picture = foundry.jpeg(&jpeg).map_err(|error| match error.reason() {
                Reason::MediaCorrupt => no_picture().caused_by(error),
                _ => error,
            })?;
            wanted.check()?;
            like_pixels(picture, kind, turn)
        };
        account.by_hand(work).await
    }

    /// The profiles to search, each with what it is now.
    async fn searched(
        &self,
        search: &Search,
    ) -> Result<BoxStream<'static, (Profile, Result<View>)>> {
        let look = |profile: Profile| async move {
            let view = profile.reader().view().await;
            (profile, view)
        };
        if let Some(timeline) = &search.timeline {
            let profile = self.cache().profile(timeline, &search.profile)?;
            let (profile, view) = look(profile).await;
            if let Ok(View::Absent) = view {
                return Err(absent(&profile));
            }
            return Ok(stream::iter([(profile, view)]).boxed());
        }
        let ids = self.timeline_ids().await?;
        let profiles = ids
            .into_iter()
            .map(|id| self.cache().profile(&id, &search.profile));
        let profiles: Vec<Profile> = profiles.collect::<Result<_>>()?;
        Ok(stream::iter(profiles)
            .map(look)
            .buffered(TIMELINES_AHEAD)
            .boxed())
    }

    async fn timeline_ids(&self) -> Result<Vec<String>> {
        let (mut ids, mut token) = (Vec::new(), None);
        loop {
            let page = self.cache().list_timelines(token, None).await?;
            ids.extend(page.ids);
            token = page.next;
            if token.is_none() {
                return Ok(ids);
            }
        }
    }

    /// Scans a profile's columns, some at a time, by the hands that all calls share.
    async fn scan(&self, (profile, view): (&Profile, &View), mut scan: Scan) -> Result<Scan> {
        let mut columns = profile.hash_columns(view, scan.kind).await?;
        let timeline: Arc<str> = profile.keys().timeline().into();
        let mut batch = Batch::of(&timeline);
        while let Some(column) = columns.try_next().await? {
            batch.add(column);
            if batch.hashes >= BATCH {
                let full = std::mem::replace(&mut batch, Batch::of(&timeline));
                scan = self.by_hand(full, scan).await?;
            }
        }
        match batch.hashes {
            0 => Ok(scan),
            _ => self.by_hand(batch, scan).await,
        }
    }

    async fn by_hand(&self, batch: Batch, mut scan: Scan) -> Result<Scan> {
        let account = self.cache().account();
        let work = move |_: &crate::account::Wanted| {
            batch
                .columns
                .iter()
                .for_each(|column| scan.column(&batch.timeline, column));
            Ok(scan)
        };
        account.by_hand(work).await
    }
}

/// Columns of one timeline that are scanned together.
struct Batch {
    timeline: Arc<str>,
    columns: Vec<Arc<Column>>,
    hashes: usize,
}

impl Batch {
    fn of(timeline: &Arc<str>) -> Batch {
        Batch {
            timeline: timeline.clone(),
            columns: Vec::new(),
            hashes: 0,
        }
    }

    fn add(&mut self, column: Arc<Column>) {
        self.hashes += column.hashes.len();
        self.columns.push(column);
    }
}

/// A search under way: the nearest that were found so far, one more than are asked for.
struct Scan {
    like: Like,
    kind: HashKind,
    distance: u32,
    most: usize,
    after: Option<Place>,
    itself: Option<(String, u64)>,
    nearest: BinaryHeap<Near>,
    searched: u64,
    unread: Vec<String>,
}

impl Scan {
    fn new(search: &Search, like: Like) -> Scan {
        let itself = match &search.query {
            Query::Frame {
                timeline,
                profile,
                seq,
            } if *profile == search.profile => Some((timeline.clone(), *seq)),
            _ => None,
        };
        Scan {
            like,
            kind: search.kind,
            distance: search.distance,
            most: search.limit.max(1) + 1,
            after: search.after.clone(),
            itself,
            nearest: BinaryHeap::new(),
            searched: 0,
            unread: Vec::new(),
        }
    }

    fn column(&mut self, timeline: &Arc<str>, column: &Column) {
        self.searched += column.hashes.len() as u64;
        let like = self.like;
        for (hash, is_mirrored) in [(Some(like.hash), false), (like.mirrored, true)] {
            let Some(hash) = hash else { continue };
            let other = if is_mirrored {
                Some(like.hash)
            } else {
                like.mirrored
            };
            near(
                &column.hashes,
                hash,
                self.farthest(),
                &mut |at, distance| {
                    let apart = |other: u64| {
                        column
                            .hashes
                            .get(at)
                            .map_or(u32::MAX, |h| (h ^ other).count_ones())
                    };
                    // As one that shows it as it is, unless it is nearer mirrored.
                    let better = other.is_some_and(|other| match is_mirrored {
                        true => apart(other) <= distance,
                        false => apart(other) < distance,
                    });
                    if !better {
                        self.take(timeline, (column, at), (distance, is_mirrored));
                    }
                },
            );
        }
    }

    /// What is farther than this is not wanted any more.
    fn farthest(&self) -> u32 {
        match self.nearest.peek() {
            Some(last) if self.nearest.len() == self.most => self.distance.min(last.place.distance),
            _ => self.distance,
        }
    }

    fn take(
        &mut self,
        timeline: &Arc<str>,
        (column, at): (&Column, usize),
        (distance, mirrored): (u32, bool),
    ) {
        let (Some(&seq), Some(&time)) = (column.seqs.get(at), column.times.get(at)) else {
            return;
        };
        let place = Place {
            distance,
            timeline: timeline.clone(),
            seq,
        };
        let is_itself = |(id, own): &(String, u64)| **id == **timeline && *own == seq;
        if self.after.as_ref().is_some_and(|after| place <= *after)
            || self.itself.as_ref().is_some_and(is_itself)
        {
            return;
        }
        self.nearest.push(Near {
            place,
            timestamp: Some(time).filter(|time| !time.is_nan()),
            mirrored,
        });
        if self.nearest.len() > self.most {
            self.nearest.pop();
        }
    }

    fn unread(&mut self, timeline: &str) {
        if self.unread.len() < MAX_UNREAD {
            self.unread.push(timeline.to_owned());
        }
    }

    fn found(self) -> Found {
        let mut near = self.nearest.into_sorted_vec();
        let more = near.len() == self.most;
        near.truncate(self.most - 1);
        Found {
            hash: self.like.hash,
            flat: self.like.flat,
            near,
            more,
            searched: self.searched,
            unread: self.unread,
        }
    }
}

/// Of one timeline, and no reason not to search the others.
fn is_its_own(error: &Error) -> bool {
    matches!(error.reason(), Reason::PlanDiffers | Reason::ObjectCorrupt)
}

fn like_pixels(mut picture: RgbImage, kind: HashKind, turn: bool) -> Result<Like> {
    // Tones are of phash's small picture.
    let kinds = [HashKind::Phash, kind];
    let kinds = if kind == HashKind::Phash {
        &kinds[..1]
    } else {
        &kinds[..]
    };
    let hashes = compute(&of_rgb(&picture), kinds)?;
    let of = |hashes: crate::hash::Hashes| match kind {
        HashKind::Phash => hashes.phash,
        HashKind::Dhash => hashes.dhash,
        HashKind::AverageHash => hashes.average_hash,
    };
    let other = turn.then(|| {
        let row = (3 * picture.width).max(3);
        for row in picture.data.chunks_mut(row) {
            row.as_chunks_mut::<3>().0.reverse();
        }
        compute(&of_rgb(&picture), &[kind])
    });
    let tones = hashes.tones;
    Ok(Like {
        hash: of(hashes).ok_or_else(|| Error::internal("no hash was made"))?,
        mirrored: other.transpose()?.and_then(of),
        flat: tones.is_some_and(|tones| is_flatness_of_flat(tones.flatness())),
    })
}

/// Bytes of its pixels and their luma.
fn bytes_to_hash(jpeg: &[u8]) -> Result<u64> {
    let (width, height) = dimensions(jpeg).map_err(|error| no_picture().caused_by(error))?;
    let pixels = (width as u64).saturating_mul(height as u64);
    if pixels > MAX_PIXELS {
        let message = format!(
            "the picture is too large: width={width} height={height} max_pixels={MAX_PIXELS}"
        );
        return Err(Error::new(Reason::RequestLimit, message)
            .hint("send a smaller one: hashes are of 32 x 32 pixels")
            .in_field("picture"));
    }
    Ok(4 * pixels)
}

fn no_picture() -> Error {
    Error::field("the picture is no JPEG that can be decoded")
        .hint("send the bytes of a JPEG file")
        .in_field("picture")
}

fn no_hash(profile: &Profile, seq: u64) -> Error {
    let message = format!(
        "the frame has no hash of this kind: seq={seq} {}",
        profile.keys().facts()
    );
    Error::field(message)
        .hint(
            "ask by a kind that the profile was extracted with, as `framecache timelines ID` says",
        )
        .in_field("kind")
}
