//! MPEG-1 and MPEG-2 pictures (ISO/IEC 13818-2, 6.2.2 and 6.2.3): picture type
//! and whether a GOP is closed.

use super::unit::UnitKind;

pub fn mpeg12(data: &[u8], plain: UnitKind) -> UnitKind {
    let mut closed_gop = false;
    let mut from = 0;
    while let Some(at) = find_start_code(&data[from..]) {
        let code = from + at + 3;
        match (data.get(code), data.get(code + 1..)) {
            (Some(0), Some([_, second, ..])) => {
                let picture_coding_type = second >> 3 & 7;
                return UnitKind {
                    disposable: picture_coding_type == 3,
                    open: plain.cut && !closed_gop,
                    ..plain
                };
            }
            // Group of pictures: time code 25 bits, then closed_gop.
            (Some(0xb8), Some([_, _, _, fourth, ..])) => closed_gop = fourth >> 6 & 1 == 1,
            _ => {}
        }
        from = code.min(data.len());
    }
    plain
}

fn find_start_code(data: &[u8]) -> Option<usize> {
    data.windows(3).position(|w| w == [0, 0, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_pictures_are_disposable_and_an_i_picture_of_a_closed_group_is_a_closed_cut_point() {
        let plain = UnitKind {
            cut: true,
            shown: true,
            disposable: false,
            temporal_id: 0,
            skipped_leading: false,
            open: false,
            second_field: false,
        };
        let group = |flags| [0, 0, 1, 0xb8, 0, 8, 0, flags, 0, 0, 1, 0, 0, 1 << 3, 0, 0];
        assert!(!mpeg12(&group(0x40), plain).open);
        assert!(mpeg12(&group(0), plain).open);
        let b = [0, 0, 1, 0, 0, 3 << 3, 0];
        assert!(
            mpeg12(
                &b,
                UnitKind {
                    cut: false,
                    ..plain
                }
            )
            .disposable
        );
        assert!(!mpeg12(&[0, 0, 1], plain).disposable);
    }
}
