//! Media time is exact: rationals of i128, read from decimal or n/d text.
//! Arithmetic is checked, because denominators come from media and requests.

use std::fmt;
use std::str::FromStr;

use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub};

use crate::error::{Error, Reason, Result};

/// Seconds (or frames a second), exact, always in lowest terms.
pub type Rational = Ratio<i128>;

/// A time base as containers state it: seconds a tick, `num/den`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct TimeBase {
    pub num: i32,
    pub den: i32,
}

/// An exact time or rate that serialises as canonical text: "n" or "n/d" in lowest terms.
///
/// Read from `n`, `n.n` or `n/d`, with a minus where negative: at most 38
/// digits each side of `/`, at most 18 each side of a point. Sums and products
/// are kept within 38 digits too, so whatever was written can be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(pub Rational);

/// 10^38 - 1 is the largest number of all nines that an i128 holds.
const MAX_DIGITS: usize = 38;
/// Each side of the point: 36 digits together stay below 10^38.
const MAX_DIGITS_AROUND_POINT: usize = 18;
const BOUND: u128 = 10u128.pow(MAX_DIGITS as u32);

impl Exact {
    pub const ZERO: Exact = Exact(Ratio::new_raw(0, 1));

    pub const fn whole(value: i64) -> Exact {
        Exact(Ratio::new_raw(value as i128, 1))
    }

    /// `num / den` in lowest terms; LIMIT_EXCEEDED where `den` is 0 or a side has over 38 digits.
    pub fn ratio(num: i128, den: i128) -> Result<Exact> {
        let in_bounds = num.unsigned_abs() < BOUND && den.unsigned_abs() < BOUND && den != 0;
        if in_bounds {
            Ok(Exact(Ratio::new(num, den)))
        } else {
            Err(overflow(&format!("{num}/{den}")))
        }
    }

    pub fn plus(self, other: Exact) -> Result<Exact> {
        self.bounded(self.0.checked_add(&other.0), '+', other)
    }

    pub fn minus(self, other: Exact) -> Result<Exact> {
        self.bounded(self.0.checked_sub(&other.0), '-', other)
    }

    pub fn times(self, other: Exact) -> Result<Exact> {
        self.bounded(self.0.checked_mul(&other.0), '*', other)
    }

    /// Division by zero is the same error as an overflow.
    pub fn over(self, other: Exact) -> Result<Exact> {
        self.bounded(self.0.checked_div(&other.0), ':', other)
    }

    fn bounded(self, result: Option<Rational>, sign: char, other: Exact) -> Result<Exact> {
        result
            .filter(|r| r.numer().unsigned_abs() < BOUND && r.denom().unsigned_abs() < BOUND)
            .map(Exact)
            .ok_or_else(|| overflow(&format!("{self} {sign} {other}")))
    }

    /// The greatest integer not above it.
    pub fn floor(self) -> i128 {
        self.0.numer().div_euclid(*self.0.denom())
    }

    /// The smallest integer not below it.
    pub fn ceil(self) -> i128 {
        let rest = self.0.numer().rem_euclid(*self.0.denom());
        self.floor() + i128::from(rest != 0)
    }

    pub fn is_negative(self) -> bool {
        *self.0.numer() < 0
    }

    pub fn is_positive(self) -> bool {
        *self.0.numer() > 0
    }

    /// The nearest f64, ties to even.
    pub fn to_f64(self) -> f64 {
        let magnitude = nearest_f64(
            self.0.numer().unsigned_abs(),
            self.0.denom().unsigned_abs().max(1),
        );
        if self.is_negative() {
            -magnitude
        } else {
            magnitude
        }
    }
}

fn overflow(what: &str) -> Error {
    Error::new(
        Reason::MediaLimit,
        format!("could not compute with exact times: over 38 digits in {what}"),
    )
    .hint("write times and rates with fewer digits, or leave out the chunk with the odd time base")
}

/// Long division to 64 significant bits. Whatever is left goes into the lowest
/// one, so the conversion u64 to f64 (to nearest, ties to even) is the only rounding.
fn nearest_f64(num: u128, den: u128) -> f64 {
    let (mut quotient, mut rest) = (num / den, num % den);
    let excess = (128 - quotient.leading_zeros()).saturating_sub(64);
    let mut inexact = quotient & ((1 << excess) - 1) != 0;
    quotient >>= excess;
    let mut exponent = i64::from(excess);
    // den < 2^127, so doubling the rest cannot overflow.
    while rest != 0 && quotient >> 63 == 0 {
        rest <<= 1;
        quotient <<= 1;
        exponent -= 1;
        if rest >= den {
            rest -= den;
            quotient |= 1;
        }
    }
    inexact |= rest != 0;
    let significant = quotient as u64 | u64::from(inexact);
    // 2^exponent is a normal number: num and den have at most 127 bits.
    significant as f64 * f64::from_bits(((1023 + exponent) as u64) << 52)
}

impl TimeBase {
    /// Seconds a tick; MEDIA_CORRUPT where it is not positive.
    pub fn seconds(self) -> Result<Exact> {
        if self.num <= 0 || self.den <= 0 {
            return Err(Error::new(
                Reason::MediaCorrupt,
                format!("the stream states no usable time base: time_base={self}"),
            ));
        }
        Exact::ratio(i128::from(self.num), i128::from(self.den))
    }
}

impl fmt::Display for TimeBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

/// How much before its pts a frame counts as shown: half a tick, but at most
/// half a millisecond. Containers with millisecond clocks need it; coarse
/// clocks must not get half a frame.
pub fn tolerance(tick: Exact) -> Result<Exact> {
    Ok(tick
        .over(Exact::whole(2))?
        .min(Exact(Ratio::new_raw(1, 2000))))
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Exact {
    type Err = Error;

    fn from_str(text: &str) -> Result<Exact> {
        read_exact(text).ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            Error::field(format!("not an exact time or rate: {shown:?}")).hint(
                "write digits, digits.digits or digits/digits, such as 5, 29.97 or 30000/1001",
            )
        })
    }
}

fn read_exact(text: &str) -> Option<Exact> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (num, den) = if let Some((num, den)) = text.split_once('/') {
        (digits(num, MAX_DIGITS)?, digits(den, MAX_DIGITS)?)
    } else if let Some((whole, fraction)) = text.split_once('.') {
        let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let whole = digits(whole, MAX_DIGITS_AROUND_POINT)?;
        let fraction = digits(fraction, MAX_DIGITS_AROUND_POINT)?;
        (whole.checked_mul(scale)?.checked_add(fraction)?, scale)
    } else {
        (digits(text, MAX_DIGITS)?, 1)
    };
    Exact::ratio(sign * num, den).ok()
}

fn digits(text: &str, most: usize) -> Option<i128> {
    let plain = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Exact {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExactVisitor)
    }
}

/// Text, or a whole number; a number with a fraction has already lost its exactness.
struct ExactVisitor;

impl serde::de::Visitor<'_> for ExactVisitor {
    type Value = Exact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an exact time or rate as text, such as \"29.97\" or \"30000/1001\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Exact, E> {
        text.parse()
            .map_err(|e: Error| E::custom(format!("{e} ({})", e.hint_text().unwrap_or_default())))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Exact, E> {
        Ok(Exact(Ratio::from_integer(i128::from(value))))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Exact, E> {
        Ok(Exact::whole(value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(text: &str) -> Exact {
        text.parse().unwrap()
    }

    #[test]
    fn decimal_and_fraction_text_is_read_exactly_and_shown_in_lowest_terms() {
        for (text, shown) in [
            ("29.97", "2997/100"),
            ("30000/1001", "30000/1001"),
            ("60000/2002", "30000/1001"),
            ("5", "5"),
            ("005.50", "11/2"),
            ("0.0", "0"),
            ("-0", "0"),
            ("-1.25", "-5/4"),
            ("0.000000000000000001", "1/1000000000000000000"),
            (
                "999999999999999999.999999999999999999",
                "999999999999999999999999999999999999/1000000000000000000",
            ),
        ] {
            assert_eq!(exact(text).to_string(), shown, "{text}");
        }
        assert_ne!(exact("29.97"), exact("30000/1001"));
    }

    #[test]
    fn anything_but_plain_digits_is_refused_with_a_hint() {
        let long = "1".repeat(39);
        for text in [
            "",
            " ",
            "+5",
            "5.",
            ".5",
            "-",
            "--5",
            "1e3",
            "NaN",
            "inf",
            "1/0",
            "1/-2",
            "1/2/3",
            "1.5/2",
            " 5",
            "5 ",
            "1_000",
            "1,5",
            "٣",
            "0:10",
            &long,
            "1.0000000000000000000",
            "1000000000000000000.0",
        ] {
            let error = text.parse::<Exact>().unwrap_err();
            assert_eq!(error.reason(), Reason::FieldInvalid, "{text}");
            assert!(error.hint_text().is_some());
        }
    }

    #[test]
    fn json_takes_text_and_whole_numbers_but_no_number_with_a_fraction() {
        let read = |json: &str| serde_json::from_str::<Exact>(json);
        assert_eq!(read("\"29.97\"").unwrap(), exact("29.97"));
        assert_eq!(read("30").unwrap(), Exact::whole(30));
        assert_eq!(read("-3").unwrap(), Exact::whole(-3));
        for json in ["29.97", "1e3", "null", "[]", "\"x\""] {
            assert!(read(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&exact("0.5")).unwrap(), "\"1/2\"");
    }

    #[test]
    fn what_overflows_is_an_error_and_never_a_panic() {
        let large = exact(&"9".repeat(38));
        let fine = exact(&format!("1/{}", "9".repeat(38)));
        for result in [
            large.plus(large),
            large.times(large),
            fine.times(fine),
            large.over(fine),
            large.plus(fine),
            fine.minus(exact(&format!("1/{}", "8".repeat(38)))),
            Exact::whole(1).over(Exact::ZERO),
            Exact::ratio(i128::MIN, -1),
            Exact::ratio(1, 0),
        ] {
            assert_eq!(result.unwrap_err().reason(), Reason::MediaLimit);
        }
        assert!(fine < large && large > Exact::whole(i64::MAX));
    }

    #[test]
    fn floor_and_ceil_hold_for_negative_numbers_too() {
        for (text, floor, ceil) in [("7/2", 3, 4), ("-7/2", -4, -3), ("3", 3, 3), ("-3", -3, -3)] {
            assert_eq!((exact(text).floor(), exact(text).ceil()), (floor, ceil));
        }
    }

    #[test]
    fn the_tolerance_is_half_a_tick_but_at_most_half_a_millisecond() {
        for (tick, h) in [
            ("1/1000", "1/2000"),
            ("1/90000", "1/180000"),
            ("1/25", "1/2000"),
        ] {
            assert_eq!(tolerance(exact(tick)).unwrap(), exact(h));
        }
    }

    #[test]
    fn a_time_base_that_is_not_positive_is_corrupt_media() {
        for (num, den) in [(0, 1), (1, 0), (-1, 25), (1, -25), (i32::MIN, i32::MIN)] {
            let error = TimeBase { num, den }.seconds().unwrap_err();
            assert_eq!(error.reason(), Reason::MediaCorrupt);
        }
        let ntsc = TimeBase {
            num: 1001,
            den: 30000,
        };
        assert_eq!(ntsc.seconds().unwrap(), exact("1001/30000"));
    }

    proptest! {
        // Rust's own decimal parser rounds correctly: an independent oracle.
        #[test]
        fn to_f64_is_the_nearest_f64(whole in 0u64..=999_999_999_999_999_999, fraction in "[0-9]{1,18}", negative: bool) {
            let sign = if negative { "-" } else { "" };
            let text = format!("{sign}{whole}.{fraction}");
            let expected: f64 = text.parse().unwrap();
            prop_assert_eq!(exact(&text).to_f64(), expected);
        }

        // Both sides are exact in f64, whose division rounds to nearest.
        #[test]
        fn to_f64_of_a_fraction_is_the_correctly_rounded_quotient(num in -(1i64 << 53)..=1i64 << 53, den in 1i64..=1 << 53) {
            let value = Exact::ratio(i128::from(num), i128::from(den)).unwrap();
            prop_assert_eq!(value.to_f64(), num as f64 / den as f64);
        }

        #[test]
        fn whatever_was_written_is_read_again(num in -(10i128.pow(38) - 1)..10i128.pow(38), den in 1..10i128.pow(38)) {
            let value = Exact::ratio(num, den).unwrap();
            prop_assert_eq!(value.to_string().parse::<Exact>().unwrap(), value);
            prop_assert!(value.to_f64().is_finite());
        }
    }
}
