"""From what was seen of a failed check to its likeliest cause: facts in, ranked causes out. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from smoke.check_facts import Facts
from smoke.fault import Fault
from smoke.faults import FAULTS

_MOST_EVIDENCE = 3
_UNRELATED = 2
"""The rank of a cause that explains nothing of what failed."""


@dataclass(frozen=True)
class Cause:
    """Why a check failed: a sentence, the lines that show it, and what to do."""

    sentence: str
    remedy: str
    evidence: tuple[str, ...]


def causes(facts: Facts) -> list[Cause]:
    """The causes that the facts show, the likeliest first; none where they show nothing."""
    found = []
    for fault in FAULTS:
        evidence = fault.evidence(facts)
        if evidence:
            shown = tuple(dict.fromkeys(line[:300] for line in evidence))[-_MOST_EVIDENCE:]
            sentence = fault.cause.format(count=len(evidence), last=evidence[-1][:300])
            remedy = fault.remedy.format(stack=facts.stack, gateway=facts.gateway)
            found.append((_rank(fault, facts), Cause(sentence, remedy, shown)))
    # A stable sort: among those that explain what failed the order of the table counts. What explains nothing of it is
    # told only where nothing else is.
    ranked = sorted(found, key=lambda pair: pair[0])
    return [cause for rank, cause in ranked if rank < _UNRELATED or ranked[0][0] == _UNRELATED]


def _rank(fault: Fault, facts: Facts) -> int:
    """What ended the check counts most, then what failed in it; what explains neither comes last."""
    if re.search(fault.explains, facts.problem or facts.symptoms):
        return 0
    return 1 if re.search(fault.explains, facts.symptoms) else _UNRELATED
