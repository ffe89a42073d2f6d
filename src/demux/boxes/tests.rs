//! Headers that are small and claim much.

use bytes::Bytes;

use super::*;
use crate::source::BytesSource;

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = (8 + body.len()) as u32;
    [&size.to_be_bytes()[..], kind, body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A track of that kind whose tables are these.
fn track(handler: &[u8; 4], tables: &[Vec<u8>]) -> Vec<u8> {
    let id = boxed(b"tkhd", &words(&[0, 0, 0, 1, 0]));
    let handler = boxed(b"hdlr", &[&words(&[0, 0])[..], handler].concat());
    let tables = boxed(b"stbl", &tables.concat());
    let media = boxed(b"mdia", &[handler, boxed(b"minf", &tables)].concat());
    boxed(b"trak", &[id, media].concat())
}

fn one_size(size: u32, count: u32) -> Vec<u8> {
    boxed(b"stsz", &words(&[0, size, count]))
}

fn checked(file: &[u8]) -> Result<bool> {
    let mut source = BytesSource(Bytes::copy_from_slice(file));
    check(&mut source, &Stop::never())
}

fn refused(file: &[u8]) -> (Reason, String) {
    let error = checked(file).unwrap_err();
    (error.reason(), error.message().to_owned())
}

#[test]
fn a_sample_table_that_claims_more_than_the_file_holds_is_refused_with_its_number() {
    for count in [700_000, 1_000_000_000] {
        for table in [one_size(1, count), one_size(0, count)] {
            let (reason, message) = refused(&boxed(b"moov", &track(b"vide", &[table])));
            assert_eq!(reason, Reason::MediaLimit);
            assert!(message.contains(&format!("={count} ")), "{message}");
        }
    }
    let (reason, message) = refused(&boxed(b"moov", &track(b"text", &[one_size(0, 700_000)])));
    assert_eq!(reason, Reason::MediaCorrupt);
    assert!(message.contains("samples=700000 "), "{message}");
}

#[test]
fn what_tracks_claim_is_counted_together() {
    let some = track(b"text", &[one_size(1, 400_000)]);
    assert!(checked(&boxed(b"moov", &some)).is_ok());
    assert_eq!(
        refused(&boxed(b"moov", &[some.clone(), some].concat())).0,
        Reason::MediaCorrupt
    );
}

#[test]
fn sound_of_one_size_counts_by_its_chunks() {
    // Two hours of 48 kHz in chunks of half a second are few entries.
    let sound = |samples: u32| {
        let run = boxed(b"stsc", &words(&[0, 1, 1, samples, 1]));
        let chunks = boxed(
            b"stco",
            &words(&[[0, 14_400].as_slice(), &[0; 14_400]].concat()),
        );
        let size = one_size(4, 345_600_000);
        boxed(b"moov", &track(b"soun", &[size, run, chunks]))
    };
    assert!(checked(&sound(4_000)).is_ok());
    assert_eq!(refused(&sound(2_000_000_000)).0, Reason::MediaCorrupt);
}

#[test]
fn a_thousand_tracks_and_a_thousand_edits_are_over_a_limit() {
    let one = track(b"vide", &[]);
    let (reason, message) = refused(&boxed(b"moov", &one.repeat(1000)));
    assert_eq!(reason, Reason::MediaLimit);
    assert!(message.contains("limit=256"), "{message}");
    let edits = |edits: usize, samples| {
        let list = boxed(b"elst", &[words(&[0, 0]), vec![0; 12 * edits]].concat());
        let edits = boxed(b"edts", &list);
        let tables = boxed(
            b"mdia",
            &boxed(b"minf", &boxed(b"stbl", &one_size(0, samples))),
        );
        boxed(b"moov", &boxed(b"trak", &[edits, tables].concat()))
    };
    assert!(checked(&edits(4, 600_000)).is_ok());
    assert!(checked(&edits(1000, 2_000)).is_ok());
    let (reason, message) = refused(&edits(1000, 3_000));
    assert_eq!(reason, Reason::MediaLimit);
    assert!(message.contains("edits=1000 samples=3000"), "{message}");
}

#[test]
fn fragments_of_a_track_without_an_id_are_refused() {
    let nameless = boxed(b"trak", &boxed(b"mdia", &[]));
    let fragments = boxed(b"mvex", &boxed(b"trex", &words(&[0, 1, 1, 0, 0, 0])));
    assert!(checked(&boxed(b"moov", &nameless)).is_ok());
    let (reason, _) = refused(&boxed(b"moov", &[nameless, fragments.clone()].concat()));
    assert_eq!(reason, Reason::MediaCorrupt);
    let named = [track(b"vide", &[]), fragments].concat();
    assert!(checked(&boxed(b"moov", &named)).unwrap());
}

#[test]
fn what_is_no_mp4_and_what_is_cut_off_passes() {
    for file in [&b""[..], b"RIFF\x10\0\0\0AVI LIST", &[0x47; 400], &[0; 64]] {
        assert!(!checked(file).unwrap());
    }
    let whole = boxed(b"moov", &track(b"vide", &[one_size(0, 100)]));
    for length in 0..whole.len() {
        assert!(checked(&whole[..length]).is_ok(), "{length}");
    }
}

/// Reads all of it, so many bytes at once.
fn read(file: &[u8], at_once: usize) -> Result<()> {
    let mut source = guarded(Box::new(BytesSource(Bytes::copy_from_slice(file))));
    let mut buffer = vec![0; at_once];
    let mut at = 0;
    while at < file.len() {
        at += source.read_at(at as u64, &mut buffer)?;
    }
    Ok(())
}

#[test]
fn a_run_that_claims_too_much_is_found_however_it_is_read() {
    let run = |flags, count, more: usize| {
        boxed(b"trun", &[words(&[flags, count]), vec![0; more]].concat())
    };
    let with = |run: Vec<u8>| [vec![1; 37], run, vec![2; 41]].concat();
    for at_once in [1, 3, 16, 23, 4096] {
        for flags in [0, 0x1, 0x0100_0301] {
            let error = read(&with(run(flags, 88_000_000, 40)), at_once).unwrap_err();
            assert!(error.message().contains("samples=8"), "{}", error.message());
        }
        assert!(read(&with(run(0x301, 5, 44)), at_once).is_ok());
        // The word alone is no box.
        assert!(
            read(
                &with(b"trun\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
                at_once
            )
            .is_ok()
        );
    }
}
