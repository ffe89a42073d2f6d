//! Messages over real sockets: whole, chopped, broken, and too long.

use std::os::fd::AsFd;

use proptest::prelude::*;
use rustix::io::{FdFlags, fcntl_getfd};

use super::*;

type Head = std::collections::BTreeMap<String, f64>;

fn ends() -> (Channel, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    (Channel::new(one).unwrap(), other)
}

/// The bytes of a message.
fn bytes_of(head: &Head, bulk: &[u8]) -> Vec<u8> {
    let (channel, mut other) = ends();
    let mut bytes = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            channel.send(head, bulk).unwrap();
            channel.hang_up();
        });
        other.read_to_end(&mut bytes).unwrap();
    });
    bytes
}

/// What a channel makes of these bytes, and then the end.
fn received(pieces: &[&[u8]]) -> Result<Option<(Head, Vec<u8>)>, Failure> {
    let (channel, mut other) = ends();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for piece in pieces {
                // The channel may have enough before the end.
                let _ = other.write_all(piece);
            }
        });
        channel.receive()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_message_comes_as_it_was_sent_however_it_is_cut(
        head in proptest::collection::btree_map(".{0,9}", any::<f64>().prop_filter("JSON has none", |f| f.is_finite()), 0..9),
        bulk in proptest::collection::vec(any::<u8>(), 0..300_000),
        piece in 1usize..70_000,
    ) {
        let bytes = bytes_of(&head, &bulk);
        let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
        prop_assert_eq!(received(&pieces).unwrap(), Some((head, bulk)));
    }

    #[test]
    fn bytes_that_are_no_message_end_as_a_failure(bytes in proptest::collection::vec(any::<u8>(), 1..4000)) {
        prop_assert!(received(&[&bytes]).is_err());
    }
}

#[test]
fn a_message_that_ends_early_is_told_from_an_end() {
    let head = Head::from([("a".to_owned(), 0.1)]);
    let bytes = bytes_of(&head, b"bulk");
    assert!(matches!(received(&[]), Ok(None)));
    for end in 1..bytes.len() {
        assert!(
            matches!(received(&[&bytes[..end]]), Err(Failure::HungUp)),
            "{end}"
        );
    }
    let other = [&8u32.to_le_bytes()[..], &[0; 4], b"no JSON!"].concat();
    assert!(matches!(received(&[&other]), Err(Failure::Nonsense(_))));
}

#[test]
fn what_is_announced_too_long_is_refused_before_it_comes() {
    for lengths in [[u32::MAX, 0], [2, u32::MAX]] {
        let head = lengths.map(u32::to_le_bytes).concat();
        let outcome = received(&[&head, b"{}"]);
        assert!(matches!(outcome, Err(Failure::Nonsense(_))), "{outcome:?}");
    }
}

#[test]
fn who_says_nothing_is_waited_for_no_longer_than_asked() {
    let (channel, other) = ends();
    let outcome = channel.receive_within::<Head>(Duration::from_millis(1));
    assert!(matches!(outcome, Ok(Received::Nothing)));
    assert!(!channel.is_hung_up());
    drop(other);
    assert!(channel.is_hung_up());
    let outcome = channel.receive_within::<Head>(Duration::from_secs(600));
    assert!(matches!(outcome, Ok(Received::End)));
    assert!(matches!(
        channel.send(&Head::new(), &[]),
        Err(Failure::HungUp)
    ));
}

#[test]
fn descriptors_come_in_their_order_closed_on_exec_and_none_stays() {
    let (one, other) = UnixStream::pair().unwrap();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut files = Vec::new();
    for n in 0..4u8 {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[n]).unwrap();
        files.push(file);
    }
    let mut counts = Vec::new();
    for _ in 0..200 {
        for count in [1, 4] {
            let sent: Vec<_> = files[..count].iter().map(AsFd::as_fd).collect();
            send_descriptors(&one, &sent).unwrap();
            let came = receive_descriptors(&other).unwrap().unwrap();
            assert_eq!(came.len(), count);
            for (n, came) in came.into_iter().enumerate() {
                assert!(fcntl_getfd(&came).unwrap().contains(FdFlags::CLOEXEC));
                let mut byte = [9];
                rustix::io::pread(&came, &mut byte, 0).unwrap();
                assert_eq!(byte[0], n as u8);
            }
        }
        // Neighbours open files, too; a leak would be of hundreds.
        counts.push(open());
    }
    assert!(*counts.last().unwrap() < counts[0] + 100, "{counts:?}");
    let five = [&files[0], &files[1], &files[2], &files[3], &files[0]].map(AsFd::as_fd);
    assert!(matches!(
        send_descriptors(&one, &five),
        Err(Failure::Nonsense(_))
    ));
    (&one).write_all(&[2]).unwrap();
    assert!(matches!(
        receive_descriptors(&other),
        Err(Failure::Nonsense(_))
    ));
    drop(one);
    assert!(receive_descriptors(&other).unwrap().is_none());
}

/// Both ends of a call, of which the second one sends through memory.
fn ends_of_call() -> (Channel, Channel) {
    let (ours, theirs) = Channel::pair_of_call(&Memories::default()).unwrap();
    (ours, Channel::of_call(theirs).unwrap().patient())
}

/// Hears until the other side hangs up.
fn hear(channel: &Channel) {
    while let Ok(Some(_)) = channel.receive::<Head>() {}
}

fn noise(seed: usize, bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

#[test]
fn large_bulks_come_through_memory_in_their_order_beside_another_sender() {
    let (taker, sender) = ends_of_call();
    let sizes = [LEAST_BYTES, 3 << 20, 0, LEAST_BYTES - 1, LEAST_BYTES + 1, 5];
    let head = |n: usize| Head::from([(n.to_string(), 0.5)]);
    let beside = Head::from([("beside".to_owned(), 0.0)]);
    std::thread::scope(|scope| {
        scope.spawn(|| hear(&sender));
        scope.spawn(|| {
            for n in 0..60 {
                sender.send(&head(n), &noise(n, sizes[n % 6])).unwrap();
            }
        });
        scope.spawn(|| {
            for _ in 0..60 {
                sender.send(&beside, &[]).unwrap();
            }
        });
        let (mut own, mut others) = (0, 0);
        while own + others < 120 {
            let (came, bulk) = taker.receive::<Head>().unwrap().unwrap();
            if came == beside {
                others += 1;
                continue;
            }
            assert_eq!(came, head(own));
            assert!(bulk == noise(own, sizes[own % 6]), "{own}");
            own += 1;
        }
        assert_eq!((own, others), (60, 60));
        taker.hang_up();
    });
}

#[test]
fn what_is_sent_last_comes_though_its_sender_hung_up_behind_it() {
    let (taker, sender) = ends_of_call();
    for n in 0..PLACES {
        sender.send(&Head::new(), &noise(n, LEAST_BYTES)).unwrap();
    }
    sender.send(&Head::new(), b"the end").unwrap();
    sender.hang_up();
    for n in 0..PLACES {
        let (_, bulk) = taker.receive::<Head>().unwrap().unwrap();
        assert!(bulk == noise(n, LEAST_BYTES), "{n}");
    }
    let (_, bulk) = taker.receive::<Head>().unwrap().unwrap();
    assert_eq!(bulk, b"the end");
    assert!(taker.receive::<Head>().unwrap().is_none());
}

#[test]
fn who_waits_for_an_empty_place_ends_with_the_other_side() {
    let (taker, sender) = ends_of_call();
    let bulk = noise(0, LEAST_BYTES);
    std::thread::scope(|scope| {
        scope.spawn(|| hear(&sender));
        let sending = scope.spawn(|| {
            let mut sent = 0;
            loop {
                match sender.send(&Head::new(), &bulk) {
                    Ok(()) => sent += 1,
                    Err(failure) => return (sent, failure),
                }
            }
        });
        // The second is there once the first was taken; a third waits, or will.
        for _ in 0..2 {
            assert!(taker.receive::<Head>().unwrap().is_some());
        }
        taker.hang_up();
        let (sent, failure) = sending.join().unwrap();
        assert!((2..=2 + PLACES).contains(&sent), "{sent}");
        assert!(matches!(failure, Failure::HungUp), "{failure}");
    });
}

#[test]
fn who_takes_nothing_holds_up_its_sender_no_longer_than_a_socket_would() {
    let (_taker, mut sender) = ends_of_call();
    let bulk = noise(0, LEAST_BYTES);
    sender.patience = Some(Duration::from_millis(1));
    for _ in 0..PLACES {
        sender.send(&Head::new(), &bulk).unwrap();
    }
    let third = sender.send(&Head::new(), &bulk);
    assert!(matches!(third, Err(Failure::Stalled)), "{third:?}");
}

#[test]
fn bulks_where_no_memory_is_and_places_that_were_not_filled_are_nonsense() {
    let in_memory = [2u32, in_place(LEAST_BYTES as u32, 1)]
        .map(u32::to_le_bytes)
        .concat();
    let outcome = received(&[&in_memory, b"{}"]);
    assert!(matches!(outcome, Err(Failure::Nonsense(_))), "{outcome:?}");
    for place in [0, 1, PLACES as u32, u32::MAX] {
        let (socket, mut other) = UnixStream::pair().unwrap();
        let (_, [_, memory]) = Channel::pair_of_call(&Memories::default()).unwrap();
        let channel = Channel::of_call([socket.into(), memory]).unwrap();
        other
            .write_all(&[0u32, place].map(u32::to_le_bytes).concat())
            .unwrap();
        let outcome = channel.receive::<Head>();
        assert!(matches!(outcome, Err(Failure::Nonsense(_))), "{outcome:?}");
        // It is of no use any more, and nobody waits for a place of it.
        let sent = channel.send(&Head::new(), &noise(0, LEAST_BYTES));
        assert!(matches!(sent, Err(Failure::HungUp)), "{sent:?}");
    }
}

#[test]
fn memory_that_is_shared_keeps_its_size() {
    let (_, [_, memory]) = Channel::pair_of_call(&Memories::default()).unwrap();
    for bytes in [0, MEMORY_BYTES - 1, MEMORY_BYTES + 1] {
        assert!(rustix::fs::ftruncate(&memory, bytes).is_err(), "{bytes}");
    }
    assert!(rustix::io::pwrite(&memory, &[1], MEMORY_BYTES).is_err());
}

#[test]
fn the_memory_of_a_call_that_ended_serves_the_next_one_unless_it_took_much() {
    let memories = Memories::default();
    let begin = || {
        let (ours, theirs) = Channel::pair_of_call(&memories).unwrap();
        let which = rustix::fs::fstat(&theirs[1]).unwrap().st_ino;
        (which, ours, Channel::of_call(theirs).unwrap().patient())
    };
    let end = |(which, ours, theirs): (u64, Channel, Channel), bytes: usize| {
        let bulk = noise(bytes, bytes);
        theirs.send(&Head::new(), &bulk).unwrap();
        let (_, came) = ours.receive::<Head>().unwrap().unwrap();
        assert!(came == bulk, "{bytes}");
        memories.keep(ours);
        which
    };
    let [one, beside] = [begin(), begin()];
    assert_ne!(one.0, beside.0, "calls under way share none");
    let one = end(one, 3 << 20);
    for bytes in [LEAST_BYTES, 5 << 20, 16 << 20] {
        let next = begin();
        assert_eq!(next.0, one, "what ended first is there again");
        end(next, bytes);
    }
    let (fresh, ours, _theirs) = begin();
    assert_ne!(fresh, one, "it took 16 MiB");
    // Whose last answer has not come keeps it for good.
    drop(ours);
    assert_ne!(begin().0, fresh);
}
