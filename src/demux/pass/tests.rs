//! An index made of heads is the index made of whole packets.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::decode::conformance::{clip, nobody};
use crate::source::BytesSource;

/// Bytes in memory that count what is read of them.
struct Counted {
    data: Bytes,
    skips: bool,
    read: Arc<AtomicU64>,
}

impl ByteSource for Counted {
    fn bytes(&self) -> u64 {
        self.data.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let rest = self.data.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn skips(&self) -> bool {
        self.skips
    }
}

/// All that an index says, and the bytes read for it.
fn indexed(data: &Bytes, skips: bool) -> (String, u64) {
    crate::av::init();
    let read = Arc::new(AtomicU64::new(0));
    let open = || {
        let (data, read) = (data.clone(), read.clone());
        Ok(Box::new(Counted { data, skips, read }) as Box<dyn ByteSource>)
    };
    let track = read_track(open, None, (nobody(), None), &Stop::never()).unwrap();
    (said(&track), read.load(Ordering::Relaxed))
}

/// Bytes read by a source that skips and by one that does not; the index is the same.
fn read_for_one_index(data: &Bytes) -> (u64, u64) {
    let ((heads, some), (whole, all)) = (indexed(data, true), indexed(data, false));
    assert_eq!(heads, whole);
    (some, all)
}

fn said(track: &Track) -> String {
    format!("{:?} {:?} {:?}", track.index, track.units, track.cuts)
}

/// The same, of heads alone and of so many stretches at once.
fn by_stretches(data: &Bytes, count: u64) -> String {
    let open = || Ok(Box::new(BytesSource(data.clone())) as Box<dyn ByteSource>);
    let mut input = crate::demux::open(open().unwrap(), &Stop::never()).unwrap();
    let info = crate::demux::choose_stream(input.streams(), None).unwrap();
    input.keep_only(info.index);
    let container = input.format_name();
    let pass = heads::pass((input, count), &info, (open, &Stop::never()))
        .unwrap()
        .unwrap();
    said(
        &pass
            .finish((info, container), (nobody(), None), None)
            .unwrap(),
    )
}

fn bytes(path: &Path) -> Bytes {
    std::fs::read(path).unwrap().into()
}

/// Packets of some 30 kB, with sound between them.
fn noisy(name: &str, coder: &[&str]) -> Bytes {
    let pictures = "testsrc2=s=640x360:r=25,noise=alls=40:allf=t,trim=duration=2";
    let mut words = vec![
        pictures,
        "-f",
        "lavfi",
        "-i",
        "sine=duration=2",
        "-c:a",
        "aac",
    ];
    words.extend(coder);
    bytes(&clip(name, &words))
}

const H264: [&str; 6] = ["-c:v", "libx264", "-crf", "18", "-g", "25"];

#[test]
fn heads_of_h264_and_hevc_packets_make_the_same_index_with_a_fraction_of_the_reads() {
    let hevc = [
        "-c:v",
        "libx265",
        "-crf",
        "18",
        "-x265-params",
        "log-level=0:keyint=25",
    ];
    for data in [
        noisy("heads-h264.mp4", &H264),
        noisy("heads-hevc.mp4", &hevc),
    ] {
        let (few, all) = read_for_one_index(&data);
        // The probe reads whole packets of its own.
        assert!(few < all * 2 / 3, "read {few} of {all} bytes");
    }
}

#[test]
fn stretches_read_at_once_make_the_same_index() {
    let hevc = [
        "-c:v",
        "libx265",
        "-crf",
        "18",
        "-x265-params",
        "log-level=0:keyint=10",
    ];
    let short = ["-c:v", "libx264", "-crf", "18", "-g", "7"];
    for (name, coder) in [
        (
            "heads-one-group.mp4",
            &["-c:v", "libx264", "-crf", "18"][..],
        ),
        ("heads-groups.mp4", &short),
        ("heads-open-groups.mp4", &hevc),
    ] {
        let data = noisy(name, coder);
        let (whole, _) = indexed(&data, false);
        for count in [1, 2, 3, 8, 100] {
            assert_eq!(by_stretches(&data, count), whole, "{name} in {count}");
        }
    }
}

#[test]
fn a_file_that_ends_in_a_packet_has_the_same_index_by_heads() {
    let moved: Vec<&str> = [&H264[..], &["-movflags", "+faststart"]].concat();
    let data = noisy("heads-faststart.mp4", &moved);
    for share in [3, 5, 7] {
        let cut = data.slice(..data.len() * share / 8);
        assert_eq!(indexed(&cut, true).0, indexed(&cut, false).0, "{share}/8");
    }
}

#[test]
fn a_packet_with_a_long_message_before_its_first_slice_is_read_up_to_there() {
    let message = format!(
        "h264_metadata=sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+{}",
        "long ".repeat(600)
    );
    // It goes to the messages that are before the picture already, of each group.
    let timed = "nal-hrd=vbr:vbv-maxrate=20000:vbv-bufsize=20000";
    let more = ["-x264-params", timed, "-bsf:v", &message];
    let words: Vec<&str> = [&H264[..], &more].concat();
    let data = noisy("heads-message-before-picture.mp4", &words);
    let (more, all) = read_for_one_index(&data);
    assert!(more < all * 2 / 3, "read {more} of {all} bytes");
}

#[test]
fn fields_small_packets_and_fragments_are_read_whole() {
    let fields = [&H264[..], &["-x264-params", "tff=1"]].concat();
    let fragments = [&H264[..], &["-movflags", "frag_keyframe+empty_moov"]].concat();
    let small = ["-c:v", "libx264", "-crf", "51", "-g", "25"];
    for (name, words) in [
        ("heads-fields.mp4", &fields[..]),
        ("heads-fragments.mp4", &fragments),
        ("heads-small.mp4", &small),
    ] {
        let data = noisy(name, words);
        let (same, all) = read_for_one_index(&data);
        assert!(same >= all, "{name}: read {same} of {all} bytes");
    }
}

#[test]
fn a_source_that_nobody_wants_any_more_is_read_no_further() {
    crate::av::init();
    let file = clip(
        "unwanted.mkv",
        &["testsrc2=size=320x240:rate=25:duration=4", "-c:v", "mjpeg"],
    );
    let data = Bytes::from(std::fs::read(file).unwrap());
    let read = Arc::new(AtomicU64::new(0));
    let open = || {
        let (data, read, skips) = (data.clone(), read.clone(), false);
        Ok(Box::new(Counted { data, skips, read }) as Box<dyn ByteSource>)
    };
    let whole = data.len() as u64;
    // Called off before it began, in the header, and among the packets.
    for enough in [0, 70_000, whole / 2] {
        read.store(0, Ordering::Relaxed);
        let asked = read.clone();
        let stop = Stop::when(move || asked.load(Ordering::Relaxed) >= enough);
        let outcome = read_track(open, None, (nobody(), None), &stop);
        assert_eq!(outcome.err().map(|e| e.reason()), Some(Reason::Cancelled));
        // What was under way, and the heads that are looked at first.
        let more = read.load(Ordering::Relaxed) - enough;
        assert!(
            more <= 130_000 && enough + more < whole,
            "{more} after {enough}"
        );
    }
}

proptest! {
    #[test]
    fn frames_are_sorted_by_time_and_stand_as_they_come_where_it_is_equal(
        times in prop::collection::vec(0i64..60, 0..200),
        reordered in 0usize..100,
    ) {
        let frame = |(unit, pts): (usize, &i64)| Shown {
            pts: *pts,
            duration: 0,
            unit: unit as u32,
            cut: false,
        };
        // From in order, over nearly, to in none.
        let mut times = times;
        times.sort_unstable();
        times.chunks_mut(reordered + 1).for_each(|part| part.reverse());
        let frames: Vec<Shown> = times.iter().enumerate().map(frame).collect();
        let mut expected = frames.clone();
        expected.sort_by_key(|frame| frame.pts);
        let found = sorted(frames.into_iter(), |frame| frame.pts);
        prop_assert!(found.iter().map(|frame| frame.unit).eq(expected.iter().map(|frame| frame.unit)));
    }
}
