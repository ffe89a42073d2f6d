//! Widths, pitches, crops and addresses at which kernels go by whole words, and at which they do not.

use framecache::cuda::{Crop, FramesPlan, Plan, RgbPlan, Source};
use framecache::media::picture::Orientation;
use framecache::pixel::jfif::JfifRequest;

use crate::cpu::run_plan_at;
use crate::frames::{HASHES, compare, compare_rgb, orientations};
use crate::surfaces::{FORMATS, Surface, source};

/// Of blocks of 128 x 24: one, its edges, a few.
const WIDTHS: [usize; 12] = [8, 16, 17, 24, 32, 40, 120, 128, 136, 144, 200, 264];
const HEIGHTS: [usize; 6] = [1, 2, 23, 24, 25, 50];
const OFFSETS: [usize; 4] = [1, 2, 4, 8];

/// A surface with a pitch of whole words, or of `more` bytes than that, whose crop begins at `left`.
fn aligned(plain: Source, left: usize, more: usize) -> Source {
    let row = plain.pitch_bytes + 2 * left;
    Source {
        pitch_bytes: row.next_multiple_of(16) + more,
        crop: Crop { left, ..plain.crop },
        ..plain
    }
}

fn sources() -> impl Iterator<Item = Source> {
    let sizes = WIDTHS
        .into_iter()
        .flat_map(|width| HEIGHTS.map(|height| (width, height)));
    sizes.flat_map(|size| {
        let ways = [(0, 0), (16, 0), (2, 0), (0, 8), (0, 1)];
        FORMATS
            .into_iter()
            .flat_map(move |f| ways.map(|(left, more)| aligned(source(f, size, 0, 0), left, more)))
    })
}

#[test]
fn whole_words_and_single_bytes_are_the_references_at_every_width_pitch_and_crop() {
    let (mut cases, mut compared) = (0, 0);
    for source in sources() {
        cases += 1;
        compared += compare(&source, &JfifRequest::default(), &HASHES, cases..cases + 2);
        compared += compare_rgb(&source, Orientation::default(), cases..cases + 2);
    }
    println!("{cases} pictures, {compared} bytes");
    assert_eq!(cases as usize, WIDTHS.len() * HEIGHTS.len() * 6 * 5);
    assert!(compared > 40_000_000);
}

/// Whether the plan's bytes are the same wherever the planes begin.
fn is_the_same_anywhere(plan: &impl Plan, surfaces: &[Surface]) -> bool {
    let planes: Vec<[&[u8]; 3]> = surfaces.iter().map(Surface::planes).collect();
    let expected = run_plan_at(plan, &planes, 0);
    OFFSETS
        .into_iter()
        .all(|offset| run_plan_at(plan, &planes, offset) == expected)
}

#[test]
fn planes_may_begin_at_any_address() {
    let request = JfifRequest::default();
    let mut cases = 0;
    for source in sources().step_by(7) {
        let surfaces = [1, 2].map(|seed| Surface::new(&source, seed));
        let frames = FramesPlan::new(source, &request, &HASHES).unwrap();
        let rgb = RgbPlan::new(source, Orientation::default()).unwrap();
        assert!(is_the_same_anywhere(&frames, &surfaces), "{source:?}");
        assert!(is_the_same_anywhere(&rgb, &surfaces), "{source:?}");
        cases += 1;
    }
    assert!(cases > 300);
}

#[test]
fn pictures_are_turned_in_tiles_of_every_size() {
    let mut compared = 0;
    for size in [(31, 33), (32, 64), (64, 32), (96, 97), (100, 36), (33, 4)] {
        for (format, orientation) in FORMATS
            .into_iter()
            .flat_map(|format| orientations().map(move |o| (format, o)))
        {
            let request = JfifRequest {
                orientation,
                max_side: None,
            };
            let source = aligned(source(format, size, 0, 0), 0, 0);
            compared += compare(&source, &request, &HASHES, 1..4);
            compared += compare_rgb(&source, orientation, 1..4);
        }
    }
    assert!(compared > 4_000_000);
}
