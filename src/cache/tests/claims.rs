//! Claiming, appending and replacing plans.

use bytes::Bytes;

use crate::cache::commit::Committed;
use crate::cache::planned::Row;
use crate::cache::plans::{Claim, Claimed, OverlayPolicy, Replace};
use crate::cache::record::Outcome;
use crate::cache::status::{SpanState, State};
use crate::cache::testing::*;
use crate::error::Reason;
use crate::store::memory::{Fault, Operation};
use crate::store::{PutOptions, Store};
use crate::timeline::plan::{ChunkError, PACKED_SCHEMA, Plan};

fn one_chunk() -> Plan {
    plan_of(vec![row("0", 0, 0, 3), row("0", 1, 3, 2)])
}

fn two_chunks() -> Plan {
    plan_of(vec![
        row("0", 0, 0, 3),
        row("0", 1, 3, 2),
        row("1", 0, 5, 1),
    ])
}

fn other_quality(mut plan: Plan) -> Plan {
    plan.parameters.as_mut().unwrap().quality = 70;
    plan
}

#[tokio::test]
async fn the_first_to_claim_creates_the_plan_and_the_next_works_by_it() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    assert!(profile.load_plan().await.unwrap().is_none());
    let claim = profile.claim_plan(&one_chunk(), None).await.unwrap();
    assert_eq!(claim.claimed, Claimed::Created);
    let claim = profile.claim_plan(&one_chunk(), None).await.unwrap();
    assert_eq!(claim.claimed, Claimed::Unchanged);
    assert_eq!(
        profile.load_plan().await.unwrap().unwrap().plan(),
        &one_chunk()
    );
}

/// As a release before this one wrote it.
fn read_before(mut plan: Plan) -> Plan {
    plan.reading = 0;
    plan
}

#[tokio::test]
async fn a_plan_that_was_read_by_older_rules_stays_where_its_rows_are_the_same() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let before = read_before(one_chunk());
    profile.claim_plan(&before, None).await.unwrap();
    let nonce = |claim: &Claim| claim.plan.nonce().map(str::to_owned);
    let first = nonce(&profile.claim_plan(&before, None).await.unwrap());
    let mut now = one_chunk();
    now.chunks[0].clock.times_counted = true;
    let claim = profile.claim_plan(&now, None).await.unwrap();
    assert_eq!((claim.claimed, nonce(&claim)), (Claimed::Unchanged, first));
    // It is written: who comes next need not index again, and a release before this one changes nothing.
    let stored = || async { profile.load_plan().await.unwrap().unwrap() };
    assert_eq!(stored().await.plan(), &now);
    profile.claim_plan(&before, None).await.unwrap();
    assert_eq!(stored().await.plan(), &now);
}

#[tokio::test]
async fn a_plan_that_was_read_by_older_rules_is_refused_where_its_rows_differ_and_may_be_replaced()
{
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    profile
        .claim_plan(&read_before(one_chunk()), None)
        .await
        .unwrap();
    let mut now = one_chunk();
    now.spans[1].revision = 1;
    let error = profile.claim_plan(&now, None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::PlanDiffers);
    assert!(error.message().contains("read by rules 1"), "{error}");
    let claim = profile
        .claim_plan(&now, Some(Replace::default()))
        .await
        .unwrap();
    assert_eq!(claim.claimed, Claimed::Replaced);
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_found_again() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    store.inject(Fault {
        applied: true,
        ..Fault::next(Operation::Put, Reason::StoreUnavailable)
    });
    assert!(profile.claim_plan(&one_chunk(), None).await.is_err());
    let claim = profile.claim_plan(&one_chunk(), None).await.unwrap();
    assert_eq!(claim.claimed, Claimed::Unchanged);
}

#[tokio::test]
async fn chunks_are_appended_and_a_shorter_list_leaves_them() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    profile.claim_plan(&one_chunk(), None).await.unwrap();
    let claim = profile.claim_plan(&two_chunks(), None).await.unwrap();
    assert_eq!(claim.claimed, Claimed::Appended);
    assert_eq!(claim.plan.plan(), &two_chunks());
    let claim = profile.claim_plan(&one_chunk(), None).await.unwrap();
    assert_eq!(claim.claimed, Claimed::Covered);
    assert_eq!(claim.plan.plan(), &two_chunks());
}

#[tokio::test]
async fn another_plan_is_refused_unless_it_may_replace() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    profile.claim_plan(&one_chunk(), None).await.unwrap();
    let other = other_quality(one_chunk());
    let error = profile.claim_plan(&other, None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::PlanDiffers);
    assert!(error.message().contains("quality"), "{error}");
    let claim = profile
        .claim_plan(&other, Some(Replace::default()))
        .await
        .unwrap();
    assert_eq!(claim.claimed, Claimed::Replaced);
    assert_eq!(claim.plan.plan(), &other);
}

#[tokio::test]
async fn a_changed_source_is_refused_by_its_own_name() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    profile.claim_plan(&one_chunk(), None).await.unwrap();
    let mut changed = one_chunk();
    for row in &mut changed.spans {
        row.source = identity("another file");
    }
    let error = profile.claim_plan(&changed, None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::SourceChanged);
    assert!(error.message().contains('0'), "{error}");
}

#[tokio::test]
async fn replacing_a_profile_with_overlays_must_say_what_becomes_of_them() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    profile.claim_plan(&one_chunk(), None).await.unwrap();
    let overlay = "cache/timelines/t/overlays/j/s/0_a.png";
    let png = PutOptions::durable("image/png");
    store.put(overlay, tiny_png(), png).await.unwrap();
    let other = other_quality(one_chunk());
    let with = |overlays| Some(Replace { overlays });

    let error = profile.claim_plan(&other, with(None)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::FieldInvalid);
    assert_eq!(
        profile.load_plan().await.unwrap().unwrap().plan(),
        &one_chunk()
    );

    profile
        .claim_plan(&other, with(Some(OverlayPolicy::Keep)))
        .await
        .unwrap();
    assert!(store.get(overlay).await.unwrap().is_some());
    profile
        .claim_plan(&one_chunk(), with(Some(OverlayPolicy::Delete)))
        .await
        .unwrap();
    assert!(store.get(overlay).await.unwrap().is_none());
}

#[tokio::test]
async fn a_worker_whose_row_is_gone_is_superseded() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let old = profile.claim_plan(&one_chunk(), None).await.unwrap().plan;
    let other = other_quality(one_chunk());
    profile
        .claim_plan(&other, Some(Replace::default()))
        .await
        .unwrap();
    let committed = extract_row(&profile, old.row(0).unwrap()).await.unwrap();
    assert_eq!(committed, Committed::Superseded);
    let status = profile.status().await.unwrap();
    assert_eq!(status.state, State::Partial);
    assert_eq!(status.counts.frames, 0);
}

#[tokio::test]
async fn appending_supersedes_nobody() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let old = profile.claim_plan(&one_chunk(), None).await.unwrap().plan;
    let new = profile.claim_plan(&two_chunks(), None).await.unwrap().plan;
    for row in old.in_sequence() {
        assert_eq!(extract_row(&profile, row).await.unwrap(), Committed::Yes);
    }
    let states = profile.span_states(&new, &all_rows(&new)).await.unwrap();
    assert!(matches!(states[0], SpanState::Complete(c) if c.frames == 3));
    assert!(matches!(states[1], SpanState::Complete(c) if c.frames == 2));
    assert!(matches!(states[2], SpanState::Missing(_)));
}

#[tokio::test]
async fn two_writers_of_one_plan_interleaved_leave_what_one_leaves() {
    let (alone, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = profile.claim_plan(&two_chunks(), None).await.unwrap().plan;
    for row in plan.in_sequence() {
        extract_row(&profile, row).await.unwrap();
    }

    let (both, cache) = memory_cache();
    let (a, b) = (
        cache.profile("t", "default").unwrap(),
        cache.profile("t", "default").unwrap(),
    );
    // A starts with fewer chunks, B appends while A works.
    let (at_a, at_b) = (
        a.claim_plan(&one_chunk(), None).await.unwrap().plan,
        b.claim_plan(&two_chunks(), None).await.unwrap().plan,
    );
    let rows: Vec<Row> = at_a.in_sequence().collect();
    a.put_frame(0, frame_bytes(rows[0], 0)).await.unwrap();
    for row in at_b.in_sequence() {
        extract_row(&b, row).await.unwrap();
    }
    for row in rows {
        assert_eq!(extract_row(&a, row).await.unwrap(), Committed::Yes);
    }
    assert_eq!(listing(&*both).await, listing(&*alone).await);
}

#[tokio::test]
async fn many_claims_at_once_agree_on_one_plan() {
    let (_, cache) = memory_cache();
    let claims = (0..16).map(|n| {
        let profile = cache.profile("t", "default").unwrap();
        async move {
            let plan = if n % 2 == 0 {
                one_chunk()
            } else {
                two_chunks()
            };
            profile.claim_plan(&plan, None).await
        }
    });
    for claim in futures::future::join_all(claims).await {
        claim.unwrap();
    }
    let profile = cache.profile("t", "default").unwrap();
    assert_eq!(
        profile.load_plan().await.unwrap().unwrap().plan(),
        &two_chunks()
    );
}

#[tokio::test]
async fn only_the_medias_own_failures_are_recorded() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = profile.claim_plan(&one_chunk(), None).await.unwrap().plan;
    let failed = |reason: &str| {
        Outcome::Failed(ChunkError {
            reason: reason.to_owned(),
            message: "why".to_owned(),
        })
    };
    let row = plan.row(0).unwrap();
    for reason in [
        "STORE_UNAVAILABLE",
        "SOURCE_UNAVAILABLE",
        "CHUNK_STALLED",
        "x",
    ] {
        assert!(
            profile
                .commit_span(row, failed(reason), None)
                .await
                .is_err()
        );
    }
    let committed = profile
        .commit_span(row, failed("MEDIA_CORRUPT"), None)
        .await
        .unwrap();
    assert_eq!(committed, Committed::Yes);
    let status = profile.status().await.unwrap();
    assert_eq!(status.failed.len(), 1);
    assert_eq!(status.failed[0].error.reason, "MEDIA_CORRUPT");

    // Tried again with success, it counts; a later failure elsewhere does not undo it.
    assert_eq!(extract_row(&profile, row).await.unwrap(), Committed::Yes);
    let committed = profile
        .commit_span(row, failed("MEDIA_CORRUPT"), None)
        .await
        .unwrap();
    assert_eq!(committed, Committed::Kept);
    assert!(profile.status().await.unwrap().failed.is_empty());
}

#[tokio::test]
async fn an_outcome_of_another_row_is_never_recorded() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = profile.claim_plan(&one_chunk(), None).await.unwrap().plan;
    let wrong = outcome(plan.row(1).unwrap());
    assert!(
        profile
            .commit_span(plan.row(0).unwrap(), wrong, None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_damaged_plan_is_an_error_that_replace_mends() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    profile.claim_plan(&one_chunk(), None).await.unwrap();
    let key = "cache/timelines/t/plan.json";
    let mut data = store.get(key).await.unwrap().unwrap().data.to_vec();
    let last = data.len() - 9;
    data[last] ^= 1;
    store
        .put(key, data.into(), PutOptions::durable("application/json"))
        .await
        .unwrap();
    for error in [
        profile.load_plan().await.unwrap_err(),
        profile.claim_plan(&one_chunk(), None).await.unwrap_err(),
        profile.status().await.unwrap_err(),
    ] {
        assert_eq!(error.reason(), Reason::ObjectCorrupt);
    }
    let claim = profile
        .claim_plan(&one_chunk(), Some(Replace::default()))
        .await
        .unwrap();
    assert_eq!(claim.claimed, Claimed::Replaced);
}

#[tokio::test]
async fn a_page_in_place_of_a_plan_is_an_outage_that_nobody_is_told_to_replace() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    profile.claim_plan(&one_chunk(), None).await.unwrap();
    let page = Bytes::from_static(b"\n<!DOCTYPE html><html>Please log in</html>");
    let options = PutOptions::durable("application/json");
    let key = "cache/timelines/t/plan.json";
    store.put(key, page.clone(), options).await.unwrap();
    let replace = Some(Replace::default());
    for error in [
        profile.load_plan().await.unwrap_err(),
        profile.claim_plan(&one_chunk(), None).await.unwrap_err(),
        profile.claim_plan(&one_chunk(), replace).await.unwrap_err(),
    ] {
        assert_eq!(error.reason(), Reason::StoreUnavailable);
        let hint = error.hint_text().unwrap();
        assert!(!hint.contains("replace"), "{hint}");
    }
    assert_eq!(store.get(key).await.unwrap().unwrap().data, page);
}

#[tokio::test]
async fn what_a_newer_release_wrote_is_an_error_and_stays() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = profile.claim_plan(&one_chunk(), None).await.unwrap().plan;
    extract_row(&profile, plan.row(0).unwrap()).await.unwrap();
    let json = PutOptions::durable("application/json");
    let newer =
        crate::cache::sealed::seal(&serde_json::json!({"schema": 3, "new": 1}), Some("a")).unwrap();
    let record = "cache/timelines/t/chunks/0/0.json";
    store
        .put(record, newer.clone(), json.clone())
        .await
        .unwrap();
    assert_eq!(
        profile.status().await.unwrap_err().reason(),
        Reason::PlanDiffers
    );
    let error = profile.reader().read_frame(0).await.unwrap_err();
    assert!(
        error.message().contains("newer") && error.message().contains("schema=3"),
        "{error}"
    );

    store
        .put("cache/timelines/t/plan.json", newer, json)
        .await
        .unwrap();
    let replace = Some(Replace::default());
    assert!(profile.claim_plan(&one_chunk(), replace).await.is_err());
    assert!(profile.verify(true).await.is_err());
    assert!(store.get(record).await.unwrap().is_some());
}

#[tokio::test]
async fn a_plan_of_a_later_release_is_an_error_that_names_it() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let later = Plan {
        schema: PACKED_SCHEMA + 1,
        reader: Some("9.1.0".to_owned()),
        ..one_chunk()
    };
    let data = crate::cache::sealed::seal(&later, None).unwrap();
    let json = PutOptions::durable("application/json");
    store
        .put("cache/timelines/t/plan.json", data, json)
        .await
        .unwrap();
    let replace = Some(Replace::default());
    for error in [
        profile.load_plan().await.unwrap_err(),
        profile.claim_plan(&one_chunk(), replace).await.unwrap_err(),
    ] {
        assert_eq!(error.reason(), Reason::PlanDiffers);
        assert!(
            error.hint_text().unwrap().contains("framecache 9.1.0"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_worker_whose_plan_was_cleared_leaves_nothing_that_looks_legacy() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = profile.claim_plan(&one_chunk(), None).await.unwrap().plan;
    let row = plan.row(0).unwrap();
    let request = crate::cache::clear::ClearRequest {
        plan: true,
        ..Default::default()
    };
    profile.clear(request).await.unwrap();
    assert_eq!(
        extract_row(&profile, row).await.unwrap(),
        Committed::Superseded
    );
    assert!(listing(&*store).await.is_empty());
    profile.claim_plan(&two_chunks(), None).await.unwrap();
    // It began under the plan that was cleared, and is started again.
    assert_eq!(
        extract_row(&profile, row).await.unwrap(),
        Committed::Outdated
    );
    let committed = extract_until_it_stands(&profile, &row.id()).await;
    assert_eq!(committed.unwrap(), Committed::Yes);
}
