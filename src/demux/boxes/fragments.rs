//! Fragments' runs of samples, looked at as they are read: they lie anywhere in a file, and are read
//! with its packets.

use memchr::memmem::Finder;

use super::check_claim;
use crate::cancel::Stop;
use crate::error::Result;
use crate::media::limits::max_samples;
use crate::source::ByteSource;

/// A run's box up to its count: size, `trun`, version and flags, count (ISO/IEC 14496-12, 8.8.8).
const HEAD: usize = 16;
const NAME: &[u8; 4] = b"trun";
/// Of a head in front of its name: the size.
const BEFORE_NAME: usize = 4;
/// The flags that there are: offset and first sample's flags, then a word for each sample each.
const FLAGS: u32 = 0x01 | 0x04 | SAMPLE_FLAGS;
const SAMPLE_FLAGS: u32 = 0xf00;

/// The same source, which fails where a fragment's run has more samples than the source can hold.
pub fn guarded(source: Box<dyn ByteSource>) -> Box<dyn ByteSource> {
    Box::new(Guarded {
        source,
        name: Finder::new(NAME),
        behind: 0,
        end: [0; HEAD],
    })
}

struct Guarded {
    source: Box<dyn ByteSource>,
    /// All that is read is looked through, which may cost next to nothing.
    name: Finder<'static>,
    /// Where the last read ended, and its last bytes: a run's head may lie across two reads.
    behind: u64,
    end: [u8; HEAD],
}

impl ByteSource for Guarded {
    fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let count = self.source.read_at(offset, buf)?;
        let read = buf.get(..count).unwrap_or(buf);
        let limit = max_samples(self.source.bytes());
        if offset == self.behind {
            let mut across = self.end.to_vec();
            across.extend_from_slice(&read[..count.min(HEAD)]);
            self.check(&across, limit)?;
        }
        self.check(read, limit)?;
        self.keep_end(offset, read);
        Ok(count)
    }

    fn follow(&mut self, stop: &Stop) {
        self.source.follow(stop);
    }

    fn skips(&self) -> bool {
        self.source.skips()
    }
}

impl Guarded {
    fn check(&self, read: &[u8], limit: u64) -> Result<()> {
        let heads = self.name.find_iter(read).filter_map(|at| {
            let begin = at.checked_sub(BEFORE_NAME)?;
            read.get(begin..begin + HEAD)
        });
        let most = heads.filter_map(claimed).find(|samples| *samples > limit);
        most.map_or(Ok(()), |samples| check_claim(samples, self.source.bytes()))
    }

    fn keep_end(&mut self, offset: u64, read: &[u8]) {
        let behind = offset + read.len() as u64;
        if read.len() >= HEAD {
            self.end.copy_from_slice(&read[read.len() - HEAD..]);
        } else if offset == self.behind {
            self.end.rotate_left(read.len());
            self.end[HEAD - read.len()..].copy_from_slice(read);
        } else {
            self.end = [0; HEAD];
            self.end[HEAD - read.len()..].copy_from_slice(read);
        }
        self.behind = behind;
    }
}

/// The samples of a run whose head this is, beyond those that its box has words for.
fn claimed(head: &[u8]) -> Option<u64> {
    let (size, rest) = head.split_first_chunk::<4>()?;
    let rest = rest.strip_prefix(NAME)?;
    let (flags, rest) = rest.split_first_chunk::<4>()?;
    let (count, _) = rest.split_first_chunk::<4>()?;
    let [size, flags, count] = [size, flags, count].map(|word| u32::from_be_bytes(*word));
    let (version, flags) = (flags >> 24, flags & 0x00ff_ffff);
    if version > 1 || flags & !FLAGS != 0 || (size as usize) < HEAD {
        return None;
    }
    let words = u64::from((flags & SAMPLE_FLAGS).count_ones());
    let room = u64::from(size) - HEAD as u64;
    let held = room.checked_div(4 * words).unwrap_or(0);
    Some(u64::from(count).saturating_sub(held))
}
