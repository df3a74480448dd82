"""Whitelists: each server answers exactly its clients, in the terms its product has."""

from __future__ import annotations

from coexist.analysis.site import AnalysedSite, Standing
from coexist.inventory.models import Answers
from coexist.inventory.values import Delay
from coexist.planning.draft import Draft
from coexist.planning.solve_ends import in_the_way


def whitelists(draft: Draft) -> None:
    """Each of our servers answers exactly its clients, where it answers others now or misses some."""
    for name, server in draft.site.boot_services.items():
        if server.is_foreign or server.answers.who == "intended":
            continue
        missed, intruding = _misfits(draft.site, name)
        if not (missed or intruding):
            continue
        because = "it misses clients that it must boot" if missed else "it answers clients of other servers"
        if server.can.whitelist:
            why = f"{name} answers exactly the clients the intent gives it: {because} now"
            draft.answer(name, Answers(who="intended"), why)
            if server.delay.kind != "none" and not draft.site.site.servers[name].possible_delays:
                draft.delay(name, Delay(), f"{name} delays no clients that are registered with it")
            continue
        answers = _all_but_others(draft.site, name)
        left = _misfits(draft.trial(name, answers=answers), name)
        if left[0] <= missed and left[1] <= intruding and left != (missed, intruding):
            why = f"{name} answers everyone but clients of other servers, as its product can: {because} now"
            draft.answer(name, answers, why)


def _misfits(site: AnalysedSite, name: str) -> tuple[int, int]:
    """How many classes a server refuses although they are meant for it, and in how many ones' way it is."""
    missed = intruding = 0
    for case in site.cases:
        if case.intended.rule is None or case.intended.server is None:
            continue
        standing = case.standing.get(name)
        if name in case.intended.servers:
            missed += standing is Standing.REFUSES
        elif standing is Standing.ANSWERS:
            intruding += name in in_the_way(site, case)
    return missed, intruding


def _all_but_others(site: AnalysedSite, name: str) -> Answers:
    """Everyone but the groups that the intent gives to others, of those that a list of MACs can hold."""
    groups = dict.fromkeys(
        group
        for rule in site.site.intent
        if rule.boot_from is not None and name not in (rule.boot_from, *rule.fallback)
        for group in rule.clients
        if not site.inventory.group(group).bounds
    )
    return Answers(who="all_except", groups=tuple(groups)) if groups else Answers()
