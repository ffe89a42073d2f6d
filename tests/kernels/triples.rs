//! Every Y, Cb, Cr of 8 bits.

use framecache::cuda::{Format, FramesPlan, RgbPlan, Source, TensorPlan};
use framecache::media::picture::Orientation;
use framecache::pixel::jfif::{JfifRequest, to_jfif};
use framecache::pixel::luma;
use framecache::pixel::resample::Filter;
use framecache::pixel::rgb::to_rgb;
use framecache::tensor::{Channels, Datatype, Fit, Layout, Recipe, TensorSpec};

use crate::cpu::run_plan;
use crate::surfaces::{MATRICES, RANGES, SIDE, every_triple};

#[test]
fn the_picture_of_triples_has_each_once() {
    let (source, surface) = every_triple(Format::Yuv444);
    let mut seen = vec![false; 1 << 24];
    let [y, u, v] = surface.planes;
    assert_eq!(source.pitch_bytes, SIDE);
    for ((y, u), v) in y.into_iter().zip(u).zip(v) {
        seen[usize::from(y) << 16 | usize::from(u) << 8 | usize::from(v)] = true;
    }
    assert!(seen.into_iter().all(|seen| seen));
}

fn check(format: Format) {
    let (geometry, surface) = every_triple(format);
    let gray = TensorSpec {
        datatype: Datatype::Uint8,
        layout: Layout::Nhwc,
        channels: Channels::Gray,
        size: None,
        fit: Fit::Stretch,
        filter: Filter::Bilinear,
        pad_value: 0,
        normalize: None,
    };
    let gray = Recipe::new(gray).unwrap();
    let mut compared = 0;
    for (matrix, range) in MATRICES.into_iter().flat_map(|m| RANGES.map(|r| (m, r))) {
        let source = Source {
            matrix,
            range,
            ..geometry
        };
        let shown = surface.shown(&source);
        let (upright, request) = (Orientation::default(), JfifRequest::default());
        let planes = [surface.planes()];

        let plan = FramesPlan::new(source, &request, &[]).unwrap();
        let output = run_plan(&plan, &planes);
        let layout = plan.layout(1);
        let made = layout.planes(&output, 0).unwrap();
        let expected = to_jfif(&shown.picture(), &request).unwrap();
        assert!(
            made == (&expected).into(),
            "JFIF planes differ: {matrix:?} {range:?}"
        );

        let rgb = to_rgb(&shown.picture(), upright).unwrap();
        let made = run_plan(&RgbPlan::new(source, upright).unwrap(), &planes);
        assert!(made == rgb.data, "RGB differs: {matrix:?} {range:?}");

        let made = run_plan(&TensorPlan::new(source, upright, &gray).unwrap(), &planes);
        assert!(
            made == luma::of_rgb(&rgb).data,
            "L differs: {matrix:?} {range:?}"
        );
        compared += made.len();
    }
    println!("{compared} pixels of {format:?}");
    assert_eq!(compared, 6 << 24);
}

#[test]
fn every_triple_of_nv12_gives_the_references_planes_rgb_and_luma() {
    check(Format::Nv12);
}

#[test]
fn every_triple_of_yuv444_gives_the_references_planes_rgb_and_luma() {
    check(Format::Yuv444);
}
