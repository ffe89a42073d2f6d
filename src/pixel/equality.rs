//! The same bytes with this machine's widest instructions as without them, on
//! random pictures of odd sizes with padded rows. Tests only.

use proptest::prelude::*;

use crate::hash::{self, Hasher};
use crate::media::colour::{Matrix, Range};
use crate::media::picture::{JfifPlanes, Layout, Orientation, Picture, Plane};
use crate::pixel::fit;
use crate::pixel::jfif::{self, JfifRequest, Scratch, Strips};
use crate::pixel::resample::{self, Filter, Geometry, Resampler};
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
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let layout = prop::sample::select(&LAYOUTS[..]);
    let matrix = prop::sample::select(vec![Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020]);
    let range = prop::sample::select(vec![Range::Limited, Range::Full]);
    let sizes = (
        prop_oneof![1..70usize, 500..530usize, 1020..1040usize],
        1..12usize,
    );
    (
        layout,
        8..=16u8,
        sizes,
        0..40usize,
        matrix,
        range,
        any::<u64>(),
    )
        .prop_map(|(layout, depth, size, padding, matrix, range, seed)| Case {
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
            seed,
        })
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
}
