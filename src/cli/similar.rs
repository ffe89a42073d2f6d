//! `framecache similar`

use std::path::PathBuf;

use clap::ValueEnum;

use crate::api::convert::hash_message;
use crate::api::duplicates::{self, twins};
use crate::api::json::to_json;
use crate::api::similar::{answer, hash};
use crate::api::v1;
use crate::cli::common::{Context, Exit, complain, print_json, print_line};
use crate::cli::format::clock;
use crate::cli::output::read_file;
use crate::error::{Error, Result};
use crate::frames::{Found, FoundTwins, Near, Query, Search, Twin, Twins};
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
///
/// Or stretches of other timelines that show the same footage as this one, by the offset between their clocks:
///
///   framecache similar holiday --duplicates                in all timelines
///   framecache similar holiday --duplicates --other trip   in one
#[derive(clap::Args)]
#[command(verbatim_doc_comment, group = clap::ArgGroup::new("like").args(["seq", "hash", "picture", "duplicates"]).required(true))]
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
    /// Stretches of other timelines that show the same; a still scene alone is none
    #[arg(long, requires = "timeline")]
    duplicates: bool,
    /// The only timeline to search for duplicates
    #[arg(long, value_name = "ID", requires = "duplicates")]
    other: Option<String>,
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
    /// Frames at most, or stretches
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
    let client = context
        .client_of_what_is_there(args.timeline.as_deref())
        .await?;
    if let Some(timeline) = args.timeline.clone().filter(|_| args.duplicates) {
        let found = client.twins(args.twins(context, timeline)?).await?;
        return args.report_twins(context, found);
    }
    let found = client.similar(args.search(context)?).await?;
    args.report(context, found)
}

/// What could not be searched is named.
fn ended(unread: &[String]) -> Exit {
    for timeline in unread {
        complain(&format!(
            "framecache: a timeline could not be searched: timeline={timeline}"
        ));
    }
    match unread {
        [] => Exit::Done,
        _ => Exit::PartFailed,
    }
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

    fn twins(&self, context: &Context, timeline: String) -> Result<Twins> {
        let request = v1::GetDuplicatesRequest {
            timeline,
            profile: context.global.profile.clone(),
            other: self.other.clone().unwrap_or_default(),
            kind: hash_message(self.kind.into()).into(),
            distance: Some(self.distance),
            mirrored: self.mirrored,
            limit: u32::try_from(self.limit).unwrap_or(u32::MAX),
        };
        twins(request)
    }

    fn report_twins(&self, context: &Context, found: FoundTwins) -> Result<Exit> {
        let unread = found.unread.clone();
        if context.json() {
            print_json(&to_json(
                "GetDuplicatesResponse",
                &duplicates::answer(found),
            )?)?;
            return Ok(ended(&unread));
        }
        for twin in &found.twins {
            print_line(&twin_row(twin))?;
        }
        if found.more {
            complain("framecache: there are more than these; --limit N shows them");
        }
        Ok(ended(&unread))
    }

    fn report(&self, context: &Context, found: Found) -> Result<Exit> {
        let unread = found.unread.clone();
        if context.json() {
            print_json(&to_json("GetSimilarResponse", &answer(found))?)?;
            return Ok(ended(&unread));
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
        Ok(ended(&unread))
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

/// Where it is in the other, where here, by how much they are apart, and how much of it is the same.
fn twin_row(twin: &Twin) -> String {
    let run = &twin.run;
    let other = (clock(run.from + run.offset), clock(run.to + run.offset));
    let mirrored = if run.mirrored { "  mirrored" } else { "" };
    format!(
        "{}  {} - {}  of {} - {}  offset {:+.3} s  {} of {} frames  {:.1}%{mirrored}",
        twin.timeline,
        other.0,
        other.1,
        clock(run.from),
        clock(run.to),
        run.offset,
        run.frames,
        run.compared,
        100.0 * twin.share,
    )
}
