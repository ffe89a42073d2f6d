//! The promises of `Decode`, as one suite that every decoder passes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest, Md5};

use super::{Decode, Event, Purpose, Software};
use crate::av::Frame;
use crate::cancel::Stop;
use crate::demux::{Opener, Track, UnitReader, read_track};
use crate::error::{Error, Reason, Result};
use crate::source::{ByteSource, BytesSource};
use crate::timeline::index::Identity;

/// A file to decode.
pub(crate) struct Clip {
    pub track: Arc<Track>,
    opener: Opener,
}

impl Clip {
    pub fn open(path: &Path) -> Self {
        let bytes = bytes::Bytes::from(std::fs::read(path).unwrap());
        let opener: Opener = Arc::new(move || {
            let source: Box<dyn ByteSource> = Box::new(BytesSource(bytes.clone()));
            Ok(source)
        });
        let track = read_track(&*opener, None, (nobody(), None), &Stop::never()).unwrap();
        Clip {
            track: Arc::new(track),
            opener,
        }
    }

    pub fn opener(&self) -> Opener {
        self.opener.clone()
    }

    /// Pictures' bytes, as `reference` gives them.
    pub fn named(&self, pictures: Vec<(u32, Vec<u8>)>) -> Pictures {
        let named = pictures.iter().map(|(unit, bytes)| (*unit, md5(bytes)));
        named.collect()
    }

    fn units(&self) -> u32 {
        self.track.units.len() as u32
    }

    /// What libavcodec gives on one thread.
    pub fn reference(&self) -> Pictures {
        let mut software = Software::open(&self.track.info, 1, Purpose::Frames).unwrap();
        self.decode(&mut software, 0..self.units(), &frame_bytes)
            .unwrap()
    }

    /// Decodes a stretch of units; the first is a cut point.
    pub fn decode<D: Decode>(
        &self,
        decoder: &mut D,
        units: std::ops::Range<u32>,
        planes: &dyn Fn(D::Picture) -> Result<Vec<u8>>,
    ) -> Result<Pictures> {
        let mut reader = UnitReader::open(self.track.clone(), self.opener.clone(), Stop::never())?;
        let mut pictures = Vec::new();
        let mut take = |event: Event<D::Picture>| {
            if let Event::Picture { unit, picture, .. } = event {
                pictures.push((unit, md5(&planes(picture)?)));
            }
            Ok(())
        };
        reader.go_to(units.start)?;
        while reader.next_unit() < units.end {
            let Some(unit) = reader.advance()? else { break };
            decoder.submit(unit, reader.packet(), &mut take)?;
        }
        decoder.finish(&mut take)?;
        Ok(pictures)
    }
}

/// AV1 with pictures that nothing depends on, of 20 a group, by both encoders.
pub(crate) const SVT: [&str; 6] = ["-c:v", "libsvtav1", "-preset", "12", "-g", "20"];
pub(crate) const AOM: [&str; 8] = [
    "-c:v",
    "libaom-av1",
    "-cpu-used",
    "8",
    "-g",
    "20",
    "-lag-in-frames",
    "16",
];

/// A clip to decode, made once; by ffmpeg, whose encoders are the tests' own. The first argument is
/// its lavfi source.
pub(crate) fn clip(name: &str, arguments: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-clips");
    let path = folder.join(name);
    // Two tests may ask for one clip at once.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if path.exists() {
        return path;
    }
    std::fs::create_dir_all(&folder).unwrap();
    let unfinished = folder.join(format!("{}-{name}", std::process::id()));
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .args(arguments)
        .arg(&unfinished)
        // libsvtav1 logs what it likes, whatever -v says.
        .env("SVT_LOG", "1")
        .status()
        .unwrap();
    assert!(made.success(), "ffmpeg could not make {name}");
    std::fs::rename(&unfinished, &path).unwrap();
    path
}

/// H.264 of two encoders end to end, `other` the second's options, whose parameter sets stand but once,
/// where each begins. Raw, so that nothing else says what they are.
pub(crate) fn changing(name: &str, other: &[&str]) -> PathBuf {
    const X264: [&str; 9] = [
        "testsrc2=size=96x64:rate=25:duration=1.2",
        "-c:v",
        "libx264",
        "-profile:v",
        "main",
        "-x264-params",
        "keyint=10:bframes=0:ref=1:weightp=0",
        "-pix_fmt",
        "yuv420p",
    ];
    let part = |k: u32, options: &[&str]| {
        let path = clip(&format!("{name}.{k}.h264"), &[&X264, options].concat());
        once(&std::fs::read(path).unwrap())
    };
    let whole = [part(0, &["-qp", "18"]), part(1, other)].concat();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/test-clips")
        .join(name);
    let unfinished = path.with_extension(std::process::id().to_string());
    std::fs::write(&unfinished, whole).unwrap();
    std::fs::rename(unfinished, &path).unwrap();
    path
}

/// The stream without parameter sets that repeat.
fn once(stream: &[u8]) -> Vec<u8> {
    let starts: Vec<usize> = (0..stream.len())
        .filter(|at| stream[*at..].starts_with(&[0, 0, 1]))
        .collect();
    let (mut out, mut seen) = (Vec::new(), Vec::new());
    for (k, at) in starts.iter().enumerate() {
        let nal = &stream[*at..starts.get(k + 1).copied().unwrap_or(stream.len())];
        let kind = nal[3] & 31;
        if !(kind == 7 || kind == 8) || !seen.contains(&kind) {
            out.extend(nal);
            seen.push(kind);
        }
    }
    out
}

pub(crate) fn nobody() -> Identity {
    Identity {
        bytes: 0,
        head_sha256: String::new(),
        tail_sha256: String::new(),
    }
}

/// Units and the md5 of their pictures' planes, in output order.
pub(crate) type Pictures = Vec<(u32, String)>;

pub(crate) fn frame_bytes(frame: Frame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    frame.native_bytes(&mut bytes)?;
    Ok(bytes)
}

fn md5(bytes: &[u8]) -> String {
    format!(
        "{} bytes {}",
        bytes.len(),
        crate::hex::hex(&Md5::digest(bytes))
    )
}

/// Proves every promise of the trait on a sound clip. Panics where one does not hold.
pub(crate) fn prove<D: Decode>(
    clip: &Clip,
    mut decoder: D,
    planes: &dyn Fn(D::Picture) -> Result<Vec<u8>>,
) {
    let reference = clip.reference();
    assert!(!reference.is_empty());
    let whole = 0..clip.units();
    // Every picture, in output order, with the reference's bytes.
    let pictures = clip.decode(&mut decoder, whole.clone(), planes).unwrap();
    assert_eq!(pictures, reference);
    let damaged = decoder.settle().unwrap() | decoder.take_complaint();
    assert!(!damaged, "a sound clip gives no complaint");
    // Finished, nothing is left.
    decoder
        .finish(&mut |_| panic!("something was left after the end"))
        .unwrap();
    // Back to the start and to every cut point: what was finished has no bearing on what follows.
    for cut in &clip.track.cuts {
        let end = (cut.unit + 14).min(clip.units());
        let pictures = clip.decode(&mut decoder, cut.unit..end, planes).unwrap();
        let wanted = from_cut(&reference, cut.unit, end);
        let got: Pictures = pictures
            .into_iter()
            .filter(|(unit, _)| wanted.iter().any(|(w, _)| w == unit))
            .collect();
        assert_eq!(got, wanted, "from the cut point at unit {}", cut.unit);
    }
    // Who takes pictures may stop it, with an error of its own.
    let stopped = stop(clip, &mut decoder).unwrap_err();
    assert_eq!(stopped.reason(), Reason::Cancelled);
    let _ = decoder.finish(&mut |_| Ok(()));
    let pictures = clip.decode(&mut decoder, whole, planes).unwrap();
    assert_eq!(pictures, reference, "after it was stopped");
}

/// The pictures that decoding from a cut point gives whole: not those that lead it.
fn from_cut(reference: &Pictures, cut: u32, end: u32) -> Pictures {
    let place = reference.iter().position(|(unit, _)| *unit == cut);
    let after = reference.iter().skip(place.unwrap());
    after
        .filter(|(unit, _)| (cut..end).contains(unit))
        .cloned()
        .collect()
}

fn stop<D: Decode>(clip: &Clip, decoder: &mut D) -> Result<()> {
    let mut reader = UnitReader::open(clip.track.clone(), clip.opener.clone(), Stop::never())?;
    let mut refuse = |_: Event<D::Picture>| Err(Error::new(Reason::Cancelled, "enough"));
    while let Some(unit) = reader.advance()? {
        decoder.submit(unit, reader.packet(), &mut refuse)?;
    }
    decoder.finish(&mut refuse)
}
