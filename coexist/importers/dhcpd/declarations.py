"""The declarations of a dhcpd.conf that an inventory has no line for, and those it cannot hold."""

from __future__ import annotations

from coexist.importers.account import Account
from coexist.languages.dhcpd.syntax import (
    ClassDeclaration,
    ClientIdentifier,
    Group,
    Hardware,
    Host,
    HostIdentifier,
    Include,
    JoinGroup,
    OptionDefinition,
    OptionSpace,
    Other,
    Pool,
    SharedNetwork,
    Statement,
    Subclass,
    Subnet,
)


def account_declarations(body: tuple[Statement, ...], account: Account) -> None:
    """Account for what groups other statements or names options, and for what a host is known by."""
    for statement in body:
        match statement:
            case OptionDefinition() | OptionSpace():
                account.modelled(statement.at)
            case Include(body=inner) | Group(body=inner) | SharedNetwork(body=inner):
                account.modelled(statement.at)
                account_declarations(inner, account)
            case Subnet(body=inner) | Pool(body=inner) | ClassDeclaration(body=inner):
                account_declarations(inner, account)
            case Subclass(body=own):
                account_declarations(own or (), account)
            case Host(body=inner):
                _host(inner, account)
                account_declarations(inner, account)


def _host(body: tuple[Statement, ...], account: Account) -> None:
    for statement in body:
        match statement:
            case Hardware(kind=1) if len(statement.address) == 6:
                account.modelled(statement.at)
            case Hardware():
                account.left_out(statement.at, statement.text, "no Ethernet address")
            case ClientIdentifier() | HostIdentifier():
                why = "the inventory knows machines by their MAC address only"
                account.left_out(statement.at, statement.text, why)
            case JoinGroup():
                account.modelled(statement.at)
            case Other(kind="marker"):
                account.left_out(statement.at, statement.text, "how the daemon keeps the declaration")
