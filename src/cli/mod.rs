//! The command line: one file a command. Results go to stdout, progress and
//! messages to stderr, and the exit status says what became of it.

mod clear;
mod common;
mod completions;
mod csv;
mod cuts;
mod doctor;
mod environment;
mod export;
mod extract;
mod format;
mod framemd5;
mod frames;
mod gc;
mod get;
mod idle;
mod man;
mod output;
mod overlays;
mod probe;
mod progress;
mod put;
mod repack;
mod select;
mod serve;
mod sheet;
mod similar;
#[cfg(feature = "nats")]
mod submit;
mod timelines;
mod verify;
mod view;
#[cfg(feature = "nats")]
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cache::used;
use crate::error::{Error, Result};
use crate::foundry;
use crate::signals::Signals;
use common::{Context, Exit, Global};

/// Turns stretches of video into frames once, and keeps them.
///
/// Frames are JPEGs under a timeline's key in a store (a folder, or an S3
/// bucket), each with its exact time, perceptual hash and colour. The same
/// command on any machine gives the same bytes; running it again reuses what is
/// there.
///
///   framecache extract --fps 2 holiday.mp4     decode, hash and cache
///   framecache frames holiday                  what is in the cache
///   framecache sheet holiday -o sheet.jpg      a picture of it
///   framecache view holiday                    the same in a browser
///   framecache serve                           the same for programs, over gRPC
#[derive(Parser)]
#[command(
    name = "framecache",
    version,
    verbatim_doc_comment,
    max_term_width = 100
)]
#[command(subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Extract(Box<extract::Args>),
    #[command(visible_alias = "ls")]
    Frames(frames::Args),
    Get(get::Args),
    Export(export::Args),
    Put(put::Args),
    Sheet(sheet::Args),
    Similar(similar::Args),
    Cuts(cuts::Args),
    Overlays(overlays::Args),
    Timelines(timelines::Args),
    Clear(clear::Args),
    Probe(probe::Args),
    Framemd5(framemd5::Args),
    Doctor(doctor::Args),
    Verify(verify::Args),
    Repack(repack::Args),
    Gc(gc::Args),
    Serve(Box<serve::Args>),
    View(view::Args),
    #[cfg(feature = "nats")]
    Submit(Box<submit::Args>),
    #[cfg(feature = "nats")]
    Work(work::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command that the process's arguments name, and says how it ended.
pub fn main() -> ExitCode {
    run_with(std::env::args_os())
}

/// The same with other arguments; the first is the program's name.
pub fn run_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let [_, name, level] = arguments.as_slice()
        && name == foundry::NAME
    {
        common::start_log_for_another(&level.to_string_lossy());
        return foundry::media_process();
    }
    // Before anything else, so that from here on a signal is answered with its exit status.
    let signals = Signals::install();
    let cli = match parsed(&arguments) {
        Ok(cli) => cli,
        Err(asked) => return usage(&asked, arguments.iter().any(|word| word == "--json")),
    };
    let (verbose, json) = (cli.global.verbose, cli.global.json);
    common::be_quiet(cli.global.quiet);
    environment::warn_of_unknown(&tree());
    // A server's log has its own format, which its settings name.
    match &cli.command {
        Command::Serve(_) => {}
        // What it hands back and gives up is its operator's to know.
        #[cfg(feature = "nats")]
        Command::Work(_) => common::start_log(verbose, "warn"),
        _ => common::start_log(verbose, "error"),
    }
    match signals.and_then(|signals| run(cli, signals)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            match json {
                true => common::print_json_error(&error),
                false => common::print_error(&error, verbose),
            }
            ExitCode::from(error.reason().code().exit_status())
        }
    }
}

/// All commands and their flags.
fn tree() -> clap::Command {
    idle::hidden(Cli::command())
}

fn parsed(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut tree = tree();
    let matches = tree.try_get_matches_from_mut(arguments)?;
    if let Some(flag) = idle::refused(&matches) {
        let command = matches.subcommand_name().unwrap_or_default();
        let message = format!("--{flag} means nothing to `framecache {command}`");
        return Err(tree.error(ErrorKind::ArgumentConflict, message));
    }
    Cli::from_arg_matches(&matches)
}

/// Help and version are results, everything else a usage error; a closed pipe is neither.
fn usage(asked: &clap::Error, json: bool) -> ExitCode {
    if !asked.use_stderr() || !json {
        let _ = asked.print();
        return ExitCode::from(if asked.use_stderr() { 2 } else { 0 });
    }
    let text = asked.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let error = Error::field(first.strip_prefix("error: ").unwrap_or(first));
    common::print_json_error(&error.hint("`--help` has all flags"));
    ExitCode::from(2)
}

fn run(cli: Cli, mut signals: Signals) -> Result<Exit> {
    match &cli.command {
        Command::Completions(args) => return completions::run(args, &mut tree()),
        Command::Man(args) => return man::run(args, tree()),
        _ => {}
    }
    let context = Context::new(cli.global)?;
    // Ends by draining, not by being dropped at a signal.
    if let Command::Serve(args) = cli.command {
        context.refuse_server("serve")?;
        return serve::run(&context, *args, signals)
            .map_err(|error| common::naming_the_store(error, &context));
    }
    if let Command::View(args) = cli.command {
        context.refuse_server("view")?;
        return view::run(&context, args, signals)
            .map_err(|error| common::naming_the_store(error, &context));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::internal("could not start the runtime").caused_by(e))?;
    // Ends by handing back what it has.
    #[cfg(feature = "nats")]
    if let Command::Work(args) = cli.command {
        context.refuse_server("work")?;
        let outcome = runtime.block_on(work::run(&context, args, signals));
        runtime.shutdown_background();
        return outcome.map_err(|error| common::naming_the_store(error, &context));
    }
    let writes = !matches!(
        cli.command,
        Command::Framemd5(_)
            | Command::Probe(_)
            | Command::Doctor(_)
            | Command::Frames(_)
            | Command::Similar(_)
            | Command::Cuts(_)
    );
    let outcome = runtime.block_on(async {
        tokio::select! {
            // One that came already is answered before anything is begun.
            biased;
            exit = common::ended(&mut signals, writes) => Ok(exit),
            outcome = command(&context, cli.command) => {
                used::settle().await;
                outcome
            }
        }
    });
    // Blocking reads of a stalled source must not hold up the end.
    runtime.shutdown_background();
    outcome.map_err(|error| common::naming_the_store(error, &context))
}

async fn command(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Extract(args) => extract::run(context, *args).await,
        Command::Frames(args) => frames::run(context, args).await,
        Command::Get(args) => get::run(context, args).await,
        Command::Export(args) => export::run(context, args).await,
        Command::Put(args) => put::run(context, args).await,
        Command::Sheet(args) => sheet::run(context, args).await,
        Command::Similar(args) => similar::run(context, args).await,
        Command::Cuts(args) => cuts::run(context, args).await,
        Command::Overlays(args) => overlays::run(context, args).await,
        Command::Timelines(args) => timelines::run(context, args).await,
        Command::Clear(args) => clear::run(context, args).await,
        Command::Probe(args) => probe::run(context, args).await,
        Command::Doctor(args) => {
            context.refuse_server("doctor")?;
            doctor::run(context, args).await
        }
        Command::Verify(args) => {
            context.refuse_server("verify")?;
            verify::run(context, args).await
        }
        Command::Repack(args) => {
            context.refuse_server("repack")?;
            repack::run(context, args).await
        }
        #[cfg(feature = "nats")]
        Command::Submit(args) => {
            context.refuse_server("submit")?;
            submit::run(context, *args).await
        }
        Command::Gc(args) => {
            context.refuse_server("gc")?;
            gc::run(context, args).await
        }
        Command::Framemd5(args) => {
            context.refuse_server("framemd5")?;
            framemd5::run(context, args).await
        }
        #[cfg(feature = "nats")]
        Command::Work(_) => Err(Error::internal("a worker ends in its own way")),
        Command::Serve(_) | Command::View(_) | Command::Completions(_) | Command::Man(_) => {
            Err(Error::internal("this command needs no client"))
        }
    }
}
