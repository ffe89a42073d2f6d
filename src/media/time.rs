//! Media time is exact: rationals of i128, read from decimal or n/d text.

use num_rational::Ratio;

/// Seconds (or frames a second), exact, always in lowest terms.
pub type Rational = Ratio<i128>;

/// A time base as containers state it: seconds a tick, `num/den`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeBase {
    pub num: i32,
    pub den: i32,
}

/// An exact time or rate that serialises as canonical text: "n" or "n/d" in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(pub Rational);

impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Exact {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map(Exact).map_err(|_| {
            serde::de::Error::custom(format!("not an exact time (n or n/d): {text:?}"))
        })
    }
}
