//! Conversion, resampling, hashing and JPEG of one picture, scalar beside SIMD.

use std::hint::black_box;
use std::rc::Rc;

use framecache::hash::{self, Hasher};
use framecache::jpeg::{self, Encoder};
use framecache::media::colour::{Matrix, Range};
use framecache::media::picture::{JfifPlanes, Layout, Orientation, Picture, Plane};
use framecache::pixel::jfif::{self, JfifRequest, to_jfif_into};
use framecache::pixel::orient;
use framecache::pixel::resample::{self, Filter, Geometry, Resampler};
use framecache::pixel::simd::Level;
use framecache::pixel::{luma, rgb};
use framecache::timeline::plan::HashKind;

use crate::run::{Loop, Size};

type Sides = (usize, usize);

pub fn loops(size: Size) -> Vec<Loop> {
    let sides = size.pick((1920, 1080), (320, 180));
    let mut all = Vec::new();
    for level in levels() {
        all.extend(conversions(sides, level));
        all.extend(resamplings(sides, level));
    }
    all.extend(of_whole_pictures(sides));
    all
}

/// Those that this machine has, the baseline first.
fn levels() -> Vec<Level> {
    let mut levels = vec![Level::Baseline, Level::best()];
    levels.dedup();
    levels
}

fn named(what: &str, level: Level) -> String {
    format!("{what} {}", format!("{level:?}").to_lowercase())
}

fn conversions(sides: Sides, level: Level) -> Vec<Loop> {
    let of = [
        ("4:2:0 8 bit", Layout::Yuv420, 8, Matrix::Bt709),
        ("nv12 8 bit", Layout::Nv12, 8, Matrix::Bt709),
        ("4:4:4 8 bit", Layout::Yuv444, 8, Matrix::Bt709),
        ("4:2:0 10 bit", Layout::Yuv420, 10, Matrix::Bt2020),
    ];
    let mut all: Vec<Loop> = of
        .map(|(what, layout, depth, matrix)| {
            let samples = Samples::new(sides, layout, depth, matrix);
            let (mut scratch, mut planes) = (jfif::Scratch::default(), JfifPlanes::default());
            let work = move || {
                jfif::convert(
                    level,
                    &samples.picture(),
                    &mut scratch,
                    &mut planes,
                    &mut |_| (),
                )
                .unwrap()
            };
            Loop::new(named(&format!("jfif {what}"), level), pixels(sides), work)
        })
        .into();
    let samples = Rc::new(Samples::new(sides, Layout::Yuv420, 8, Matrix::Bt709));
    let (of_luma, of_rgb) = (samples.clone(), samples);
    let mut gray = Vec::new();
    let work = move || luma::convert(level, &of_luma.picture(), &mut gray).unwrap();
    all.push(Loop::new(named("luma", level), pixels(sides), work));
    let mut colours = vec![[0; 3]; sides.0 * sides.1];
    let work = move || rgb::convert(level, &of_rgb.picture(), &mut colours).unwrap();
    all.push(Loop::new(named("rgb", level), pixels(sides), work));
    all
}

fn resamplings(sides: Sides, level: Level) -> Vec<Loop> {
    let half = (sides.0 / 2, sides.1 / 2);
    let of = [
        ("lanczos to 32 x 32", (32, 32), Filter::Lanczos),
        ("box to a half", half, Filter::Box),
        ("bilinear to a half", half, Filter::Bilinear),
    ];
    of.map(|(what, target, filter)| {
        let resampler = Resampler::new(&Geometry::whole(sides, target, filter)).unwrap();
        let source = pattern(sides, sides.0 * sides.1);
        let (mut scratch, mut out) = (resample::Scratch::default(), Vec::new());
        let work = move || {
            resampler
                .run_at::<1>(level, &source, &mut scratch, &mut out)
                .unwrap();
        };
        Loop::new(named(what, level), pixels(sides), work)
    })
    .into()
}

fn of_whole_pictures(sides: Sides) -> Vec<Loop> {
    let (samples, planes) = jfif_planes(sides);
    let mut encoder = Encoder::new(85).unwrap();
    let mut library = Encoder::of_library(85).unwrap();
    let again = planes.clone();
    let file = encoder.encode(&planes).unwrap();
    let small = pattern((32, 32), 32 * 32);
    let (hashed, mut hasher) = (
        Samples::new(sides, Layout::Yuv420, 8, Matrix::Bt709),
        Hasher::default(),
    );
    let turned = Orientation {
        rotation: 90,
        mirrored: false,
    };
    let source = samples.bytes[..sides.0 * sides.1].to_vec();
    let mut out = Vec::new();
    vec![
        Loop::new("turn by 90", pixels(sides), move || {
            orient::turn::<1>(&source, sides, turned, &mut out);
        }),
        Loop::new("phash of a picture", pixels(sides), move || {
            let kinds = [HashKind::Phash];
            let picture = hashed.picture();
            let mut hashing = hasher
                .begin(&picture, Orientation::default(), &kinds)
                .unwrap();
            hashing.rows(0..sides.1);
            black_box(hashing.end().unwrap());
        }),
        Loop::new("phash of 32 x 32", (1, "hash"), move || {
            black_box(hash::of_small(HashKind::Phash, &small));
        }),
        Loop::new("jpeg encode q85", pixels(sides), move || {
            black_box(encoder.encode(&planes).unwrap());
        }),
        Loop::new("jpeg encode q85 by the library", pixels(sides), move || {
            black_box(library.encode(&again).unwrap());
        }),
        Loop::new("jpeg decode", pixels(sides), move || {
            black_box(jpeg::decode_rgb(&file).unwrap());
        }),
    ]
}

fn jfif_planes(sides: Sides) -> (Samples, JfifPlanes) {
    let samples = Samples::new(sides, Layout::Yuv420, 8, Matrix::Bt709);
    let mut planes = JfifPlanes::default();
    let (request, mut scratch) = (JfifRequest::default(), jfif::Scratch::default());
    to_jfif_into(
        &samples.picture(),
        &request,
        (&mut scratch, &mut planes),
        &mut |_| (),
    )
    .unwrap();
    (samples, planes)
}

fn pixels((width, height): Sides) -> (usize, &'static str) {
    (width * height, "pixel")
}

/// A picture that owns its bytes.
struct Samples {
    bytes: Vec<u8>,
    sides: Sides,
    layout: Layout,
    depth: u8,
    matrix: Matrix,
}

impl Samples {
    fn new(sides: Sides, layout: Layout, depth: u8, matrix: Matrix) -> Samples {
        Samples {
            bytes: pattern(sides, 2 * 3 * sides.0 * sides.1),
            sides,
            layout,
            depth,
            matrix,
        }
    }

    fn picture(&self) -> Picture<'_> {
        let (width, height) = self.sides;
        let stride = if self.depth == 8 { width } else { 2 * width };
        let chroma_stride = if self.layout == Layout::Yuv420 {
            stride / 2
        } else {
            stride
        };
        let plane = |from: usize, stride| Plane {
            data: &self.bytes[from..],
            stride,
        };
        let second = width * height * 5 / 4;
        Picture {
            layout: self.layout,
            depth: self.depth,
            width,
            height,
            planes: [
                plane(0, stride),
                plane(width * height, chroma_stride),
                plane(second, chroma_stride),
            ],
            matrix: self.matrix,
            range: Range::Limited,
        }
    }
}

/// Smooth waves with a little noise, in 10-bit words that are also bytes of a sort.
fn pattern((width, _): Sides, len: usize) -> Vec<u8> {
    let mut noise = 1u32;
    (0..len)
        .map(|i| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let wave =
                ((i % width) as f32 / 60.0).sin() * 60.0 + ((i / width) as f32 / 45.0).cos() * 40.0;
            (128.0 + wave) as u8 ^ (noise >> 30) as u8
        })
        .collect()
}
