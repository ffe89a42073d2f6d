//! `framecache man`

use std::path::PathBuf;

use clap_mangen::Man;

use crate::cli::common::{Exit, write_out};
use crate::error::{Error, Result};

/// Print the manual page, or write those of all commands
///
///   framecache man | man -l -
///   framecache man /usr/local/share/man/man1        framecache.1, framecache-extract.1, …
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The folder to write into, made if it is not there [default: framecache(1) goes to stdout]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub fn run(args: &Args, tree: clap::Command) -> Result<Exit> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        Man::new(tree)
            .render(&mut page)
            .map_err(|e| Error::internal("could not make the page").caused_by(e))?;
        return write_out(&page).map(|()| Exit::Done);
    };
    let written =
        std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(tree, folder));
    written.map(|()| Exit::Done).map_err(|e| {
        Error::field(format!(
            "could not write the pages: {e}, path={}",
            folder.display()
        ))
        .hint("name a folder that this user may write into")
    })
}
