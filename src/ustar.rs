//! A tar archive of plain files, as POSIX.1-1988 has it (ustar): what every tool reads. The same
//! members give the same bytes: no times, no owners.

/// Headers, and the ends of members, lie at multiples of this.
const BLOCK: usize = 512;
/// Two empty blocks end an archive.
const END: usize = 2 * BLOCK;
/// Longest name that fits into a header.
const MAX_NAME: usize = 100;

/// Adds a file, and answers at which byte its contents begin.
pub fn append(tar: &mut Vec<u8>, name: &str, contents: &[u8]) -> usize {
    tar.extend_from_slice(&header(name, contents.len() as u64));
    let begins = tar.len();
    tar.extend_from_slice(contents);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    begins
}

/// Bytes that a file adds.
pub fn member_bytes(contents: usize) -> usize {
    BLOCK + contents.next_multiple_of(BLOCK)
}

pub fn end(tar: &mut Vec<u8>) {
    tar.resize(tar.len() + END, 0);
}

fn header(name: &str, bytes: u64) -> [u8; BLOCK] {
    debug_assert!(name.len() <= MAX_NAME);
    let mut header = [0; BLOCK];
    let mut write = |at: usize, text: &[u8]| {
        let field = header.get_mut(at..at + text.len());
        field.unwrap_or_default().copy_from_slice(text);
    };
    write(0, name.as_bytes());
    write(100, b"0000644\0");
    // Owner and group by number, root's: names would be looked up.
    write(108, b"0000000\0");
    write(116, b"0000000\0");
    write(124, format!("{bytes:011o}\0").as_bytes());
    write(136, b"00000000000\0");
    // The sum is taken with blanks in its own place.
    write(148, b"        ");
    write(156, b"0");
    write(257, b"ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    let field = header.get_mut(148..156);
    let text = format!("{sum:06o}\0 ");
    field.unwrap_or_default().copy_from_slice(text.as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_the_standards_own() {
        // Made with Python: tarfile.TarInfo("17.jpg"), size=83123, tobuf(tarfile.USTAR_FORMAT).
        let mut tar = Vec::new();
        let begins = append(&mut tar, "17.jpg", &vec![7; 83_123]);
        assert_eq!(begins, 512);
        assert_eq!(tar.len(), 512 + 163 * 512);
        assert_eq!(tar.len(), member_bytes(83_123));
        let golden: &[(usize, &[u8])] = &[
            (0, b"17.jpg\0"),
            (
                100,
                b"0000644\x000000000\x000000000\x0000000242263\x0000000000000\x00",
            ),
            (148, b"006707\0 0\0"),
            (257, b"ustar\x0000\0"),
        ];
        for (at, text) in golden {
            assert_eq!(&tar[*at..*at + text.len()], *text, "{at}");
        }
        end(&mut tar);
        assert!(tar[tar.len() - 1024..].iter().all(|b| *b == 0));
    }
}
