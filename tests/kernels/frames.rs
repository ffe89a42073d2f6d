//! JFIF planes, RGB and the small pictures of hashes.

use framecache::cuda::{Format, FramesPlan, Plan, RgbPlan, Source};
use framecache::error::Reason;
use framecache::hash;
use framecache::media::colour::Matrix;
use framecache::media::picture::Orientation;
use framecache::pixel::jfif::{JfifRequest, to_jfif};
use framecache::pixel::luma::to_luma;
use framecache::pixel::resample::{Filter, Geometry, resize_gray};
use framecache::pixel::rgb::to_rgb;
use framecache::timeline::plan::HashKind;

use crate::cpu::run_plan;
use crate::surfaces::{FORMATS, MATRICES, RANGES, Surface, source};

pub const HASHES: [HashKind; 3] = [HashKind::Phash, HashKind::Dhash, HashKind::AverageHash];

pub fn orientations() -> impl Iterator<Item = Orientation> {
    [false, true]
        .into_iter()
        .flat_map(|mirrored| [0, 90, 180, 270].map(|rotation| Orientation { mirrored, rotation }))
}

/// Compares a batch with what the reference makes of each of its frames; how many bytes were compared.
pub fn compare(
    source: &Source,
    request: &JfifRequest,
    hashes: &[HashKind],
    seeds: std::ops::Range<u64>,
) -> usize {
    let what = format!("{source:?} {request:?} {hashes:?} seeds={seeds:?}");
    let surfaces: Vec<Surface> = seeds.map(|seed| Surface::new(source, seed)).collect();
    let planes: Vec<[&[u8]; 3]> = surfaces.iter().map(Surface::planes).collect();
    let plan = FramesPlan::new(*source, request, hashes).unwrap();
    let output = run_plan(&plan, &planes);
    let layout = plan.layout(surfaces.len());
    let mut compared = 0;
    for (frame, surface) in surfaces.iter().enumerate() {
        let shown = surface.shown(source);
        let expected = to_jfif(&shown.picture(), request).unwrap();
        let made = layout.planes(&output, frame).unwrap();
        assert!(
            made == (&expected).into(),
            "planes of frame {frame} differ: {what}"
        );
        compared += expected.y.len() + expected.cb.len() + expected.cr.len();
        let luma = to_luma(&shown.picture(), request.orientation).unwrap();
        let mut small_ones = 0;
        for (kind, small) in layout.small(frame) {
            let whole = (luma.width, luma.height);
            let geometry = Geometry::whole(whole, kind.size(), Filter::Lanczos);
            let expected = resize_gray(&luma, &geometry).unwrap();
            assert!(
                output[small.clone()] == expected.data,
                "{kind:?} of frame {frame} differs: {what}"
            );
            let own = hash::compute(&luma, &[kind]).unwrap();
            let of_small = Some(hash::of_small(kind, &output[small]));
            assert!(
                [own.phash, own.dhash, own.average_hash].contains(&of_small),
                "{what}"
            );
            compared += expected.data.len();
            small_ones += 1;
        }
        assert_eq!(small_ones, hashes.len());
    }
    compared
}

pub fn compare_rgb(
    source: &Source,
    orientation: Orientation,
    seeds: std::ops::Range<u64>,
) -> usize {
    let what = format!("{source:?} {orientation:?} seeds={seeds:?}");
    let surfaces: Vec<Surface> = seeds.map(|seed| Surface::new(source, seed)).collect();
    let planes: Vec<[&[u8]; 3]> = surfaces.iter().map(Surface::planes).collect();
    let plan = RgbPlan::new(*source, orientation).unwrap();
    let output = run_plan(&plan, &planes);
    let frame_bytes = output.len() / surfaces.len();
    for (made, surface) in output.chunks_exact(frame_bytes).zip(&surfaces) {
        let expected = to_rgb(&surface.shown(source).picture(), orientation).unwrap();
        assert_eq!(plan.size(), (expected.width, expected.height));
        assert!(made == expected.data, "RGB differs: {what}");
    }
    output.len()
}

const SIZES: [(usize, usize); 12] = [
    (1, 1),
    (2, 1),
    (1, 2),
    (3, 2),
    (4, 3),
    (5, 5),
    (6, 4),
    (7, 1),
    (8, 8),
    (31, 9),
    (130, 18),
    (257, 5),
];

#[test]
fn planes_and_rgb_are_the_references_for_every_colour_layout_crop_size_and_pitch() {
    let (mut compared, mut cases) = (0, 0);
    for format in FORMATS {
        for (matrix, range) in MATRICES.into_iter().flat_map(|m| RANGES.map(|r| (m, r))) {
            for (size, (margin, padding)) in SIZES
                .into_iter()
                .flat_map(|size| [(0, 0), (2, 1), (4, 8), (6, 26)].map(|around| (size, around)))
            {
                let source = Source {
                    matrix,
                    range,
                    ..source(format, size, margin, padding)
                };
                cases += 1;
                compared += compare(&source, &JfifRequest::default(), &[], cases..cases + 1);
                compared += compare_rgb(&source, Orientation::default(), cases..cases + 1);
            }
        }
    }
    println!("{cases} pictures, seeds 1 to {cases}, {compared} bytes");
    assert_eq!(cases, 6 * 6 * 12 * 4);
    // Y, Cb, Cr, and RGB.
    let bytes = SIZES.map(|(w, h)| 4 * w * h + 2 * w.div_ceil(2) * h.div_ceil(2));
    assert_eq!(compared, 6 * 6 * 4 * bytes.iter().sum::<usize>());
}

#[test]
fn a_crop_may_begin_at_odd_samples_where_chroma_is_not_halved_and_not_where_it_is() {
    let request = JfifRequest::default();
    let mut compared = 0;
    for format in [Format::Yuv444, Format::Yuv444P16 { depth: 10 }] {
        compared += compare(&source(format, (21, 13), 3, 5), &request, &[], 0..2);
    }
    assert!(compared > 1000);
    for format in [Format::Nv12, Format::P016 { depth: 10 }] {
        let odd = source(format, (21, 13), 3, 5);
        assert!(FramesPlan::new(odd, &request, &[]).is_err());
        assert!(RgbPlan::new(odd, Orientation::default()).is_err());
    }
}

#[test]
fn every_orientation_and_limit_gives_the_references_planes_and_hashes() {
    let (mut compared, mut cases) = (0, 0);
    for format in FORMATS {
        for size in [(1, 1), (5, 3), (64, 40), (97, 75), (41, 130)] {
            for orientation in orientations() {
                for max_side in [None, Some(1), Some(40), Some(75)] {
                    let request = JfifRequest {
                        orientation,
                        max_side,
                    };
                    let source = source(format, size, 2 * (cases as usize % 3), 3);
                    cases += 1;
                    compared += compare(&source, &request, &HASHES, cases..cases + 2);
                }
                compared += compare_rgb(&source(format, size, 2, 3), orientation, cases..cases + 3);
            }
        }
    }
    println!("{cases} batches, {compared} bytes");
    assert_eq!(cases, 6 * 5 * 8 * 4);
    assert!(compared > 5_000_000);
}

#[test]
fn what_the_reference_refuses_is_refused_before_anything_is_queued() {
    let whole = source(Format::Nv12, (8, 8), 0, 0);
    let reason = |source: Source, request: &JfifRequest| {
        let planned = FramesPlan::new(source, request, &[]);
        planned.unwrap_err().reason()
    };
    let rgb = Source {
        matrix: Matrix::Rgb,
        ..whole
    };
    assert_eq!(
        reason(rgb, &JfifRequest::default()),
        Reason::MediaUnsupported
    );
    let no_side = JfifRequest {
        max_side: Some(0),
        ..JfifRequest::default()
    };
    assert_eq!(reason(whole, &no_side), Reason::FieldInvalid);
    let tilted = Orientation {
        mirrored: false,
        rotation: 45,
    };
    assert!(RgbPlan::new(whole, tilted).is_err());
    let narrow = Source {
        pitch_bytes: 7,
        ..whole
    };
    assert_eq!(reason(narrow, &JfifRequest::default()), Reason::Internal);
}

#[test]
fn gray_ignores_chroma_and_the_matrix() {
    let mut compared = 0;
    for format in FORMATS {
        for (range, size) in RANGES
            .into_iter()
            .flat_map(|r| [(7, 5), (66, 35)].map(|s| (r, s)))
        {
            for max_side in [None, Some(20)] {
                let source = Source {
                    is_gray: true,
                    matrix: Matrix::Rgb,
                    range,
                    ..source(format, size, 2, 1)
                };
                for orientation in orientations() {
                    let request = JfifRequest {
                        orientation,
                        max_side,
                    };
                    compared += compare(&source, &request, &HASHES, 1..3);
                    compared += compare_rgb(&source, orientation, 1..3);
                }
            }
        }
    }
    assert!(compared > 1_000_000);
}

#[test]
fn hashes_small_pictures_are_the_references_for_extreme_sizes() {
    let mut compared = 0;
    let sizes = [
        (1, 1),
        (1, 2),
        (1, 700),
        (700, 1),
        (2, 333),
        (8, 8),
        (9, 8),
        (8, 32),
        (32, 8),
        (32, 32),
        (32, 33),
        (33, 32),
        (31, 31),
        (64, 127),
        (64, 129),
        (64, 130),
        (129, 64),
        (40, 2000),
        (2000, 40),
        (641, 359),
        (359, 641),
    ];
    for (seed, size) in (0..).zip(sizes) {
        let source = source(Format::Nv12, size, 2, 7);
        compared += compare(&source, &JfifRequest::default(), &HASHES, seed..seed + 2);
    }
    assert!(compared > 2_000_000);
}

#[test]
fn a_whole_batch_is_its_frames_one_by_one() {
    let request = JfifRequest {
        orientation: Orientation {
            mirrored: true,
            rotation: 90,
        },
        max_side: Some(31),
    };
    for format in FORMATS {
        let source = source(format, (57, 35), 4, 9);
        assert!(compare(&source, &request, &HASHES, 100..132) > 32 * 32 * 32);
        let plan = FramesPlan::new(source, &request, &HASHES).unwrap();
        assert!(plan.workspace_bytes(0).is_err() && plan.workspace_bytes(33).is_err());
    }
}

#[test]
fn pictures_of_real_sizes_are_the_references() {
    let request = |max_side| JfifRequest {
        orientation: Orientation::default(),
        max_side,
    };
    let mut compared = 0;
    let hd = source(Format::Nv12, (1920, 1080), 0, 128);
    compared += compare(&hd, &request(None), &HASHES, 7..8);
    compared += compare(&hd, &request(Some(1280)), &[], 7..8);
    let deep = source(Format::P016 { depth: 10 }, (1280, 720), 0, 0);
    compared += compare(&deep, &request(Some(640)), &HASHES, 8..9);
    assert!(compared > 1920 * 1080 * 3 / 2);
}
