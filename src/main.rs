//! The `framecache` command.

fn main() -> std::process::ExitCode {
    framecache::cli::main()
}
