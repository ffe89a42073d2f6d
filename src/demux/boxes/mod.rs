//! The boxes of an MP4 (ISO/IEC 14496-12), looked at before libavformat is let at them: it takes
//! memory by the counts that they state, and by products of those, whatever the file's size.
//!
//! What is refused is what could not be true, or would take far more than the file's own size:
//! [`max_samples`] samples in all, so many edits of so many samples. Everything else is libavformat's.

mod durations;
mod fragments;
mod runs;
mod table;
#[cfg(test)]
mod tests;

pub(super) use durations::duration;
pub(super) use fragments::guarded;

use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::media::limits::{MAX_STREAMS, check_units, max_samples};
use crate::source::{ByteSource, read_full};
use runs::Defaults;
use table::Track;

/// Boxes that are looked at, before a file counts as made to take time.
const MAX_BOXES: u32 = 200_000;
/// Boxes in boxes: libavformat goes no deeper.
const MAX_DEPTH: u32 = 10;
/// Boxes that a file may begin with.
const KNOWN: [&[u8; 4]; 10] = [
    b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"sidx", b"uuid",
];
/// libavformat looks no further to tell which container it is.
const PROBE_BYTES: u64 = 1 << 20;
/// A header that says it goes on for so long behind the end of the file was not cut off there.
const MAX_MISSING_BYTES: u64 = 64 << 20;
/// Entries that edits may make of a track's samples: each edit makes its own, back to the key frame
/// before it. As many as 60 MiB hold.
const MAX_EDITED: u64 = 2_500_000;
/// Edits that need no limit: a start, an end, and a hole or two.
const FREE_EDITS: u64 = 4;

/// Refuses headers that would take memory or time out of all proportion; tells whether fragments may
/// follow, whose runs are to be [`guarded`]. Whatever is no MP4 passes.
///
/// # Errors
/// MEDIA_CORRUPT and LIMIT_EXCEEDED with the number and the limit; MEDIA_UNSUPPORTED for compressed
/// headers; the source's own; CANCELLED.
pub(super) fn check(source: &mut dyn ByteSource, stop: &Stop) -> Result<bool> {
    Ok(Walk::through(source, stop)?.has_fragments)
}

struct Walk<'s> {
    source: &'s mut dyn ByteSource,
    stop: &'s Stop,
    /// The source's size.
    bytes: u64,
    boxes: u32,
    tracks: u32,
    is_mp4: bool,
    /// A track has no id.
    nameless: bool,
    /// Of all tracks so far.
    samples: u64,
    has_moov: bool,
    has_fragments: bool,
    /// Ticks of a second of edits' durations (`mvhd`).
    movie_scale: u32,
    /// What fragments' samples are where their runs do not say it.
    defaults: Vec<Defaults>,
    videos: Vec<Track>,
}

#[derive(Clone, Copy)]
struct Parent {
    end: u64,
    depth: u32,
}

/// A box, as far as it lies in its parent.
#[derive(Clone, Copy)]
struct Found {
    kind: [u8; 4],
    body: u64,
    end: u64,
}

impl<'s> Walk<'s> {
    /// All boxes of a source's header.
    fn through(source: &'s mut dyn ByteSource, stop: &'s Stop) -> Result<Self> {
        let bytes = source.bytes();
        let mut walk = Walk {
            source,
            stop,
            bytes,
            boxes: 0,
            tracks: 0,
            is_mp4: false,
            nameless: false,
            samples: 0,
            has_moov: false,
            has_fragments: false,
            movie_scale: 0,
            defaults: Vec::new(),
            videos: Vec::new(),
        };
        let root = Parent {
            end: bytes,
            depth: 0,
        };
        walk.children(0, root, &mut Track::default())?;
        walk.check_fragments()?;
        Ok(walk)
    }

    fn children(&mut self, mut offset: u64, parent: Parent, track: &mut Track) -> Result<()> {
        let mut has_mdat = false;
        while let Some(found) = self.next_box(offset, parent)? {
            let within = Parent {
                end: found.end,
                depth: parent.depth + 1,
            };
            match &found.kind {
                b"trak" => self.track(found.body, within)?,
                b"moov" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"mvex" | b"udta" | b"tref" => {
                    self.has_moov |= &found.kind == b"moov";
                    self.children(found.body, within, track)?;
                }
                b"cmov" => return Err(compressed()),
                b"trex" => {
                    self.has_fragments = true;
                    let words = self.words(found.body)?;
                    // More tracks are refused; the first that names one counts.
                    if self.defaults.len() < MAX_STREAMS as usize {
                        self.defaults.push(Defaults::of(words));
                    }
                }
                b"mdat" => has_mdat = true,
                _ => self.table(&found, track)?,
            }
            // What lies behind the media is read with its packets.
            if parent.depth == 0 && (self.has_moov && has_mdat || self.is_no_mp4(&found)) {
                break;
            }
            offset = found.end;
        }
        Ok(())
    }

    /// The box at `offset`; none where its parent ends, or holds no box there.
    fn next_box(&mut self, offset: u64, parent: Parent) -> Result<Option<Found>> {
        if offset.saturating_add(8) > parent.end || parent.depth > MAX_DEPTH {
            return Ok(None);
        }
        self.boxes += 1;
        if self.boxes > MAX_BOXES {
            return Err(damaged(format!(
                "the media's header has too many boxes, limit={MAX_BOXES}"
            )));
        }
        if self.boxes.is_multiple_of(1024) {
            self.stop.check()?;
        }
        let mut head = [0; 16];
        let known = read_full(self.source, offset, &mut head)?;
        let [a, b, c, d, kind @ .., _, _, _, _, _, _, _, _] = head;
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, parent.end - offset),
            1 if known == 16 => {
                let [.., a, b, c, d, e, f, g, h] = head;
                (16, u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            size => (8, u64::from(size)),
        };
        let end = offset.saturating_add(size);
        if known < 8 || size < header || offset + header > parent.end {
            return Ok(None);
        }
        if &kind == b"moov" && end > self.bytes.saturating_add(MAX_MISSING_BYTES) {
            return Err(damaged(format!(
                "the media's header ends behind the file, header_bytes={size} bytes={}",
                self.bytes
            )));
        }
        Ok(Some(Found {
            kind,
            body: offset + header,
            end: end.min(parent.end),
        }))
    }

    /// Without a word of an MP4's so far, it is none by libavformat's probe either.
    fn is_no_mp4(&mut self, found: &Found) -> bool {
        self.is_mp4 |= KNOWN.contains(&&found.kind);
        !self.is_mp4 && found.end > PROBE_BYTES
    }

    fn track(&mut self, body: u64, within: Parent) -> Result<()> {
        self.tracks += 1;
        if self.tracks > MAX_STREAMS {
            return Err(too_many_tracks());
        }
        let mut track = Track::default();
        self.children(body, within, &mut track)?;
        self.nameless |= !track.has_id;
        self.add(&track)?;
        if track.is_video() {
            self.videos.push(track);
        }
        Ok(())
    }

    fn add(&mut self, track: &Track) -> Result<()> {
        let samples = track.samples();
        if track.is_video() {
            check_units(samples, self.bytes)?;
        }
        self.samples = self.samples.saturating_add(samples);
        check_claim(self.samples, self.bytes)?;
        let edited = track.edits.saturating_mul(samples);
        if track.edits > FREE_EDITS && edited > MAX_EDITED {
            let what = format!(
                "the media's edit list is too long for its samples, edits={} samples={samples} \
                 limit={MAX_EDITED} (edits times samples)",
                track.edits
            );
            return Err(Error::new(Reason::MediaLimit, what)
                .hint("remux it without its edit list, or with a shorter one"));
        }
        Ok(())
    }

    /// Of tracks that it cannot name, libavformat 5.1 looks for each fragment a thousand million times.
    fn check_fragments(&self) -> Result<()> {
        match self.nameless && self.has_fragments {
            true => Err(damaged("a track of the media has no id".to_owned())),
            false => Ok(()),
        }
    }
}

/// Refuses more samples than a source of so many bytes can have.
fn check_claim(samples: u64, bytes: u64) -> Result<()> {
    let limit = max_samples(bytes);
    if samples <= limit {
        return Ok(());
    }
    Err(damaged(format!(
        "the media's header claims more samples than the file can hold, samples={samples} \
         limit={limit} bytes={bytes}"
    )))
}

fn damaged(what: String) -> Error {
    Error::new(Reason::MediaCorrupt, what)
        .hint("check that the file is complete and plays elsewhere")
}

fn too_many_tracks() -> Error {
    let what = format!("the media has too many tracks, limit={MAX_STREAMS}");
    Error::new(Reason::MediaLimit, what).hint("remux it with the tracks that are needed")
}

fn compressed() -> Error {
    let what = "the media's header is compressed (cmov), which is not read";
    Error::new(Reason::MediaUnsupported, what).hint("remux it: ffmpeg -i in.mov -c copy out.mov")
}
