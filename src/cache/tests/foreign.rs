//! Frames that others put beside a put profile's records.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::Profile;
use crate::cache::clear::ClearRequest;
use crate::cache::put::PutFrame;
use crate::cache::read::{Miss, View};
use crate::cache::testing::*;
use crate::cache::tests::stores::VisitedStore;
use crate::media::facts::FrameFacts;
use crate::store::memory::MemoryStore;
use crate::store::{PutOptions, Store};

fn put(seq: u64, gray: u8) -> PutFrame {
    PutFrame {
        seq,
        jpeg: jpeg(gray),
        facts: FrameFacts {
            timestamp: Some(seq as f64),
            ..FrameFacts::default()
        },
    }
}

fn through(store: Arc<dyn Store>) -> Profile {
    cache_over(store).profile("t", "default").unwrap()
}

/// A profile to which frame 0 was put, and others' frame 7 beside it.
async fn beside(bytes: Bytes) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    through(store.clone())
        .put_frames(vec![put(0, 1)])
        .await
        .unwrap();
    let key = "cache/timelines/t/frames/7.jpg";
    let options = PutOptions::durable("image/jpeg");
    store.put(key, bytes, options).await.unwrap();
    store
}

async fn look(profile: &Profile) -> View {
    let view = profile.view().await.unwrap();
    profile.with_foreign(view).await.unwrap()
}

fn named(view: &View) -> Vec<u64> {
    match view {
        View::Put(index) => index.latest().map(|facts| facts.seq).collect(),
        _ => Vec::new(),
    }
}

async fn gray_of(profile: &Profile, seq: u64) -> Result<u8, Miss> {
    let frame = elsewhere(profile).read_frame(seq).await.unwrap()?;
    Ok((0..=255).find(|&gray| jpeg(gray) == frame.jpeg).unwrap())
}

#[tokio::test]
async fn a_frame_beside_the_records_is_found_by_who_asks_for_all_and_is_recorded_once() {
    let store = beside(jpeg(9)).await;
    let profile = through(store.clone());
    assert_eq!(gray_of(&profile, 7).await, Err(Miss::NotPlanned));
    for _ in 0..2 {
        assert_eq!(named(&look(&profile).await), [0, 7]);
        assert_eq!(gray_of(&profile, 7).await, Ok(9));
        let View::Put(index) = profile.view().await.unwrap() else {
            panic!("no put profile");
        };
        assert_eq!(index.records(), 2);
    }
    let frame = elsewhere(&profile).read_frame(7).await.unwrap().unwrap();
    assert_eq!((frame.facts.width, frame.facts.height), (Some(16), Some(8)));
}

#[tokio::test]
async fn a_frame_that_is_cut_short_or_no_jpeg_is_not_recorded() {
    for bytes in [jpeg(9).slice(..jpeg(9).len() - 1), Bytes::from_static(b"x")] {
        let profile = through(beside(bytes).await);
        assert_eq!(named(&look(&profile).await), [0]);
    }
}

#[tokio::test]
async fn a_put_at_any_call_of_who_finds_a_frame_wins_over_it() {
    for calls in 0.. {
        let store = beside(jpeg(9)).await;
        let other = through(store.clone());
        let visited = VisitedStore::new(store.clone(), calls, async move {
            other.put_frames(vec![put(7, 5)]).await.unwrap();
        });
        look(&through(visited.clone())).await;
        if visited.is_waiting() {
            assert!(calls > 6, "{calls}");
            return;
        }
        let profile = through(store);
        assert_eq!(gray_of(&profile, 7).await, Ok(5), "before call {calls}");
        assert_eq!(named(&look(&profile).await), [0, 7], "before call {calls}");
    }
}

#[tokio::test]
async fn a_put_wins_over_who_finds_a_frame_at_any_call_of_it() {
    for calls in 0.. {
        let store = beside(jpeg(9)).await;
        let other = through(store.clone());
        let visited = VisitedStore::new(store.clone(), calls, async move {
            look(&other).await;
        });
        let putting = through(visited.clone());
        putting.put_frames(vec![put(7, 5)]).await.unwrap();
        if visited.is_waiting() {
            assert!(calls > 6, "{calls}");
            return;
        }
        assert_eq!(
            gray_of(&through(store), 7).await,
            Ok(5),
            "before call {calls}"
        );
    }
}

#[tokio::test]
async fn a_clear_at_any_call_of_who_finds_a_frame_leaves_nothing() {
    for calls in 0.. {
        let store = beside(jpeg(9)).await;
        let other = through(store.clone());
        let visited = VisitedStore::new(store.clone(), calls, async move {
            other.clear(ClearRequest::default()).await.unwrap();
        });
        look(&through(visited.clone())).await;
        if visited.is_waiting() {
            return;
        }
        assert!(listing(&*store).await.is_empty(), "before call {calls}");
    }
}

#[tokio::test]
async fn a_frame_that_others_removed_is_not_served_from_memory() {
    let store = beside(jpeg(9)).await;
    let profile = through(store.clone());
    let reader = profile.reader();
    assert!(reader.read_frame(0).await.unwrap().is_ok());
    store
        .delete(&["cache/timelines/t/frames/0.jpg".to_owned()])
        .await
        .unwrap();
    assert!(reader.read_frame(0).await.unwrap().is_ok(), "remembered");
    look(&profile).await;
    assert_eq!(
        reader.read_frame(0).await.unwrap().unwrap_err(),
        Miss::NoObject
    );
}
