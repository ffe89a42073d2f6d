//! Tensors against NumPy and Pillow, on the cases that tests/oracles/tensors.py wrote.

use md5::{Digest, Md5};
use proptest::prelude::*;

use super::*;
use crate::cancel::Stop;
use crate::error::Reason;
use crate::hex::hex;
use crate::pixel::RgbImage;
use crate::pixel::resample::Filter;

/// The generator of tensors.py: 32 bits from an index.
fn noise(count: usize, seed: u64) -> impl Iterator<Item = u32> {
    (0..count).map(move |index| {
        let mut v = (index as u64).wrapping_add(seed.wrapping_mul(0x9E37_79B9)) as u32;
        for _ in 0..2 {
            v ^= v >> 16;
            v = v.wrapping_mul(0x045D_9F3B);
        }
        v ^ (v >> 16)
    })
}

fn picture(width: usize, height: usize, seed: u64) -> RgbImage {
    RgbImage {
        width,
        height,
        data: noise(width * height * 3, seed).map(|v| v as u8).collect(),
    }
}

fn plain(datatype: Datatype, size: Option<(u32, u32)>) -> TensorSpec {
    TensorSpec {
        datatype,
        layout: Layout::Nhwc,
        channels: Channels::Rgb,
        size,
        fit: Fit::Stretch,
        filter: Filter::Bilinear,
        pad_value: 114,
        normalize: None,
    }
}

fn numbers(list: &str) -> Vec<f64> {
    list.split(',').map(|n| n.parse().unwrap()).collect()
}

fn spec_of(fields: &[&str]) -> TensorSpec {
    let side = |at: usize| fields[at].parse::<u32>().unwrap();
    TensorSpec {
        datatype: match fields[3] {
            "uint8" => Datatype::Uint8,
            "fp16" => Datatype::Fp16,
            _ => Datatype::Fp32,
        },
        layout: match fields[4] {
            "nhwc" => Layout::Nhwc,
            _ => Layout::Nchw,
        },
        channels: match fields[5] {
            "rgb" => Channels::Rgb,
            "bgr" => Channels::Bgr,
            _ => Channels::Gray,
        },
        size: (side(6) > 0).then(|| (side(6), side(7))),
        fit: match fields[8] {
            "stretch" => Fit::Stretch,
            "letterbox" => Fit::Letterbox,
            _ => Fit::Crop,
        },
        filter: match fields[9] {
            "bilinear" => Filter::Bilinear,
            _ => Filter::Bicubic,
        },
        pad_value: fields[10].parse().unwrap(),
        normalize: (fields[11] == "normalize").then(|| Normalize {
            scale: fields[12].parse().unwrap(),
            mean: numbers(fields[13]),
            std: numbers(fields[14]),
        }),
    }
}

fn fraction(text: &str) -> f64 {
    let (num, den) = text.split_once('/').unwrap();
    num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap()
}

#[test]
fn tensors_are_what_numpy_and_pillow_make() {
    let mut maker = Maker::default();
    let mut cases = 0;
    for line in include_str!("../../tests/oracles/tensors.txt").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let picture = picture(
            fields[0].parse().unwrap(),
            fields[1].parse().unwrap(),
            fields[2].parse().unwrap(),
        );
        let recipe = Recipe::new(spec_of(&fields)).unwrap();
        let output = recipe.output((picture.width, picture.height));
        // What a reused buffer holds must not matter.
        let mut out = vec![0xa5; recipe.frame_bytes(output).unwrap()];
        let transform = maker
            .make((&recipe, &Stop::never()), &picture, &mut out)
            .unwrap();
        assert_eq!(hex(&Md5::digest(&out)), fields[19], "{line}");
        let t = transform;
        let ours = [t.scale_x, t.scale_y, t.offset_x, t.offset_y];
        for (ours, exact) in ours.into_iter().zip(&fields[15..]) {
            assert!((ours - fraction(exact)).abs() < 1e-10, "{line}");
        }
        cases += 1;
    }
    assert!(cases >= 150);
}

#[test]
fn a_picture_of_the_size_that_is_asked_for_is_not_resampled() {
    let picture = picture(7, 5, 1);
    let sizes = [None, Some((7, 5))];
    for (size, filter) in sizes.into_iter().zip([Filter::Bilinear, Filter::Bicubic]) {
        for fit in [Fit::Stretch, Fit::Letterbox, Fit::Crop] {
            let spec = TensorSpec {
                fit,
                filter,
                ..plain(Datatype::Uint8, size)
            };
            let mut out = vec![0; 7 * 5 * 3];
            let recipe = Recipe::new(spec).unwrap();
            Maker::default()
                .make((&recipe, &Stop::never()), &picture, &mut out)
                .unwrap();
            assert_eq!(out, picture.data);
        }
    }
}

#[test]
fn a_crop_thinner_than_a_float_can_say_is_the_line_it_is_in() {
    let picture = picture(1, 16_384, 3);
    let spec = TensorSpec {
        fit: Fit::Crop,
        ..plain(Datatype::Uint8, Some((16_384, 1)))
    };
    let recipe = Recipe::new(spec).unwrap();
    let mut out = vec![0; 16_384 * 3];
    Maker::default()
        .make((&recipe, &Stop::never()), &picture, &mut out)
        .unwrap();
    // As Pillow 13 gives it.
    assert!(out.chunks_exact(3).all(|pixel| pixel == [181, 100, 12]));
}

#[test]
fn the_shape_follows_the_layout() {
    let recipe = |layout, channels| {
        Recipe::new(TensorSpec {
            layout,
            channels,
            ..plain(Datatype::Fp16, Some((4, 3)))
        })
        .unwrap()
    };
    let nhwc = recipe(Layout::Nhwc, Channels::Rgb);
    assert_eq!(nhwc.shape(2, nhwc.output((9, 9))), [2, 3, 4, 3]);
    let nchw = recipe(Layout::Nchw, Channels::Gray);
    assert_eq!(nchw.shape(2, nchw.output((9, 9))), [2, 1, 3, 4]);
    assert_eq!(nchw.frame_bytes((4, 3)).unwrap(), 24);
}

fn refused(change: impl Fn(&mut TensorSpec)) -> (Reason, String) {
    let mut spec = plain(Datatype::Fp32, Some((8, 8)));
    change(&mut spec);
    let error = Recipe::new(spec).unwrap_err();
    (
        error.reason(),
        error.field_path().unwrap_or_default().to_owned(),
    )
}

fn with(mean: &[f64], std: &[f64]) -> Option<Normalize> {
    Some(Normalize {
        scale: 1.0,
        mean: mean.to_vec(),
        std: std.to_vec(),
    })
}

#[test]
fn a_tensor_that_cannot_be_made_is_refused_by_its_field() {
    let field = |field: &str| (Reason::FieldInvalid, field.to_owned());
    let limit = |field: &str| (Reason::RequestLimit, field.to_owned());
    assert_eq!(refused(|s| s.size = Some((0, 8))), field("width"));
    assert_eq!(refused(|s| s.size = Some((8, 0))), field("height"));
    assert_eq!(refused(|s| s.size = Some((16_385, 8))), limit("width"));
    assert_eq!(refused(|s| s.size = Some((8, 16_385))), limit("height"));
    let std = |value| refused(|s| s.normalize = with(&[0.0], &[value]));
    for value in [0.0, -0.0, f64::NAN, f64::INFINITY] {
        assert_eq!(std(value), field("normalize.std[0]"), "{value}");
    }
    let nan = refused(|s| s.normalize = with(&[0.0, f64::NAN, 0.0], &[1.0]));
    assert_eq!(nan, field("normalize.mean[1]"));
    let two = refused(|s| s.normalize = with(&[0.0, 1.0], &[1.0]));
    assert_eq!(two, field("normalize.mean"));
    let gray = refused(|s| {
        s.channels = Channels::Gray;
        s.normalize = with(&[0.0], &[1.0; 3]);
    });
    assert_eq!(gray, field("normalize.std"));
    let scale = refused(|s| {
        s.normalize = with(&[0.0], &[1.0]).map(|n| Normalize {
            scale: f64::NEG_INFINITY,
            ..n
        });
    });
    assert_eq!(scale, field("normalize.scale"));
    let beyond = refused(|s| s.normalize = with(&[1e300], &[1.0]));
    assert_eq!(beyond, field("normalize"));
    let bytes = refused(|s| {
        s.datatype = Datatype::Uint8;
        s.normalize = with(&[0.0], &[1.0]);
    });
    assert_eq!(bytes, field("normalize"));
}

#[test]
fn batches_are_bounded_before_memory_is_taken() {
    let recipe = Recipe::new(plain(Datatype::Fp32, Some((16_384, 16_384)))).unwrap();
    let whole = recipe.frame_bytes((16_384, 16_384)).unwrap_err();
    assert_eq!(whole.reason(), Reason::RequestLimit);
    assert_eq!(
        recipe.frame_bytes((usize::MAX, 2)).unwrap_err().reason(),
        Reason::RequestLimit
    );
    assert_eq!(batch_bytes(4, MAX_BATCH_BYTES / 4).unwrap(), 1 << 30);
    let over = batch_bytes(5, MAX_BATCH_BYTES / 4).unwrap_err();
    assert_eq!(
        (over.reason(), over.field_path()),
        (Reason::RequestLimit, Some("batch"))
    );
    assert!(batch_bytes(u64::MAX, 2).is_err());
}

#[test]
fn a_buffer_of_another_size_is_refused() {
    let recipe = Recipe::new(plain(Datatype::Uint8, None)).unwrap();
    let mut maker = Maker::default();
    let made = maker.make((&recipe, &Stop::never()), &picture(4, 4, 0), &mut [0; 47]);
    assert_eq!(made.unwrap_err().reason(), Reason::Internal);
    let short = RgbImage {
        width: 4,
        height: 4,
        data: vec![0; 47],
    };
    assert!(
        maker
            .make((&recipe, &Stop::never()), &short, &mut [0; 48])
            .is_err()
    );
    assert!(
        maker
            .make((&recipe, &Stop::never()), &RgbImage::default(), &mut [])
            .is_err()
    );
}

proptest! {
    #[test]
    fn a_letterboxed_picture_touches_two_sides_keeps_its_aspect_and_is_centred(
        w in 1usize..16_385, h in 1usize..16_385, out_w in 1usize..16_385, out_h in 1usize..16_385,
    ) {
        let place = Placement::new((w, h), (out_w, out_h), Fit::Letterbox);
        let (inner_w, inner_h) = place.inner;
        prop_assert!(inner_w == out_w || inner_h == out_h);
        prop_assert!(1 <= inner_w && inner_w <= out_w && 1 <= inner_h && inner_h <= out_h);
        let r = (out_w as f64 / w as f64).min(out_h as f64 / h as f64);
        for (inner, side) in [(inner_w, w), (inner_h, h)] {
            let exact = (side as f64 * r).max(1.0);
            prop_assert!((inner as f64 - exact).abs() <= 0.5 + 1e-6, "{} {}", inner, exact);
        }
        let after = (out_w - inner_w - place.at.0, out_h - inner_h - place.at.1);
        prop_assert!(after.0 - place.at.0 <= 1 && after.1 - place.at.1 <= 1);
        // The transform maps the rectangle's corners to the picture's.
        let t = place.transform();
        let (right, below) = ((place.at.0 + inner_w) as f64, (place.at.1 + inner_h) as f64);
        prop_assert!((place.at.0 as f64 * t.scale_x + t.offset_x).abs() < 1e-6);
        prop_assert!((place.at.1 as f64 * t.scale_y + t.offset_y).abs() < 1e-6);
        prop_assert!((right * t.scale_x + t.offset_x - w as f64).abs() < 1e-6);
        prop_assert!((below * t.scale_y + t.offset_y - h as f64).abs() < 1e-6);
    }

    #[test]
    fn a_crop_is_the_largest_centred_part_of_the_outputs_aspect(
        w in 1usize..16_385, h in 1usize..16_385, out_w in 1usize..16_385, out_h in 1usize..16_385,
    ) {
        let place = Placement::new((w, h), (out_w, out_h), Fit::Crop);
        let [x0, y0, x1, y1] = place.area;
        prop_assert!(x0 == 0.0 && x1 == w as f64 || y0 == 0.0 && y1 == h as f64);
        prop_assert!(0.0 <= x0 && x0 < x1 && x1 <= w as f64);
        prop_assert!(0.0 <= y0 && y0 < y1 && y1 <= h as f64);
        prop_assert!((x0 + x1 - w as f64).abs() < 1e-8 && (y0 + y1 - h as f64).abs() < 1e-8);
        let t = place.transform();
        prop_assert!((t.scale_x / t.scale_y - 1.0).abs() < 1e-7);
    }
}
