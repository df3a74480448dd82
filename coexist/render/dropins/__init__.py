"""Our part of a server that runs on its own files: rules as one more file, which those include.

What is written stands above what the server's own files say as far as its language allows. Whether it does
is not decided here: the files are evaluated together (``boot.own_files``), and a rule looks for what is
otherwise. Every name in it begins with ``coexist``, so that none of the file's own is meant by accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from coexist.analysis.findings import Finding
from coexist.boot.leases.compile import compile_rules
from coexist.boot.leases.plan import Setting
from coexist.inventory import Inventory
from coexist.inventory.models import OptionTest, Server
from coexist.inventory.products import part
from coexist.inventory.servers import DropIn
from coexist.languages.source_files import read_octets
from coexist.records import dataclass
from coexist.render.cells import Cells
from coexist.render.limits import report_tests
from coexist.render.quoting import comment
from coexist.render.rendered import RenderedFile
from coexist.render.settled import SettledPlan, settled
from coexist.render.target import Job
from coexist.text.secret_references import token

_OWN = "coexist-group-"
"""Before the name of a group: a class or tag of ours has another name, whatever the group is called."""
REDACTED = b"REDACTED"
"""What stands for a secret in a copy (``app.adopt``)."""
_KEY = re.compile(rb"\b" + REDACTED + rb"(?=\s*;)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OurPart:
    """What a drop-in says, and what of its rules its language cannot say. ``lists``: what its second
    file says; ``files``: what is written for it, where that is not these texts alone."""

    text: str
    findings: tuple[Finding, ...] = ()
    lists: str = ""
    files: tuple[RenderedFile, ...] = ()

    def texts(self, dropin: DropIn) -> dict[str, str]:
        """What its files say, by their paths on the server."""
        return dict(zip(dropin.paths, (self.text, self.lists), strict=False))


def our_part(
    write: Callable[[Job], str],
    inventory: Inventory,
    name: str,
    lists: Callable[[Job], str] = lambda _: "",
) -> OurPart:
    """The drop-in of a server, written by its language's own functions."""
    job = Job(inventory=inventory, name=name)
    text, second = write(job), lists(job)
    return OurPart(text=text, lists=second, findings=tuple(job.findings))


def rules_of(job: Job, cannot_test: Callable[[OptionTest], bool]) -> SettledPlan:
    """The rules of a server's drop-in, ready to be printed; those it cannot test are reported."""
    rules = () if job.server.dropin is None else job.server.dropin.rules
    report_tests(job, ("servers", job.name, "dropin"), rules, cannot_test)
    plan = settled(compile_rules(job.inventory, job.name))
    return replace(plan, cells=named(plan.cells))


def settings_of(plan: SettledPlan) -> tuple[Setting, ...]:
    """The settings of a drop-in from the one of most authority to the one of least."""
    (scope,) = plan.scopes
    last = scope.defaults
    says = last.ignore or last.next_server is not None or last.file is not None or last.options
    return (*scope.special, replace(last, name="everyone else")) if says else scope.special


def named(cells: Cells) -> Cells:
    """The cells by names that are ours."""
    ours = tuple(replace(cell, name=_OWN + cell.name) for cell in cells.named)
    return Cells(named=ours, rest=replace(cells.rest, name=_OWN + cells.rest.name))


def heading(job: Job) -> str:
    """The sentence that every drop-in begins with."""
    return comment(
        f"{job.name}: written by coexist from the inventory of {job.inventory.site.site}; change it there."
    )


def beside(job: Job) -> tuple[RenderedFile, ...]:
    """What is written for a server that runs on its own files: its drop-in, and where they are ``whole`` the
    files themselves."""
    return (*_dropin(job), *(_copies(job) if job.server.whole else ()))


def _dropin(job: Job) -> tuple[RenderedFile, ...]:
    server = job.server
    if server.dropin is None:
        return ()
    ours: OurPart = part(server.product, "dropin")(job.inventory, job.name)
    if ours.files:
        return ours.files
    return tuple(
        RenderedFile(
            path=path.rpartition("/")[2],
            content=text.encode("utf-8", "surrogateescape"),
            purpose=f"our part of the server's configuration, which {server.main_file} includes",
            target=path,
            test=_test(server),
            reload=server.product.reload,
        )
        for path, text in ours.texts(server.dropin).items()
    )


def _copies(job: Job) -> Iterator[RenderedFile]:
    """The server's own files, octet for octet."""
    server = job.server
    for path, copy in server.config.items():
        if server.dropin is not None and path in server.dropin.paths:
            continue
        yield RenderedFile(
            path=f"own{path}",
            content=read_octets(job.inventory.root / copy),
            purpose="a file that the server runs on, as the inventory has it",
            target=path,
            test=_test(server),
            reload=server.product.reload,
        )


def report_copies(job: Job) -> None:
    """Report the copies that are not complete: a secret was left out of them."""
    for path, copy in job.server.config.items():
        for line, text in enumerate(read_octets(job.inventory.root / copy).split(b"\n"), start=1):
            if REDACTED in text:
                job.report(
                    "CX523",
                    ("servers", job.name, "whole"),
                    f"{copy}:{line} has REDACTED where {path} has a secret, which the server would lose",
                    _whole_again(text),
                )


def _whole_again(line: bytes) -> str:
    """How a line of a copy that lacks a secret becomes whole."""
    if line.lstrip().startswith((b"#", b"//")):
        return "remove that comment, or write it anew; or remove `whole`"
    return (
        f"write `{_by_reference(line)}` there, where /PATH is a file of this machine with that value alone"
        " (chmod 600); or remove `whole`"
    )


def _by_reference(line: bytes) -> str:
    """A line of a copy with a reference to the secret that was left out of it."""
    reference = token("file:/PATH").encode()
    quoted = b'"' + reference + b'"'
    written = line.strip().replace(b'"' + REDACTED + b'"', quoted)
    # A key of dhcpd may stand without quotes, a reference may not.
    written = _KEY.sub(lambda _: quoted, written)
    return written.replace(REDACTED, reference).decode("utf-8", "replace")


def _test(server: Server) -> str | None:
    """The command that looks at a server's whole configuration."""
    declared = server.deploy.check if server.deploy is not None else None
    whole = server.product.check if declared is None else declared
    return None if whole is None or server.main_file is None else whole.replace("{path}", server.main_file)
