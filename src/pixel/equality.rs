//! The same bytes with this machine's widest instructions as without them, and by every short way
//! as by the plain one, on random pictures of odd sizes with padded rows. Tests only.

use proptest::prelude::*;

use crate::hash::{self, Hasher};
use crate::media::colour::{Matrix, Range};
use crate::media::picture::{JfifPlanes, Layout, Orientation, Picture, Plane};
use crate::pixel::coefficients::{ToRgb, luma_of};
use crate::pixel::fit;
use crate::pixel::jfif::{self, JfifRequest, Scratch, Strips};
use crate::pixel::resample::{self, Axis, Filter, Geometry, Resampler};
use crate::pixel::simd::Level;
use crate::pixel::{luma, rgb};
use crate::timeline::plan::HashKind;

const LAYOUTS: [Layout; 11] = [
    Layout::Gray,
    Layout::Yuv420,
    Layout::Yuv422,
    Layout::Yuv444,
    Layout::Yuv440,
    Layout::Yuv411,
    Layout::Yuv410,
    Layout::Nv12,
    Layout::Gbr,
    Layout::Packed {
        r: 0,
        g: 1,
        b: 2,
        step: 3,
    },
    Layout::Packed {
        r: 3,
        g: 2,
        b: 1,
        step: 4,
    },
];

#[derive(Debug)]
struct Case {
    layout: Layout,
    depth: u8,
    size: (usize, usize),
    padding: usize,
    matrix: Matrix,
    range: Range,
    content: Content,
    seed: u64,
}

/// What samples are.
#[derive(Debug, Clone, Copy)]
enum Content {
    /// Anything.
    Noise,
    /// The least and the greatest alone.
    Saturated,
    /// Near a gray, which differs from row to row: hardly anything is clamped.
    Mild,
}

impl Content {
    fn of(self, byte: u8, row: usize) -> u8 {
        match self {
            Content::Noise => byte,
            Content::Saturated => u8::from(byte > 127) * 255,
            Content::Mild => 118 + (byte % 11) + (row % 13) as u8,
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let layout = prop::sample::select(&LAYOUTS[..]);
    let matrix = prop::sample::select(vec![Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020]);
    let range = prop::sample::select(vec![Range::Limited, Range::Full]);
    let content = prop::sample::select(vec![Content::Noise, Content::Saturated, Content::Mild]);
    let sizes = (
        prop_oneof![1..70usize, 500..530usize, 1020..1040usize],
        1..12usize,
    );
    (
        layout,
        prop_oneof![Just(8u8), 8..=16u8],
        sizes,
        0..40usize,
        matrix,
        range,
        content,
        any::<u64>(),
    )
        .prop_map(
            |(layout, depth, size, padding, matrix, range, content, seed)| Case {
                layout,
                depth: if matches!(layout, Layout::Packed { .. }) {
                    8
                } else {
                    depth
                },
                size,
                padding,
                matrix,
                range,
                content,
                seed,
            },
        )
}

fn random_bytes(count: usize, mut seed: u64) -> Vec<u8> {
    let next = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Runs `check` on the case's picture: samples of the case's depth, every plane
/// as large as the largest that any layout has.
fn with_picture(case: &Case, check: impl Fn(&Picture)) {
    let stride = 4 * case.size.0 + 8 + case.padding;
    let planes = [0, 1, 2].map(|plane| {
        let mut bytes = random_bytes(stride * case.size.1, case.seed ^ plane);
        for (row, bytes) in bytes.chunks_exact_mut(stride).enumerate() {
            for byte in bytes {
                *byte = case.content.of(*byte, row);
            }
        }
        if case.depth > 8 {
            // A row begins at a multiple of the stride; only even strides keep words whole.
            let mask = ((1u32 << case.depth) - 1) as u16;
            for row in bytes.chunks_exact_mut(stride) {
                for word in row.as_chunks_mut::<2>().0 {
                    *word = (u16::from_le_bytes(*word) & mask).to_le_bytes();
                }
            }
        }
        bytes
    });
    check(&Picture {
        layout: case.layout,
        depth: case.depth,
        width: case.size.0,
        height: case.size.1,
        planes: [0, 1, 2].map(|at: usize| Plane {
            data: &planes[at],
            stride,
        }),
        matrix: case.matrix,
        range: case.range,
    });
}

fn same_at_both_levels<T: PartialEq>(make: impl Fn(Level) -> T) {
    assert!(
        make(Level::Baseline) == make(Level::best()),
        "{:?} differs",
        Level::best()
    );
}

/// Luma as it is defined, of 8-bit Y, Cb and Cr.
fn luma_of_triple(c: &ToRgb, [y, u, v]: [u8; 3]) -> u8 {
    let [y, u, v] = [y, u, v].map(i32::from);
    let (y, u, v) = (c.cy * (y - c.luma_offset) + (1 << 15), u - 128, v - 128);
    let value = |sum: i32| (sum >> 16).clamp(0, 255);
    let green = value(y - c.cgu * u - c.cgv * v);
    luma_of(value(y + c.crv * v), green, value(y + c.cbu * u)) as u8
}

/// A picture 32 wide of one Cb and Cr; each row has one Y.
fn luma_of_one_chroma(matrix: Matrix, range: Range, [u, v]: [u8; 2], luma: &[u8]) -> Vec<u8> {
    let rows: Vec<u8> = luma.iter().flat_map(|y| [*y; 32]).collect();
    let chroma = [u, v].map(|sample| vec![sample; 16 * luma.len().div_ceil(2)]);
    let plane = |data, stride| Plane { data, stride };
    let picture = Picture {
        layout: Layout::Yuv420,
        depth: 8,
        width: 32,
        height: luma.len(),
        planes: [
            plane(&rows[..], 32),
            plane(&chroma[0], 16),
            plane(&chroma[1], 16),
        ],
        matrix,
        range,
    };
    let mut pixels = Vec::new();
    luma::convert(Level::best(), &picture, &mut pixels).unwrap();
    pixels
}

/// The short way is taken where nothing is clamped: each Cb and Cr is tried at the ends of that.
#[test]
fn luma_of_every_chroma_is_as_defined_where_clamping_begins_and_ends() {
    for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
        for range in [Range::Limited, Range::Full] {
            let c = ToRgb::new(matrix, range, 8).unwrap();
            for (u, v) in (0..=255u8).flat_map(|u| (0..=255u8).map(move |v| (u, v))) {
                // One of 41, others for each u.
                if (u32::from(u) + 3 * u32::from(v)) % 41 != 0 {
                    continue;
                }
                let luma: Vec<u8> = (0..=255u8).step_by(5).chain([1, 15, 16, 17]).collect();
                let pixels = luma_of_one_chroma(matrix, range, [u, v], &luma);
                for (&y, row) in luma.iter().zip(pixels.chunks(32)) {
                    let expected = luma_of_triple(&c, [y, u, v]);
                    assert_eq!(row, [expected; 32], "{matrix:?} {range:?} {y} {u} {v}");
                }
            }
        }
    }
}

/// Both passes as they are defined, of one channel.
fn resized_plainly(resampler: &Resampler, source: &[u8], width: usize) -> Vec<u8> {
    let mut rows: Vec<Vec<u8>> = source.chunks(width).map(<[u8]>::to_vec).collect();
    let weighed = |axis: &Axis, line: &dyn Fn(usize) -> u8| -> Vec<u8> {
        let sample = |index: usize| {
            let weights = &axis.weights[index * axis.taps..][..axis.counts[index]];
            let terms = (axis.starts[index]..).zip(weights);
            let sum: i64 = terms
                .map(|(at, w)| i64::from(line(at)) * i64::from(*w))
                .sum();
            ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8
        };
        (0..axis.starts.len()).map(sample).collect()
    };
    let across = |rows: &mut Vec<Vec<u8>>| {
        if let Some(axis) = resampler.horizontal() {
            for row in rows {
                *row = weighed(axis, &|at| row[at]);
            }
        }
    };
    if !resampler.is_vertical_first() {
        across(&mut rows);
    }
    if let Some(axis) = resampler.vertical() {
        let width = rows[0].len();
        let columns: Vec<Vec<u8>> = (0..width)
            .map(|x| weighed(axis, &|at| rows[at][x]))
            .collect();
        rows = (0..axis.starts.len())
            .map(|y| columns.iter().map(|column| column[y]).collect())
            .collect();
    }
    if resampler.is_vertical_first() {
        across(&mut rows);
    }
    rows.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn jfif_planes_are_the_same_at_both_levels(case in cases()) {
        with_picture(&case, |picture| same_at_both_levels(|level| {
            let mut planes = JfifPlanes::default();
            let scratch = &mut Scratch::default();
            jfif::convert(level, picture, scratch, &mut planes, &mut |_| ()).unwrap();
            planes
        }));
    }

    #[test]
    fn rgb_and_luma_are_the_same_at_both_levels(case in cases()) {
        with_picture(&case, |picture| {
            same_at_both_levels(|level| {
                let mut pixels = Vec::new();
                luma::convert(level, picture, &mut pixels).unwrap();
                pixels
            });
            same_at_both_levels(|level| {
                let mut pixels = vec![[0; 3]; picture.width * picture.height];
                rgb::convert(level, picture, &mut pixels).unwrap();
                pixels
            });
        });
    }

    #[test]
    fn planes_made_in_strips_are_those_of_the_whole(case in cases()) {
        with_picture(&case, |picture| {
            let request = JfifRequest::default();
            let whole = jfif::to_jfif(picture, &request).unwrap();
            let Some(strips) = Strips::of(picture, &request).unwrap() else {
                return;
            };
            let (mut joined, mut rows) = (JfifPlanes::default(), 0..0);
            let mut along = |next: std::ops::Range<usize>| {
                assert_eq!(next.start, rows.end);
                rows.end = next.end;
            };
            strips.run(&mut JfifPlanes::default(), &mut along, &mut |strip| {
                joined.width = strip.width;
                joined.height += strip.height;
                joined.y.extend(&strip.y);
                joined.cb.extend(&strip.cb);
                joined.cr.extend(&strip.cr);
                Ok(())
            }).unwrap();
            assert_eq!(rows.end, picture.height);
            assert!(joined == whole);
        });
    }

    #[test]
    fn hashes_made_in_strips_are_those_of_the_whole_luma(case in cases()) {
        with_picture(&case, |picture| {
            let kinds = [HashKind::Dhash, HashKind::Phash, HashKind::AverageHash, HashKind::Phash];
            let luma = luma::to_luma(picture, Orientation::default()).unwrap();
            let whole = hash::compute(&luma, &kinds).unwrap();
            let mut hasher = Hasher::default();
            for _ in 0..2 {
                let mut hashing = hasher.begin(picture, Orientation::default(), &kinds).unwrap();
                let (scratch, planes) = (&mut Scratch::default(), &mut JfifPlanes::default());
                jfif::convert(Level::best(), picture, scratch, planes, &mut |rows| hashing.rows(rows))
                    .unwrap();
                assert_eq!(hashing.end().unwrap(), whole);
            }
        });
    }

    #[test]
    fn resized_samples_are_the_same_at_both_levels(
        sizes in [1..300usize, 1..40usize, 1..60usize, 1..40usize],
        filter in prop::sample::select(vec![Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos]),
        seed in any::<u64>(),
    ) {
        let [width, height, target_width, target_height] = sizes;
        let geometry = Geometry::whole((width, height), (target_width, target_height), filter);
        let resampler = Resampler::new(&geometry).unwrap();
        let source = random_bytes(width * height * 3, seed);
        same_at_both_levels(|level| {
            let mut out = Vec::new();
            fit(&mut out, 1);
            resampler.run_at::<3>(level, &source, &mut resample::Scratch::default(), &mut out).unwrap();
            out
        });
        same_at_both_levels(|level| {
            let mut out = Vec::new();
            let source = &source[..width * height];
            resampler.run_at::<1>(level, source, &mut resample::Scratch::default(), &mut out).unwrap();
            out
        });
    }

    #[test]
    fn resized_samples_are_those_of_the_weights(
        sizes in [1..700usize, 1..60usize, 1..60usize, 1..40usize],
        filter in prop::sample::select(vec![Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos]),
        content in prop::sample::select(vec![Content::Noise, Content::Saturated, Content::Mild]),
        seed in any::<u64>(),
    ) {
        let [width, height, target_width, target_height] = sizes;
        let geometry = Geometry::whole((width, height), (target_width, target_height), filter);
        let resampler = Resampler::new(&geometry).unwrap();
        let mut source = random_bytes(width * height, seed);
        for (at, byte) in source.iter_mut().enumerate() {
            *byte = content.of(*byte, at / width);
        }
        let mut out = Vec::new();
        resampler.run::<1>(&source, &mut resample::Scratch::default(), &mut out).unwrap();
        prop_assert_eq!(out, resized_plainly(&resampler, &source, width));
    }
}
