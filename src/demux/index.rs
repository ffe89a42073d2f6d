//! What is known of a source's video stream: its units, in decode order, and what is shown when.

use super::configuration::Configurations;
use crate::av::{Packet, StreamInfo};
use crate::error::Result;
use crate::media::picture::Orientation;
use crate::timeline::index::SourceIndex;

/// One access unit, in decode order.
#[derive(Debug, Clone, Copy)]
pub struct Unit {
    /// The container's; `NO_PTS` where it tells none.
    pub(super) stated: i64,
    /// When it is shown, in ticks of source time. That is the container's clock, where that clock runs on.
    pub time: i64,
    /// With `pts` and `size`, tells the packet apart after a seek; -1 where unknown.
    pub position: i64,
    pub size: u32,
    pub(super) flags: u16,
}

/// No pts: FFmpeg's own mark.
pub(super) const NO_PTS: i64 = i64::MIN;

pub(super) const CUT: u16 = 1;
pub(super) const NUMBERED: u16 = 2;
pub(super) const DISPOSABLE: u16 = 4;
pub(super) const CORRUPT: u16 = 8;
pub(super) const KEY: u16 = 16;
pub(super) const DISCARDED: u16 = 32;
pub(super) const LEADING: u16 = 64;
pub(super) const OPEN: u16 = 128;
pub(super) const SECOND_FIELD: u16 = 256;
pub(super) const LAYERED: u16 = 512;
pub(super) const COMPLETE: u16 = 1024;
pub(super) const REFRAMED: u16 = 2048;
pub(super) const UNREADABLE: u16 = 4096;

impl Unit {
    pub(super) fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// The container's own, not of source time.
    pub fn pts(&self) -> Option<i64> {
        (self.stated != NO_PTS).then_some(self.stated)
    }

    /// Decoding can start here.
    pub fn cut(&self) -> bool {
        self.is(CUT)
    }

    /// Nothing depends on it.
    pub fn disposable(&self) -> bool {
        self.is(DISPOSABLE)
    }

    /// A cut point whose leading pictures depend on what is before it.
    pub fn open(&self) -> bool {
        self.is(OPEN)
    }

    /// The second field of the picture that the unit before began: it goes where that one goes.
    pub fn second_field(&self) -> bool {
        self.is(SECOND_FIELD)
    }

    /// It shows several pictures, of which the last is the frame.
    pub fn layered(&self) -> bool {
        self.is(LAYERED)
    }

    /// The demuxer reported damage.
    pub fn corrupt(&self) -> bool {
        self.is(CORRUPT)
    }

    /// Its frames' headers are none, or it is too short for them, as far as that is read: of VP8, VP9 and AV1.
    pub fn unreadable(&self) -> bool {
        self.is(UNREADABLE)
    }

    pub fn matches(&self, packet: &Packet) -> bool {
        self.pts() == packet.pts()
            && self.position == packet.position()
            && self.size as usize == packet.data().len()
    }
}

/// A video stream as demuxed: what opens a decoder, its units, and its index.
pub struct Track {
    pub info: StreamInfo,
    /// FFmpeg's names of the container.
    pub container: String,
    pub orientation: Orientation,
    /// False: no picture that is shown has a pts.
    pub has_pts: bool,
    /// No unit is a cut point by itself: pictures become right gradually after the first that the
    /// container calls a key frame.
    pub gradual: bool,
    /// In decode order.
    pub units: Vec<Unit>,
    /// Where decoding can start, in decode order.
    pub cuts: Vec<Cut>,
    pub index: SourceIndex,
    /// What a decoder needs at which unit.
    pub configurations: Configurations,
    /// B pictures are unpacked on reading.
    pub packed: bool,
}

/// A cut point: its unit, and when it is shown, in source time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub unit: u32,
    pub time: i64,
}

impl Track {
    /// The container's clock tells where a unit is: nowhere does it start again, wrap, or miss.
    pub fn has_plain_clock(&self) -> bool {
        let clock = &self.index.clock;
        let whole = clock.clock_breaks.is_empty() && clock.untimed == 0 && !clock.times_counted;
        self.has_pts && whole
    }

    /// Whether frames are made of such pictures, as far as the header tells.
    ///
    /// # Errors
    /// MEDIA_UNSUPPORTED for pixel formats that are not read, and for display matrices that are no
    /// quarter turn or mirror.
    pub fn check_pictures(&self) -> Result<()> {
        self.info.check_pixels()?;
        super::orientation(self.info.display_matrix).map(|_| ())
    }

    /// The place in `index.shown` of the picture that this unit begins.
    pub fn shown_of(&self, unit: u32) -> Option<usize> {
        let shown = &self.index.shown;
        let time = self.units.get(unit as usize)?.time;
        let from = shown.partition_point(|s| s.pts < time);
        let same = shown[from..]
            .iter()
            .take_while(|s| s.pts == time)
            .position(|s| s.unit == unit);
        same.map(|place| from + place)
    }
}
