//! Variables that begin as ours do, and are none: most likely misspelt.

use std::collections::BTreeSet;

use clap::Command;

use crate::cli::common::note;

const OURS: &str = "FRAMECACHE_";
/// Read elsewhere than by a flag: how frames lie, the log's filter; by the Python client and the test suites.
const OTHERS: [&str; 7] = [
    "FRAMECACHE_LAYOUT",
    "FRAMECACHE_LOG",
    "FRAMECACHE_BIN",
    "FRAMECACHE_MEDIA",
    "FRAMECACHE_NVCUVID",
    "FRAMECACHE_STANDIN",
    "FRAMECACHE_TEST",
];
/// Kubernetes sets these in each pod for a service called framecache.
const SERVICE_LINKS: [&str; 2] = ["FRAMECACHE_SERVICE_", "FRAMECACHE_PORT"];

/// A line for each.
pub fn warn_of_unknown(tree: &Command) {
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for line in remarks(&known(tree), set) {
        note(&line);
    }
}

/// Of every flag of every command.
fn known(tree: &Command) -> BTreeSet<String> {
    let own = tree.get_arguments().filter_map(clap::Arg::get_env);
    let own = own.map(|name| name.to_string_lossy().into_owned());
    let below = tree.get_subcommands().flat_map(known);
    own.chain(below).collect()
}

fn remarks(known: &BTreeSet<String>, set: impl Iterator<Item = String>) -> Vec<String> {
    let is_other = |name: &str| {
        let begins = |prefix: &&str| name.starts_with(*prefix);
        OTHERS.iter().any(begins) || SERVICE_LINKS.iter().any(begins)
    };
    let unknown = set.filter(|name| name.starts_with(OURS) && !known.contains(name));
    let mut lines: Vec<String> = unknown
        .filter(|name| !is_other(name))
        .map(|name| {
            let near = known.iter().min_by_key(|known| distance(&name, known));
            let near = near.filter(|known| distance(&name, known) <= 3);
            let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            format!(
                "framecache: there is no variable of this name, and it is ignored: {name}{hint}"
            )
        })
        .collect();
    lines.sort();
    lines
}

/// Letters to put in, take out or change (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let change = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_named_with_the_one_that_is_meant_and_others_are_not() {
        let known = ["FRAMECACHE_STORE", "FRAMECACHE_SOURCE_ROOT"];
        let known = known.map(str::to_owned).into();
        let set = [
            "FRAMECACHE_STROE",
            "FRAMECACHE_STORE",
            "FRAMECACHE_LAYOUT",
            "FRAMECACHE_LOG",
            "FRAMECACHE_NONSENSE",
            "FRAMECACHE_SOURCE_ROOTS",
            "FRAMECACHE_SERVICE_HOST",
            "FRAMECACHE_PORT_50051_TCP_ADDR",
            "FRAMECACHES",
            "PATH",
        ];
        let lines = remarks(&known, set.into_iter().map(str::to_owned));
        let ends: Vec<&str> = lines
            .iter()
            .filter_map(|l| l.split("ignored: ").nth(1))
            .collect();
        assert_eq!(
            ends,
            [
                "FRAMECACHE_NONSENSE",
                "FRAMECACHE_SOURCE_ROOTS; did you mean FRAMECACHE_SOURCE_ROOT?",
                "FRAMECACHE_STROE; did you mean FRAMECACHE_STORE?",
            ]
        );
    }
}
