//! Tensors, and the resampler that they share with `max_side` and hashes.

use framecache::cancel::Stop;
use framecache::cuda::{Format, Source, TensorPlan};
use framecache::media::picture::Orientation;
use framecache::pixel::RgbImage;
use framecache::pixel::resample::Filter;
use framecache::pixel::rgb::to_rgb;
use framecache::tensor::{Channels, Datatype, Fit, Layout, Maker, Normalize, Recipe, TensorSpec};

use crate::cpu::run_plan;
use crate::surfaces::{FORMATS, Surface, noise, source};

const DATATYPES: [Datatype; 3] = [Datatype::Uint8, Datatype::Fp16, Datatype::Fp32];
const LAYOUTS: [Layout; 2] = [Layout::Nhwc, Layout::Nchw];
const CHANNELS: [Channels; 3] = [Channels::Rgb, Channels::Bgr, Channels::Gray];
const FITS: [Fit; 3] = [Fit::Stretch, Fit::Letterbox, Fit::Crop];
const FILTERS: [Filter; 3] = [Filter::Bilinear, Filter::Bicubic, Filter::Box];

fn imagenet(channels: Channels) -> Normalize {
    let n = channels.count();
    Normalize {
        scale: 1.0 / 255.0,
        mean: [0.485, 0.456, 0.406][..n].to_vec(),
        std: [0.229, 0.224, 0.225][..n].to_vec(),
    }
}

/// Compares the tensor frames of a batch; how many bytes.
fn compare(spec: TensorSpec, source: &Source, orientation: Orientation, seed: u64) -> usize {
    let what = format!("{spec:?} {source:?} {orientation:?} seed={seed}");
    let recipe = Recipe::new(spec).unwrap();
    let surfaces = [seed, seed + 1].map(|seed| Surface::new(source, seed));
    let planes = surfaces.each_ref().map(Surface::planes);
    let output = run_plan(
        &TensorPlan::new(*source, orientation, &recipe).unwrap(),
        &planes,
    );
    let mut maker = Maker::default();
    for (made, surface) in output.chunks_exact(output.len() / 2).zip(&surfaces) {
        let rgb = to_rgb(&surface.shown(source).picture(), orientation).unwrap();
        assert!(made == reference(&mut maker, &recipe, &rgb), "{what}");
    }
    output.len()
}

fn reference(maker: &mut Maker, recipe: &Recipe, rgb: &RgbImage) -> Vec<u8> {
    let size = recipe.output((rgb.width, rgb.height));
    let mut out = vec![0; recipe.frame_bytes(size).unwrap()];
    maker.make((recipe, &Stop::never()), rgb, &mut out).unwrap();
    out
}

fn spec(datatype: Datatype, layout: Layout, channels: Channels) -> TensorSpec {
    TensorSpec {
        datatype,
        layout,
        channels,
        size: None,
        fit: Fit::Stretch,
        filter: Filter::Bilinear,
        pad_value: 114,
        normalize: None,
    }
}

/// One of each datatype, all else different too.
pub fn normalized() -> [TensorSpec; 3] {
    [
        TensorSpec {
            size: Some((40, 30)),
            fit: Fit::Letterbox,
            ..spec(Datatype::Uint8, Layout::Nhwc, Channels::Bgr)
        },
        TensorSpec {
            size: Some((32, 32)),
            fit: Fit::Crop,
            normalize: Some(imagenet(Channels::Gray)),
            ..spec(Datatype::Fp16, Layout::Nchw, Channels::Gray)
        },
        TensorSpec {
            filter: Filter::Bicubic,
            size: Some((20, 50)),
            normalize: Some(imagenet(Channels::Rgb)),
            ..spec(Datatype::Fp32, Layout::Nchw, Channels::Rgb)
        },
    ]
}

fn kinds() -> impl Iterator<Item = (Datatype, Layout, Channels)> {
    DATATYPES.into_iter().flat_map(|datatype| {
        LAYOUTS
            .into_iter()
            .flat_map(move |layout| CHANNELS.map(|channels| (datatype, layout, channels)))
    })
}

#[test]
fn tensors_are_the_references_in_every_datatype_layout_order_fit_filter_and_size() {
    let pictures = [(50, 37), (33, 90), (120, 16), (1, 1), (7, 300)];
    let outputs = [
        None,
        Some((50, 37)),
        Some((64, 64)),
        Some((1, 9)),
        Some((21, 20)),
    ];
    let (mut cases, mut compared) = (0, 0);
    for (datatype, layout, channels) in kinds() {
        for (fit, filter) in FITS
            .into_iter()
            .flat_map(|fit| FILTERS.map(|filter| (fit, filter)))
        {
            for (picture, size) in pictures.into_iter().flat_map(|p| outputs.map(|o| (p, o))) {
                let normalized = datatype != Datatype::Uint8 && cases % 2 == 0;
                let spec = TensorSpec {
                    size,
                    fit,
                    filter,
                    normalize: normalized.then(|| imagenet(channels)),
                    ..spec(datatype, layout, channels)
                };
                let source = source(FORMATS[cases % 6], picture, 2, cases % 5);
                let orientation = Orientation {
                    mirrored: cases % 3 == 0,
                    rotation: [0, 90, 180, 270][cases % 4],
                };
                compared += compare(spec, &source, orientation, cases as u64);
                cases += 1;
            }
        }
    }
    println!("{cases} tensors, {compared} bytes");
    assert_eq!(cases, 18 * 9 * 25);
    assert!(compared > 50_000_000);
}

/// A finite f64 whose exponent is anywhere between -30 and 30.
fn any_number(bytes: &[u8]) -> f64 {
    let mantissa =
        1.0 + f64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])) / f64::from(1 << 24);
    let sign = if bytes[4] & 1 == 1 { -1.0 } else { 1.0 };
    sign * mantissa * 2f64.powi(i32::from(bytes[3] % 61) - 30)
}

#[test]
fn values_are_rounded_as_the_reference_rounds_them_whatever_the_normalization() {
    let source = source(Format::Yuv444, (64, 64), 0, 0);
    let mut compared = 0;
    // Ties, halves' subnormals and infinities, zeros of both signs; then anything.
    let chosen = [
        (1.0, 0.0, 1.0),
        (0.0, 0.0, 1.0),
        (-1.0, 0.0, 1.0),
        (1.0, 0.0, -1.0),
        (0.5, 0.0, 2f64.powi(24)),
        (1.0, 0.0, 2f64.powi(25)),
        (3.0, 0.0, 2f64.powi(26)),
        (257.0, 0.0, 1.0),
        (256.9375, 0.0, 1.0),
        (65520.0 / 255.0, 0.0, 1.0),
        (1e30, 0.0, 1.0),
        (3e38, 0.0, 1.0),
        (8.03125, -2048.0, 1.0),
        (1.0, -2048.0, 2.0),
        (1e-40, 0.0, 1.0),
    ];
    let bytes = noise(15 * 600, 42);
    let random = bytes.chunks_exact(15);
    let random = random.map(|b| (any_number(b), any_number(&b[5..]), any_number(&b[10..])));
    for (at, (scale, mean, std)) in chosen.into_iter().chain(random).enumerate() {
        for datatype in [Datatype::Fp16, Datatype::Fp32] {
            let spec = TensorSpec {
                normalize: Some(Normalize {
                    scale,
                    mean: vec![mean],
                    std: vec![std],
                }),
                ..spec(datatype, Layout::Nchw, Channels::Rgb)
            };
            compared += compare(spec, &source, Orientation::default(), at as u64);
        }
    }
    println!("{compared} bytes");
    assert!(compared > 50_000_000);
}
