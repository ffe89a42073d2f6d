//! Frames that lie packed, and beside loose ones.

use std::sync::Arc;

use crate::cache::Profile;
use crate::cache::clear::ClearRequest;
use crate::cache::keys::SpanId;
use crate::cache::places::Place;
use crate::cache::plans::{Claimed, Replace};
use crate::cache::put::PutFrame;
use crate::cache::read::{Frame, Miss, Reader, View, With};
use crate::cache::record::Record;
use crate::cache::repack::Repacked;
use crate::cache::sealed::{self, Unreadable, Versioned};
use crate::cache::status::SpanState;
use crate::cache::testing::*;
use crate::cache::tests::stores::VisitedStore;
use crate::cache::verify::Fault;
use crate::error::Reason;
use crate::media::facts::FrameFacts;
use crate::store::memory::{MemoryStore, Operation};
use crate::store::{PutOptions, Store};
use crate::timeline::plan::{FrameLayout, Plan};

const BASE: &str = "cache/timelines/t/";

fn plan() -> Plan {
    plan_of(vec![row("0", 0, 0, 10), row("0", 1, 10, 5)])
}

async fn extracted(layout: FrameLayout) -> (Arc<MemoryStore>, Profile) {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    extract_missing(&profile, plan().laid_out(layout)).await;
    (store, profile)
}

async fn extract_missing(profile: &Profile, plan: Plan) {
    let plan = profile.claim_plan(&plan, None).await.unwrap().plan;
    let states = profile.reusable_states(&plan, &all_rows(&plan)).await;
    for (row, state) in plan.digested().zip(states.unwrap()) {
        if matches!(state, SpanState::Missing(_)) {
            extract_row(profile, row).await.unwrap();
        }
    }
}

fn other(store: &Arc<MemoryStore>) -> Profile {
    let store: Arc<dyn Store> = store.clone();
    cache_over(store).profile("t", "default").unwrap()
}

async fn keys(store: &MemoryStore, below: &str) -> Vec<String> {
    let prefix = format!("{BASE}{below}");
    let all = listing(store).await.into_iter().map(|(key, _)| key);
    all.filter(|key| key.starts_with(&prefix)).collect()
}

async fn change(store: &MemoryStore, key: &str, change: impl Fn(&mut Vec<u8>)) {
    let mut data = store.get(key).await.unwrap().unwrap().data.to_vec();
    change(&mut data);
    let options = PutOptions::durable("x/y");
    store.put(key, data.into(), options).await.unwrap();
}

/// What was asked of the store since `from`, but for listings.
fn asked(store: &MemoryStore, from: usize) -> Vec<Operation> {
    let calls = store.calls().into_iter().skip(from).map(|(call, _)| call);
    calls.filter(|call| *call != Operation::List).collect()
}

/// Frames asked for in this order, with those that they may be read together with.
async fn read(reader: &Reader, seqs: &[u64]) -> Vec<Result<Frame, Miss>> {
    let View::Extracted(plan) = reader.view().await.unwrap() else {
        panic!("it was not extracted");
    };
    let row = plan.row_of(seqs[0]).unwrap();
    let wanted = (0..).zip(seqs.iter().copied().map(Some));
    let wanted: Vec<_> = wanted.collect();
    let ahead = reader.ahead(row, wanted.into_iter()).await.unwrap();
    let mut frames = Vec::new();
    for (index, seq) in (0..).zip(seqs) {
        let with = ahead.as_ref().map(|ahead| With { ahead, index });
        frames.push(reader.read_with(*seq, with).await.unwrap());
    }
    frames
}

fn bytes_of(plan: &crate::cache::planned::Planned, seq: u64) -> bytes::Bytes {
    frame_bytes(plan.row_of(seq).unwrap(), seq)
}

#[tokio::test]
async fn a_packed_span_is_one_object_and_served_as_a_loose_one_is() {
    let (store, profile) = extracted(FrameLayout::Packed).await;
    assert_eq!(keys(&store, "packs/0/").await.len(), 2);
    assert_eq!(keys(&store, "frames/").await, Vec::<String>::new());
    let plan = profile.load_plan().await.unwrap().unwrap();
    let (loose, _) = extracted(FrameLayout::Frames).await;
    let (packed, loose) = (elsewhere(&profile), elsewhere(&other(&loose)));
    for seq in 0..15 {
        let packed = packed.read_frame(seq).await.unwrap().unwrap();
        let loose = loose.read_frame(seq).await.unwrap().unwrap();
        assert_eq!(packed.jpeg, bytes_of(&plan, seq));
        assert_eq!(packed.jpeg, loose.jpeg);
        assert_eq!(packed.facts, loose.facts);
    }
}

#[tokio::test]
async fn frames_that_follow_each_other_are_read_at_once_and_a_single_one_by_its_range_alone() {
    let (store, profile) = extracted(FrameLayout::Packed).await;
    let plan = profile.load_plan().await.unwrap().unwrap();
    let reader = elsewhere(&profile);
    reader.record(plan.row(0).unwrap()).await.unwrap().unwrap();
    reader.view().await.unwrap();
    let before = store.calls().len();
    reader.read_frame(7).await.unwrap().unwrap();
    assert_eq!(asked(&store, before), [Operation::GetRange]);
    let before = store.calls().len();
    let frames = read(&reader, &[0, 1, 2, 3, 4, 5, 6]).await;
    assert_eq!(asked(&store, before), [Operation::GetRange]);
    for (seq, frame) in (0..).zip(frames) {
        assert_eq!(frame.unwrap().jpeg, bytes_of(&plan, seq));
    }
    // Known now, however they are asked for.
    let before = store.calls().len();
    read(&reader, &[6, 7, 0])
        .await
        .into_iter()
        .for_each(|frame| drop(frame.unwrap()));
    assert_eq!(asked(&store, before), []);
}

#[tokio::test]
async fn what_is_read_together_is_on_the_callers_account_until_it_is_taken_and_given_back() {
    let (_, profile) = extracted(FrameLayout::Packed).await;
    let reader = elsewhere(&profile);
    let accountant = reader.profile().account.accountant().clone();
    let held = || accountant.held(crate::account::Kind::Answers);
    let frames = read(&reader, &[3, 4, 5]).await;
    let bytes: u64 = frames.iter().flatten().map(|f| f.jpeg.len() as u64).sum();
    assert_eq!(held(), bytes);
    drop(frames);
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn of_a_pack_that_is_damaged_only_the_frames_that_it_hits_are_lost_and_none_is_guessed() {
    let (store, profile) = extracted(FrameLayout::Packed).await;
    let plan = profile.load_plan().await.unwrap().unwrap();
    let record = profile.record(plan.row(0).unwrap()).await.unwrap().unwrap();
    let Some(Place::Packed(slice)) = record.place(record.frame(4).unwrap()) else {
        panic!("frame 4 lies in no pack");
    };
    let key = profile.keys().pack(&slice.pack);
    let at = slice.offset as usize + 3;
    change(&store, &key, |tar| tar[at] ^= 1).await;
    let seqs: Vec<u64> = (0..10).collect();
    for (seq, frame) in (0..).zip(read(&elsewhere(&profile), &seqs).await) {
        match seq {
            4 => assert_eq!(frame.unwrap_err(), Miss::WrongSha256),
            _ => assert_eq!(frame.unwrap().jpeg, bytes_of(&plan, seq)),
        }
    }
    let end = slice.range().end as usize;
    change(&store, &key, |tar| tar.truncate(end - 1)).await;
    for (seq, frame) in (0..).zip(read(&elsewhere(&profile), &seqs).await) {
        assert_eq!(frame.is_ok(), seq < 4, "{seq}");
    }
    store.delete(&[key]).await.unwrap();
    for frame in read(&elsewhere(&profile), &seqs).await {
        assert_eq!(frame.unwrap_err(), Miss::NoObject);
    }
    // Its span is missing; the other is whole.
    let states = profile.reusable_states(&plan, &[0, 1]).await.unwrap();
    assert_eq!(states[0], SpanState::Missing(Miss::NoObject));
    assert!(matches!(states[1], SpanState::Complete(_)));
}

#[tokio::test]
async fn verifying_finds_every_flipped_bit_of_a_pack_and_repairing_brings_its_span_back() {
    let (store, profile) = extracted(FrameLayout::Packed).await;
    let sound = listing(&*store).await;
    let report = profile.verify(false).await.unwrap();
    let counts = (report.frames_checked, report.records_checked, report.faults);
    assert_eq!(counts, (15, 2, 0));
    let pack = keys(&store, "packs/0/0-").await.remove(0);
    let length = store.get(&pack).await.unwrap().unwrap().data.len();
    // In a header, a frame, its facts, the padding and the end.
    for at in (0..length).step_by(97).chain([length - 1]) {
        change(&store, &pack, |tar| tar[at] ^= 4).await;
        let report = profile.verify(false).await.unwrap();
        let found: Vec<_> = report.findings.iter().map(|f| (&f.key, f.fault)).collect();
        assert_eq!(found, [(&pack, Fault::WrongSha256)], "byte {at}");
        change(&store, &pack, |tar| tar[at] ^= 4).await;
    }
    change(&store, &pack, |tar| tar.truncate(700)).await;
    let stray = format!("{BASE}packs/0/1-00000000.tar");
    let options = PutOptions::durable("x/y");
    store.put(&stray, "x".into(), options).await.unwrap();
    let gone = keys(&store, "packs/0/1-").await.pop().unwrap();
    store.delete(std::slice::from_ref(&gone)).await.unwrap();
    let report = profile.verify(true).await.unwrap();
    let found: Vec<_> = report.findings.iter().map(|f| (&f.key, f.fault)).collect();
    let wanted = [
        (&pack, Fault::WrongSize),
        (&stray, Fault::StrayFrame),
        (&gone, Fault::MissingFrame),
    ];
    assert_eq!(found, wanted);
    extract_missing(&profile, plan().laid_out(FrameLayout::Packed)).await;
    assert_eq!(listing(&*store).await, sound);
    assert!(profile.verify(false).await.unwrap().is_clean());
}

#[tokio::test]
async fn clearing_and_replacing_take_packs_along() {
    let (store, profile) = extracted(FrameLayout::Packed).await;
    let dry = ClearRequest {
        dry_run: true,
        ..ClearRequest::default()
    };
    let counted = profile.clear(dry).await.unwrap();
    assert_eq!((counted.packs.objects, counted.frames.objects), (2, 0));
    let mut smaller = plan_of(vec![row("0", 0, 0, 10)]);
    smaller.parameters.as_mut().unwrap().quality = 70;
    let replace = Some(Replace::default());
    let claim = profile.claim_plan(&smaller, replace).await.unwrap();
    assert_eq!(claim.claimed, Claimed::Replaced);
    let row = claim.plan.row(0).unwrap();
    extract_row(&profile, row).await.unwrap();
    let swept = profile.sweep_stale().await.unwrap();
    assert_eq!((swept.packs.objects, swept.frames.objects), (2, 0));
    assert_eq!(keys(&store, "packs/").await, Vec::<String>::new());
    assert_eq!(keys(&store, "frames/").await.len(), 10);
    let request = ClearRequest {
        plan: true,
        ..ClearRequest::default()
    };
    profile.clear(request).await.unwrap();
    assert!(listing(&*store).await.is_empty());
}

#[tokio::test]
async fn repacked_either_way_a_profile_is_what_it_were_had_it_been_extracted_so() {
    for (from, to) in [
        (FrameLayout::Frames, FrameLayout::Packed),
        (FrameLayout::Packed, FrameLayout::Frames),
    ] {
        let (store, profile) = extracted(from).await;
        let (wanted, _) = extracted(to).await;
        let done = profile.repack(to, &|_, _| ()).await.unwrap();
        assert_eq!((done.spans, done.frames, done.before), (2, 15, 0));
        assert_eq!(listing(&*store).await, listing(&*wanted).await);
        let done = other(&store).repack(to, &|_, _| ()).await.unwrap();
        let nothing = Repacked {
            before: 2,
            ..Repacked::default()
        };
        assert_eq!(done, nothing);
        // What is extracted from now on lies so too, whoever asks for nothing else.
        let claim = profile.claim_plan(&plan().laid_out(to), None).await;
        assert_eq!(claim.unwrap().claimed, Claimed::Unchanged);
    }
}

#[tokio::test]
async fn a_span_with_a_damaged_frame_is_left_as_it_is_and_the_others_are_repacked() {
    let (store, profile) = extracted(FrameLayout::Frames).await;
    let frame = format!("{BASE}frames/3.jpg");
    change(&store, &frame, |jpeg| jpeg[2] ^= 1).await;
    let done = profile.repack(FrameLayout::Packed, &|_, _| ()).await;
    let done = done.unwrap();
    assert_eq!((done.spans, done.damaged), (1, 1));
    let reader = elsewhere(&profile);
    for seq in (0..15).filter(|seq| *seq != 3) {
        reader.read_frame(seq).await.unwrap().unwrap();
    }
    assert_eq!(keys(&store, "frames/").await.len(), 10);
}

#[tokio::test]
async fn only_what_was_extracted_is_repacked() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let frame = PutFrame {
        seq: 0,
        jpeg: jpeg(1),
        facts: FrameFacts::default(),
    };
    profile.put_frames(vec![frame]).await.unwrap();
    let error = profile.repack(FrameLayout::Packed, &|_, _| ()).await;
    assert_eq!(error.unwrap_err().reason(), Reason::PlanDiffers);
}

#[tokio::test]
async fn whoever_clears_or_extracts_while_a_profile_is_repacked_no_record_outlives_its_frames() {
    for clears in [true, false] {
        for calls in 0.. {
            let (store, _) = extracted(FrameLayout::Frames).await;
            let neighbour = other(&store);
            let visited = VisitedStore::new(store.clone(), calls, async move {
                if clears {
                    neighbour.clear(ClearRequest::default()).await.unwrap();
                } else {
                    let (chunk_id, span) = ("0".to_owned(), 0);
                    let id = SpanId { chunk_id, span };
                    extract_until_it_stands(&neighbour, &id).await.unwrap();
                }
            });
            let cache = cache_over(visited.clone());
            let profile = cache.profile("t", "default").unwrap();
            let repacked = profile.repack(FrameLayout::Packed, &|_, _| ()).await;
            if visited.is_waiting() {
                assert!(calls > 20, "{calls}");
                break;
            }
            if let Err(error) = repacked {
                assert_eq!(error.reason(), Reason::PlanDiffers, "before call {calls}");
            }
            assert_eq!(lost_frames(&other(&store)).await, [], "before call {calls}");
        }
    }
}

/// A record as a reader has it who knows only loose frames.
#[derive(Debug, serde::Deserialize)]
struct OldRecord {}

impl Versioned for OldRecord {
    const KNOWN: u32 = 1;
}

#[tokio::test]
async fn an_old_reader_goes_on_with_loose_frames_and_says_which_release_packed_ones_need() {
    for (layout, is_read) in [(FrameLayout::Frames, true), (FrameLayout::Packed, false)] {
        let (store, profile) = extracted(layout).await;
        let stored = |key: String| {
            let store = store.clone();
            async move { store.get(&key).await.unwrap().unwrap().data }
        };
        let (chunk_id, span) = ("0".to_owned(), 1);
        let record = profile.keys().record(&SpanId { chunk_id, span });
        let record = stored(record).await;
        assert_eq!(Record::decode(&record).unwrap().packs.is_none(), is_read);
        for data in [record, stored(profile.keys().plan()).await] {
            match sealed::open::<OldRecord>(&data) {
                Ok(_) => assert!(is_read),
                Err(Unreadable::Newer(newer)) => {
                    let refusal = newer.refusal("it");
                    let hint = refusal.hint_text().unwrap();
                    assert!(!is_read && hint.contains("framecache 0.2.0 or newer"));
                }
                Err(Unreadable::Damaged) => panic!("it is damaged"),
            }
        }
    }
}
