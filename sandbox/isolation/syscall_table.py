"""System call numbers of the two machines the sandbox knows, from the Linux 6.1 headers.

`ALLOWED`: calls a session may make without a look at their arguments. `NAMED`: calls the filter treats one by one,
and those isolation itself makes. Every other call fails inside a session.
"""

from __future__ import annotations

# fmt: off
ALLOWED: dict[str, dict[str, int]] = {
    "x86_64": {
        "read": 0, "write": 1, "readv": 19, "writev": 20, "pread64": 17, "pwrite64": 18, "preadv":
        295, "pwritev": 296, "preadv2": 327, "pwritev2": 328, "close": 3, "close_range": 436,
        "open": 2, "openat": 257, "openat2": 437, "creat": 85, "lseek": 8, "fstat": 5, "stat": 4,
        "lstat": 6, "newfstatat": 262, "statx": 332, "access": 21, "faccessat": 269, "faccessat2":
        439, "readlink": 89, "readlinkat": 267, "getdents": 78, "getdents64": 217, "getcwd": 79,
        "chdir": 80, "fchdir": 81, "mkdir": 83, "mkdirat": 258, "rmdir": 84, "unlink": 87,
        "unlinkat": 263, "rename": 82, "renameat": 264, "renameat2": 316, "link": 86, "linkat": 265,
        "symlink": 88, "symlinkat": 266, "mknod": 133, "mknodat": 259, "chmod": 90, "fchmod": 91,
        "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
        "umask": 95, "truncate": 76, "ftruncate": 77, "fallocate": 285, "fsync": 74, "fdatasync":
        75, "sync_file_range": 277, "utime": 132, "utimes": 235, "utimensat": 280, "futimesat": 261,
        "statfs": 137, "fstatfs": 138, "fadvise64": 221, "sendfile": 40,
        "copy_file_range": 326, "splice": 275, "tee": 276, "getxattr": 191, "lgetxattr": 192,
        "fgetxattr": 193, "listxattr": 194, "llistxattr": 195, "flistxattr": 196, "dup": 32, "dup2":
        33, "dup3": 292, "pipe": 22, "pipe2": 293, "poll": 7, "ppoll": 271, "select": 23,
        "pselect6": 270, "epoll_create": 213, "epoll_create1": 291, "epoll_ctl": 233, "epoll_wait":
        232, "epoll_pwait": 281, "epoll_pwait2": 441, "eventfd": 284, "eventfd2": 290,
        "timerfd_create": 283, "timerfd_settime": 286, "timerfd_gettime": 287, "signalfd": 282,
        "signalfd4": 289, "mmap": 9, "munmap": 11, "mprotect": 10, "mremap": 25, "madvise":
        28, "brk": 12, "msync": 26, "mincore": 27, "mlock": 149, "munlock": 150, "mlock2": 325,
        "membarrier": 324, "rseq": 334, "get_mempolicy": 239, "futex": 202, "futex_waitv": 449,
        "futex_wake": 454, "futex_wait": 455, "futex_requeue": 456, "set_robust_list": 273,
        "set_tid_address": 218, "gettid": 186, "getpid": 39, "getppid": 110,
        "getuid": 102, "geteuid": 107, "getgid": 104, "getegid": 108, "getresuid": 118, "getresgid":
        120, "getgroups": 115, "getpgid": 121, "getpgrp": 111, "getsid": 124, "uname": 63,
        "sysinfo": 99, "times": 100, "getrusage": 98, "getrlimit": 97, "setrlimit": 160, "getcpu":
        309, "sched_yield": 24, "sched_getaffinity": 204, "sched_getparam": 143,
        "sched_getscheduler": 145, "sched_get_priority_max": 146, "sched_get_priority_min": 147,
        "getpriority": 140, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
        "gettimeofday": 96, "time": 201, "nanosleep": 35, "getitimer": 36, "setitimer": 38, "alarm":
        37, "timer_create": 222, "timer_settime": 223, "timer_gettime": 224, "timer_getoverrun":
        225, "timer_delete": 226, "pause": 34, "restart_syscall": 219, "rt_sigaction": 13,
        "rt_sigprocmask": 14, "rt_sigreturn": 15, "rt_sigpending": 127, "rt_sigtimedwait": 128,
        "rt_sigsuspend": 130, "sigaltstack": 131, "recvfrom": 45, "recvmsg": 47, "sendto": 44,
        "sendmsg": 46, "shutdown": 48, "getsockname": 51, "getpeername": 52, "getsockopt": 55,
        "wait4": 61, "waitid": 247, "exit": 60, "exit_group": 231, "getrandom": 318, "arch_prctl":
        158, "capget": 125,
    },
    "aarch64": {
        "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67, "pwrite64": 68, "preadv":
        69, "pwritev": 70, "preadv2": 286, "pwritev2": 287, "close": 57, "close_range": 436,
        "openat": 56, "openat2": 437, "lseek": 62, "fstat": 80, "newfstatat": 79, "statx": 291,
        "faccessat": 48, "faccessat2": 439, "readlinkat": 78, "getdents64": 61, "getcwd": 17,
        "chdir": 49, "fchdir": 50, "mkdirat": 34, "unlinkat": 35, "renameat": 38, "renameat2": 276,
        "linkat": 37, "symlinkat": 36, "mknodat": 33, "fchmod": 52, "fchmodat": 53, "fchmodat2":
        452, "fchown": 55, "fchownat": 54, "umask": 166, "truncate": 45, "ftruncate": 46,
        "fallocate": 47, "fsync": 82, "fdatasync": 83, "sync_file_range": 84, "utimensat": 88,
        "statfs": 43, "fstatfs": 44, "fadvise64": 223, "sendfile": 71,
        "copy_file_range": 285, "splice": 76, "tee": 77, "getxattr": 8, "lgetxattr": 9, "fgetxattr":
        10, "listxattr": 11, "llistxattr": 12, "flistxattr": 13, "dup": 23, "dup3": 24, "pipe2": 59,
        "ppoll": 73, "pselect6": 72, "epoll_create1": 20, "epoll_ctl": 21, "epoll_pwait": 22,
        "epoll_pwait2": 441, "eventfd2": 19, "timerfd_create": 85, "timerfd_settime": 86,
        "timerfd_gettime": 87, "signalfd4": 74, "mmap": 222, "munmap": 215, "mprotect": 226, "mremap": 216,
        "madvise": 233, "brk": 214, "msync": 227, "mincore": 232, "mlock": 228, "munlock": 229,
        "mlock2": 284, "membarrier": 283, "rseq": 293, "get_mempolicy": 236, "futex": 98,
        "futex_waitv": 449, "futex_wake": 454, "futex_wait": 455, "futex_requeue": 456,
        "set_robust_list": 99, "set_tid_address": 96, "gettid": 178,
        "getpid": 172, "getppid": 173, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177,
        "getresuid": 148, "getresgid": 150, "getgroups": 158, "getpgid": 155, "getsid": 156,
        "uname": 160, "sysinfo": 179, "times": 153, "getrusage": 165, "getrlimit": 163, "setrlimit":
        164, "getcpu": 168, "sched_yield": 124, "sched_getaffinity": 123, "sched_getparam": 121,
        "sched_getscheduler": 120, "sched_get_priority_max": 125, "sched_get_priority_min": 126,
        "getpriority": 141, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115,
        "gettimeofday": 169, "nanosleep": 101, "getitimer": 102, "setitimer": 103, "timer_create":
        107, "timer_settime": 110, "timer_gettime": 108, "timer_getoverrun": 109, "timer_delete":
        111, "restart_syscall": 128, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn":
        139, "rt_sigpending": 136, "rt_sigtimedwait": 137, "rt_sigsuspend": 133, "sigaltstack": 132,
        "recvfrom": 207, "recvmsg": 212, "sendto": 206, "sendmsg": 211, "shutdown": 210, "getsockname": 204,
        "getpeername": 205, "getsockopt": 209, "wait4": 260, "waitid": 95,
        "exit": 93, "exit_group": 94, "getrandom": 278, "capget": 90,
    },
}

NAMED: dict[str, dict[str, int]] = {
    "x86_64": {
        "flock": 73, "fcntl": 72, "clone": 56, "mount": 165, "clone3": 435, "socket": 41, "socketpair": 53,
        "prctl": 157, "prlimit64": 302, "ioctl": 16, "landlock_create_ruleset": 444, "seccomp": 317,
        "capset": 126, "unshare": 272, "setns": 308, "mount_setattr": 442, "pivot_root": 155,
        "umount2": 166, "pidfd_open": 434, "landlock_add_rule": 445, "landlock_restrict_self": 446,
    },
    "aarch64": {
        "flock": 32, "fcntl": 25, "clone": 220, "mount": 40, "clone3": 435, "socket": 198, "socketpair": 199,
        "prctl": 167, "prlimit64": 261, "ioctl": 29, "landlock_create_ruleset": 444, "seccomp": 277,
        "capset": 91, "unshare": 97, "setns": 268, "mount_setattr": 442, "pivot_root": 41,
        "umount2": 39, "pidfd_open": 434, "landlock_add_rule": 445, "landlock_restrict_self": 446,
    },
}
