//! What a frame's facts keep of its tones: how flat it is, and how its luma is spread. Both are of the 32 x 32
//! luma that `phash` is made of, which the CPU and a card make alike, byte for byte; all of it is integers.

use crate::media::facts::FrameFacts;

/// Steps of luma from dark to bright.
const STEPS: usize = 16;
/// In so many parts of a picture each step is counted.
const PARTS: usize = 256;
/// Samples of the picture that they are counted in.
const SAMPLES: usize = 32 * 32;
/// Parts of the whole scale that a flatness is told in.
const SCALE: u64 = 10_000;
/// From here on a picture's hashes are those of its noise: its luma deviates by 2.5 of 255 or less.
const FLAT: f64 = 0.98;

/// How a picture's luma is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tones {
    /// In ten thousandths: all of them for one tone, none for half black and half white.
    flatness: u16,
    luma: [u8; STEPS],
}

impl Tones {
    /// Of 32 x 32 luma; none of anything else.
    pub fn of_small(small: &[u8]) -> Option<Tones> {
        if small.len() != SAMPLES {
            return None;
        }
        let mut counts = [0usize; STEPS];
        for &value in small {
            if let Some(count) = counts.get_mut(usize::from(value) * STEPS / 256) {
                *count += 1;
            }
        }
        let per_part = SAMPLES / PARTS;
        Some(Tones {
            flatness: flatness(small),
            luma: counts.map(|count| ((count + per_part / 2) / per_part).min(255) as u8),
        })
    }

    /// 0 to 1, as facts have it.
    pub fn flatness(&self) -> f64 {
        f64::from(self.flatness) / SCALE as f64
    }

    /// 32 hex digits, as facts have them.
    pub fn luma(&self) -> String {
        crate::hex::hex(&self.luma)
    }
}

/// 1 less the standard deviation, of the 127.5 that it can be at most.
fn flatness(small: &[u8]) -> u16 {
    let (count, sum, squares) = small.iter().fold((0u64, 0u64, 0u64), |(n, sum, sq), &v| {
        let v = u64::from(v);
        (n + 1, sum + v, sq + v * v)
    });
    // The deviation, times the number of samples: at most 130,560.
    let square = count * squares - sum * sum;
    let most = count * 255;
    let parts = (square * 4 * SCALE * SCALE).isqrt() / most.max(1);
    SCALE.saturating_sub(parts) as u16
}

/// Whether a picture is so flat that its hashes say nothing of it. Where its facts do not say how flat it is,
/// those are that no picture but a flat one has.
pub fn is_flat(facts: &FrameFacts) -> bool {
    match facts.flatness {
        Some(flatness) => is_flatness_of_flat(flatness),
        None => facts.phash.as_deref().is_some_and(is_of_one_tone),
    }
}

/// Whether a flatness is that of a flat picture.
pub fn is_flatness_of_flat(flatness: f64) -> bool {
    flatness >= FLAT
}

/// A phash of one coefficient, or none: any other picture has 32 over their median.
fn is_of_one_tone(phash: &str) -> bool {
    u64::from_str_radix(phash, 16).is_ok_and(|bits| bits.count_ones() <= 1)
}

/// Luma of facts as it was counted.
pub fn spread(luma: &str) -> Option<[u8; STEPS]> {
    if luma.len() != 2 * STEPS || !luma.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let all = u128::from_str_radix(luma, 16).ok()?;
    Some(all.to_be_bytes())
}

/// How much of two pictures is of other tones, in 512ths.
pub fn moved(a: &[u8; STEPS], b: &[u8; STEPS]) -> u32 {
    let apart = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b)));
    apart.sum::<u32>().min(2 * PARTS as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(small: &[u8]) -> FrameFacts {
        let tones = Tones::of_small(small).unwrap();
        FrameFacts {
            flatness: Some(tones.flatness()),
            luma: Some(tones.luma()),
            ..FrameFacts::default()
        }
    }

    #[test]
    fn one_tone_is_flat_and_half_black_half_white_is_the_least_flat_of_all() {
        assert_eq!(facts(&[77; 1024]).flatness, Some(1.0));
        assert!(is_flat(&facts(&[0; 1024])));
        let half: Vec<u8> = (0..1024).map(|n| if n < 512 { 0 } else { 255 }).collect();
        assert_eq!(facts(&half).flatness, Some(0.0));
        let noise: Vec<u8> = (0..1024).map(|n| 30 + n as u8 % 5).collect();
        assert!(is_flat(&facts(&noise)));
        let mut logo = vec![16; 1024];
        logo[500..520].fill(235);
        assert!(!is_flat(&facts(&logo)), "{:?}", facts(&logo).flatness);
    }

    #[test]
    fn facts_of_older_releases_are_flat_where_their_hash_is_no_other_pictures() {
        let of = |phash: &str| FrameFacts {
            phash: Some(phash.to_owned()),
            ..FrameFacts::default()
        };
        assert!(is_flat(&of("8000000000000000")) && is_flat(&of("0000000000000000")));
        assert!(!is_flat(&of("8000000000000001")) && !is_flat(&FrameFacts::default()));
    }

    #[test]
    fn tones_are_of_the_small_picture_of_phash_alone() {
        assert_eq!(Tones::of_small(&[0; 72]), None);
        for text in ["", "zz", &"0".repeat(31), &"+".repeat(32)] {
            assert_eq!(spread(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn spread_is_what_was_counted(small in proptest::collection::vec(any::<u8>(), 1024)) {
            let known = facts(&small);
            let steps = spread(&known.luma.unwrap()).unwrap();
            for (step, parts) in steps.iter().enumerate() {
                let count = small.iter().filter(|v| usize::from(**v) / 16 == step).count();
                prop_assert!(count.abs_diff(usize::from(*parts) * 4) <= 4);
            }
            prop_assert_eq!(moved(&steps, &steps), 0);
            prop_assert!((0.0..=1.0).contains(&known.flatness.unwrap()));
        }
    }
}
