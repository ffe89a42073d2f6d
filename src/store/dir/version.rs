//! Versions of files: what tells, without reading one, that it is what it was.

use std::time::{Duration, SystemTime};

use rustix::fs::Stat;

use crate::store::ETag;

/// A file that changed so lately may change again within the same tick of its file system's clock,
/// and nobody could tell: the coarsest, FAT's, has ticks of 2 s.
const SETTLED: Duration = Duration::from_secs(3);

/// Its inode, size and times; none while it is too young to be told apart by them.
pub(super) fn version_of(stat: &Stat) -> Option<ETag> {
    let times = [
        (stat.st_mtime, stat.st_mtime_nsec),
        (stat.st_ctime, stat.st_ctime_nsec),
    ];
    let [modified, changed] = times.map(|(secs, nanos)| {
        let secs = u64::try_from(secs).unwrap_or(0);
        Duration::from_secs(secs) + Duration::from_nanos(nanos)
    });
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let settled = |at| now.checked_sub(at).is_some_and(|age| age >= SETTLED);
    (settled(modified) && settled(changed)).then(|| {
        let (inode, bytes) = (stat.st_ino, stat.st_size);
        let (modified, changed) = (modified.as_nanos(), changed.as_nanos());
        ETag(format!("{inode:x}-{bytes:x}-{modified:x}-{changed:x}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a file that was written so long ago.
    fn stat(age: Duration) -> Stat {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let then = now - age;
        let mut stat = rustix::fs::stat("/").unwrap();
        (stat.st_mtime, stat.st_ctime) = (then.as_secs() as i64, then.as_secs() as i64);
        let nanos = then.subsec_nanos() as _;
        (stat.st_mtime_nsec, stat.st_ctime_nsec) = (nanos, nanos);
        stat
    }

    #[test]
    fn a_file_has_a_version_once_it_is_older_than_the_ticks_of_its_clock() {
        assert_eq!(version_of(&stat(Duration::ZERO)), None);
        assert_eq!(version_of(&stat(Duration::from_millis(2900))), None);
        assert!(version_of(&stat(Duration::from_millis(3100))).is_some());
        // One that was moved here with its old times.
        let mut moved = stat(Duration::ZERO);
        moved.st_mtime -= 1000;
        assert_eq!(version_of(&moved), None);
    }

    #[test]
    fn every_trace_of_a_change_makes_another_version() {
        let file = stat(Duration::from_secs(100));
        let changes: [fn(&mut Stat); 4] = [
            |stat| stat.st_ino += 1,
            |stat| stat.st_size += 1,
            |stat| stat.st_mtime -= 1,
            |stat| stat.st_ctime -= 1,
        ];
        for change in changes {
            let mut changed = file;
            change(&mut changed);
            assert_ne!(version_of(&changed), version_of(&file));
        }
    }
}
