//! The system calls of a process that decodes. All others fail with EPERM.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

/// Numbers of system calls, which is all that libc is asked for here.
use libc as nr;

/// Reading and writing what was given, pictures into shared memory; none of these names a path.
const DESCRIPTORS: &[i64] = &[
    nr::SYS_read,
    nr::SYS_readv,
    nr::SYS_pread64,
    nr::SYS_preadv,
    nr::SYS_write,
    nr::SYS_writev,
    nr::SYS_pwrite64,
    nr::SYS_lseek,
    nr::SYS_close,
    nr::SYS_dup,
    nr::SYS_fcntl,
    nr::SYS_fstat,
];

/// Calls come and go over sockets that are there; pairs of them are made, which lead nowhere else.
const SOCKETS: &[i64] = &[
    nr::SYS_sendto,
    nr::SYS_recvfrom,
    nr::SYS_sendmsg,
    nr::SYS_recvmsg,
    nr::SYS_shutdown,
    nr::SYS_setsockopt,
];

/// Waiting, as sockets and tokio do.
const WAITING: &[i64] = &[
    nr::SYS_ppoll,
    nr::SYS_epoll_create1,
    nr::SYS_epoll_ctl,
    nr::SYS_epoll_pwait,
    nr::SYS_epoll_pwait2,
    nr::SYS_eventfd2,
    nr::SYS_nanosleep,
    nr::SYS_clock_nanosleep,
    nr::SYS_restart_syscall,
];

/// Memory, as long as none of it becomes code (`CODE_FREE`).
const MEMORY: &[i64] = &[
    nr::SYS_munmap,
    nr::SYS_mremap,
    nr::SYS_madvise,
    nr::SYS_brk,
    nr::SYS_membarrier,
];

/// Threads of its own, and what the C library does for each.
const THREADS: &[i64] = &[
    nr::SYS_futex,
    nr::SYS_set_robust_list,
    nr::SYS_rseq,
    nr::SYS_sched_yield,
    nr::SYS_sched_getaffinity,
    nr::SYS_getcpu,
    nr::SYS_gettid,
    nr::SYS_getpid,
    nr::SYS_sigaltstack,
    nr::SYS_rt_sigaction,
    nr::SYS_rt_sigprocmask,
    nr::SYS_rt_sigreturn,
    nr::SYS_exit,
    nr::SYS_exit_group,
    // Answered with ENOSYS by a filter of its own: its flags lie in memory, where none can look.
    nr::SYS_clone3,
];

/// Clocks, random seeds of hash maps, and how much memory there is (glibc's qsort asks).
const FACTS: &[i64] = &[
    nr::SYS_clock_gettime,
    nr::SYS_clock_getres,
    nr::SYS_gettimeofday,
    nr::SYS_getrandom,
    nr::SYS_getrusage,
    nr::SYS_sysinfo,
];

/// What no driver of a GPU asks for once it is there: other programs and processes, the system itself,
/// and ways around this filter.
const OTHERS: &[i64] = &[
    nr::SYS_execve,
    nr::SYS_execveat,
    nr::SYS_ptrace,
    nr::SYS_process_vm_readv,
    nr::SYS_process_vm_writev,
    nr::SYS_tkill,
    nr::SYS_pidfd_open,
    nr::SYS_pidfd_getfd,
    nr::SYS_pidfd_send_signal,
    nr::SYS_mount,
    nr::SYS_umount2,
    nr::SYS_pivot_root,
    nr::SYS_chroot,
    nr::SYS_unshare,
    nr::SYS_setns,
    nr::SYS_open_by_handle_at,
    nr::SYS_bpf,
    nr::SYS_io_uring_setup,
    nr::SYS_io_uring_enter,
    nr::SYS_io_uring_register,
    nr::SYS_userfaultfd,
    nr::SYS_perf_event_open,
    nr::SYS_keyctl,
    nr::SYS_add_key,
    nr::SYS_request_key,
    nr::SYS_init_module,
    nr::SYS_finit_module,
    nr::SYS_delete_module,
    nr::SYS_kexec_load,
    nr::SYS_reboot,
    nr::SYS_swapon,
    nr::SYS_swapoff,
];

/// What other architectures never had.
#[cfg(target_arch = "x86_64")]
const OLDER_OTHERS: &[i64] = &[nr::SYS_fork, nr::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_OTHERS: &[i64] = &[];
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[nr::SYS_poll, nr::SYS_epoll_wait, nr::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// Loads the policy for all threads, for good.
///
/// # Errors
/// Why the kernel does not take it.
pub(super) fn load() -> Result<(), String> {
    apply([no_clone3(), allowed()])
}

/// The same where a GPU's driver works: what it never needs fails with EPERM, and all else goes.
///
/// # Errors
/// As [`load`].
pub(super) fn load_for_driver() -> Result<(), String> {
    apply([no_clone3(), others()])
}

fn apply(filters: [Built; 2]) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("seccomp: {error}");
    for filter in filters {
        let program = filter.map_err(|e| failed(&e))?;
        apply_filter_all_threads(&program).map_err(|e| failed(&e))?;
    }
    Ok(())
}

type Built = Result<BpfProgram, seccompiler::BackendError>;

fn arch() -> Result<TargetArch, seccompiler::BackendError> {
    TargetArch::try_from(std::env::consts::ARCH)
}

/// The C library goes on with clone, whose flags are an argument.
fn no_clone3() -> Built {
    let rules = BTreeMap::from([(nr::SYS_clone3, Vec::new())]);
    let answer = SeccompAction::Errno(nr::ENOSYS as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, answer, arch()?)?.try_into()
}

fn allowed() -> Built {
    let lists = [DESCRIPTORS, SOCKETS, WAITING, MEMORY, THREADS, FACTS, OLDER];
    let whole = lists.concat().into_iter().map(|call| (call, Vec::new()));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = whole.collect();
    for (call, conditions) in conditional()? {
        rules
            .entry(call)
            .or_default()
            .push(SeccompRule::new(conditions)?);
    }
    let denied = SeccompAction::Errno(nr::EPERM as u32);
    SeccompFilter::new(rules, denied, SeccompAction::Allow, arch()?)?.try_into()
}

fn others() -> Built {
    let own = u64::from(std::process::id());
    let when = |place, op, value| SeccompCondition::new(place, Len::Dword, op, value);
    let whole = [OTHERS, OLDER_OTHERS].concat().into_iter();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = whole.map(|call| (call, Vec::new())).collect();
    let (local, kernel) = (nr::AF_UNIX as u64, nr::AF_NETLINK as u64);
    let conditional = [
        // Sockets of this machine and of its kernel alone.
        (
            nr::SYS_socket,
            vec![when(0, Op::Ne, local)?, when(0, Op::Ne, kernel)?],
        ),
        (nr::SYS_kill, vec![when(0, Op::Ne, own)?]),
        (nr::SYS_tgkill, vec![when(0, Op::Ne, own)?]),
        (
            nr::SYS_clone,
            vec![when(0, Op::MaskedEq(nr::CLONE_THREAD as u64), 0)?],
        ),
    ];
    for (call, conditions) in conditional {
        rules.insert(call, vec![SeccompRule::new(conditions)?]);
    }
    let denied = SeccompAction::Errno(nr::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, denied, arch()?)?.try_into()
}

type Conditional = Vec<(i64, Vec<SeccompCondition>)>;

/// Calls of which only some uses are allowed.
fn conditional() -> Result<Conditional, seccompiler::BackendError> {
    let own = u64::from(std::process::id());
    let is = |place, value| SeccompCondition::new(place, Len::Dword, Op::Eq, value);
    let has =
        |place, mask, value| SeccompCondition::new(place, Len::Dword, Op::MaskedEq(mask), value);
    let executable = nr::PROT_EXEC as u64;
    let thread = nr::CLONE_THREAD as u64;
    Ok(vec![
        (nr::SYS_mmap, vec![has(2, executable, 0)?]),
        (nr::SYS_mprotect, vec![has(2, executable, 0)?]),
        (nr::SYS_clone, vec![has(0, thread, thread)?]),
        (nr::SYS_socketpair, vec![is(0, nr::AF_UNIX as u64)?]),
        // abort(3) signals the thread that calls it.
        (nr::SYS_tgkill, vec![is(0, own)?]),
        (nr::SYS_prctl, vec![is(0, nr::PR_SET_NAME as u64)?]),
        // Names of memory, which mimalloc gives.
        (nr::SYS_prctl, vec![is(0, 0x5356_4d41)?]),
        // Limits are read, and not set.
        (
            nr::SYS_prlimit64,
            vec![SeccompCondition::new(2, Len::Qword, Op::Eq, 0)?],
        ),
    ])
}
