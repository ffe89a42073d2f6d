//! Bit strings, read from the most significant bit of each byte on.

/// Without trailing_zero_8bits (Annex B), which belong to no NAL unit.
pub fn without_zeros(nal: &[u8]) -> &[u8] {
    let last = nal.iter().rposition(|byte| *byte != 0);
    &nal[..last.map_or(0, |at| at + 1)]
}

/// Every read gives none once the bytes end.
pub struct Bits<'a> {
    rest: &'a [u8],
    /// Emulation prevention bytes are passed over.
    escaped: bool,
    zeros: u32,
    byte: u8,
    left: u32,
}

impl<'a> Bits<'a> {
    pub fn new(rest: &'a [u8]) -> Self {
        Bits {
            rest,
            escaped: false,
            zeros: 0,
            byte: 0,
            left: 0,
        }
    }

    /// Of a NAL unit, which has emulation prevention bytes (H.264 7.3.1).
    pub fn of_nal(rest: &'a [u8]) -> Self {
        Bits {
            escaped: true,
            ..Bits::new(rest)
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (mut byte, mut after) = self.rest.split_first()?;
        if self.escaped && self.zeros >= 2 && *byte == 3 {
            self.zeros = 0;
            (byte, after) = after.split_first()?;
        }
        self.zeros = if *byte == 0 { self.zeros + 1 } else { 0 };
        self.rest = after;
        Some(*byte)
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            self.byte = self.next_byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Some(u32::from(self.byte >> self.left & 1))
    }

    pub fn flag(&mut self) -> Option<bool> {
        Some(self.bit()? == 1)
    }

    /// At most 32 bits.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0u32, |value, _| Some(value << 1 | self.bit()?))
    }

    /// ue(v) (H.264 9.1), uvlc() (AV1 4.10.3).
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let suffix = self.take(zeros)?;
        ((1u32 << zeros) - 1).checked_add(suffix)
    }

    /// se(v) (H.264 9.1.1).
    pub fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 {
            code / 2 + 1
        } else {
            -(code / 2)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_three_behind_two_zeros_is_passed_over_in_nal_units_alone() {
        let bytes = [0, 0, 3, 1];
        assert_eq!(Bits::new(&bytes).take(32), Some(0x0000_0301));
        let mut nal = Bits::of_nal(&bytes);
        assert_eq!((nal.take(24), nal.take(1)), (Some(1), None));
    }
}
