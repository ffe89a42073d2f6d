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

/// How long the samples at these bytes last.
fn lasts(file: &[u8], samples: &[u64]) -> Option<i64> {
    let mut source = BytesSource(Bytes::copy_from_slice(file));
    duration(&mut source, samples.iter().copied(), &Stop::never()).unwrap()
}

/// Three chunks at bytes 5000, 6000 and 7000, of 2, 2 and 1 samples of 10, 20, 30, 40 and 50 bytes, that last 3, 3, 7, 7 and 11.
fn five_samples(sizes: Vec<u8>, offsets: Vec<u8>) -> Vec<Vec<u8>> {
    let durations = boxed(b"stts", &words(&[0, 3, 2, 3, 2, 7, 1, 11]));
    let runs = boxed(b"stsc", &words(&[0, 2, 1, 2, 1, 3, 1, 1]));
    vec![durations, runs, sizes, offsets]
}

fn five_words() -> Vec<Vec<u8>> {
    let sizes = boxed(b"stsz", &words(&[0, 0, 5, 10, 20, 30, 40, 50]));
    five_samples(sizes, boxed(b"stco", &words(&[0, 3, 5000, 6000, 7000])))
}

/// A movie of 1000 ticks a second with a track of 600, with these edits; and room for samples.
fn movie(edits: &[u32], tables: &[Vec<u8>], more: &[u8]) -> Vec<u8> {
    let clock = |kind, scale| boxed(kind, &words(&[0, 0, 0, scale, 0]));
    let edits = boxed(b"edts", &boxed(b"elst", &words(edits)));
    let handler = boxed(b"hdlr", &[&words(&[0, 0])[..], b"vide"].concat());
    let tables = boxed(b"minf", &boxed(b"stbl", &tables.concat()));
    let media = boxed(b"mdia", &[clock(b"mdhd", 600), handler, tables].concat());
    let id = boxed(b"tkhd", &words(&[0, 0, 0, 1, 0]));
    let track = boxed(b"trak", &[id, edits, media].concat());
    let mut file = boxed(
        b"moov",
        &[clock(b"mvhd", 1000), track, more.to_vec()].concat(),
    );
    assert!(file.len() < 5000, "{}", file.len());
    let free = boxed(b"free", &vec![0; 4992 - file.len()]);
    file.extend(free);
    file.extend(boxed(b"mdat", &[0; 4000]));
    file
}

#[test]
fn a_sample_lasts_as_its_own_entry_of_the_table_says_wherever_it_lies() {
    let places = [5000, 5010, 6000, 6030, 7000];
    let wide = [
        &words(&[0, 3])[..],
        &[5000u64, 6000, 7000].map(u64::to_be_bytes).concat(),
    ]
    .concat();
    let compact = |bits: u8, sizes: &[u8]| {
        boxed(b"stz2", &[&words(&[0, bits.into(), 5])[..], sizes].concat())
    };
    let offsets = || boxed(b"stco", &words(&[0, 3, 5000, 6000, 7000]));
    let forms = [
        five_words(),
        five_samples(
            boxed(b"stsz", &words(&[0, 0, 5, 10, 20, 30, 40, 50])),
            boxed(b"co64", &wide),
        ),
        five_samples(compact(8, &[10, 20, 30, 40, 50]), offsets()),
        five_samples(compact(16, &[0, 10, 0, 20, 0, 30, 0, 40, 0, 50]), offsets()),
    ];
    for tables in forms {
        let file = movie(&[0, 0], &tables, &[]);
        let found = places.map(|at| lasts(&file, &[at]));
        assert_eq!(found, [3, 3, 7, 7, 11].map(Some));
        assert_eq!(lasts(&file, &[6030, 7000]), Some(18), "two fields");
        for other in [0, 4999, 5001, 5030, 6029, 7050, 8999, 9001, u64::MAX] {
            assert_eq!(lasts(&file, &[other]), None, "{other}");
        }
    }
    let alike = five_samples(boxed(b"stsz", &words(&[0, 10, 5])), offsets());
    let file = movie(&[0, 0], &alike, &[]);
    assert_eq!(
        [6000, 6010, 6020, 6005].map(|at| lasts(&file, &[at])),
        [Some(7), Some(7), None, None]
    );
}

#[test]
fn an_entry_that_cannot_be_true_tells_nothing() {
    for ticks in [0, 1 << 31, u32::MAX] {
        let mut tables = five_words();
        tables[0] = boxed(b"stts", &words(&[0, 1, 5, ticks]));
        assert_eq!(lasts(&movie(&[0, 0], &tables, &[]), &[7000]), None);
    }
    let mut tables = five_words();
    tables[0] = boxed(b"stts", &words(&[0, 1, 4, 3]));
    assert_eq!(
        lasts(&movie(&[0, 0], &tables, &[]), &[7000]),
        None,
        "no entry"
    );
}

#[test]
fn an_edit_that_clearly_ends_earlier_cuts_the_sample_shown_last() {
    // It is decoded at 20 of 600 ticks, and ends at 31: 51.67 of the movie's.
    let lasts_under = |edits: &[u32]| lasts(&movie(edits, &five_words(), &[]), &[7000]);
    let edit = |ticks, begin| lasts_under(&[0, 1, ticks, begin, 1 << 16]);
    assert_eq!(edit(60, 0), Some(11));
    assert_eq!(edit(52, 0), Some(11));
    assert_eq!(edit(51, 0), Some(11), "within a tick of the movie's clock");
    assert_eq!(edit(50, 0), Some(10));
    assert_eq!(edit(40, 0), Some(4));
    assert_eq!(edit(40, 6), Some(10), "which begins later");
    assert_eq!(edit(0, 0), Some(11), "which goes on to the end");
    assert_eq!(edit(10, 0), Some(11), "which it is not in");
    assert_eq!(edit(40, u32::MAX), Some(11), "an empty one");
    assert_eq!(
        lasts_under(&[0, 2, 20, u32::MAX, 1 << 16, 40, 0, 1 << 16]),
        Some(4),
        "the last one"
    );
    let wide = lasts_under(&[1 << 24, 1, 0, 40, 0, 0, 1 << 16]);
    assert_eq!(wide, Some(4));
    // Shown 5 ticks later than it is decoded.
    let mut tables = five_words();
    tables.push(boxed(b"ctts", &words(&[0, 2, 4, 9, 1, 5])));
    let file = movie(&[0, 1, 45, 0, 1 << 16], &tables, &[]);
    assert_eq!(lasts(&file, &[7000]), Some(2));
}

/// A fragment of a track whose run's samples begin `offset` bytes behind `base`.
fn fragment(header: &[u32], runs: &[&[u32]]) -> Vec<u8> {
    let runs: Vec<Vec<u8>> = runs.iter().map(|run| boxed(b"trun", &words(run))).collect();
    let track = boxed(
        b"traf",
        &[boxed(b"tfhd", &words(header)), runs.concat()].concat(),
    );
    let number = boxed(b"mfhd", &words(&[0, 1]));
    boxed(b"moof", &[number, track].concat())
}

/// A movie without samples of its own, this fragment at byte 9000, and 600,000 bytes behind it.
fn fragmented(fragment: &[u8]) -> Vec<u8> {
    let defaults = boxed(b"mvex", &boxed(b"trex", &words(&[0, 1, 1, 5, 100, 0])));
    let mut file = movie(&[0, 0], &[], &defaults);
    file.truncate(9000);
    assert_eq!(file.len(), 9000);
    file.extend(fragment);
    file.extend(boxed(b"mdat", &vec![0; 600_000]));
    file
}

#[test]
fn a_fragments_sample_lasts_as_its_run_or_its_defaults_say() {
    let by_run = fragment(&[0x02_0000, 1], &[&[0x301, 2, 1000, 7, 40, 9, 60]]);
    let of = |head: &[u8], at: &[u64]| {
        at.iter()
            .map(|at| lasts(&fragmented(head), &[*at]))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(&by_run, &[10_000, 10_040, 10_100, 9_999]),
        [Some(7), Some(9), None, None]
    );
    // The defaults are the track's, or the fragment's own; data may be counted from elsewhere.
    let by_defaults = fragment(&[0x02_0000, 1], &[&[0x01, 2, 1000]]);
    assert_eq!(
        of(&by_defaults, &[10_000, 10_100, 10_200]),
        [Some(5), Some(5), None]
    );
    let own = fragment(
        &[0x39, 1, 0, 20_000, 6, 30, 0],
        &[&[0, 2], &[0x100, 2, 8, 9]],
    );
    assert_eq!(
        of(&own, &[20_000, 20_030, 20_060, 20_090]),
        [6, 6, 8, 9].map(Some)
    );
    let empty_first = fragment(&[0x02_0000, 1], &[&[0x305, 2, 1000, 0, 7, 0, 9, 60]]);
    assert_eq!(of(&empty_first, &[10_000]), [Some(9)]);
    let far = fragment(&[0x02_0000, 1], &[&[0x301, 1, 590_000, 7, 40]]);
    assert_eq!(of(&far, &[599_000]), [Some(7)]);
}

#[test]
fn bytes_that_look_like_a_fragments_head_hide_none() {
    let head = fragment(&[0x02_0000, 1], &[&[0x301, 1, 590_000, 7, 40]]);
    let mut file = fragmented(&head);
    for at in [20_000, 9_000 + (256 << 10), 300_000] {
        file[at..at + 8].copy_from_slice(b"\0\0\x10\0moof");
    }
    assert_eq!(lasts(&file, &[599_000]), Some(7));
    // There is an end to looking.
    for at in (20_000..500_000).step_by(8) {
        file[at..at + 8].copy_from_slice(b"\0\0\x10\0moof");
    }
    assert_eq!(lasts(&file, &[599_000]), None);
}

#[test]
fn tables_that_are_cut_off_anywhere_are_no_failure() {
    let whole = movie(&[0, 1, 40, 0, 1 << 16], &five_words(), &[]);
    for length in 0..5000 {
        let mut file = whole.clone();
        file[length..].fill(0);
        assert!(
            matches!(lasts(&file, &[7000]), None | Some(4 | 11)),
            "{length}"
        );
    }
    let head = fragment(&[0x02_0000, 1], &[&[0x301, 2, 1000, 7, 40, 9, 60]]);
    for length in 0..head.len() {
        let mut file = fragmented(&head);
        file[9000 + length..9000 + head.len()].fill(0);
        assert_eq!(lasts(&file, &[10_040]), None, "{length}");
    }
}
