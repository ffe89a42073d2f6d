use std::os::fd::BorrowedFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::DirStore;
use super::lock::Locks;
use crate::error::Reason;
use crate::store::conformance::{keys, one_of_many_claims_wins, prove};
use crate::store::{Condition, ListRequest, PutOptions, Store, Written};

fn open(root: &Path) -> DirStore {
    DirStore::open(root).unwrap()
}

async fn put(store: &DirStore, key: &str, data: &'static [u8]) -> crate::error::Result<Written> {
    let options = PutOptions::unsynced("text/plain");
    store.put(key, Bytes::from_static(data), options).await
}

/// The names in a folder, `.tmp` too.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return vec![];
    };
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_store_keeps_the_traits_promises() {
    let temp = tempfile::tempdir().unwrap();
    prove(Arc::new(open(&temp.path().join("made/at first write")))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_claims_at_once_exactly_one_wins() {
    let temp = tempfile::tempdir().unwrap();
    one_of_many_claims_wins(Arc::new(open(temp.path()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_compared_writes_at_once_exactly_one_wins() {
    let temp = tempfile::tempdir().unwrap();
    let store = Arc::new(open(temp.path()));
    for _ in 0..20 {
        put(&store, "a/plan.json", b"old").await.unwrap();
        let held = store.get("a/plan.json").await.unwrap().unwrap().etag();
        let write = |writer: u8| {
            let (store, when) = (Arc::clone(&store), Condition::IfMatch(held.clone()));
            let options = PutOptions::unsynced("text/plain").when(when);
            tokio::spawn(
                async move { store.put("a/plan.json", vec![writer].into(), options).await },
            )
        };
        let written = futures::future::join_all((0..32).map(write)).await;
        let won = written
            .into_iter()
            .filter(|w| matches!(w, Ok(Ok(Written::Yes))));
        assert_eq!(won.count(), 1);
    }
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_an_empty_store_and_is_not_made_by_reading() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("none");
    let store = open(&root);
    assert!(store.get("a/b").await.unwrap().is_none());
    assert!(keys(&store, "").await.is_empty());
    store.delete(&["a/b".into()]).await.unwrap();
    store.sync().await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), 0);
    assert!(!root.exists());
}

#[tokio::test]
async fn a_root_that_is_a_file_is_not_found_rather_than_empty() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("file");
    let store = open(&root);
    std::fs::write(&root, "x").unwrap();
    let list = store.list(ListRequest::default()).await.unwrap_err();
    let get = store.get("a").await.unwrap_err();
    let put = put(&store, "a", b"x").await.unwrap_err();
    let opened = DirStore::open(&root).err().unwrap();
    for error in [list, get, put, opened] {
        assert_eq!(error.reason(), Reason::StoreNotFound);
        assert!(error.hint_text().is_some());
        assert!(!error.message().contains("file"), "{}", error.message());
    }
}

/// What each operation says, none of which may touch anything.
async fn refusals(store: &DirStore) -> Vec<crate::error::Error> {
    let list = store.list(ListRequest::default()).await.err();
    let get = store.get("a/b").await.err();
    let put = put(store, "a/b", b"new").await.err();
    let delete = store.delete(&["a/b".into()]).await.err();
    let sweep = store.sweep().await.err();
    [list, get, put, delete, sweep].map(Option::unwrap).into()
}

#[tokio::test]
async fn a_root_that_became_another_folder_or_none_is_unavailable_and_not_written_to() {
    let temp = tempfile::tempdir().unwrap();
    let (root, away) = (temp.path().join("root"), temp.path().join("away"));
    for opened_later in [false, true] {
        std::fs::create_dir(&root).unwrap();
        let mut store = open(&root);
        put(&store, "a/b", b"old").await.unwrap();
        if opened_later {
            store = open(&root);
        }
        std::fs::rename(&root, &away).unwrap();
        let gone = refusals(&store).await;
        assert!(!root.exists());
        std::fs::create_dir(&root).unwrap();
        let another = refusals(&store).await;
        assert!(names(&root).is_empty());
        for error in [gone, another].concat() {
            assert_eq!(error.reason(), Reason::StoreUnavailable);
            assert!(error.hint_text().unwrap().contains("mount"));
        }
        std::fs::remove_dir(&root).unwrap();
        std::fs::rename(&away, &root).unwrap();
        assert_eq!(&store.get("a/b").await.unwrap().unwrap().data[..], b"old");
        put(&store, "a/b", b"new").await.unwrap();
        std::fs::remove_dir_all(&root).unwrap();
    }
}

#[tokio::test]
async fn a_root_that_was_deleted_is_an_empty_store_that_begins_anew() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("root");
    let store = open(&root);
    for _ in 0..2 {
        put(&store, "a/b", b"x").await.unwrap();
        store.sync().await.unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        assert!(store.get("a/b").await.unwrap().is_none());
        assert!(keys(&store, "").await.is_empty());
        assert!(!root.exists());
    }
}

/// Locks as a file system without them answers.
fn none(_: BorrowedFd<'_>, _: FlockOperation) -> rustix::io::Result<()> {
    Err(Errno::NOLCK)
}

/// Locks as NFSv4 answers: an exclusive one wants a descriptor that can write.
fn of_nfs(file: BorrowedFd<'_>, operation: FlockOperation) -> rustix::io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    let writable = flags.intersects(OFlags::WRONLY | OFlags::RDWR);
    let folder = rustix::fs::fstat(file)?.st_mode & 0o170_000 == 0o040_000;
    let exclusive = matches!(
        operation,
        FlockOperation::LockExclusive | FlockOperation::NonBlockingLockExclusive
    );
    match exclusive && !writable && !folder {
        true => Err(Errno::BADF),
        false => rustix::fs::flock(file, operation),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_locks_writing_goes_on_and_leftovers_stay() {
    let temp = tempfile::tempdir().unwrap();
    prove(Arc::new(
        DirStore::with(&temp.path().join("s"), Locks::of(none)).unwrap(),
    ))
    .await;
    let store = DirStore::with(temp.path(), Locks::of(none)).unwrap();
    put(&store, "a", b"x").await.unwrap();
    std::fs::write(temp.path().join(".tmp/left"), "half").unwrap();
    assert_eq!(store.sweep().await.unwrap(), 0);
    assert_eq!(names(&temp.path().join(".tmp")), ["left"]);
    put(&store, "b", b"y").await.unwrap();
    assert_eq!(open(temp.path()).sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn leftovers_are_swept_where_locks_want_descriptors_that_can_write() {
    let temp = tempfile::tempdir().unwrap();
    let store = DirStore::with(temp.path(), Locks::of(of_nfs)).unwrap();
    put(&store, "a", b"x").await.unwrap();
    std::fs::write(temp.path().join(".tmp/left"), "half").unwrap();
    assert_eq!(store.sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn what_cannot_be_swept_stays_and_stops_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    put(&store, "a", b"x").await.unwrap();
    let below = temp.path().join(".tmp");
    std::fs::create_dir(below.join("folder")).unwrap();
    symlink("/", below.join("link")).unwrap();
    std::fs::write(below.join("left"), "half").unwrap();
    assert_eq!(store.sweep().await.unwrap(), 1);
    assert_eq!(names(&below), ["folder", "link"]);
}

#[tokio::test]
async fn symbolic_links_are_neither_listed_nor_followed() {
    let temp = tempfile::tempdir().unwrap();
    let (root, outside) = (temp.path().join("root"), temp.path().join("outside"));
    std::fs::create_dir_all(outside.join("sub")).unwrap();
    std::fs::create_dir(&root).unwrap();
    std::fs::write(outside.join("secret"), "s").unwrap();
    symlink(&outside, root.join("out")).unwrap();
    symlink(outside.join("secret"), root.join("leak")).unwrap();
    let store = open(&root);
    put(&store, "real", b"x").await.unwrap();
    assert_eq!(keys(&store, "").await, ["real"]);
    for key in ["out/secret", "out/sub/x", "leak"] {
        let error = store.get(key).await.unwrap_err();
        assert_eq!(error.reason(), Reason::StoreDenied, "{key}");
    }
    for key in ["out/new", "out/sub/new"] {
        let error = put(&store, key, b"x").await.unwrap_err();
        assert_eq!(error.reason(), Reason::StoreDenied, "{key}");
        assert!(store.delete(&[key.into()]).await.is_err());
    }
    let listed = store
        .list(ListRequest {
            prefix: "out/",
            ..Default::default()
        })
        .await;
    assert_eq!(listed.unwrap_err().reason(), Reason::StoreDenied);
    put(&store, "leak", b"mine").await.unwrap();
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"s");
    assert_eq!(names(&outside), ["secret", "sub"]);
}

#[tokio::test]
async fn names_that_are_no_keys_are_not_listed() {
    use std::os::unix::ffi::OsStrExt;
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    put(&store, "a/0.jpg", b"x").await.unwrap();
    let bad = std::ffi::OsStr::from_bytes(b"\xff\xfe.jpg");
    std::fs::write(temp.path().join("a").join(bad), "x").unwrap();
    std::fs::create_dir(temp.path().join("empty")).unwrap();
    std::fs::write(temp.path().join(".tmp/left"), "x").unwrap();
    assert_eq!(keys(&store, "").await, ["a/0.jpg"]);
    let request = ListRequest {
        delimited: true,
        ..Default::default()
    };
    assert_eq!(store.list(request).await.unwrap().prefixes, ["a/"]);
}

#[tokio::test]
async fn an_object_cannot_be_anothers_folder() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    put(&store, "a/b", b"x").await.unwrap();
    let claim = PutOptions::unsynced("text/plain").when(Condition::IfAbsent);
    let claimed = store.put("a", Bytes::new(), claim).await;
    for refused in [
        claimed,
        put(&store, "a", b"y").await,
        put(&store, "a/b/c", b"y").await,
    ] {
        assert_eq!(refused.unwrap_err().reason(), Reason::FieldInvalid);
    }
    assert!(store.get("a").await.unwrap().is_none());
    assert!(store.get("a/b/c").await.unwrap().is_none());
    store.delete(&["a".into(), "a/b/c".into()]).await.unwrap();
    assert_eq!(keys(&store, "").await, ["a/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn emptied_folders_go_while_others_write_into_them() {
    let temp = tempfile::tempdir().unwrap();
    let store = Arc::new(open(temp.path()));
    let churn = |task: u32| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..200 {
                let key = format!("t/frames/{task}.jpg");
                put(&store, &key, b"x").await.unwrap();
                assert!(store.get(&key).await.unwrap().is_some());
                store.delete(&[key]).await.unwrap();
            }
        })
    };
    for done in futures::future::join_all((0..8).map(churn)).await {
        done.unwrap();
    }
    assert_eq!(names(temp.path()), [".tmp"]);
    assert!(names(&temp.path().join(".tmp")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeping_never_hits_a_live_writer() {
    let temp = tempfile::tempdir().unwrap();
    let store = Arc::new(open(temp.path()));
    let writers = (0..8_u32).map(|task| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for i in 0..200 {
                put(&store, &format!("f/{task}-{i}"), b"x").await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        store.sweep().await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(keys(&*store, "f/").await.len(), 1600);
}

const BYTES: usize = 3_000_000;
const CHILD_ROOT: &str = "FRAMECACHE_TEST_KILLED_ROOT";

/// Only does something in the process that the next test starts and kills.
#[tokio::test(flavor = "multi_thread")]
async fn writes_until_it_is_killed() {
    let Ok(root) = std::env::var(CHILD_ROOT) else {
        return;
    };
    let store = open(Path::new(&root));
    for round in 0_u64.. {
        // New keys: ext4 spends most of an overwrite in the rename, which a kill cannot halve.
        let seq = round % 100;
        let data = vec![(round % 256) as u8; BYTES];
        let options = PutOptions::unsynced("image/jpeg");
        store
            .put(
                &format!("t/{}/{seq}.jpg", round / 100),
                data.into(),
                options,
            )
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_writer_leaves_whole_objects_and_temporary_files_that_a_sweep_deletes() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    let (mut left, mut whole) = (0, 0);
    for kill in 0..200 {
        if kill >= 20 && left > 0 {
            break;
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::dir::tests::writes_until_it_is_killed"])
            .env(CHILD_ROOT, temp.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // It writes, and is somewhere in a write by then.
        while keys(&store, "").await.is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "the writer ended");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(kill % 20)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        left += names(&temp.path().join(".tmp")).len();
        store.sweep().await.unwrap();
        assert!(names(&temp.path().join(".tmp")).is_empty());
        let written = keys(&store, "").await;
        whole += written.len();
        for key in &written {
            let data = store.get(key).await.unwrap().unwrap().data;
            assert_eq!(data.len(), BYTES);
            assert!(data.iter().all(|byte| *byte == data[0]), "{key} is torn");
        }
        store.delete(&written).await.unwrap();
    }
    assert!(
        left > 0 && whole > 0,
        "no kill hit a write: this proved nothing"
    );
}

#[test]
fn what_the_disk_refuses_has_the_reason_that_says_what_to_do() {
    let reason = |errno| super::fault::fault("x".into(), errno, Path::new("/r")).reason();
    assert_eq!(reason(Errno::NOSPC), Reason::DiskFull);
    assert_eq!(reason(Errno::DQUOT), Reason::DiskFull);
    assert_eq!(reason(Errno::ACCESS), Reason::StoreDenied);
    assert_eq!(reason(Errno::ROFS), Reason::StoreUnavailable);
    assert_eq!(reason(Errno::STALE), Reason::StoreUnavailable);
    assert_eq!(reason(Errno::NFILE), Reason::StoreUnavailable);
    assert_eq!(reason(Errno::IO), Reason::StoreUnavailable);
    assert_eq!(reason(Errno::MFILE), Reason::StoreUnavailable);
}

/// Run by hand (`--ignored --nocapture`) on an idle machine: 10,000 objects of
/// 100 KB, by 8 tasks as extraction does, against as many threads of plain `std::fs`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time"]
async fn puts_take_at_most_twice_as_long_as_plain_files() {
    const OBJECTS: usize = 10_000;
    let data = Bytes::from(vec![7; 100_000]);
    let temp =
        tempfile::tempdir_in(std::env::var("CARGO_TARGET_TMPDIR").unwrap_or(".".into())).unwrap();
    let mut ratios = vec![];
    for round in 0..3 {
        let plain = temp.path().join(format!("plain{round}"));
        std::fs::create_dir(&plain).unwrap();
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for task in 0..8 {
                let (plain, data) = (&plain, &data);
                scope.spawn(move || {
                    for seq in (task..OBJECTS).step_by(8) {
                        std::fs::write(plain.join(format!("{seq}.jpg")), data).unwrap();
                    }
                });
            }
        });
        let plain_secs = begin.elapsed().as_secs_f64();
        std::fs::remove_dir_all(&plain).unwrap();

        let store = Arc::new(open(&temp.path().join(format!("store{round}"))));
        let begin = Instant::now();
        each(8, OBJECTS, &store, {
            let data = data.clone();
            move |store, key| {
                let data = data.clone();
                async move {
                    let options = PutOptions::unsynced("image/jpeg");
                    store.put(&key, data, options).await.unwrap();
                }
            }
        })
        .await;
        let put_secs = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        store.sync().await.unwrap();
        let sync_secs = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        each(8, OBJECTS, &store, |store, key| async move {
            assert_eq!(store.get(&key).await.unwrap().unwrap().data.len(), 100_000);
        })
        .await;
        let get_secs = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        let listed = keys(&*store, "t/frames/").await;
        let list_secs = begin.elapsed().as_secs_f64();
        assert_eq!(listed.len(), OBJECTS);
        let begin = Instant::now();
        for seq in 0..100 {
            let options = PutOptions::durable("application/json");
            let key = format!("t/chunks/0/{seq}.json");
            store
                .put(&key, Bytes::from_static(b"{}"), options)
                .await
                .unwrap();
        }
        let durable_secs = begin.elapsed().as_secs_f64() / 100.0;
        let begin = Instant::now();
        store.delete(&listed).await.unwrap();
        let delete_secs = begin.elapsed().as_secs_f64();
        eprintln!(
            "plain {plain_secs:.2} s, put {put_secs:.2} s, sync {sync_secs:.2} s, get {get_secs:.2} s, \
             list {list_secs:.3} s, delete {delete_secs:.2} s, one durable put {durable_secs:.4} s"
        );
        ratios.push(put_secs / plain_secs);
    }
    ratios.sort_by(f64::total_cmp);
    assert!(ratios[1] < 2.0, "{ratios:?}");
}

/// Does `work` for each of the keys, by `tasks` tasks.
async fn each<F: Future<Output = ()> + Send>(
    tasks: usize,
    objects: usize,
    store: &Arc<DirStore>,
    work: impl Fn(Arc<DirStore>, String) -> F + Clone + Send + 'static,
) {
    let spawn = |task: usize| {
        let (store, work) = (Arc::clone(store), work.clone());
        tokio::spawn(async move {
            for seq in (task..objects).step_by(tasks) {
                work(Arc::clone(&store), format!("t/frames/{seq}.jpg")).await;
            }
        })
    };
    for done in futures::future::join_all((0..tasks).map(spawn)).await {
        done.unwrap();
    }
}
