//! Listing a tree of folders in the byte order of its full keys, as S3 does.
//!
//! Folders sort as their name with `/` (so `a.b` comes before `a/b`), which
//! makes a walk in that order the order of keys. Of each folder on the way only
//! the next `limit` names are held, however many it has.

use std::collections::BinaryHeap;
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::version::version_of;
use crate::store::key::TEMPORARY;
use crate::store::{Entry, Page, check_key};

/// One listing under way.
pub(super) struct Walk<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimited: bool,
    /// The last key or common prefix of the page before.
    pub(super) after: &'a str,
    /// At least 1.
    pub(super) limit: usize,
    found: Vec<Found>,
}

enum Found {
    Object(Entry),
    Prefix(String),
}

impl<'a> Walk<'a> {
    pub(super) fn new(prefix: &'a str, after: &'a str, limit: usize) -> Walk<'a> {
        Walk {
            prefix,
            delimited: false,
            after,
            limit: limit.max(1),
            found: Vec::new(),
        }
    }

    /// `folder` is the open folder that the prefix names up to its last `/`, and `path` that part.
    pub(super) fn run(mut self, folder: &OwnedFd, path: &str) -> Result<Page> {
        self.visit(folder, path)?;
        Ok(self.page())
    }

    /// One more than asked for is looked for, to know whether to go on.
    fn is_full(&self) -> bool {
        self.found.len() > self.limit
    }

    fn visit(&mut self, folder: &OwnedFd, path: &str) -> Result<()> {
        let mut last = String::new();
        loop {
            let names = self.next_names(folder, path, &last)?;
            let whole = names.len() <= self.limit;
            for name in names {
                self.visit_child(folder, path, &name)?;
                if self.is_full() {
                    return Ok(());
                }
                last = name;
            }
            if whole {
                return Ok(());
            }
        }
    }

    /// The first `limit + 1` names after `last` that can lead to a key wanted, sorted;
    /// folders end in `/`.
    fn next_names(&self, folder: &OwnedFd, path: &str, last: &str) -> Result<Vec<String>> {
        let mut least = BinaryHeap::new();
        let mut full = String::from(path);
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(name, "." | "..") || (path.is_empty() && name == TEMPORARY) {
                continue;
            }
            full.truncate(path.len());
            full.push_str(name);
            match file_type(folder, &entry)? {
                FileType::RegularFile => {}
                FileType::Directory => full.push('/'),
                _ => continue,
            }
            let sorted = full.get(path.len()..).unwrap_or_default();
            let wanted = sorted > last && self.can_hold(&full);
            let room = least.len() <= self.limit;
            if wanted
                && (room
                    || least
                        .peek()
                        .is_some_and(|top: &String| sorted < top.as_str()))
            {
                least.push(sorted.to_owned());
                if !room {
                    least.pop();
                }
            }
        }
        Ok(least.into_sorted_vec())
    }

    /// Whether this key, or keys under this folder (ending in `/`), belong to the page.
    fn can_hold(&self, full: &str) -> bool {
        let under = full.ends_with('/');
        let below_prefix =
            full.starts_with(self.prefix) || (under && self.prefix.starts_with(full));
        let collapsed = self.delimited && full.len() > self.prefix.len();
        let past = full > self.after || (under && !collapsed && self.after.starts_with(full));
        below_prefix && past
    }

    fn visit_child(&mut self, folder: &OwnedFd, path: &str, name: &str) -> Result<()> {
        let full = format!("{path}{name}");
        if check_key(full.trim_end_matches('/')).is_err() {
            return Ok(());
        }
        if !name.ends_with('/') {
            return self.add_object(folder, name, full);
        }
        let Some(below) = open_child(folder, name.trim_end_matches('/'))? else {
            return Ok(());
        };
        if !self.delimited || full.len() <= self.prefix.len() {
            return self.visit(&below, &full);
        }
        let mut probe = Walk::new(&full, "", 1);
        probe.visit(&below, &full)?;
        if !probe.found.is_empty() {
            self.found.push(Found::Prefix(full));
        }
        Ok(())
    }

    fn add_object(&mut self, folder: &OwnedFd, name: &str, key: String) -> Result<()> {
        let stat = match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            other => other?,
        };
        self.found.push(Found::Object(Entry {
            key,
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            modified: Some(stat.st_mtime),
            version: version_of(&stat),
        }));
        Ok(())
    }

    fn page(mut self) -> Page {
        let more = self.is_full();
        self.found.truncate(self.limit);
        let last = self.found.last().map(|found| match found {
            Found::Object(entry) => entry.key.clone(),
            Found::Prefix(prefix) => prefix.clone(),
        });
        let mut page = Page {
            next: last.filter(|_| more),
            ..Page::default()
        };
        for found in self.found {
            match found {
                Found::Object(entry) => page.entries.push(entry),
                Found::Prefix(prefix) => page.prefixes.push(prefix),
            }
        }
        page
    }
}

fn file_type(folder: &OwnedFd, entry: &fs::DirEntry) -> Result<FileType> {
    if entry.file_type() != FileType::Unknown {
        return Ok(entry.file_type());
    }
    match fs::statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode)),
        Err(Errno::NOENT) => Ok(FileType::Unknown),
        Err(error) => Err(error),
    }
}

/// None when it vanished meanwhile, or is no folder any more.
fn open_child(folder: &OwnedFd, name: &str) -> Result<Option<OwnedFd>> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    match fs::openat(folder, name, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        other => other.map(Some),
    }
}
