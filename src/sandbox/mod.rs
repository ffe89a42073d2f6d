//! What a process that decodes others' media may do no more: open, connect, start, look at or signal
//! anything. It keeps the descriptors that it was given, memory, and threads of its own.
//!
//! Where a GPU's driver works in it, which opens files of its own, it is kept from other machines,
//! programs and processes alone.
//!
//! Two walls of the kernel, each enough for most of it: Landlock (landlock(7)) denies all paths, ports
//! and signals, seccomp (seccomp(2)) all system calls but those of `policy`. Then the process tries
//! what it must not be able to do, and reports what was held.

mod policy;
#[cfg(test)]
mod tests;
mod trial;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The newest Landlock whose rules are asked for; an older kernel has fewer.
const NEWEST: ABI = ABI::V6;

/// Whether a process that cannot be walled in may decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// No.
    Require,
    /// Yes, behind what of it the kernel has.
    BestEffort,
    /// Nothing is restricted.
    Off,
}

/// Of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of addresses (RLIMIT_AS, getrlimit(2)); 0: as many as there are.
    pub memory: u64,
}

/// What holds a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub landlock: bool,
    pub seccomp: bool,
    /// Why it is not restricted, where it is not.
    pub why_not: Option<String>,
    /// What was tried and failed, as it should.
    pub held: Vec<String>,
    /// What was tried and could be done.
    pub open: Vec<String>,
}

impl Report {
    /// Nothing that was tried could be done.
    pub fn holds(&self) -> bool {
        self.landlock && self.seccomp && self.open.is_empty()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let walls = match (self.landlock, self.seccomp) {
            (true, true) => "Landlock and seccomp",
            (true, false) => "Landlock alone",
            (false, true) => "seccomp alone",
            (false, false) => "nothing",
        };
        write!(f, "held by {walls}")?;
        if let Some(why) = &self.why_not {
            write!(f, ": {why}")?;
        }
        match self.open.as_slice() {
            [] => Ok(()),
            open => write!(f, "; it could {}", open.join(", ")),
        }
    }
}

/// Whether this kernel can wall a process in.
pub fn is_there() -> bool {
    // Ruleset::create is refused in the stricter way where there is no Landlock.
    use landlock::{CompatLevel, Compatible};
    let landlock = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create);
    let actions = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    landlock.is_ok() && actions.is_ok_and(|actions| actions.contains("errno"))
}

/// Restricts this process for good, and reports what holds. For the only thread of a process whose
/// libraries are loaded: threads that come later are held as it is.
///
/// # Errors
/// INTERNAL under `Require` where something does not hold.
pub fn restrict(limits: Limits, sandbox: Sandbox) -> Result<Report> {
    limit(limits)?;
    if sandbox == Sandbox::Off {
        return Ok(Report {
            why_not: Some("it is switched off".to_owned()),
            ..Report::default()
        });
    }
    let parent = rustix::process::getppid();
    let report = tried([deny_paths(), policy::load()], parent);
    if sandbox == Sandbox::Require && !report.holds() {
        return Err(
            Error::internal(format!("a media process is not held: {report}"))
                .hint("`--sandbox best-effort` goes on with what the kernel has"),
        );
    }
    Ok(report)
}

/// Keeps a process in which a GPU's driver works from other machines, programs and processes, for good,
/// and reports what holds. Files stay open to it: the driver has its own, and those of devices. For a
/// process whose driver is there.
pub fn restrict_driver() -> Report {
    let parent = rustix::process::getppid();
    tried([deny_others(), policy::load_for_driver()], parent)
}

fn tried(walls: [Result<(), String>; 2], parent: Parent) -> Report {
    let reasons = walls.iter().filter_map(|wall| wall.as_ref().err());
    let why_not: Vec<String> = reasons.map(ToString::to_string).collect();
    let (held, open) = trial::tried(parent);
    Report {
        landlock: walls[0].is_ok(),
        seccomp: walls[1].is_ok(),
        why_not: (!why_not.is_empty()).then(|| why_not.join("; ")),
        held,
        open,
    }
}

fn limit(limits: Limits) -> Result<()> {
    let failed = |e: rustix::io::Errno| Error::internal("could not limit a process").caused_by(e);
    let most = |most| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    // Neither a core of it nor a debugger of the same user shows what it decodes.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed)?;
    setrlimit(Resource::Core, most(0)).map_err(failed)?;
    // No file is longer than the memory that pictures go through.
    setrlimit(Resource::Fsize, most(crate::wire::MEMORY_BYTES)).map_err(failed)?;
    if limits.memory > 0 {
        setrlimit(Resource::As, most(limits.memory)).map_err(failed)?;
    }
    Ok(())
}

/// # Errors
/// Why the kernel does not.
fn deny_paths() -> Result<(), String> {
    deny(AccessFs::from_all(NEWEST), Scope::from_all(NEWEST))
}

/// Programs, ports and signals. A driver reaches its daemons by sockets that have no path, too.
///
/// # Errors
/// Why the kernel does not.
fn deny_others() -> Result<(), String> {
    deny(AccessFs::Execute.into(), Scope::Signal.into())
}

fn deny(paths: BitFlags<AccessFs>, scope: BitFlags<Scope>) -> Result<(), String> {
    let ruleset = Ruleset::default()
        .handle_access(paths)
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|ruleset| ruleset.scope(scope))
        .and_then(Ruleset::create);
    let status = ruleset.and_then(landlock::RulesetCreated::restrict_self);
    match status {
        // Older kernels know paths alone; the rest is seccomp's, too.
        Ok(status) if status.ruleset != RulesetStatus::NotEnforced => Ok(()),
        Ok(_) => Err("this kernel has no Landlock".to_owned()),
        Err(error) => Err(format!("Landlock: {error}")),
    }
}

/// The process that started this one.
type Parent = Option<Pid>;
