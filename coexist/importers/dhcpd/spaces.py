"""Options inside other options, and those that a space of the file has in place of dhcpd's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from coexist.boot.leases.dhcpd.options import fqdn_octets
from coexist.boot.leases.dhcpd.reply import first_site_code
from coexist.importers.account import Account, Harmless
from coexist.importers.conditions import ALWAYS, Condition
from coexist.importers.dhcpd.execution import SITE_SPACE, SPACE_IN_USE, SubOption, option_text
from coexist.importers.program import Step, effective
from coexist.wire.option_codes import Option

_NO_SPACE = "no option is defined in this space, and without the space itself dhcpd answers nobody"


def in_site_space(
    steps: list[Step], codes: Callable[[str], Iterable[int]], parents: Mapping[str, int], account: Account
) -> list[Step]:
    """The steps as `site-option-space` has it: from a code on, a space in place of dhcpd's options.

    ``codes`` gives those of a space. Without one of the file's the codes are dhcpd's own.
    """
    kept = [step for step in steps if step.key != SITE_SPACE]
    chosen_spaces = effective([step for step in steps if step.key == SITE_SPACE])
    if not chosen_spaces:
        return kept
    if len(chosen_spaces) > 1 or chosen_spaces[0].condition != ALWAYS:
        for step in chosen_spaces:
            account.left_out(step.at, step.text, "which options are sent by it depends on the client")
        return kept
    space = chosen_spaces[0].value
    if not list(codes(space)):
        account.left_out(chosen_spaces[0].at, chosen_spaces[0].text, _NO_SPACE)
        return kept
    lowest = first_site_code(codes(space))
    held = {step.value for step in kept if step.key == SPACE_IN_USE} | set(parents)
    result: list[Step] = []
    for step in kept:
        key = step.key
        if isinstance(key, SubOption) and key.space == space and key.code >= lowest:
            value = None if not step.value else option_text(key.code, step.value)
            result.append(replace(step, key=key.code, value=value))
            if space in held:
                result.append(step)
        elif isinstance(key, int) and key >= lowest:
            why = Harmless(f"no client is sent it: {space} has the options from {lowest} on")
            account.left_out(step.at, step.text, why)
        else:
            result.append(step)
    return result


def encapsulated(
    steps: list[Step], parents: Mapping[str, int], widths: Mapping[str, tuple[int, int]], account: Account
) -> list[Step]:
    """The steps with those for sub-options joined into one for the option that holds them.

    A value for some clients holds, besides its own sub-options, the ones everyone gets.
    """
    plain = [step for step in steps if not isinstance(step.key, SubOption) and step.key != SPACE_IN_USE]
    inner = [step for step in steps if isinstance(step.key, SubOption)]
    vendor = [step for step in steps if step.key == SPACE_IN_USE]
    for space in dict.fromkeys(step.key.space for step in inner if isinstance(step.key, SubOption)):
        own = [s for s in inner if isinstance(s.key, SubOption) and s.key.space == space]
        users = [step for step in vendor if step.value == space]
        parent = Option.VENDOR_SPECIFIC_INFORMATION if users else parents.get(space)
        if parent is None:
            for step in own:
                account.left_out(step.at, step.text, Harmless(f"nothing sends the option space {space}"))
            continue
        # Where the space is used, which may be for some clients only.
        conditions = {s.condition for s in own} | ({s.condition for s in users} - {ALWAYS})
        if len(conditions - {ALWAYS}) > 1:
            account.left_out(
                own[0].at, own[0].text, f"sub-options of {parent} that several conditions put together"
            )
        used = users[-1].condition if users else ALWAYS
        for condition in sorted(conditions, key=lambda c: c != ALWAYS):
            if condition == ALWAYS and used != ALWAYS:
                continue
            values = _sub_options(own, condition)
            octets = fqdn_octets(values) if space == "fqdn" else _area(values, widths.get(space, (1, 1)))
            assert octets is not None  # there is a sub-option
            value = "hex:" + octets.hex(":")
            plain.append(
                Step(condition=condition, key=int(parent), value=value, at=own[-1].at, text=own[-1].text)
            )
    return plain


def _sub_options(steps: list[Step], condition: Condition) -> dict[int, bytes]:
    values: dict[int, bytes] = {}
    for step in steps:
        if step.condition in (ALWAYS, condition) and isinstance(step.key, SubOption):
            values[step.key.code] = step.value
    return values


def _area(values: Mapping[int, bytes], widths: tuple[int, int]) -> bytes:
    code_width, length_width = widths
    return b"".join(
        code.to_bytes(code_width, "big") + len(value).to_bytes(length_width, "big") + value
        for code, value in sorted(values.items())
    )
