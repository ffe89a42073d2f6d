//! NumPy's `.npy` files (format 1.0) of 8-bit arrays, as `numpy.save` writes them.

use crate::error::{Error, Result};

/// The header ends at a multiple of this, so that the data is aligned.
const ALIGNMENT: usize = 64;
/// Magic, version and the length of what follows.
const PREAMBLE: usize = 10;

/// What stands before the data of a C-ordered `uint8` array of this shape.
///
/// # Errors
/// FIELD_INVALID for more dimensions than format 1.0 has room for.
pub fn header(shape: &[usize]) -> Result<Vec<u8>> {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    // Python's tuple of one has a comma.
    let comma = if shape.len() == 1 { "," } else { "" };
    let text = format!(
        "{{'descr': '|u1', 'fortran_order': False, 'shape': ({}{comma}), }}",
        sides.join(", ")
    );
    let length = (PREAMBLE + text.len() + 1).next_multiple_of(ALIGNMENT) - PREAMBLE;
    let stated = u16::try_from(length)
        .map_err(|_| Error::field("an array has too many dimensions for a .npy file"))?;
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(stated.to_le_bytes());
    out.extend(text.as_bytes());
    out.resize(PREAMBLE + length - 1, b' ');
    out.push(b'\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From NumPy 2: `numpy.save(f, numpy.zeros(shape, "u1"))`, up to the data.
    #[test]
    fn headers_are_numpys_own() {
        let cases: [(&[usize], &[u8]); 3] = [
            (&[360, 640, 3], b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (360, 640, 3), }"),
            (&[5], b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }"),
            (&[12, 2160, 3840, 3], b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (12, 2160, 3840, 3), }"),
        ];
        for (shape, start) in cases {
            let made = header(shape).unwrap();
            assert_eq!(made.len(), 128);
            assert!(
                made.starts_with(start),
                "{:?}",
                String::from_utf8_lossy(&made)
            );
            assert!(made[start.len()..127].iter().all(|b| *b == b' '));
            assert_eq!(made[127], b'\n');
        }
    }
}
