use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{ByteSource, BytesSource, SourcePolicy, concat, identity, open, read_full};
use crate::aws::Endpoint;
use crate::error::{Error, Reason};
use crate::hex::hex;

pub(super) fn anything() -> SourcePolicy {
    SourcePolicy::anything(Endpoint::default())
}

fn only(root: &Path) -> SourcePolicy {
    SourcePolicy::only(&[root.to_owned()], &[], Endpoint::default()).unwrap()
}

fn refused(uri: &str, policy: &SourcePolicy) -> Error {
    open(uri, policy)
        .err()
        .unwrap_or_else(|| panic!("{uri} was opened"))
}

pub(super) fn whole(source: &mut dyn ByteSource) -> Vec<u8> {
    let mut data = vec![0; source.bytes() as usize + 10];
    let count = read_full(source, 0, &mut data).unwrap();
    data.truncate(count);
    data
}

pub(super) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn a_file_is_read_at_any_offset_and_ends_at_its_size() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a b.bin");
    let data = noise(300_000);
    std::fs::write(&path, &data).unwrap();
    let uri = format!("file://{}", path.display()).replace(' ', "%20");
    for uri in [path.to_str().unwrap(), &uri] {
        for policy in [anything(), only(temp.path())] {
            let mut source = open(uri, &policy).unwrap();
            assert_eq!(whole(&mut *source), data);
            let mut some = [0; 100];
            assert_eq!(source.read_at(299_950, &mut some).unwrap(), 50);
            assert_eq!(some[..50], data[299_950..]);
            assert_eq!(source.read_at(300_000, &mut some).unwrap(), 0);
            assert_eq!(source.read_at(u64::MAX, &mut some).unwrap(), 0);
        }
    }
}

#[test]
fn a_file_that_shrinks_has_changed_rather_than_ended() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    std::fs::write(&path, noise(1000)).unwrap();
    let mut source = open(path.to_str().unwrap(), &anything()).unwrap();
    std::fs::write(&path, b"short").unwrap();
    let error = source.read_at(500, &mut [0; 10]).unwrap_err();
    assert_eq!(error.reason(), Reason::SourceChanged);
}

#[test]
fn what_is_no_file_is_refused_with_a_hint_and_without_its_path() {
    let temp = tempfile::tempdir().unwrap();
    let missing = temp.path().join("missing");
    let cases = [
        (missing.to_str().unwrap(), Reason::SourceNotFound),
        (temp.path().to_str().unwrap(), Reason::FieldInvalid),
        ("/dev/null", Reason::FieldInvalid),
        ("/dev/null/x", Reason::SourceNotFound),
        ("https://host/a.mp4", Reason::FieldInvalid),
    ];
    for (uri, reason) in cases {
        let error = refused(uri, &anything());
        assert_eq!(error.reason(), reason, "{uri}");
        assert!(error.hint_text().is_some(), "{uri}");
        assert!(!error.message().contains('/'), "{}", error.message());
    }
}

#[test]
fn a_pipe_below_a_root_is_refused_without_being_opened() {
    use rustix::fs::inotify;
    let temp = tempfile::tempdir().unwrap();
    let pipe = temp.path().join("pipe");
    let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, mode, 0).unwrap();
    let events = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&events, &pipe, inotify::WatchFlags::OPEN).unwrap();
    for policy in [anything(), only(temp.path())] {
        let error = refused(pipe.to_str().unwrap(), &policy);
        assert_eq!(error.reason(), Reason::FieldInvalid);
    }
    let none = rustix::io::read(&events, &mut [0; 64]);
    assert_eq!(none.unwrap_err(), rustix::io::Errno::AGAIN);
    // That it would have been noticed.
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    assert!(rustix::io::read(&events, &mut [0; 64]).unwrap() > 0);
}

/// A root with a file, a secret beside it, and every way from one to the other.
fn escapes(temp: &Path) -> (PathBuf, Vec<String>) {
    let (root, outside) = (temp.join("root"), temp.join("root-secret"));
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(root.join("mine"), "m").unwrap();
    std::fs::write(outside.join("secret"), "s").unwrap();
    symlink(outside.join("secret"), root.join("link")).unwrap();
    symlink("../root-secret", root.join("folder")).unwrap();
    symlink("/proc/self/root", root.join("all")).unwrap();
    let secret = outside.join("secret");
    let (root_text, secret) = (root.to_str().unwrap(), secret.to_str().unwrap());
    let escapes = vec![
        secret.to_owned(),
        format!("{root_text}/../root-secret/secret"),
        format!("{root_text}/sub/../../root-secret/secret"),
        format!("{root_text}/link"),
        format!("{root_text}/folder/secret"),
        format!("{root_text}/folder/../root-secret/secret"),
        format!("{root_text}/all{secret}"),
        format!("file://{root_text}/..%2froot-secret/secret"),
        format!("file://{root_text}/%2e%2e/root-secret/secret"),
        "/etc/passwd".to_owned(),
        "/etc/no-such-file".to_owned(),
        "/proc/self/environ".to_owned(),
        "../../../../../../etc/passwd".to_owned(),
    ];
    (root, escapes)
}

#[test]
fn no_way_leads_out_of_the_roots() {
    let temp = tempfile::tempdir().unwrap();
    let (root, escapes) = escapes(temp.path());
    let policy = only(&root);
    for uri in escapes {
        assert_eq!(
            refused(&uri, &policy).reason(),
            Reason::SourceDenied,
            "{uri}"
        );
    }
    let inside = format!("{}/sub/../mine", root.display());
    assert_eq!(whole(&mut *open(&inside, &policy).unwrap()), b"m");
    symlink(root.join("mine"), root.join("sub/again")).unwrap();
    let link = format!("{}/sub/again", root.display());
    assert_eq!(whole(&mut *open(&link, &policy).unwrap()), b"m");
}

#[test]
fn a_root_that_is_a_link_allows_what_lies_behind_it() {
    let temp = tempfile::tempdir().unwrap();
    let (root, _) = escapes(temp.path());
    let alias = temp.path().join("alias");
    symlink(&root, &alias).unwrap();
    let policy = only(&alias);
    for folder in [&alias, &root] {
        let uri = folder.join("mine");
        assert_eq!(
            whole(&mut *open(uri.to_str().unwrap(), &policy).unwrap()),
            b"m"
        );
    }
    let uri = alias.join("link");
    assert_eq!(
        refused(uri.to_str().unwrap(), &policy).reason(),
        Reason::SourceDenied
    );
    let missing = SourcePolicy::only(&[temp.path().join("no")], &[], Endpoint::default());
    assert_eq!(missing.err().unwrap().reason(), Reason::FieldInvalid);
}

#[test]
fn only_allowed_buckets_are_asked() {
    let policy = SourcePolicy::only(&[], &["mine".into()], Endpoint::default()).unwrap();
    for uri in ["s3://other/a", "s3://mine2/a", "s3://Mine/a"] {
        assert_eq!(
            refused(uri, &policy).reason(),
            Reason::SourceDenied,
            "{uri}"
        );
    }
}

#[test]
fn an_init_segment_and_its_fragment_read_as_one() {
    let (init, body) = (noise(1000), noise(5000));
    let boxed = |data: &[u8]| Box::new(BytesSource(Bytes::copy_from_slice(data)));
    let mut joined = concat(boxed(&init), boxed(&body));
    assert_eq!(joined.bytes(), 6000);
    assert_eq!(whole(&mut *joined), [init, body].concat());
    assert_eq!(joined.read_at(6000, &mut [0; 9]).unwrap(), 0);
}

#[test]
fn an_identity_is_the_size_and_both_edges() {
    let sha = |data: &[u8]| hex(&Sha256::digest(data));
    for bytes in [0, 1, 65_535, 65_536, 65_537, 200_000] {
        let data = noise(bytes);
        let found = identity(&mut BytesSource(Bytes::from(data.clone()))).unwrap();
        assert_eq!(found.bytes, bytes as u64);
        assert_eq!(found.head_sha256, sha(&data[..bytes.min(65_536)]));
        assert_eq!(
            found.tail_sha256,
            sha(&data[bytes.saturating_sub(65_536)..])
        );
    }
}
