//! How long a fragment's sample lasts, by its run (ISO/IEC 14496-12, 8.8).

use super::Walk;
use crate::error::Result;
use crate::source::read_full;

/// Read backwards at once.
const BLOCK: u64 = 256 << 10;
/// So far before a sample its fragment's head is looked for.
const FARTHEST: u64 = 256 << 20;
/// A head takes 16 bytes a sample at most.
const MAX_HEAD: u64 = 16 << 20;
/// What looks like a head, or is one of other samples.
const MAX_TRIED: u32 = 16;

/// What samples of a track's fragments are unless those say otherwise (`trex`, 8.8.3).
#[derive(Clone, Copy, Default)]
pub(super) struct Defaults {
    track: u32,
    duration: u32,
    size: u32,
}

impl Defaults {
    pub fn of([_, track, _, duration, size]: [u32; 5]) -> Self {
        Defaults {
            track,
            duration,
            size,
        }
    }
}

impl Walk<'_> {
    /// The duration of the sample at this byte. Its fragment is looked for backwards from there: it lies right
    /// before its media, and there may be thousands before it.
    pub(super) fn lasts_in_run(&mut self, at: u64) -> Result<Option<u32>> {
        let (mut end, mut tried) = (at, 0);
        while end > at.saturating_sub(FARTHEST) {
            self.stop.check()?;
            let begin = end.saturating_sub(BLOCK);
            // What begins in here may have its name's end behind it.
            let mut block = vec![0; (end - begin) as usize + 7];
            let known = read_full(self.source, begin, &mut block)?;
            for name in memchr::memmem::rfind_iter(&block[..known], b"moof") {
                let Some(place) = name.checked_sub(4) else {
                    continue;
                };
                let lasts = self.lasts_by(begin + place as u64, at)?;
                tried += 1;
                if lasts.is_some() || tried == MAX_TRIED {
                    return Ok(lasts);
                }
            }
            end = begin;
        }
        Ok(None)
    }

    /// The same, if the fragment that begins there has that sample.
    fn lasts_by(&mut self, fragment: u64, at: u64) -> Result<Option<u32>> {
        let [size] = self.words(fragment)?;
        let size = u64::from(size);
        if !(8..=MAX_HEAD).contains(&size) || fragment + size > self.bytes {
            return Ok(None);
        }
        let mut head = vec![0; size as usize];
        read_full(self.source, fragment, &mut head)?;
        // Without a base, data is counted from the end of the track's before, at first from the fragment (8.8.7).
        let mut behind = fragment;
        for (_, body) in boxes(&head[8..]).filter(|(kind, _)| kind == b"traf") {
            self.stop.check()?;
            let Some(header) = TrackHeader::of(body, &self.defaults) else {
                continue;
            };
            let base = header.base.unwrap_or(match header.counts_from_fragment {
                true => fragment,
                false => behind,
            });
            let mut next = base;
            for (_, run) in boxes(body).filter(|(kind, _)| kind == b"trun") {
                let Some(run) = Run::of(run, header.samples) else {
                    continue;
                };
                next = run.begins(base).unwrap_or(next);
                match run.find(next, at) {
                    Found::Lasts(ticks) => return Ok(Some(ticks)),
                    Found::Ends(end) => next = end,
                }
            }
            behind = next;
        }
        Ok(None)
    }
}

/// A track fragment's header (`tfhd`, 8.8.7).
struct TrackHeader {
    base: Option<u64>,
    counts_from_fragment: bool,
    samples: Defaults,
}

impl TrackHeader {
    fn of(track: &[u8], defaults: &[Defaults]) -> Option<Self> {
        let (_, mut body) = boxes(track).find(|(kind, _)| kind == b"tfhd")?;
        let (flags, id) = (word(&mut body)?, word(&mut body)?);
        let own = defaults.iter().find(|own| own.track == id);
        let mut samples = own.copied().unwrap_or_default();
        let mut base = None;
        if flags & 0x01 != 0 {
            base = Some(u64::from(word(&mut body)?) << 32 | u64::from(word(&mut body)?));
        }
        if flags & 0x02 != 0 {
            word(&mut body)?;
        }
        if flags & 0x08 != 0 {
            samples.duration = word(&mut body)?;
        }
        if flags & 0x10 != 0 {
            samples.size = word(&mut body)?;
        }
        Some(TrackHeader {
            base,
            counts_from_fragment: flags & 0x02_0000 != 0,
            samples,
        })
    }
}

/// A run of samples that lie one behind the other (`trun`, 8.8.8).
struct Run<'a> {
    flags: u32,
    count: u32,
    offset: Option<i32>,
    defaults: Defaults,
    rows: &'a [u8],
}

enum Found {
    Lasts(u32),
    /// It is not among them, and they end here.
    Ends(u64),
}

impl<'a> Run<'a> {
    fn of(mut body: &'a [u8], defaults: Defaults) -> Option<Self> {
        let (flags, count) = (word(&mut body)?, word(&mut body)?);
        let mut offset = None;
        if flags & 0x01 != 0 {
            offset = Some(word(&mut body)? as i32);
        }
        if flags & 0x04 != 0 {
            word(&mut body)?;
        }
        Some(Run {
            flags,
            count,
            offset,
            defaults,
            rows: body,
        })
    }

    fn begins(&self, base: u64) -> Option<u64> {
        self.offset
            .map(|offset| base.saturating_add_signed(offset.into()))
    }

    /// The sample at a byte, where the first one lies at `next`. Empty ones are no packets.
    fn find(mut self, mut next: u64, at: u64) -> Found {
        let Defaults { duration, size, .. } = self.defaults;
        if self.flags & 0xf00 == 0 {
            let (count, size) = (u64::from(self.count), u64::from(size));
            let end = next.saturating_add(count.saturating_mul(size));
            let within = (next..end).contains(&at) && (at - next).is_multiple_of(size);
            return if within {
                Found::Lasts(duration)
            } else {
                Found::Ends(end)
            };
        }
        for _ in 0..self.count {
            let mut told = [duration, size, 0, 0];
            for (place, told) in told.iter_mut().enumerate() {
                if self.flags & (0x100 << place) != 0 {
                    let Some(word) = word(&mut self.rows) else {
                        return Found::Ends(next);
                    };
                    *told = word;
                }
            }
            let [duration, size, ..] = told;
            if next == at && size > 0 {
                return Found::Lasts(duration);
            }
            next = next.saturating_add(size.into());
        }
        Found::Ends(next)
    }
}

/// The boxes in these bytes, and what is in each.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (size, rest) = bytes.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let size = u32::from_be_bytes(*size) as usize;
        let body = bytes.get(8..size)?;
        bytes = &bytes[size..];
        Some((*kind, body))
    })
}

fn word(bytes: &mut &[u8]) -> Option<u32> {
    let (word, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*word))
}
