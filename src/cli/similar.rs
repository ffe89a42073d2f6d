//! `framecache similar`

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use crate::api::similar::hash;
use crate::cli::common::{Context, Exit, complain, print_json, print_line};
use crate::cli::format::clock;
use crate::cli::output::read_file;
use crate::error::{Error, Result};
use crate::frames::{Found, Near, Query, Search};
use crate::hash::to_hex;
use crate::similar::DISTANCE;
use crate::timeline::plan::HashKind;

/// Find cached frames that look like another
///
/// Nearest first, by how many of the 64 bits of their perceptual hashes differ. Every hash that the cache holds is
/// looked at; nothing is extracted. Flat pictures (a black screen) are like nothing.
///
///   framecache similar holiday --seq 25                    frames of the timeline like its frame 25
///   framecache similar holiday --seq 25 --everywhere       frames of all timelines
///   framecache similar --picture poster.jpg --mirrored     a picture from elsewhere, or mirrored
///   framecache similar --hash c3d4a5b62718f0e1 --distance 4
#[derive(clap::Args)]
#[command(verbatim_doc_comment, group = clap::ArgGroup::new("like").args(["seq", "hash", "picture"]).required(true))]
pub struct Args {
    /// The timeline to search [default: all of the store]
    #[arg(value_name = "ID")]
    timeline: Option<String>,
    /// A frame of the timeline, by its number
    #[arg(long, value_name = "N", requires = "timeline")]
    seq: Option<u64>,
    /// A hash of 16 hex digits, as `framecache frames` and ImageHash print it
    #[arg(long, value_name = "HEX")]
    hash: Option<String>,
    /// A JPEG file
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Search all timelines for the frame of ID
    #[arg(long, requires = "seq")]
    everywhere: bool,
    /// Bits of the hash that may differ: 0 for equal hashes, 64 for all frames by their likeness
    #[arg(long, value_name = "BITS", default_value_t = DISTANCE, value_parser = clap::value_parser!(u32).range(0..=64))]
    distance: u32,
    /// Which hash; the frames must have been extracted with it
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// Frames that show it mirrored left to right, too
    #[arg(long)]
    mirrored: bool,
    /// Frames at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    #[default]
    Phash,
    Dhash,
    #[value(name = "average_hash", alias = "average-hash")]
    Average,
}

impl From<Kind> for HashKind {
    fn from(kind: Kind) -> HashKind {
        match kind {
            Kind::Phash => HashKind::Phash,
            Kind::Dhash => HashKind::Dhash,
            Kind::Average => HashKind::AverageHash,
        }
    }
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let search = args.search(context)?;
    let client = context
        .client_of_what_is_there(args.timeline.as_deref())
        .await?;
    let found = client.similar(search).await?;
    args.report(context, &found)?;
    Ok(if found.unread.is_empty() {
        Exit::Done
    } else {
        Exit::PartFailed
    })
}

impl Args {
    fn search(&self, context: &Context) -> Result<Search> {
        let profile = context.global.profile.clone();
        let query = match (&self.hash, &self.picture, self.seq, &self.timeline) {
            (Some(text), ..) => Query::Hash(hash(text)?),
            (_, Some(path), ..) => Query::Picture(read_file(path)?),
            (_, _, Some(seq), Some(timeline)) => Query::Frame {
                timeline: timeline.clone(),
                profile: profile.clone(),
                seq,
            },
            _ => return Err(Error::internal("nothing is looked for")),
        };
        Ok(Search {
            query,
            timeline: self.timeline.clone().filter(|_| !self.everywhere),
            profile,
            kind: self.kind.into(),
            distance: self.distance,
            mirrored: self.mirrored,
            limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
            after: None,
        })
    }

    fn report(&self, context: &Context, found: &Found) -> Result<()> {
        if context.json() {
            return print_json(&json!({
                "hash": to_hex(found.hash),
                "flat": found.flat,
                "searched": found.searched,
                "more": found.more,
                "frames": found.near.iter().map(json_of).collect::<Vec<_>>(),
                "unread_timelines": found.unread,
            }));
        }
        for near in &found.near {
            print_line(&row(near))?;
        }
        if found.flat {
            complain(
                "framecache: the picture is flat: its hash is that of its noise, and it is like nothing",
            );
        }
        if found.more {
            complain(&format!(
                "framecache: there are more than {}; --limit N shows them",
                self.limit
            ));
        }
        for timeline in &found.unread {
            complain(&format!(
                "framecache: a timeline could not be searched: timeline={timeline}"
            ));
        }
        Ok(())
    }
}

fn row(near: &Near) -> String {
    let time = near.timestamp.map_or("-".to_owned(), clock);
    let mirrored = if near.mirrored { "  mirrored" } else { "" };
    let place = &near.place;
    format!(
        "{:>2} bits  {}  {:>8}  {time}{mirrored}",
        place.distance, place.timeline, place.seq
    )
}

/// What is unknown is absent.
fn json_of(near: &Near) -> serde_json::Value {
    let mut row = json!({
        "timeline": *near.place.timeline,
        "seq": near.place.seq,
        "distance": near.place.distance,
        "mirrored": near.mirrored,
    });
    if let Some(timestamp) = near.timestamp {
        row["timestamp"] = timestamp.into();
    }
    row
}
