"""``coexist users``: who may use the console."""

from __future__ import annotations

from pathlib import Path

import click

from coexist.cli.prose import tell

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_role = click.option(
    "--role",
    type=click.Choice(["look", "register", "roll-out"]),
    default="look",
    show_default=True,
    help="What the user may do; each may do what those before it may.",
)


@click.group("users")
def command() -> None:
    """Say who may use the console. FILE is its file of users (console-users.json)."""


@command.command("add", short_help="Add a user, or change one's password and role.")
@_file
@click.argument("name")
@_role
@click.password_option(help="Asked for if it is not given.", confirmation_prompt=True)
def add(file: Path, name: str, role: str, password: str) -> None:
    """Add a user, or give one a new password and role."""
    from coexist.console.users import ROLES, Users

    Users(file).add(name, password, ROLES[role])
    tell(f"{name} may {role.replace('-', ' ')}")


@command.command("list", short_help="List the users.")
@_file
def list_users(file: Path) -> None:
    """List the users with their roles and the labels of their tokens."""
    from coexist.console.users import Users

    for user in Users(file).all.values():
        labels = ", ".join(label for label, _ in user.tokens)
        click.echo(f"{user.name}  {user.role.word}" + (f"  tokens: {labels}" if labels else ""))


@command.command("remove", short_help="Remove a user.")
@_file
@click.argument("name")
def remove(file: Path, name: str) -> None:
    """Remove a user; its sessions and tokens end at once."""
    from coexist.console.users import Users

    Users(file).remove(name)
    tell(f"{name} is removed")


@command.command("token", short_help="Make a token for programs.")
@_file
@click.argument("name")
@click.argument("label")
def token(file: Path, name: str, label: str) -> None:
    """Print a token that lets a program do what NAME may; it replaces the one with the same LABEL."""
    from coexist.console.users import Users

    click.echo(Users(file).new_token(name, label))
