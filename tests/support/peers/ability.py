"""Prints the requests that lm-eval makes of local files, and what it makes of answers drawn at random, as JSON.

Run by an interpreter that has lm-eval.
Takes lines of JSON on stdin: {"set": …, "path": …, "count": …}. Needs no network.
"""

import gzip
import json
import random
import sys
from pathlib import Path

import datasets
import lm_eval.tasks
import yaml
from lm_eval.api.task import ConfigurableTask

datasets.disable_progress_bars()
TASKS = Path(lm_eval.tasks.__file__).parent
CONFIGS = {
    "arc_challenge": "arc/arc_easy.yaml",  # arc_challenge.yaml includes it
    "arc_easy": "arc/arc_easy.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "rte": "glue/rte/default.yaml",
    "winogrande": "winogrande/default.yaml",
}


def rows(path, count):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(count), strict=False)]


def as_on_the_hub(name, row):
    """The columns of the data set that lm-eval loads."""
    if name == "openbookqa":
        choices = row["question"]["choices"]
        return {
            "id": row["id"],
            "question_stem": row["question"]["stem"],
            "choices": {key: [choice[key] for choice in choices] for key in ("text", "label")},
            "answerKey": row["answerKey"],
        }
    if name == "boolq":
        return {"question": row["question"], "passage": row["passage"], "label": int(row["answer"])}
    if name == "hellaswag":
        return row | {"label": str(row["label"])}
    return row


class Loader(yaml.SafeLoader):
    """Reads `!function module.name` from the folder of the YAML."""


def function(loader, node):
    module, _, name = node.value.rpartition(".")
    space = {}
    path = Path(loader.name).parent / f"{module}.py"
    exec(compile(path.read_text("utf-8"), str(path), "exec"), space)
    return space[name]


Loader.add_constructor("!function", function)


def task(name, made):
    path = TASKS / CONFIGS[name]
    with path.open(encoding="utf-8") as file:
        config = yaml.load(file, Loader)
    split = "test" if "test" in (config.get("test_split") or "") else "validation"
    for key in (
        "dataset_path",
        "dataset_name",
        "training_split",
        "validation_split",
        "test_split",
        "tag",
        "fewshot_split",
    ):
        config.pop(key, None)
    config[f"{split}_split"] = split
    config["custom_dataset"] = lambda **kwargs: {split: datasets.Dataset.from_list(made)}
    config["num_fewshot"] = 0
    return ConfigurableTask(config=config)


for line in sys.stdin:
    asked = json.loads(line)
    made = [as_on_the_hub(asked["set"], row) for row in rows(asked["path"], asked["count"])]
    one = task(asked["set"], made)
    found = []
    rng = random.Random(asked["set"])
    for doc in one.eval_docs:
        requests = one.construct_requests(doc, one.fewshot_context(doc, 0), metadata=(asked["set"], 0, 1))
        results = [(-round(20 * rng.random(), 3), False) for _ in requests]
        gold = one.doc_to_text(doc) if one.multiple_input else one.doc_to_target(doc)
        scores = one.process_results(doc, results)
        found.append({"pairs": [r.args for r in requests], "gold": gold, "results": results, "scores": scores})
    print(json.dumps({"set": asked["set"], "items": found}), flush=True)
