//! Our files beside libjpeg-turbo's, byte for byte. Tests only.

use proptest::prelude::*;

use crate::jpeg::Encoder;
use crate::jpeg::own::walk::is_able;
use crate::media::picture::JfifPlanes;

/// What samples are.
#[derive(Debug, Clone, Copy)]
enum Content {
    Noise,
    /// The least and the greatest alone: the largest coefficients there are.
    Saturated,
    /// Waves with a little noise, as pictures are.
    Waves,
    /// One value a block, which the next does not have.
    Flat,
    /// Corners of one sample: many zeros, and one coefficient behind them.
    Rare,
}

const CONTENTS: [Content; 5] = [
    Content::Noise,
    Content::Saturated,
    Content::Waves,
    Content::Flat,
    Content::Rare,
];

fn plane((width, height): (usize, usize), content: Content, mut seed: u64) -> Vec<u8> {
    let mut next = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    let sample = |at: usize| {
        let (x, y) = (at % width, at / width);
        match content {
            Content::Noise => next(),
            Content::Saturated => u8::from(next() > 127) * 255,
            Content::Waves => {
                let wave = (x as f32 / 9.0).sin() * 70.0 + (y as f32 / 7.0).cos() * 50.0;
                (128.0 + wave) as u8 ^ (next() >> 6)
            }
            Content::Flat => (x / 8 * 91 + y / 8 * 57) as u8,
            Content::Rare => {
                if next() == 0 {
                    255
                } else {
                    128
                }
            }
        }
    };
    (0..width * height).map(sample).collect()
}

fn planes(size: (usize, usize), gray: bool, content: Content, seed: u64) -> JfifPlanes {
    let half = (size.0.div_ceil(2), size.1.div_ceil(2));
    let chroma = |seed| {
        if gray {
            Vec::new()
        } else {
            plane(half, content, seed)
        }
    };
    JfifPlanes {
        width: size.0,
        height: size.1,
        y: plane(size, content, seed),
        cb: chroma(seed ^ 1),
        cr: chroma(seed ^ 2),
    }
}

fn assert_equal(encoders: &mut [Encoder; 2], planes: &JfifPlanes, what: &str) {
    let [ours, library] = encoders
        .each_mut()
        .map(|encoder| encoder.encode(planes).unwrap());
    assert!(ours == library, "{what} {}x{}", planes.width, planes.height);
}

fn encoders(quality: u8) -> [Encoder; 2] {
    [
        Encoder::new(quality).unwrap(),
        Encoder::of_library(quality).unwrap(),
    ]
}

#[test]
fn our_coder_is_taken_where_the_processor_has_the_instructions() {
    let encoder = Encoder::new(85).unwrap();
    assert_eq!(encoder.own.is_some(), is_able());
    assert!(Encoder::of_library(85).unwrap().own.is_none());
}

#[test]
fn files_of_every_quality_and_content_are_libjpeg_turbos() {
    for quality in 1..=100 {
        let mut both = encoders(quality);
        for content in CONTENTS {
            for gray in [false, true] {
                let planes = planes((83, 39), gray, content, u64::from(quality));
                assert_equal(&mut both, &planes, &format!("{quality} {content:?} {gray}"));
            }
        }
    }
}

#[test]
fn files_of_every_small_size_are_libjpeg_turbos() {
    let mut both = encoders(85);
    for (width, height) in (1..=34).flat_map(|width| (1..=34).map(move |height| (width, height))) {
        for gray in [false, true] {
            let planes = planes((width, height), gray, Content::Noise, 7);
            assert_equal(&mut both, &planes, &format!("{gray}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_of_any_size_are_libjpeg_turbos(
        size in (1..300usize, 1..200usize),
        gray in any::<bool>(),
        quality in 1..=100u8,
        content in prop::sample::select(&CONTENTS[..]),
        seed in any::<u64>(),
    ) {
        let planes = planes(size, gray, content, seed);
        assert_equal(&mut encoders(quality), &planes, &format!("{quality} {content:?} {gray}"));
    }
}
