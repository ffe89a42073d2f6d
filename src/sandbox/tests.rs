//! A process of this very test binary, held for real, and what it can and cannot do.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::*;

const NAME: &str = "sandbox::tests::as_a_held_process";
const MEMORY: u64 = 4 << 30;

/// Runs the held process with these words behind its name; its standard input is a file of "held".
fn held(words: &[&str]) -> Output {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"held").unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.args([NAME, "--exact", "--ignored", "--nocapture"]);
    command.env("FRAMECACHE_TEST_HELD", words.join("\n"));
    command.env("SECRET", "told to nobody");
    command
        .stdin(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.output().unwrap()
}

/// Whether this kernel holds nobody; said, since then nothing is shown.
fn is_free() -> bool {
    let free = !is_there();
    if free {
        eprintln!(
            "this kernel has no Landlock or no seccomp: what a held process may do is not tested"
        );
    }
    free
}

/// Lines that it printed, which begin with `held: `.
fn said(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.split_once("held: "));
    lines.map(|(_, words)| words.to_owned()).collect()
}

#[test]
#[ignore = "the process that other tests start"]
fn as_a_held_process() {
    let Ok(words) = std::env::var("FRAMECACHE_TEST_HELD") else {
        return;
    };
    let words: Vec<&str> = words.lines().collect();
    let (ask, asked) = mpsc::channel::<()>();
    let earlier = std::thread::spawn(move || {
        asked.recv().unwrap();
        File::open("/proc/self/exe").is_err()
    });
    match words[..] {
        ["free", "calls"] => return calls(),
        ["free", ..] => return acts(&words[1..]),
        _ => {}
    }
    if words == ["driver"] {
        let report = restrict_driver();
        beside_a_driver();
        return println!("held: {}", serde_json::to_string(&report).unwrap());
    }
    let limits = Limits { memory: MEMORY };
    if let ["older", sandbox] = words[..] {
        forget_landlock();
        let sandbox = clap::ValueEnum::from_str(sandbox, false).unwrap();
        let words = restrict(limits, sandbox).map_or_else(|e| e.to_string(), |r| r.to_string());
        return println!("held: {words}");
    }
    let report = restrict(limits, Sandbox::Require).unwrap();
    match words[0] {
        "abort" => std::process::abort(),
        "acts" => acts(&words[1..]),
        "calls" => calls(),
        "needs" => needs(),
        "report" => println!("held: {}", serde_json::to_string(&report).unwrap()),
        other => panic!("{other}"),
    }
    ask.send(()).unwrap();
    assert!(earlier.join().unwrap(), "a thread that was there before");
}

/// In words, and whether it could be done.
type Act<'a> = (&'a str, Box<dyn Fn() -> bool + 'a>);

/// What must fail: each that does not is said.
fn acts(places: &[&str]) {
    let [folder, port, socket, parent] = places else {
        panic!("{places:?}")
    };
    let file = format!("{folder}/there");
    let new = format!("{folder}/new");
    let acts: Vec<Act> = vec![
        ("read a file", Box::new(|| std::fs::read(&file).is_ok())),
        (
            "write a file",
            Box::new(|| std::fs::write(&file, "x").is_ok()),
        ),
        ("make a file", Box::new(|| File::create(&new).is_ok())),
        (
            "make a folder",
            Box::new(|| std::fs::create_dir(&new).is_ok()),
        ),
        (
            "remove a file",
            Box::new(|| std::fs::remove_file(&file).is_ok()),
        ),
        (
            "rename a file",
            Box::new(|| std::fs::rename(&file, &new).is_ok()),
        ),
        (
            "link a file",
            Box::new(|| std::fs::hard_link(&file, &new).is_ok()),
        ),
        (
            "list a folder",
            Box::new(|| std::fs::read_dir(folder).is_ok()),
        ),
        (
            "look at a file",
            Box::new(|| std::fs::metadata(&file).is_ok()),
        ),
        (
            "see its variables",
            Box::new(|| std::fs::read("/proc/self/environ").is_ok()),
        ),
        (
            "see its parent",
            Box::new(|| std::fs::read(format!("/proc/{parent}/maps")).is_ok()),
        ),
        (
            "connect by TCP",
            Box::new(|| TcpStream::connect(port).is_ok()),
        ),
        (
            "listen by TCP",
            Box::new(|| TcpListener::bind("127.0.0.1:0").is_ok()),
        ),
        (
            "connect by a socket",
            Box::new(|| UnixStream::connect(socket).is_ok()),
        ),
        (
            "run a program",
            Box::new(|| Command::new("/bin/true").status().is_ok()),
        ),
        (
            "change a limit",
            Box::new(|| {
                let none = Rlimit {
                    current: None,
                    maximum: None,
                };
                setrlimit(Resource::As, none).is_ok()
            }),
        ),
    ];
    for (what, done) in acts {
        if done() {
            println!("held: could {what}");
        }
    }
    println!("held: all tried");
}

/// System calls that reach others, or make what could. None is let through, whatever it is asked.
const CALLS: [(&str, libc::c_long); 29] = [
    ("openat", libc::SYS_openat),
    ("openat2", libc::SYS_openat2),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    ("memfd_create", libc::SYS_memfd_create),
    ("socket", libc::SYS_socket),
    ("connect", libc::SYS_connect),
    ("bind", libc::SYS_bind),
    ("listen", libc::SYS_listen),
    ("accept4", libc::SYS_accept4),
    ("execve", libc::SYS_execve),
    ("execveat", libc::SYS_execveat),
    ("ptrace", libc::SYS_ptrace),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("kill", libc::SYS_kill),
    ("tkill", libc::SYS_tkill),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("mount", libc::SYS_mount),
    ("umount2", libc::SYS_umount2),
    ("chroot", libc::SYS_chroot),
    ("unshare", libc::SYS_unshare),
    ("setns", libc::SYS_setns),
    ("bpf", libc::SYS_bpf),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("keyctl", libc::SYS_keyctl),
    ("shmget", libc::SYS_shmget),
];

/// Those that the kernel looked into are said.
fn calls() {
    for (name, number) in CALLS {
        // SAFETY: as a pointer -1 is to no memory, which is all that the kernel could harm.
        let outcome = unsafe { libc::syscall(number, -1, -1, -1, -1, -1, -1) };
        let error = std::io::Error::last_os_error();
        if outcome != -1 || error.raw_os_error() != Some(libc::EPERM) {
            println!("held: could ask for {name}");
        }
    }
    println!("held: all asked");
}

/// Makes the kernel one of before Landlock, as far as this process can tell.
fn forget_landlock() {
    use seccompiler::{SeccompAction, SeccompFilter, TargetArch, apply_filter};
    // landlock_create_ruleset, landlock_add_rule, landlock_restrict_self: the same everywhere.
    let unknown = [444, 445, 446].map(|number| (number, Vec::new()));
    let filter = SeccompFilter::new(
        unknown.into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        TargetArch::try_from(std::env::consts::ARCH).unwrap(),
    );
    let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}

/// What decoding needs.
fn needs() {
    let threads = [1u8; 4].map(|byte| {
        std::thread::spawn(move || {
            let bytes = vec![byte; 50 << 20];
            bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>()
        })
    });
    let sums = threads.map(|thread| thread.join().unwrap());
    assert_eq!(sums, [50 << 20; 4]);
    let mut bytes = [0; 4];
    let given = std::io::stdin();
    let given = File::from(
        std::os::fd::AsFd::as_fd(&given)
            .try_clone_to_owned()
            .unwrap(),
    );
    given.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"held");
    let (mut one, mut other) = UnixStream::pair().unwrap();
    one.set_read_timeout(Some(Duration::from_secs(9))).unwrap();
    one.write_all(b"over").unwrap();
    other.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"over");
    crate::wire::send_descriptors(&one, &[std::os::fd::AsFd::as_fd(&given)]).unwrap();
    let came = crate::wire::receive_descriptors(&other).unwrap().unwrap();
    assert_eq!(came.len(), 1);
    assert!(std::panic::catch_unwind(|| panic!("as planted")).is_err());
    std::thread::sleep(Duration::from_millis(1));
    assert!(std::time::SystemTime::now() > std::time::UNIX_EPOCH);
    let mut large = Vec::<u8>::new();
    assert!(large.try_reserve_exact(2 * MEMORY as usize).is_err());
    println!("held: all there");
}

/// What is left to a driver: files, sockets of this machine, threads, code that is loaded late.
fn beside_a_driver() {
    assert!(File::open("/proc/self/exe").is_ok());
    assert!(std::fs::write("/proc/thread-self/comm", "as a driver").is_ok());
    assert!(UnixListener::bind(format!("/tmp/framecache-{}", std::process::id())).is_ok());
    std::fs::remove_file(format!("/tmp/framecache-{}", std::process::id())).unwrap();
    assert!(
        std::thread::spawn(|| File::open("/dev/null").is_ok())
            .join()
            .unwrap()
    );
    let (code, own) = (
        libc::PROT_READ | libc::PROT_EXEC,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: new memory, which nobody looks at.
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), 4096, code, own, -1, 0) };
    assert_ne!(mapped, libc::MAP_FAILED);
    for (name, number) in CALLS {
        // What makes sockets, memory and files is a driver's, too.
        const ITS_OWN: [&str; 8] = [
            "openat",
            "openat2",
            "memfd_create",
            "connect",
            "bind",
            "listen",
            "accept4",
            "shmget",
        ];
        if ITS_OWN.contains(&name) {
            continue;
        }
        // SAFETY: as in `calls`.
        let outcome = unsafe { libc::syscall(number, -1, -1, -1, -1, -1, -1) };
        let error = std::io::Error::last_os_error();
        assert!(
            outcome == -1 && error.raw_os_error() == Some(libc::EPERM),
            "{name}: {error}"
        );
    }
}

#[test]
fn beside_a_gpus_driver_a_process_reaches_no_machine_program_or_process() {
    if is_free() {
        return;
    }
    let output = held(&["driver"]);
    assert!(output.status.success(), "{output:?}");
    let report: Report = serde_json::from_str(&said(&output).concat()).unwrap();
    assert!(report.seccomp, "{report}");
    let held = [
        "connect to another machine",
        "run a program",
        "signal its parent",
    ];
    for what in held {
        assert!(
            report.held.iter().any(|held| held == what),
            "{what}: {report}"
        );
    }
    assert!(!report.holds() && report.open.iter().any(|open| open == "open a file"));
}

#[test]
fn a_held_process_can_do_nothing_to_others_nor_see_them() {
    if is_free() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("there"), "bytes").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().to_string();
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let place = folder.path().to_str().unwrap();
    let own = std::process::id().to_string();
    let places = [place, &port, socket.to_str().unwrap(), &own];
    let output = held(&[&["acts"], &places[..]].concat());
    assert_eq!(said(&output), ["all tried"], "{output:?}");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        std::fs::read(folder.path().join("there")).unwrap(),
        b"bytes"
    );
    // Who is not held can do it; what one act leaves is in the way of some that follow.
    let free = said(&held(&[&["free"], &places[..]].concat()));
    assert!(free.len() > 10, "{free:?}");
}

#[test]
fn a_held_process_has_what_decoding_needs_and_no_more_memory_than_it_may() {
    if is_free() {
        return;
    }
    let output = held(&["needs"]);
    assert_eq!(said(&output), ["all there"], "{output:?}");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_held_process_says_what_was_tried() {
    if is_free() {
        return;
    }
    let output = held(&["report"]);
    let report: Report = serde_json::from_str(&said(&output)[0]).unwrap();
    assert!(report.holds(), "{report}");
    assert_eq!(report.held.len(), 7);
    assert_eq!(report.to_string(), "held by Landlock and seccomp");
}

#[test]
fn a_held_process_that_aborts_dies_of_that() {
    if is_free() {
        return;
    }
    assert_eq!(held(&["abort"]).status.signal(), Some(libc::SIGABRT));
}

#[test]
fn no_system_call_of_a_held_process_reaches_others() {
    if is_free() {
        return;
    }
    assert_eq!(said(&held(&["calls"])), ["all asked"]);
    let free = said(&held(&["free", "calls"]));
    assert!(free.len() > CALLS.len() / 2, "{free:?}");
}

#[test]
fn a_kernel_without_landlock_is_said_and_refused_where_it_is_required() {
    if is_free() {
        return;
    }
    let held_by = "held by seccomp alone: this kernel has no Landlock";
    assert_eq!(said(&held(&["older", "best-effort"])), [held_by]);
    let refused = said(&held(&["older", "require"]));
    let words = format!("a media process is not held: {held_by}");
    assert!(refused.join("").contains(&words), "{refused:?}");
}
