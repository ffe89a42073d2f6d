//! Bytes as hex digits and back.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Read;

/// Two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS[usize::from(nibble)];
    let digits = bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]);
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(digits);
    text
}

/// The 32 bytes that 64 digits of either case stand for, such as a sha256.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    let digit = |d: u8| char::from(d).to_digit(16);
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = digits else { return None };
        *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(bytes)
}

/// 32 digits that no other run has: the standard library seeds its hashers from the operating
/// system's randomness.
pub fn new_id() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}

/// 32 digits that nobody guesses.
///
/// # Errors
/// Where the system gives no randomness.
pub fn secret() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_digits_and_nothing_else_does() {
        let bytes: [u8; 32] = std::array::from_fn(|n| n as u8 * 8);
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex(&hex(&bytes).to_uppercase()), Some(bytes));
        for text in ["", "00", &"g".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
            assert_eq!(unhex(text), None, "{text}");
        }
        assert!(new_id().len() == 32 && new_id() != new_id());
        let one = secret().unwrap();
        assert!(one.len() == 32 && one != secret().unwrap());
    }
}
