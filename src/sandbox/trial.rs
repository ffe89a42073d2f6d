//! What a process that is held tries to do, to see that it cannot.

use std::fs::File;
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;

use rustix::process::test_kill_process;

use crate::sandbox::Parent;

/// This binary is there on any system, and may be read and run by whoever runs it.
const THERE: &str = "/proc/self/exe";

/// What failed, and what could be done, in words.
pub(super) fn tried(parent: Parent) -> (Vec<String>, Vec<String>) {
    let refused = |error: std::io::Error| {
        // A port that nobody has is no wall.
        let walls = [libc::EPERM, libc::EACCES];
        error
            .raw_os_error()
            .is_some_and(|errno| walls.contains(&errno))
    };
    let held = |outcome: std::io::Result<()>| outcome.err().is_some_and(refused);
    let tries: [(&str, std::io::Result<()>); 7] = [
        ("open a file", File::open(THERE).map(drop)),
        ("look at a folder", std::fs::read_dir("/").map(drop)),
        (
            "connect to another machine",
            TcpStream::connect("127.0.0.1:9").map(drop),
        ),
        (
            "connect to another process",
            UnixStream::connect(THERE).map(drop),
        ),
        ("make a socket", UnixDatagram::unbound().map(drop)),
        (
            "run a program",
            Command::new(THERE).arg("--version").status().map(drop),
        ),
        ("signal its parent", signal(parent)),
    ];
    let (held, open): (Vec<_>, Vec<_>) = tries
        .into_iter()
        .map(|(what, outcome)| (what.to_owned(), held(outcome)))
        .partition(|(_, held)| *held);
    let words = |tries: Vec<(String, bool)>| tries.into_iter().map(|(what, _)| what).collect();
    (words(held), words(open))
}

fn signal(parent: Parent) -> std::io::Result<()> {
    match parent {
        Some(parent) => Ok(test_kill_process(parent)?),
        // There is none, to be signalled by anybody.
        None => Err(std::io::Error::from_raw_os_error(libc::EPERM)),
    }
}
