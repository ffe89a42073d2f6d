//! The value of each sample: 256 of them a channel, so that a table holds the arithmetic.

use half::f16;

use crate::error::{Error, Result};
use crate::tensor::spec::{Datatype, Normalize, TensorSpec};

/// For each channel of the tensor, the little-endian bytes of every sample's value.
pub(super) type Table<const N: usize> = Vec<[[u8; N]; 256]>;

#[derive(Debug)]
pub(super) enum Values {
    Uint8(Table<1>),
    Fp16(Table<2>),
    Fp32(Table<4>),
}

impl Values {
    pub(super) fn new(datatype: Datatype, lines: &[Line]) -> Values {
        match datatype {
            Datatype::Uint8 => Values::Uint8(table(lines, |x, _| [x])),
            Datatype::Fp16 => Values::Fp16(table(lines, |x, line| {
                f16::from_f32(line.at(x)).to_le_bytes()
            })),
            Datatype::Fp32 => Values::Fp32(table(lines, |x, line| line.at(x).to_le_bytes())),
        }
    }
}

/// y = x * a + b, the value of a channel's sample x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    pub a: f32,
    pub b: f32,
}

impl Line {
    /// Rounds the product, then the sum: Rust never fuses the two.
    fn at(&self, x: u8) -> f32 {
        f32::from(x) * self.a + self.b
    }
}

fn table<const N: usize>(lines: &[Line], value: impl Fn(u8, &Line) -> [u8; N]) -> Table<N> {
    let of_channel = |line| {
        let mut values = [[0; N]; 256];
        for (x, out) in (0..=u8::MAX).zip(&mut values) {
            *out = value(x, line);
        }
        values
    };
    lines.iter().map(of_channel).collect()
}

/// One for each channel.
///
/// # Errors
/// FIELD_INVALID for what is no normalisation, naming the field.
pub(super) fn lines(spec: &TensorSpec) -> Result<Vec<Line>> {
    let channels = spec.channels.count();
    let Some(normalize) = &spec.normalize else {
        let unchanged = |_| Line { a: 1.0, b: 0.0 };
        return Ok((0..channels).map(unchanged).collect());
    };
    if spec.datatype == Datatype::Uint8 {
        return Err(Error::field("UINT8 tensors cannot be normalized")
            .hint("ask for datatype FP32 or FP16")
            .in_field("normalize"));
    }
    if !normalize.scale.is_finite() {
        return Err(not_usable("normalize.scale", normalize.scale));
    }
    let mean = each(channels, "normalize.mean", &normalize.mean)?;
    let std = each(channels, "normalize.std", &normalize.std)?;
    mean.into_iter()
        .zip(std)
        .map(|(mean, std)| line(normalize, mean, std))
        .collect()
}

/// One finite value for each channel.
fn each(channels: usize, field: &str, given: &[f64]) -> Result<Vec<f64>> {
    let fits = |value: &f64| value.is_finite() && (*value != 0.0 || !field.ends_with("std"));
    if let Some((n, bad)) = given.iter().enumerate().find(|(_, value)| !fits(value)) {
        return Err(not_usable(&format!("{field}[{n}]"), *bad));
    }
    match given {
        [one] => Ok(vec![*one; channels]),
        each if each.len() == channels => Ok(each.to_vec()),
        other => Err(Error::field(format!(
            "{field} must have one value, or one for each channel: values={} channels={channels}",
            other.len()
        ))
        .in_field(field)),
    }
}

fn line(normalize: &Normalize, mean: f64, std: f64) -> Result<Line> {
    let (a, b) = ((normalize.scale / std) as f32, (-mean / std) as f32);
    if !a.is_finite() || !b.is_finite() {
        return Err(Error::field(format!(
            "the normalization is beyond 32-bit floats: scale={} mean={mean} std={std}",
            normalize.scale
        ))
        .in_field("normalize"));
    }
    Ok(Line { a, b })
}

fn not_usable(field: &str, value: f64) -> Error {
    let must = if field.starts_with("normalize.std") {
        "finite and not 0"
    } else {
        "finite"
    };
    Error::field(format!("{field} must be {must}: {field}={value}")).in_field(field)
}
