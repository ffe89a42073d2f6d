//! `framecache completions`

use clap_complete::Shell;

use crate::cli::common::{Exit, write_out};
use crate::error::Result;

/// Print a shell's completions of commands and flags
///
///   framecache completions bash > ~/.local/share/bash-completion/completions/framecache
///   framecache completions zsh > ~/.zfunc/_framecache
///   framecache completions fish > ~/.config/fish/completions/framecache.fish
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub fn run(args: &Args, tree: &mut clap::Command) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, tree, "framecache", &mut script);
    write_out(&script).map(|()| Exit::Done)
}
