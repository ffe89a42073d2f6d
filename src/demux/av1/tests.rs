use std::process::Command;

use super::headers::KEY_FRAME;
use super::*;
use crate::decode::conformance::{AOM, Clip, SVT, clip};

/// Bits from (value, count) pairs, closed by a one and filled up with zeros.
fn bits(fields: &[(u32, u32)]) -> Vec<u8> {
    let each = fields
        .iter()
        .chain(&[(1, 1)])
        .flat_map(|(value, count)| (0..*count).rev().map(move |n| (value >> n & 1) as u8));
    let all: Vec<u8> = each.collect();
    let byte = |bits: &[u8]| (0..8).fold(0, |sum, n| sum << 1 | bits.get(n).unwrap_or(&0));
    all.chunks(8).map(byte).collect()
}

fn obu(kind: u8, layers: Option<(u8, u8)>, payload: &[u8]) -> Vec<u8> {
    let mut obu = vec![kind << 3 | u8::from(layers.is_some()) << 2 | 2];
    obu.extend(layers.map(|(temporal, spatial)| temporal << 5 | spatial << 3));
    obu.push(payload.len() as u8);
    obu.extend(payload);
    obu
}

/// A sequence of one operating point of these layers, with order hints of 4 bits.
fn sequence_of(idc: u32) -> Vec<u8> {
    obu(
        SEQUENCE_HEADER,
        None,
        &bits(&[
            (0, 3 + 1 + 1),
            (0, 1 + 1 + 5), // no timing, no delays, one operating point
            (idc, 12),
            (4, 5),
            (7, 4),
            (7, 4),
            (159, 8),
            (119, 8),
            (0, 1), // no frame ids
            (0, 3 + 4),
            (1, 1),
            (0, 2),
            (1, 1), // frames say whether they are screen content
            (1, 1),
            (3, 3),
        ]),
    )
}

const ALWAYS: Option<(u8, u8)> = None;

#[test]
fn a_unit_whose_obus_do_not_lie_in_it_is_unreadable() {
    let unit = [obu(TEMPORAL_DELIMITER, None, &[]), sequence_of(0), key(0)].concat();
    assert!(reads(&unit) && reads(&[]));
    assert!(!reads(&unit[..unit.len() - 1]));
    // The forbidden bit.
    assert!(!reads(&[&[0x80 | unit[0]], &unit[1..]].concat()));
}

fn key(order_hint: u32) -> Vec<u8> {
    let shown = [(0, 1), (KEY_FRAME, 2), (1, 1), (0, 3), (order_hint, 4)];
    obu(FRAME, ALWAYS, &bits(&shown))
}

/// A shown inter frame that refreshes these slots.
fn inter(refresh: u32, order_hint: u32, layers: Option<(u8, u8)>) -> Vec<u8> {
    let start = [(0, 1), (1, 2), (1, 1), (0, 4), (order_hint, 4), (0, 3)];
    obu(
        FRAME,
        layers,
        &bits(&[&start[..], &[(refresh, 8)]].concat()),
    )
}

/// The same of one that is error resilient, with what it takes the slots' order hints to be.
fn resilient(refresh: u32, order_hint: u32, hints: [u32; 8]) -> Vec<u8> {
    let mut fields = vec![(0, 1), (1, 2), (1, 1), (1, 1), (0, 3), (order_hint, 4)];
    fields.push((refresh, 8));
    fields.extend(hints.map(|hint| (hint, 4)));
    obu(FRAME, ALWAYS, &bits(&fields))
}

fn existing(slot: u32) -> Vec<u8> {
    obu(FRAME_HEADER, ALWAYS, &bits(&[(1, 1), (slot, 3)]))
}

/// A hidden key frame into these slots.
fn hidden_key(refresh: u32, order_hint: u32) -> Vec<u8> {
    let fields = [
        (0, 1),
        (KEY_FRAME, 2),
        (0, 1),
        (1, 1),
        (0, 4),
        (order_hint, 4),
    ];
    obu(
        FRAME,
        ALWAYS,
        &bits(&[&fields[..], &[(refresh, 8)]].concat()),
    )
}

/// Which of the units that follow a sequence header and a key frame are disposable.
fn disposable<const N: usize>(units: [Vec<u8>; N]) -> [bool; N] {
    let mut references = References::default();
    assert!(!references.disposable(&[sequence_of(0), key(0)].concat()));
    units.map(|unit| references.disposable(&unit))
}

#[test]
fn a_unit_is_disposable_if_each_of_its_frames_refreshes_nothing() {
    let delimiter = obu(TEMPORAL_DELIMITER, None, &[]);
    let told = disposable([
        inter(0, 1, ALWAYS),
        inter(0x40, 2, ALWAYS),
        [delimiter.clone(), inter(0, 3, ALWAYS)].concat(),
        [inter(0x40, 5, ALWAYS), inter(0, 4, ALWAYS)].concat(),
        [inter(0, 5, ALWAYS), inter(0, 6, ALWAYS)].concat(),
        delimiter,
        key(7),
    ]);
    assert_eq!(told, [true, false, true, false, true, false, false]);
}

#[test]
fn a_frame_shown_again_is_disposable_unless_it_is_a_key_frame() {
    // Slot 3 holds an inter frame, slot 5 a hidden key frame, the others the first key frame.
    let told = disposable([
        inter(1 << 3, 1, ALWAYS),
        hidden_key(1 << 5, 2),
        existing(3),
        existing(5),
        // It is in all slots now.
        existing(3),
    ]);
    assert_eq!(told, [false, false, true, false, false]);
}

#[test]
fn an_error_resilient_frame_that_sets_a_slot_anew_is_not_disposable() {
    let mut hints = [0; 8];
    hints[2] = 1;
    let told = disposable([
        resilient(0, 1, [0; 8]),
        inter(1 << 2, 1, ALWAYS),
        resilient(0, 2, hints),
        resilient(0, 2, [0; 8]),
        // What the slots hold is not known any more.
        resilient(0, 3, [0; 8]),
        existing(2),
        key(4),
        resilient(0, 5, [4; 8]),
    ]);
    let expected = [true, false, true, false, false, false, false, true];
    assert_eq!(told, expected);
}

#[test]
fn frames_of_layers_that_are_not_decoded_do_not_count() {
    let mut references = References::default();
    // Temporal layers 0 and 1 of spatial layer 0.
    references.disposable(&[sequence_of(0x103), key(0)].concat());
    let told = [(1, 0), (2, 0), (0, 1)]
        .map(|layer| [inter(0, 1, Some((0, 0))), inter(1, 1, Some(layer))].concat())
        .map(|unit| references.disposable(&unit));
    assert_eq!(told, [false, true, true]);
    assert!(!references.disposable(&inter(0, 2, Some((2, 0)))));
}

#[test]
fn clocks_decoder_models_and_frame_ids_are_read_over() {
    let header = bits(&[
        (0, 3 + 1 + 1),
        (1, 1), // timing_info
        (1, 32),
        (50, 32),
        (0, 1),
        (1, 1), // decoder_model_info
        (9, 5),
        (1, 32),
        (19, 5),
        (14, 5),
        (1, 1),
        (1, 5), // two operating points
        (0, 12),
        (8, 5),
        (0, 1),
        (1, 1),
        (1, 20),
        (0, 1),
        (1, 1),
        (3, 4),
        (0, 12),
        (4, 5),
        (0, 1),
        (0, 1),
        (7, 4),
        (7, 4),
        (159, 8),
        (119, 8),
        (1, 1), // frame ids of 3 + 2 + 2 + 1 bits
        (3, 4),
        (2, 3),
        (0, 3 + 4),
        (0, 1), // no order hints
        (0, 1),
        (1, 1),
        (0, 1),
        (1, 1),
    ]);
    let mut references = References::of_extradata(&obu(SEQUENCE_HEADER, None, &header));
    let frame = |refresh| {
        let fields = [
            (0, 1),
            (1, 2),
            (1, 1),
            (0xff, 15),
            (0, 1),
            (0, 1),
            (0xff, 8),
            (0, 1),
            (0, 3),
            (1, 1),
            (0xff, 20),
            (refresh, 8),
        ];
        obu(FRAME, ALWAYS, &bits(&fields))
    };
    assert!(references.disposable(&frame(0)));
    assert!(!references.disposable(&frame(1)));
}

#[test]
fn without_a_sequence_header_or_cut_off_no_unit_is_disposable() {
    let unit = inter(0, 1, ALWAYS);
    assert!(!References::default().disposable(&unit));
    for end in 0..unit.len() {
        let [told, after] = disposable([unit[..end].to_vec(), existing(0)]);
        assert!(!told && !after, "{end}");
    }
    let sequence = sequence_of(0);
    for end in 0..sequence.len() {
        let mut references = References::of_extradata(&sequence[..end]);
        assert!(!references.disposable(&unit), "{end}");
    }
}

/// By FFmpeg's own parser: of each packet, whether it refreshes no slot.
fn traced(path: &std::path::Path) -> Vec<bool> {
    let traced = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-i"])
        .arg(path)
        .args(["-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(traced.stderr).unwrap();
    let of_packet = |lines: &str| {
        let values = |name: &str| -> Vec<u32> {
            let of_name = lines
                .lines()
                .filter(|l| l.split_whitespace().any(|w| w == name));
            of_name
                .map(|l| l.rsplit(' ').next().unwrap().parse().unwrap())
                .collect()
        };
        let frames = values("show_existing_frame");
        let refreshes = values("refresh_frame_flags");
        let again = frames.iter().filter(|again| **again == 1).count();
        // A key frame that is shown does not say so.
        refreshes.iter().all(|flags| *flags == 0) && refreshes.len() + again == frames.len()
    };
    text.split("Packet: ").skip(1).map(of_packet).collect()
}

#[test]
fn what_is_disposable_is_what_ffmpeg_reads_too() {
    let clips = [
        ("av1-leaves.mp4", &SVT[..], &[][..]),
        ("av1-aom.mkv", &AOM, &[]),
        // With frame ids and order hints of slots.
        ("av1-resilient.mkv", &AOM, &["-error-resilience", "1"]),
    ];
    for (name, encoder, more) in clips {
        let source = ["testsrc2=size=160x120:rate=25:duration=2"];
        let path = clip(name, &[&source, encoder, more].concat());
        let units = &Clip::open(&path).track.units;
        let told: Vec<bool> = units.iter().map(|unit| unit.disposable()).collect();
        assert_eq!(told, traced(&path), "{name}");
        assert!(told.contains(&true) && told.contains(&false), "{name}");
    }
}
