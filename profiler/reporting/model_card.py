"""The section of a model card on the Hugging Face hub that tells a profile, with its numbers as metadata."""

import json
import re
from collections.abc import Sequence

from profiler.records import Comparison, Profile
from profiler.reporting import comparison, table
from profiler.reporting.numbers import plain
from profiler.reporting.profile import profile_report

BEGIN, END = "<!-- made by inherit card -->", "<!-- end of inherit card -->"


def model_card(profile: Profile, comparisons: Sequence[Comparison] = ()) -> str:
    """A card that holds the section alone: metadata, what changed against other models, and every number."""
    told = [comparison.comparison_report(comparisons)] if comparisons else []
    told.append(profile_report(profile))
    tables = [table.as_markdown(each).strip() for one in told for each in one.tables]
    lines = ["## What it inherits", "", *(_words(sentence) for one in told for sentence in one.lead), ""]
    section = "\n".join([BEGIN, *lines, "\n\n".join(tables), END])
    return f"---\n{metadata(profile)}\n---\n\n{section}\n"


def _words(sentence: str) -> str:
    """A sentence in which a name can't be markup."""
    return plain(sentence).replace("&", "&amp;").replace("<", "&lt;") + "  "


def updated(card: str, made: str) -> str:
    """CARD with the metadata and the section of a card MADE here: in the place of an older one, or at its end."""
    _, front, section = made.split("---\n", 2)
    head = re.match(r"---\n(.*?)^---\n", card, re.DOTALL | re.MULTILINE)
    body = card[head.end() :] if head else card
    kept = re.sub(r"^model-index:.*\n(?:[ -].*\n)*", "", head.group(1) if head else "", flags=re.MULTILINE)
    old = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    new = section.strip()
    body = old.sub(lambda _: new, body) if old.search(body) else f"{body.rstrip()}\n\n{new}\n"
    return f"---\n{kept}{front}---\n{body}"


def metadata(profile: Profile) -> str:
    """The hub's `model-index`, in JSON, which YAML reads: a result for each probe, its numbers over all items."""
    results = []
    for section in profile.sections:
        numbers = [
            {"type": one.metric, "value": one.value, "name": f"{one.metric} [{one.low:.4g}, {one.high:.4g}]"}
            if one.low is not None and one.high is not None
            else {"type": one.metric, "value": one.value}
            for one in profile.estimates
            if one.probe == section.probe and one.group is None and one.value is not None
        ]
        data = {"name": f"{section.probe} ({section.suite})", "type": section.probe}
        results.append({"task": {"type": "text-generation"}, "dataset": data, "metrics": numbers})
    index = [{"name": profile.name, "results": [one for one in results if one["metrics"]]}]
    return f"model-index: {json.dumps(index, ensure_ascii=False)}"
