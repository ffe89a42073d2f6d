use super::*;

use std::time::Duration;

use futures::FutureExt;

const MIB: u64 = 1 << 20;

/// 16 MiB of memory: two for answers, three for uploads.
fn accountant(slots: u64) -> Arc<Accountant> {
    patient_for(slots, Duration::from_secs(60))
}

fn patient_for(slots: u64, max_wait: Duration) -> Arc<Accountant> {
    Accountant::new(&Means {
        memory: 16 * MIB,
        packs: None,
        calls: slots,
        hands: slots,
        connections: slots,
        max_wait,
    })
}

/// All that the peer gets, in steps.
fn greedy(of: &Arc<Accountant>, peer: &Peer, kind: Kind, step: u64) -> Vec<Hold> {
    let account = Account::new(of, peer);
    std::iter::from_fn(|| account.take_now(kind, step).ok()).collect()
}

#[test]
fn everything_together_is_the_memory_that_there_is() {
    let of = accountant(4);
    let memory = KINDS.into_iter().filter(|kind| kind.is_memory());
    let on_their_way: u64 = memory.map(|kind| of.limit(kind)).sum();
    assert_eq!(on_their_way + of.kept_bytes(), 16 * MIB);
    for kind in KINDS {
        assert_eq!(of.pool(kind).kind(), kind, "kinds are in their order");
    }
}

#[test]
fn no_connection_has_more_than_half_of_the_slots_and_each_newcomer_finds_one() {
    let of = accountant(512);
    let mut held = Vec::new();
    // Half, eight ninths of the rest, and so on.
    for most in [256, 227, 25] {
        let got = greedy(&of, &Peer::local(), Kind::Calls, 1);
        assert_eq!(got.len(), most);
        held.push(got);
    }
    drop(held.remove(0));
    assert_eq!(greedy(&of, &Peer::local(), Kind::Calls, 1).len(), 231);
    let alone = accountant(1);
    assert_eq!(greedy(&alone, &Peer::local(), Kind::Calls, 1).len(), 1);
}

#[test]
fn one_connection_has_three_quarters_of_a_memory_room_at_most() {
    let of = accountant(4);
    let greedy_one = greedy(&of, &Peer::local(), Kind::Uploads, 1 << 10);
    assert_eq!(greedy_one.len() as u64, of.most(Kind::Uploads) >> 10);
    assert_eq!(of.most(Kind::Uploads), of.limit(Kind::Uploads) / 4 * 3);
    // Of one kind alone, and not for all.
    assert!(!greedy(&of, &Peer::local(), Kind::Uploads, 1 << 10).is_empty());
    assert!(!greedy(&of, &Peer::local(), Kind::Answers, 1 << 10).is_empty());
}

#[test]
fn an_address_that_makes_many_connections_leaves_some_of_the_slots_to_others() {
    let (of, hosts) = (accountant(512), Hosts::default());
    let there = [192, 0, 2, 1].into();
    let connections: Vec<_> = (0..100).map(|_| hosts.peer(there)).collect();
    let held: Vec<_> = connections
        .iter()
        .flat_map(|peer| greedy(&of, peer, Kind::Calls, 1))
        .collect();
    assert_eq!(held.len(), 491);
    let other = hosts.peer([192, 0, 2, 2].into());
    assert_eq!(greedy(&of, &other, Kind::Calls, 1).len(), 18);
}

#[test]
fn what_is_larger_than_any_share_counts_as_a_whole_one() {
    let of = accountant(4);
    let big = Account::new(&of, &Peer::local());
    let hold = big.take_now(Kind::Pictures, 99 * MIB).unwrap();
    assert_eq!(hold.amount(), of.most(Kind::Pictures));
    let other = Account::new(&of, &Peer::local());
    assert!(other.take_now(Kind::Pictures, 99 * MIB).is_err());
    assert!(other.take_now(Kind::Pictures, 1 << 10).is_ok());
}

#[tokio::test]
async fn what_is_in_memory_anyway_waits_for_nobody_but_its_own_connection() {
    let of = accountant(4);
    let (greedy_peer, other) = (Peer::local(), Peer::local());
    let own = Account::own(&of);
    let all = own.take_now(Kind::Answers, 2 * MIB).unwrap();
    let rest: Vec<_> = greedy(&of, &greedy_peer, Kind::Answers, 1 << 10);
    let mut refused = Box::pin(Account::new(&of, &greedy_peer).known_mib());
    assert!(!rest.is_empty() && refused.as_mut().now_or_never().is_none());
    let first = Account::new(&of, &other).take_known(MIB).now_or_never();
    assert!(first.as_ref().is_some_and(|taken| taken.is_ok()));
    let mut second = Box::pin(Account::new(&of, &other).known_mib());
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    assert!(second.now_or_never().is_some_and(|taken| taken.is_ok()));
    drop(refused);
    drop((all, rest));
    assert_eq!(of.held_bytes(), 0);
}

#[tokio::test]
async fn what_is_given_back_goes_to_the_connection_that_holds_least() {
    let of = accountant(2);
    let busy = Account::new(&of, &Peer::local());
    let mut hands = greedy(&of, busy.peer(), Kind::Hands, 1);
    assert_eq!(hands.len(), 2, "hands are never kept free");
    let mut waiting: Vec<_> = (0..100)
        .map(|_| Box::pin(Account::new(&of, busy.peer()).wait_for_a_hand()))
        .collect();
    for waiting in &mut waiting {
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    let newcomer = Account::new(&of, &Peer::local());
    let mut asked = Box::pin(newcomer.take(Kind::Hands, 1));
    assert!(asked.as_mut().now_or_never().is_none());
    hands.pop();
    assert!(asked.now_or_never().is_some_and(|taken| taken.is_ok()));
    // And where nobody else asks, to those who do.
    assert!(waiting[0].as_mut().now_or_never().is_some());
}

#[tokio::test]
async fn of_one_connections_calls_the_first_has_all_that_it_waits_for_before_the_next() {
    let of = accountant(2);
    let peer = Peer::local();
    let most = Account::new(&of, &peer)
        .take_now(Kind::Answers, 2 * MIB)
        .unwrap();
    let calls = [(); 3].map(|()| Account::new(&of, &peer));
    // Each asks for ten parts, in turn.
    let turns = (0..10).flat_map(|_| &calls);
    let mut waiting: Vec<_> = turns
        .map(|call| Box::pin(call.take(Kind::Answers, MIB / 18)))
        .collect();
    for each in &mut waiting {
        assert!(each.as_mut().now_or_never().is_none());
    }
    drop(most);
    // There is room for thirty of them less the last one or two.
    let granted: Vec<_> = waiting
        .into_iter()
        .map(|each| each.now_or_never())
        .collect();
    let of_call = |n: usize| granted.iter().skip(n).step_by(3).flatten().count();
    assert_eq!([of_call(0), of_call(1)], [10, 10]);
    assert!((1..10).contains(&of_call(2)));
}

impl Account {
    async fn known_mib(self) -> Result<Hold> {
        self.take_known(MIB).await
    }

    async fn wait_for_a_hand(self) -> Result<Hold> {
        self.take(Kind::Hands, 1).await
    }
}

#[tokio::test]
async fn who_goes_away_while_waiting_is_given_nothing_and_is_in_nobodys_way() {
    let of = accountant(2);
    let account = Account::own(&of);
    let most = account.take_now(Kind::Answers, 2 * MIB).unwrap();
    let rest = greedy(&of, &Peer::local(), Kind::Answers, 1 << 10);
    let mut gone = Box::pin(account.take(Kind::Answers, 2 * MIB));
    assert!(gone.as_mut().now_or_never().is_none());
    let mut behind = Box::pin(account.take(Kind::Answers, 1 << 10));
    assert!(behind.as_mut().now_or_never().is_none());
    drop(gone);
    drop(rest);
    assert!(behind.now_or_never().is_some_and(|taken| taken.is_ok()));
    drop(most);
    assert_eq!(of.held(Kind::Answers), 0);
}

#[tokio::test]
async fn a_wait_has_an_end_and_says_what_it_was_for() {
    let of = patient_for(2, Duration::from_millis(20));
    let greedy_peer = Peer::local();
    let _all = greedy(&of, &greedy_peer, Kind::Uploads, 1 << 10);
    let account = Account::new(&of, &greedy_peer);
    let refused = account.take(Kind::Uploads, MIB).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::MemoryBudget);
    assert!(refused.message().contains("of=uploads"), "{refused}");
}

#[tokio::test]
async fn a_requests_bytes_are_counted_with_their_window_until_they_are_let_go_of() {
    let of = accountant(4);
    let held = || of.held(Kind::Uploads);
    let account = Account::new(&of, &Peer::local());
    let intake = Intake::with_window(&account, MIB / 2).unwrap();
    assert_eq!(held(), MIB / 2);
    intake.count(MIB).await.unwrap();
    intake.count_now(1).unwrap();
    assert!(held() > 3 * MIB / 2 && held() < 2 * MIB);
    intake.let_go(MIB);
    assert!(held() < MIB);
    // The rest of what one may have is given; what is more, its reader refuses.
    intake.count(intake.most()).await.unwrap();
    assert_eq!(held(), of.most(Kind::Uploads));
    intake.count(MIB).await.unwrap();
    assert!(intake.bytes() > intake.most());
    assert!(Intake::with_window(&account, MIB / 2).is_err());
    drop(intake);
    assert_eq!(held(), 0);
}

#[test]
fn whatever_many_callers_do_at_once_all_is_given_back() {
    let of = accountant(3);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let calls = (0..64u64).map(|n| {
        let account = Account::new(&of, &Peer::local());
        runtime.spawn(async move {
            for round in 0..200u64 {
                let kind = KINDS[((n + round) % KINDS.len() as u64) as usize];
                let amount = if kind.is_memory() {
                    (n * round) % MIB
                } else {
                    1
                };
                let held = account.take(kind, amount);
                // Some are given up before they are granted.
                let patience = Duration::from_micros((n * 7 + round) % 50);
                let held = match round % 3 {
                    0 => tokio::time::timeout(patience, held).await.ok(),
                    _ => Some(held.await),
                };
                tokio::task::yield_now().await;
                drop(held);
            }
        })
    });
    let calls: Vec<_> = calls.collect();
    for call in calls {
        runtime.block_on(call).unwrap();
    }
    for kind in KINDS {
        assert_eq!(of.held(kind), 0, "{kind:?}");
    }
}
