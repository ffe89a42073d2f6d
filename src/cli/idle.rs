//! Flags of every command that mean nothing to some: left out of their help. Where one would be understood for what it is
//! not, it is refused, too; a store that is named to a command without one does no harm.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

const SERVER: [&str; 3] = ["server", "token", "tls_ca"];
const STORE: [&str; 3] = ["store", "endpoint", "prefix"];
const MEDIA: [&str; 3] = ["isolation", "sandbox", "media_memory"];

/// (command, flags left out of its help, those of them that are refused).
type Idle = (
    &'static str,
    &'static [&'static [&'static str]],
    &'static [&'static str],
);

const COMMANDS: &[Idle] = &[
    ("frames", &[&MEDIA, &["workers"]], &[]),
    ("export", &[&MEDIA, &["workers"]], &[]),
    ("similar", &[&["workers"]], &[]),
    ("cuts", &[&MEDIA, &["workers"]], &[]),
    ("put", &[&MEDIA, &["workers"]], &[]),
    ("overlays", &[&MEDIA, &["workers"]], &[]),
    ("timelines", &[&MEDIA, &["workers"]], &[]),
    ("clear", &[&MEDIA, &["workers"]], &[]),
    ("verify", &[&SERVER, &MEDIA], &[]),
    ("repack", &[&SERVER, &MEDIA, &["workers"]], &[]),
    (
        "gc",
        &[&SERVER, &MEDIA, &["workers", "profile"]],
        &["profile"],
    ),
    ("doctor", &[&SERVER, &["profile", "workers"]], &["profile"]),
    (
        "serve",
        &[&SERVER, &["profile", "json"]],
        &["profile", "json"],
    ),
    ("view", &[&SERVER], &[]),
    #[cfg(feature = "nats")]
    ("submit", &[&SERVER], &[]),
    #[cfg(feature = "nats")]
    (
        "work",
        &[&SERVER, &["profile", "json"]],
        &["profile", "json"],
    ),
    (
        "probe",
        &[&["store", "prefix", "profile", "workers"]],
        &["profile"],
    ),
    (
        "framemd5",
        &[&SERVER, &["store", "prefix", "profile", "json"]],
        &["profile", "json"],
    ),
    (
        "completions",
        &[
            &SERVER,
            &STORE,
            &MEDIA,
            &["profile", "json", "workers", "config"],
        ],
        &["profile", "json"],
    ),
    (
        "man",
        &[
            &SERVER,
            &STORE,
            &MEDIA,
            &["profile", "json", "workers", "config"],
        ],
        &["profile", "json"],
    ),
];

/// The same commands, each without flags in its help that mean nothing to it.
pub fn hidden(tree: Command) -> Command {
    let globals: Vec<_> = tree.get_arguments().cloned().collect();
    COMMANDS.iter().fold(tree, |tree, (name, idle, _)| {
        let of_command = |id: &&str| globals.iter().find(|arg| arg.get_id() == *id).cloned();
        let flags: Vec<_> = idle.concat().iter().filter_map(of_command).collect();
        // A flag that a command has of its own is not handed down to it.
        tree.mut_subcommand(*name, |command| {
            command.args(flags.into_iter().map(|flag| flag.hide(true)))
        })
    })
}

/// A flag that was given to a command that must not have it.
pub fn refused(matches: &ArgMatches) -> Option<&'static str> {
    let (name, given) = matches.subcommand()?;
    let (_, _, refused) = COMMANDS.iter().find(|(command, ..)| *command == name)?;
    let is_given = |id: &&&str| given.value_source(id) == Some(ValueSource::CommandLine);
    refused.iter().find(is_given).copied()
}
