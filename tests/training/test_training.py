"""Small students, trained for real: what the loss is taken of, what changes no number, what survives a kill."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from profiler.endpoints import LocalEngine, ScoreCall
from profiler.errors import WrongUse
from profiler.records import Endpoint, Likelihood
from tests.support.local import answered
from tests.support.places import ROOT
from tests.support.recipe import PAIRS, made
from training import Recipe, Training, check, train

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")]


ROWS: list[dict[str, Any]] = [
    {**row, "prompt": f"{row['prompt']} {again}", "completion": f"{row['completion']}{' Water boils.' * again}"}
    for again in range(6)
    for row in PAIRS
]


def asked(folder: Path, out: str, **fields: Any) -> Recipe:
    defaults = {"method": "full", "batch": 8, "lr": 1e-3, "precision": "float32", "out": str(folder / out)}
    return made(folder, ROWS, **{**defaults, **fields})


def weights(done: Training) -> dict[str, Any]:
    from safetensors.torch import load_file

    assert done.model
    return load_file(Path(done.model) / "model.safetensors")


def apart(one: Training, other: Training) -> float:
    """The largest difference between two students' weights."""
    left, right = weights(one), weights(other)
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def test_the_loss_is_the_mean_over_the_tokens_of_answers(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    recipe = asked(tmp_path, "one", batch=len(ROWS))
    _, examples = check(recipe)
    model = AutoModelForCausalLM.from_pretrained(recipe.student)
    total = 0.0
    for example in examples.kept:
        logits = model(torch.tensor([example.ids])).logits[0].log_softmax(-1).detach()
        total -= sum(float(logits[place - 1, example.ids[place]]) for place in range(example.start, len(example.ids)))
    done = train(recipe)
    assert done.losses[0] == pytest.approx(total / examples.learned, rel=1e-4)


def test_eight_at_once_or_one_by_one_make_the_same_student(tmp_path: Path) -> None:
    together, one_by_one = (train(asked(tmp_path, f"m{micro}", micro=micro)) for micro in (8, 1))
    assert one_by_one.losses == pytest.approx(together.losses, abs=1e-4)
    assert apart(together, one_by_one) < 1e-5


def test_packed_examples_do_not_see_each_other(tmp_path: Path) -> None:
    alone, packed = (train(asked(tmp_path, f"p{on}", packing=on, batch=len(ROWS))) for on in (False, True))
    assert packed.losses[0] == pytest.approx(alone.losses[0], abs=1e-4)


def test_a_merged_adapter_is_the_base_with_its_adapter(tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    recipe = asked(tmp_path, "lora", method="lora", lr=1e-2)
    done = train(recipe)
    assert done.losses[-1] < done.losses[0]
    assert done.trained < done.parameters
    assert done.adapter
    ids = torch.tensor([[5, 17, 300, 42, 8]])
    base = AutoModelForCausalLM.from_pretrained(recipe.student)
    before = base(ids).logits
    beside = PeftModel.from_pretrained(base, done.adapter)(ids).logits
    merged = AutoModelForCausalLM.from_pretrained(done.model)(ids).logits
    assert torch.allclose(beside, merged, atol=1e-3)
    assert not torch.allclose(before, merged, atol=1e-1)


async def test_an_adapter_that_is_asked_with_its_base_answers_as_the_merged_student(tmp_path: Path) -> None:
    done = train(asked(tmp_path, "lora", method="lora", lr=1e-2))
    student = done.recipe.student
    ends = [
        Endpoint(model=f"{done.model}"),
        Endpoint(model=student, adapter=done.adapter),
        Endpoint(model=student),
    ]
    weighed, known = [], []
    for end in ends:
        engine = LocalEngine(end, "float32")
        found = (await answered(engine, ScoreCall("The nurse was late.", (" Water boils.",), (0,))))[0, 0]
        assert isinstance(found, Likelihood)
        weighed.append(found.total)
        known.append((await engine.fingerprint()).id)
        await engine.close()
    merged, beside, untouched = weighed
    assert beside == pytest.approx(merged, abs=1e-3)
    assert abs(beside - untouched) > 0.1
    assert len({*known}) == 3


def test_a_student_in_four_bits_learns(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    done = train(asked(tmp_path, "qlora", method="qlora", lr=1e-2, epochs=2))
    assert done.losses[-1] < done.losses[0]


def test_a_finished_training_is_not_done_again_and_its_folder_is_not_anothers(tmp_path: Path) -> None:
    recipe = asked(tmp_path, "out")
    assert train(recipe) == train(recipe)
    with pytest.raises(WrongUse, match="another seed"):
        train(asked(tmp_path, "out", seed=1))


def test_a_training_killed_in_the_middle_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = train(asked(tmp_path, "whole", save=2, epochs=4))
    recipe = asked(tmp_path, "killed", save=2, epochs=4)
    path = tmp_path / "recipe.json"
    path.write_text(recipe.model_dump_json(), "utf-8")
    process = subprocess.Popen([sys.executable, "-m", "training", str(path)], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not list(Path(recipe.out).glob("checkpoints/checkpoint-*/whole")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -9, "it had finished: give it more to do"
    resumed = train(recipe)
    assert resumed.resumed == 1
    assert resumed.losses == whole.losses
    assert apart(whole, resumed) == 0


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_processes_make_the_student_of_one(method: str, tmp_path: Path) -> None:
    one = train(asked(tmp_path, "one", method=method))
    recipe = asked(tmp_path, "two", method=method)
    path = tmp_path / "recipe.json"
    path.write_text(recipe.model_dump_json(), "utf-8")
    words = ["train", str(path), "--processes", "2", "--json"]
    start = [sys.executable, "-c", "from profiler.cli import main; main()"]
    done = subprocess.run([*start, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    two = Training.model_validate_json(done.stdout)
    assert two.processes == 2
    assert two.losses == pytest.approx(one.losses, abs=1e-4)
    assert apart(one, two) < 1e-5


def test_sharded_over_two_processes_a_step_is_that_of_one(tmp_path: Path) -> None:
    """The configuration that we ship, through accelerate's own launcher, on gloo: what a processor can show of FSDP."""
    import torch
    from transformers import AutoModelForCausalLM

    from tests.support import tiny
    from tests.support.peers import fsdp

    student, out = tiny.checkpoint(tmp_path / "student", "llama"), tmp_path / "sharded.pt"
    launch = ["-m", "accelerate.commands.launch", "--config_file", "training/fsdp.yaml", "--num_processes", "2"]
    peer = ["--main_process_port", "0", "-m", "tests.support.peers.fsdp", str(student), str(out)]
    done = subprocess.run([sys.executable, *launch, *peer], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sharded = torch.load(out, weights_only=True)
    model = AutoModelForCausalLM.from_pretrained(student)
    plain = fsdp.step(model, torch.optim.SGD(model.parameters(), lr=0.5), fsdp.ROWS, torch.Tensor.backward)
    assert sharded["loss"] == pytest.approx(plain, abs=1e-5)
    assert sharded["sharded"] == len(list(model.parameters()))
    for name, weight in model.named_parameters():
        assert torch.allclose(sharded["weights"][name], weight, atol=1e-5), name
