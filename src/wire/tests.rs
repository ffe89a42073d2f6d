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
