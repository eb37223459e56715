"""A data set that select made, described in Croissant, which data set searches and loaders read."""

import hashlib
from pathlib import Path
from typing import Any

from profiler import metrics
from selection.card import lead
from selection.dataset import PROVENANCE
from selection.records import Selection
from selection.select import ARMS

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""As Croissant 1.0 has it."""
TYPES = dict.fromkeys(("index", "seed", "rank"), "sc:Integer")
ABOUT = {
    "role": "Of each turn of the conversation: user or assistant.",
    "content": "Of each turn: what was asked, and the answer that was kept.",
    "prompt": "What was asked.",
    "completion": "The answer that was kept.",
    "prompt_id": "Digest of the prompt.",
    "source": "The teacher that wrote the answer.",
    "index": "Which of the source's answers to this prompt it is.",
    "seed": "What it was drawn with.",
    "sampling": "How it was drawn.",
    "fingerprint": "Which weights wrote it.",
    "finish": "Why the answer ended.",
    "rank": "0 for the best of a prompt's answers.",
}


def croissant(found: Selection, folder: Path) -> dict[str, Any]:
    """JSON-LD of the data set in FOLDER: its files with their digests, and every column of each."""
    chat = found.form == "chat"
    turns = ("role", "content") if chat else ()
    plain = [*PROVENANCE, "rank"] if chat else ["prompt", "completion", *PROVENANCE, "rank"]
    scored = sorted({shift.metric for shift in found.shifts})
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": folder.resolve().name,
        "description": " ".join(lead(found)),
        "keywords": ["synthetic data", *found.sources],
        "variableMeasured": scored,
        "distribution": [_file(arm, name, folder / name) for arm, name in found.files.items()],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": f"{arm}_rows",
                "name": f"{arm}_rows",
                "description": ARMS[arm],
                "field": [
                    *(_field(arm, name, ABOUT[name], "sc:Text", "messages", f"$.{name}") for name in turns),
                    *(_field(arm, name, ABOUT[name], TYPES.get(name, "sc:Text"), name) for name in plain),
                    *(_field(arm, name, _about(name), "sc:Float", "scores", f"$.'{name}'") for name in scored),
                ],
            }
            for arm in found.files
        ],
    }


def _file(arm: str, name: str, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kind = "application/x-parquet" if path.suffix == ".parquet" else "application/jsonlines"
    return {
        "@type": "cr:FileObject",
        "@id": arm,
        "name": name,
        "description": ARMS[arm],
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": kind,
        "sha256": digest,
    }


def _field(arm: str, name: str, about: str, kind: str, column: str, path: str = "") -> dict[str, Any]:
    """A field that stands in a column, or at a PATH inside of what the column holds."""
    inside = {"transform": {"jsonPath": path}} if path else {}
    repeated = {"repeated": True} if column == "messages" else {}
    return {
        "@type": "cr:Field",
        "@id": f"{arm}_rows/{name}",
        "name": name,
        "description": about,
        "dataType": kind,
        **repeated,
        "source": {"fileObject": {"@id": arm}, "extract": {"column": column}, **inside},
    }


def _about(metric: str) -> str:
    """What a score says."""
    known = metrics.default()
    return f"{known[metric].about} Unit: {known[metric].unit}." if metric in known else f"The score {metric!r}."
