//! `framecache overlays`

use std::path::{Path, PathBuf};

use clap::{ArgAction, Subcommand};
use futures::TryStreamExt;
use serde_json::json;

use crate::cache::keys::OverlayId;
use crate::cache::overlays::{OverlayScope, PutOverlay, file_name};
use crate::cli::common::{
    Context, Exit, complain, known_profile, print_json, print_line, write_out,
};
use crate::cli::format::{counted, tally_json};
use crate::cli::output::{Folder, read_file};
use crate::cli::select::{SeqRange, sequences};
use crate::client::{Client, OverlayQuery, OverlayRow};
use crate::error::{Error, Reason, Result};

/// Keep pictures that a pipeline drew for frames
///
/// An overlay is a PNG with a name, kept for a frame, under the job and the stage that
/// drew it.
///
///   framecache overlays put holiday --job j1 --stage edges --seq 7 mask.png
///   framecache overlays list holiday --job j1 --stage edges
///   framecache overlays get holiday --job j1 --stage edges --out masks
///   framecache overlays delete holiday --job j1 --dry-run
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Put PNG files under a frame
    Put(Put),
    /// Get overlays as {seq}_{name}.png
    Get(Get),
    /// List jobs, a job's stages, or a stage's overlays
    #[command(visible_alias = "ls")]
    List(List),
    /// Delete overlays of a job, a stage or a frame
    Delete(Delete),
}

#[derive(clap::Args)]
struct Put {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    #[arg(long)]
    job: String,
    #[arg(long)]
    stage: String,
    /// Number of the frame
    #[arg(long, value_name = "N")]
    seq: u64,
    /// Name of a single overlay [default: the stem of its file]
    #[arg(long)]
    name: Option<String>,
    #[arg(value_name = "FILE.png", required = true)]
    files: Vec<PathBuf>,
}

#[derive(clap::Args)]
struct Get {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    #[arg(long)]
    job: String,
    #[arg(long)]
    stage: String,
    /// Numbers of frames, and ranges [default: all that have overlays]
    #[arg(long, value_name = "A-B,…", value_delimiter = ',')]
    seq: Vec<SeqRange>,
    /// Only overlays of this name; may be given several times
    #[arg(long, action = ArgAction::Append)]
    name: Vec<String>,
    /// Folder for the files, or - for a single overlay on stdout
    #[arg(long, value_name = "DIR|-", default_value = ".")]
    out: String,
}

#[derive(clap::Args)]
struct List {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    #[arg(long)]
    job: Option<String>,
    #[arg(long, requires = "job")]
    stage: Option<String>,
    /// Number of a frame
    #[arg(long, value_name = "N", requires = "stage")]
    seq: Option<u64>,
}

#[derive(clap::Args)]
struct Delete {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    #[arg(long)]
    job: String,
    #[arg(long)]
    stage: Option<String>,
    /// Number of a frame
    #[arg(long, value_name = "N")]
    seq: Option<u64>,
    /// Only count
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let timeline = match &args.action {
        Action::Put(args) => &args.timeline,
        Action::Get(args) => &args.timeline,
        Action::List(args) => &args.timeline,
        Action::Delete(args) => &args.timeline,
    };
    let client = context.client_of_what_is_there(Some(timeline)).await?;
    match args.action {
        Action::Put(args) => put(context, &*client, &args).await,
        Action::Get(args) => get(context, &*client, &args).await,
        Action::List(args) => list(context, &*client, &args).await,
        Action::Delete(args) => delete(context, &*client, &args).await,
    }
}

async fn put(context: &Context, client: &dyn Client, args: &Put) -> Result<Exit> {
    if args.name.is_some() && args.files.len() > 1 {
        return Err(Error::field("one name is given for several overlays")
            .hint("leave --name out: each file's stem is its name"));
    }
    let overlays = args
        .files
        .iter()
        .map(|file| overlay_of(file, args))
        .collect::<Result<Vec<_>>>()?;
    let of = context.of(&args.timeline);
    known_profile(client, &args.timeline, Some(of.profile)).await?;
    let results = client.put_overlays(of, overlays).await?;
    let count = results.len();
    let mut failed = Vec::new();
    for (file, result) in args.files.iter().zip(results) {
        if let Err(error) = result {
            let error = error.about("path", file.display());
            // A single one's failure is the command's own.
            if count > 1 {
                complain(&format!("framecache: {}", error.message()));
            }
            failed.push(error);
        }
    }
    let put = count - failed.len();
    match failed.into_iter().next() {
        Some(error) if put == 0 => Err(error),
        failed => {
            if context.json() {
                print_json(&json!({ "put": put, "failed": count - put }))?;
            } else {
                print_line(&format!("{put} {} put", plural(put)))?;
            }
            Ok(if failed.is_some() {
                Exit::PartFailed
            } else {
                Exit::Done
            })
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "overlay" } else { "overlays" }
}

fn overlay_of(file: &Path, args: &Put) -> Result<PutOverlay> {
    let stem = || {
        file.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let name = args.name.clone().or_else(stem).unwrap_or_default();
    let id = OverlayId {
        job: args.job.clone(),
        stage: args.stage.clone(),
        seq: args.seq,
        name,
    };
    Ok(PutOverlay {
        id,
        png: read_file(file)?,
    })
}

async fn get(context: &Context, client: &dyn Client, args: &Get) -> Result<Exit> {
    let of = context.of(&args.timeline);
    let asked = OverlayQuery {
        job: args.job.clone(),
        stage: args.stage.clone(),
        seqs: sequences(&args.seq, context.settings.limits.frames)?,
        names: args.name.clone(),
    };
    let mut overlays = client.overlays(of, asked).await?;
    let Some(first) = overlays.try_next().await? else {
        let message = format!(
            "there are no such overlays, {} job={} stage={}",
            of.facts(),
            args.job,
            args.stage
        );
        return Err(Error::new(Reason::FrameNotCached, message)
            .hint("`framecache overlays list` shows what there is"));
    };
    if args.out == "-" {
        if overlays.try_next().await?.is_some() {
            let message = "stdout takes one overlay, and there are several";
            return Err(
                Error::field(message).hint("name one by --seq and --name, or give a folder")
            );
        }
        write_out(&first.png)?;
        return Ok(Exit::Done);
    }
    let mut folder = Folder::new(&args.out);
    let mut rows = Vec::new();
    let mut next = Some(first);
    while let Some(overlay) = next {
        let path = folder.write(&file_name(overlay.seq, &overlay.name)?, &overlay.png)?;
        rows.push(json!({ "seq": overlay.seq, "name": overlay.name, "path": path }));
        next = overlays.try_next().await?;
    }
    if context.json() {
        print_json(&rows)?;
    } else {
        let count = rows.len();
        print_line(&format!("{count} {} in {}", plural(count), args.out))?;
    }
    Ok(Exit::Done)
}

async fn list(context: &Context, client: &dyn Client, args: &List) -> Result<Exit> {
    let of = context.of(&args.timeline);
    let job = match (&args.job, &args.stage) {
        (None, _) => return names(context, "job", client.overlay_jobs(of).await?),
        (Some(job), None) => {
            return names(context, "stage", client.overlay_stages(of, job).await?);
        }
        (Some(job), Some(_)) => job.clone(),
    };
    let scope = OverlayScope {
        job,
        stage: args.stage.clone(),
        seq: args.seq,
    };
    let items = client.list_overlays(of, &scope).await?;
    if context.json() {
        let row =
            |item: &OverlayRow| json!({ "seq": item.seq, "name": item.name, "bytes": item.bytes });
        print_json(&items.iter().map(row).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    print_line("     seq       bytes  name")?;
    for item in &items {
        let OverlayRow { seq, bytes, name } = item;
        print_line(&format!("{seq:>8} {bytes:>11}  {name}"))?;
    }
    Ok(Exit::Done)
}

fn names(context: &Context, what: &str, names: Vec<String>) -> Result<Exit> {
    if context.json() {
        let row = |name: &String| json!({ what: name });
        print_json(&names.iter().map(row).collect::<Vec<_>>())?;
    } else {
        names.iter().try_for_each(|name| print_line(name))?;
    }
    Ok(Exit::Done)
}

async fn delete(context: &Context, client: &dyn Client, args: &Delete) -> Result<Exit> {
    let scope = OverlayScope {
        job: args.job.clone(),
        stage: args.stage.clone(),
        seq: args.seq,
    };
    let of = context.of(&args.timeline);
    let tally = client.delete_overlays(of, &scope, args.dry_run).await?;
    if context.json() {
        print_json(&json!({ "dry_run": args.dry_run, "overlays": tally_json(tally) }))?;
    } else {
        let did = if args.dry_run {
            "would delete"
        } else {
            "deleted"
        };
        print_line(&format!("{did} {}", counted("overlay", tally)))?;
    }
    Ok(Exit::Done)
}
