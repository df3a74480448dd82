"""The remote commands, as text for a POSIX shell on the server. Pure.

Every path and word is quoted: a file name may hold spaces, quotes, newlines or a leading dash. Only
these programs are started, each by itself, so that sudo rules can name them: cat, chmod, chown, cp, dd,
flock, mkdir, mv, rm, sha256sum, stat, test, and the check, reload and status commands of the inventory.
base64 and head run without sudo.
Needs GNU coreutils and util-linux.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from shlex import quote

from coexist.records import dataclass

LOCK = ".coexist.lock"
COMMIT_LOCK = ".coexist.commit.lock"
KEPT = ".coexist-kept"

MOST_OCTETS = 64 << 20
"""A configuration or list that is larger is not read: a million registered machines are 18 MB."""

BUSY = 75
"""Exit code of flock when another holds the lock (EX_TEMPFAIL of sysexits.h)."""


class CommitCode:
    """How ``commit_script`` ended. All but ``DONE`` and ``STUCK`` leave the old configuration; with
    ``STATUS_UNKNOWN`` the status command fails on that one too."""

    DONE = 0
    CHANGED = 70
    SWITCH_FAILED = 72
    RELOAD_FAILED = 73
    STATUS_FAILED = 74
    STUCK = 75
    NO_LOCK = 76
    STATUS_UNKNOWN = 77


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One file to be switched.

    ``staged`` is the verified upload (None: the file is removed), ``kept`` the copy of what stands there
    now (None: nothing does), ``before`` its digest.
    """

    path: str
    staged: str | None
    kept: str | None
    before: str | None


def words(argv: Sequence[str], *, sudo: bool) -> str:
    """A command line of quoted words; with ``sudo``, which must not ask for a password."""
    return " ".join(quote(word) for word in (["sudo", "-n", "--", *argv] if sudo else argv))


def directory_of(path: str) -> str:
    """The directory a file stands in."""
    return str(PurePosixPath(path).parent)


def staging_path(path: str, token: str) -> str:
    """Where a new file waits: hidden beside its target, so that renaming it is atomic.

    A directory with a leading dot: dnsmasq's conf-dir and the like do not read it.
    """
    return f"{directory_of(path)}/.coexist-{token}/{PurePosixPath(path).name}"


def kept_path(path: str, digest: str) -> str:
    """Where a version of a file is kept on the server, by its digest."""
    return f"{directory_of(path)}/{KEPT}/{digest}"


def facts_script(paths: Sequence[str], *, sudo: bool) -> str:
    """Print for each path, in order: ``- TYPE MODE OWNER GROUP``, its content in base64, and a dot.

    TYPE is the mode in hexadecimal (inode(7)). For a path that cannot be looked at or read, the reason stands
    in place of its content; what is no regular file, a symbolic link among them, has none. Of a larger file
    come ``MOST_OCTETS`` and one more.
    """
    lines = ["LC_ALL=C; export LC_ALL"]
    for path in paths:
        stat = words(["stat", "-c", "- %f %a %U %G", "--", path], sudo=sudo)
        regular = f"! {words(['test', '-L', path], sudo=sudo)} && {words(['test', '-f', path], sudo=sudo)}"
        # It only opens the file, for its exit code: that of a pipe is its last command's.
        opens = words(["dd", f"if={path}", "of=/dev/null", "count=0", "status=none"], sudo=sudo)
        cat = f"{words(['cat', '--', path], sudo=sudo)} 2>/dev/null | head -c {MOST_OCTETS + 1} | base64"
        lines.append(f"{stat} 2>&1 && {regular} && {{ {opens} 2>&1 && {cat}; }}; echo .")
    return "\n".join(lines)


def digests_script(paths: Sequence[str], *, sudo: bool) -> str:
    """Print for each path, in order, the SHA-256 of the file that is there (of nothing, or none, if it cannot
    be read)."""
    return "\n".join(
        f"{{ {words(['test', '-f', path], sudo=sudo)} && {digest_of(path, sudo=sudo)} || echo; }} 2>/dev/null"
        for path in paths
    )


def make_directories(paths: Sequence[str], *, sudo: bool) -> str:
    """Make the directories, with their parents."""
    return "umask 022; " + words(["mkdir", "-p", "--", *dict.fromkeys(paths)], sudo=sudo)


def hold_lock(directory: str, *, sudo: bool) -> str:
    """Hold the server's lock for as long as this session's input is open, and echo what comes in.

    The lock goes when the connection does: a killed rollout leaves none behind.
    """
    return "exec " + words(["flock", "-n", "-E", str(BUSY), f"{directory}/{LOCK}", "cat"], sudo=sudo)


def await_commit(directory: str, *, seconds: int, sudo: bool) -> str:
    """Wait until no commit is under way that an earlier, cut connection began."""
    lock = f"{directory}/{COMMIT_LOCK}"
    return words(["flock", "-w", str(seconds), "-E", str(BUSY), lock, "cat"], sudo=sudo) + " </dev/null"


def upload(staged: str, *, sudo: bool) -> str:
    """Write standard input to the staging place, through to the disk."""
    return words(["dd", f"of={staged}", "conv=fsync", "status=none", "bs=64k"], sudo=sudo)


def dress(staged: str, like: str, *, mode: int, sudo: bool) -> str:
    """Give the staged file the owner and mode of the file it replaces; ``mode`` if there is none."""
    dressed = words(["chmod", f"--reference={like}", staged], sudo=sudo)
    if sudo:
        dressed = f"{words(['chown', f'--reference={like}', staged], sudo=True)} && {dressed}"
    bare = words(["chmod", f"{mode:o}", staged], sudo=sudo)
    return f"if {words(['test', '-e', like], sudo=sudo)}; then {dressed}; else {bare}; fi"


def keep(path: str, digest: str, *, sudo: bool) -> str:
    """Copy what stands at ``path`` to its kept place, whole or not at all, with owner and mode."""
    kept = kept_path(path, digest)
    copy = words(["cp", "-p", "--", path, f"{kept}.new"], sudo=sudo)
    move = words(["mv", "-T", "--", f"{kept}.new", kept], sudo=sudo)
    # Configuration may hold secrets: the directory is nobody else's.
    private = words(["chmod", "700", directory_of(kept)], sudo=sudo)
    known = words(["test", "-e", kept], sudo=sudo)
    # The same bytes may have had another owner or mode when they were kept before.
    again = dress(kept, path, mode=0o600, sudo=sudo)
    return f"{private} && if {known}; then {again}; else {copy} && {move}; fi"


def digest_of(path: str, *, sudo: bool) -> str:
    """Print the SHA-256 of a file first on its line."""
    # From standard input sha256sum escapes no file name.
    return f"{words(['cat', '--', path], sudo=sudo)} | sha256sum"


def substituted(argv: Sequence[str], files: Mapping[str, str]) -> tuple[str, ...]:
    """The words of a command with each ``{NAME}`` replaced by the path of that file."""
    placeholder = re.compile("|".join(re.escape("{" + name + "}") for name in files) or r"\Z\A")
    return tuple(placeholder.sub(lambda found: files[found[0][1:-1]], word) for word in argv)


def bounded(argv: Sequence[str], *, seconds: int, sudo: bool) -> str:
    """A command that is ended after some seconds; daemons live where only root's PATH looks."""
    return f"PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin timeout -k 5 {seconds} {words(argv, sudo=sudo)}"


def commit_script(
    switches: Sequence[Switch],
    *,
    directory: str,
    reload: Sequence[Sequence[str]],
    status: Sequence[str],
    seconds: int,
    sudo: bool,
) -> str:
    """Switch all files, reload, look, and undo it all if that fails: one command, whole without us.

    It runs to its end when the connection is cut, because nothing of it needs the connection any more:
    it ignores SIGHUP and SIGPIPE, and its children do not inherit the lock. ``seconds`` bounds the reload
    and the status command. Ends with a ``CommitCode``.
    """
    lock = words(
        ["flock", "-w", str(seconds), "-E", str(BUSY), f"{directory}/{COMMIT_LOCK}", "cat"], sudo=sudo
    )
    # ssh-agent forwarding, ttys and our pipes: none of them is the daemon's.
    apart = "3>&- 4<&- </dev/null"
    body = [
        "trap '' HUP PIPE",
        "LC_ALL=C; export LC_ALL",
        f'd=$(mktemp -d) && mkfifo "$d/i" "$d/o" || exit {CommitCode.NO_LOCK}',
        f'{lock} <"$d/i" >"$d/o" 2>/dev/null & exec 3>"$d/i" 4<"$d/o"; rm -rf "$d"',
        f"echo held >&3; read -r held <&4 || exit {CommitCode.NO_LOCK}",
        "undo() {",
        *(f"  {_restored(switch, sudo)} {apart} || bad=1" for switch in reversed(switches)),
        "  :; }",
        "bad=0",
        *(f"{_unchanged(switch, sudo)} {apart} || exit {CommitCode.CHANGED}" for switch in switches),
        *(
            f"{_switched(switch, sudo)} {apart} ||"
            f" {{ undo; [ $bad = 0 ] && exit {CommitCode.SWITCH_FAILED}; exit {CommitCode.STUCK}; }}"
            for switch in switches
        ),
    ]
    reloading = " && ".join(f"{bounded(argv, seconds=seconds, sudo=sudo)} {apart}" for argv in reload) or ":"
    undone = f"undo; {{ {reloading}; }} || bad=1; [ $bad = 0 ] && exit %d; exit {CommitCode.STUCK}"
    body.append(f"{{ {reloading}; }} || {{ {undone % CommitCode.RELOAD_FAILED}; }}")
    if status:
        looking = f"{bounded(status, seconds=seconds, sudo=sudo)} {apart}"
        again = f"undo; {{ {reloading}; }} || bad=1; [ $bad = 0 ] || exit {CommitCode.STUCK}"
        known = f"{{ {looking}; }} >/dev/null 2>&1 && exit {CommitCode.STATUS_FAILED}"
        body.append(f"{looking} || {{ {again}; {known}; exit {CommitCode.STATUS_UNKNOWN}; }}")
    body.append("exit 0")
    return "\n".join(body)


def as_command(script: str) -> str:
    """A script as one command line, whatever the account's login shell is."""
    return f"exec /bin/sh -c {quote(script)}"


def clean(directories: Sequence[str], *, sudo: bool) -> str:
    """Remove the staging directories."""
    return words(["rm", "-rf", "--", *dict.fromkeys(directories)], sudo=sudo)


def _unchanged(switch: Switch, sudo: bool) -> str:
    """True if the file is what was planned for, under the commit lock, and no link, device or pipe."""
    no_link = f"! {words(['test', '-L', switch.path], sudo=sudo)}"
    if switch.before is None:
        return f"{{ {no_link} && ! {words(['test', '-e', switch.path], sudo=sudo)}; }}"
    regular = f"{no_link} && {words(['test', '-f', switch.path], sudo=sudo)}"
    return f'{{ {regular} && [ "$({digest_of(switch.path, sudo=sudo)})" = "{switch.before}  -" ]; }}'


def _switched(switch: Switch, sudo: bool) -> str:
    if switch.staged is None:
        return words(["rm", "-f", "--", switch.path], sudo=sudo)
    return words(["mv", "-T", "--", switch.staged, switch.path], sudo=sudo)


def _restored(switch: Switch, sudo: bool) -> str:
    if switch.kept is None:
        return words(["rm", "-f", "--", switch.path], sudo=sudo)
    temporary = f"{switch.kept}.back"
    copy = words(["cp", "-p", "--", switch.kept, temporary], sudo=sudo)
    return f"{{ {copy} && {words(['mv', '-T', '--', temporary, switch.path], sudo=sudo)}; }}"
