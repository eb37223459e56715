# made by docs/build.py; change the code, then run `make docs`
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Literal

from inherit import aio as aio
from inherit.callback import ProfileCallback as ProfileCallback
from inherit.results import ProfileResult as ProfileResult
from inherit.results import Result as Result
from inherit.results import Rows as Rows
from inherit.results import ScoreResult as ScoreResult
from inherit.verbs import Client, Options, Place
from profiler.errors import InheritError as InheritError
from profiler.judging import Jury
from profiler.records import Comparison, Estimate, Json
from profiler.study import Findings
from selection import PoolContents, Selection
from training import Training

VERBS: tuple[str, ...]

def profile(
    model: Place,
    *,
    like: ProfileResult | Place | None = ...,
    client: Client | None = ...,
    url: str | None = ...,
    replica: Sequence[str] = ...,
    chat: bool = ...,
    key: str = ...,
    header: Sequence[str] = ...,
    suite: Literal['auto', 'mini', 'paper', 'full'] = ...,
    data: str | PathLike[str] | None = ...,
    prompts: str | None = ...,
    column: str | None = ...,
    gold: str | None = ...,
    lang: str = ...,
    subset: str | None = ...,
    scorers: Sequence[str] = ...,
    bins: Sequence[str] = ...,
    limit: int | None = ...,
    samples: int | None = ...,
    temperature: float | None = ...,
    top_p: float | None = ...,
    top_k: int | None = ...,
    repetition_penalty: float | None = ...,
    decoding: Literal['usual', 'paper'] = ...,
    max_tokens: int | None = ...,
    stop: Sequence[str] | None = ...,
    seed: int | None = ...,
    prompt_template: str | None = ...,
    system: str = ...,
    order: int = ...,
    quick: bool = ...,
    engine: Literal['auto', 'vllm', 'local'] = ...,
    probes: Sequence[str] = ...,
    scoring_method: Literal['auto', 'loglikelihood', 'top_logprobs', 'letter'] = ...,
    concurrency: int = ...,
    name: str | None = ...,
    log: Literal['wandb', 'mlflow', 'tensorboard', 'trackio'] | None = ...,
    out: str | PathLike[str] = ...,
) -> ProfileResult:
    """Ask MODEL the probes and leave a profile.

    like: a profile whose questions are asked, in its way, but for what other options say.
    client: an OpenAI or Azure client of yours, whose address, headers, key and connections are used.

    Options:
        url: An OpenAI-compatible server, up to and including /v1.
        replica: A further address of the same model: requests go wherever there is room; may be repeated.
        chat: Ask through chat messages instead of plain completions.
        key: NAME of the environment variable that holds the key.
        header: NAME=VARIABLE: send a header whose value is in this environment variable; may be repeated.
        suite: Which data: paper has its subsets, full all there is, mini small sets that ship, for trying out; auto takes the paper's where they can be had, else mini.
        data: Folder of official data files, packed or not; else INHERIT_DATA.
        prompts: A .jsonl, .csv or .parquet file, or hub:OWNER/NAME.
        column: The column of --prompts that holds the prompt; alpaca: instruction and input in Alpaca's template.
        gold: Final answers: the column of --prompts that holds the right one.
        lang: Language of the answers; readability is defined for en only.
        subset: Toxicity: challenging, toxic, nontoxic, or prompts of a toxicity such as 0.5:0.8.
        scorers: Who scores toxicity; may be repeated: `inherit ls scorers`.
        bins: Calibration: its error over other bins too: 20:mass, 15:width; may be repeated.
        limit: Ask only so many items of each probe, picked by seed.
        samples: Samples per prompt.
        temperature: 0 is greedy decoding, always the most likely token.
        top_p: Draw from the most likely tokens that together have this probability.
        top_k: Draw from this many of the most likely tokens; 0 from all.
        repetition_penalty: Above 1, tokens that have come before become less likely.
        decoding: As each probe's authors draw, or as the paper's code: top_k 50 for toxicity, no stop strings for attributes.
        max_tokens: New tokens an answer, at most.
        stop: Stop before this string; may be repeated. Attributes else stop before the prompt template's headings.
        seed: Sample i of a prompt is drawn with seed + i.
        prompt_template: Text with {prompt} in it, for a completions endpoint.
        system: System message, for a chat endpoint.
        order: Seed of the order in which BBQ's options are listed by letter.
        quick: To see that it works: 12 items a probe, 4 continuations, answers of 48 tokens.
        engine: What runs a model without --url; auto takes vLLM where it is installed and a GPU is there.
        probes: Only this probe; may be repeated.
        scoring_method: How choices are read; auto takes the best that the endpoint allows.
        concurrency: Requests in flight at a server.
        name: What to call the profile; the model's name if left out.
        log: Also log the numbers there.
        out: Folder that holds the runs."""

def compare(
    base: ProfileResult | Place,
    *others: ProfileResult | Place,
    primary: Sequence[str] = ...,
    margin: Sequence[str] = ...,
    intervals: Literal['simultaneous', 'single'] = ...,
    all: bool = ...,
    out: str | PathLike[str] = ...,
) -> Result[tuple[Comparison, ...]]:
    """Show what changed from BASE to each of OTHERS: profiles, or what `load` takes.

    Options:
        primary: PROBE.METRIC that is decided on; the others are exploratory, and corrected apart; may be repeated.
        margin: PROBE.METRIC=0.02 or =5%: a change surely smaller is called equivalent; may be repeated.
        intervals: Intervals that hold for all numbers together, or for each by itself.
        all: Show every number, not only what changed significantly.
        out: Folder that holds the runs."""

def score(
    texts: Iterable[str] | Place,
    metrics: Iterable[str] | str = ...,
    *,
    column: str | None = ...,
    gold: str | None = ...,
    lang: str = ...,
    workers: int = ...,
    save: str | PathLike[str] | None = ...,
) -> ScoreResult:
    """Measure texts: strings, or a file of them. `samples()` has the scores of each text.

    Options:
        column: The column that holds the text.
        gold: The column of the right answer: whether a text ends in it, and nothing else unless a --metric is named.
        lang: Language of the texts.
        workers: Processes that measure.
        save: Write each text's scores to this .jsonl file."""

def rescore(
    probe: str,
    answers: Iterable[Mapping[str, Json]] | Place,
    *,
    answer: str | None = ...,
    suite: Literal['auto', 'mini', 'paper', 'full'] = ...,
    prompts: str | None = ...,
    column: str | None = ...,
    gold: str | None = ...,
    subset: str | None = ...,
    samples: int | None = ...,
    scorers: Sequence[str] = ...,
    bins: Sequence[str] = ...,
    data: str | PathLike[str] | None = ...,
) -> Result[Sequence[Estimate]]:
    """Score answers that were recorded elsewhere, rows or a file of them, without a model.

    Options:
        answer: The column of the answer, if it is called otherwise.
        suite: Which data: paper has its subsets, full all there is, mini small sets that ship, for trying out; auto takes the paper's where they can be had, else mini.
        prompts: A file of what was asked, instead of a suite.
        column: The column of --prompts that holds the prompt.
        gold: Final answers: the column of --prompts that holds the right one.
        subset: Toxicity: challenging, toxic, nontoxic, or prompts of a toxicity such as 0.5:0.8.
        samples: Toxicity: continuations that each prompt has; 25 where left out. A prompt with another number is not scored.
        scorers: Who scores toxicity; may be repeated: `inherit ls scorers`.
        bins: Calibration: its error over other bins too: 20:mass, 15:width; may be repeated.
        data: Folder of official data files, packed or not; else INHERIT_DATA."""

def judge(
    model: Place,
    *,
    client: Client | None = ...,
    url: str | None = ...,
    replica: Sequence[str] = ...,
    chat: bool = ...,
    key: str = ...,
    header: Sequence[str] = ...,
    preset: str | None = ...,
    columns: Sequence[str] = ...,
    gold: Sequence[str] = ...,
    verdict: Sequence[str] = ...,
    id: str | None = ...,
    label: Sequence[str] = ...,
    pairs: Sequence[str] = ...,
    between: str | None = ...,
    prompt: str = ...,
    ties: bool = ...,
    limit: int | None = ...,
    max_tokens: int = ...,
    concurrency: int = ...,
    name: str | None = ...,
    save: str | PathLike[str] | None = ...,
    data: str | PathLike[str] | None = ...,
    out: str | PathLike[str] = ...,
) -> Result[Jury]:
    """Ask MODEL which of two answers is better, in both orders; `path` is the verdict file that `agree` reads.

    Options:
        url: An OpenAI-compatible server, up to and including /v1.
        replica: A further address of the same model: requests go wherever there is room; may be repeated.
        chat: Ask through chat messages instead of plain completions.
        key: NAME of the environment variable that holds the key.
        header: NAME=VARIABLE: send a header whose value is in this environment variable; may be repeated.
        preset: The form of the files: inherit, pandalm, llmbar, alpaca_eval, mt_bench, judgebench or auto_j; where left out, each file's columns tell it.
        columns: ROLE=COLUMN,… with the roles id, prompt, a, b, writer_a, writer_b, group, gold, verdict, verdict_swapped, judge and swapped; may be repeated.
        gold: A column of human labels; may be repeated.
        verdict: A column of verdicts, or FIRST,SWAPPED for both orders; may be repeated.
        id: The column that names the pair.
        label: WORD=a|b|tie|unparseable|absent: what a label means; may be repeated.
        pairs: mini, pandalm, or a file; may be repeated.
        between: X,Y: make the pairs of what writers X and Y wrote, from files of candidates.
        prompt: labels, reasons, answers, or a .txt template of yours.
        ties: Let the judge say that neither is better.
        limit: Pairs to judge, picked by seed.
        max_tokens: New tokens for a judge's reasons, at most.
        concurrency: Requests in flight at a server.
        name: What to call the judge; the model's name if left out.
        save: The verdict file; else one under --out.
        data: Folder of official data files, packed or not; else INHERIT_DATA.
        out: Folder that holds the runs."""

def agree(
    *files: Place | Result[Jury],
    preset: str | None = ...,
    columns: Sequence[str] = ...,
    gold: Sequence[str] = ...,
    verdict: Sequence[str] = ...,
    id: str | None = ...,
    label: Sequence[str] = ...,
    swapped: Literal['auto', 'answers', 'places'] = ...,
    orders: Literal['first', 'swapped', 'both', 'averaged'] | None = ...,
    same_family: Sequence[str] = ...,
    student: Sequence[str] = ...,
    resamples: int = ...,
) -> Result[Jury]:
    """Show how far recorded verdicts agree with human labels and each other.

    Options:
        preset: The form of the files: inherit, pandalm, llmbar, alpaca_eval, mt_bench, judgebench or auto_j; where left out, each file's columns tell it.
        columns: ROLE=COLUMN,… with the roles id, prompt, a, b, writer_a, writer_b, group, gold, verdict, verdict_swapped, judge and swapped; may be repeated.
        gold: A column of human labels; may be repeated.
        verdict: A column of verdicts, or FIRST,SWAPPED for both orders; may be repeated.
        id: The column that names the pair.
        label: WORD=a|b|tie|unparseable|absent: what a label means; may be repeated.
        swapped: What a verdict on swapped answers names: the answer, or the place it stood in.
        orders: Which order of the answers counts where judges are compared: as given, swapped, both, or their mean.
        same_family: JUDGE=WRITER[,WRITER]: of the same model family, such as its teacher or student; may be repeated.
        student: STUDENT=BEFORE,TEACHER: compare a trained judge with what it was; may be repeated.
        resamples: Bootstrap draws behind each interval."""

def sample(
    *teachers: Place | Mapping[str, object],
    client: Client | None = ...,
    out: str,
    prompts: str,
    column: str | None = ...,
    lang: str = ...,
    limit: int | None = ...,
    k: int = ...,
    temperature: float = ...,
    top_p: float = ...,
    top_k: int = ...,
    repetition_penalty: float = ...,
    max_tokens: int = ...,
    stop: Sequence[str] = ...,
    seed: int = ...,
    prompt_template: str | None = ...,
    system: str = ...,
    chat: bool = ...,
    key: str = ...,
    header: Sequence[str] = ...,
    price: str | None = ...,
    concurrency: int = ...,
    data: str | PathLike[str] | None = ...,
) -> Result[PoolContents]:
    """Draw k candidates per prompt from each of TEACHERS; `path` is the pool that `select` chooses from.

    Options:
        out: Folder for the candidates, or an address such as s3://bucket/pool.
        prompts: A .jsonl, .csv or .parquet file, hub:OWNER/NAME, or mini, a few for trying things out.
        column: The column of `prompts` that holds the prompt; alpaca: instruction and input in Alpaca's template.
        lang: Language of the answers.
        limit: Ask only so many prompts, picked by seed.
        k: Candidates per prompt and teacher.
        temperature: 0 is greedy decoding, always the most likely token; higher is more random.
        top_p: Draw from the most likely tokens that together have this probability.
        top_k: Draw from this many of the most likely tokens; 0 from all.
        repetition_penalty: Above 1, tokens that have come before become less likely.
        max_tokens: New tokens an answer, at most.
        stop: Stop before this string; may be repeated.
        seed: Candidate i is drawn with seed + i.
        prompt_template: Text with {prompt} in it, for a completions endpoint.
        system: System message, for a chat endpoint.
        chat: Ask through chat messages instead of plain completions.
        key: NAME of the environment variable that holds the key.
        header: NAME=VARIABLE: send a header whose value is in this environment variable; may be repeated.
        price: 0.5/1.5: money for a million tokens read, and for a million written.
        concurrency: Requests in flight at a server.
        data: Folder of official data files, packed or not; else INHERIT_DATA."""

def select(
    pool: Place | Result[PoolContents],
    objective: Iterable[str] | str,
    *,
    out: str | PathLike[str],
    combine: Literal['sum', 'lexicographic', 'pareto'] = ...,
    require: Sequence[str] = ...,
    hold: Sequence[str] = ...,
    temperature: float = ...,
    top: int = ...,
    k: int | None = ...,
    source: Sequence[str] = ...,
    metric: Sequence[str] | None = ...,
    skip_filter: Sequence[str] = ...,
    form: Literal['chat', 'completion'] = ...,
    parquet: bool = ...,
    lang: str = ...,
    seed: int = ...,
    workers: int = ...,
    on: str = ...,
) -> Result[Selection]:
    """Keep the answers that carry what is wanted, and controls that show what choosing does.

    Options:
        out: Folder for the data sets and their card.
        combine: How several objectives make one choice.
        require: Only answers with, say, 'toxicity<=0.2'.
        hold: words=0.25: within a quarter of the prompt's middle candidate.
        temperature: Draw softly: exp(utility / temperature); 0 takes the best.
        top: Answers kept per prompt.
        k: Look at the first k candidates of a prompt only.
        source: Only this source's candidates; may be repeated.
        metric: Report this metric as well; else all of length, readability, diversity and quality.
        skip_filter: empty, truncated, refusal, loop, language, copy, duplicate or all: let through what it would stop.
        form: messages, or prompt and completion.
        parquet: Parquet instead of JSON lines.
        lang: Language of the answers in a file.
        seed: Decides ties, random controls and soft choices.
        workers: Processes that measure here.
        on: Where candidates are measured: here, ray, ray://HOST:PORT, slurm or slurm:PARTITION."""

def train(
    recipe: Place | None = ...,
    *,
    log: str | None = ...,
    student: str = ...,
    data: str = ...,
    out: str = ...,
    method: Literal['full', 'lora', 'qlora'] = ...,
    form: Literal['auto', 'chat', 'plain'] = ...,
    prompt_template: str = ...,
    epochs: float = ...,
    lr: float | None = ...,
    batch: int = ...,
    micro: int = ...,
    schedule: Literal['cosine', 'linear', 'constant'] = ...,
    warmup: float = ...,
    decay: float = ...,
    clip: float = ...,
    length: int = ...,
    long: Literal['refuse', 'drop'] = ...,
    packing: bool = ...,
    rank: int = ...,
    alpha: float = ...,
    dropout: float = ...,
    merge: bool = ...,
    precision: Literal['auto', 'bfloat16', 'float32'] = ...,
    checkpointing: bool = ...,
    save: int = ...,
    seed: int = ...,
) -> Result[Training]:
    """Train a student on chosen answers, as a RECIPE file and the options say; `path` is the model that was made.

    log: wandb, mlflow, tensorboard or trackio, where the trainer reports to.

    Options:
        student: The model to train: a checkpoint's folder, a hub id, or demo.
        data: A file of examples: rows with `prompt` and `completion`, or with `messages`; other columns are passed over.
        out: Folder for the trained model, its checkpoints and the record of its training.
        method: Train all weights, a low-rank adapter, or an adapter of a student in 4 bits.
        form: chat puts an example into the tokenizer's chat template, plain into `prompt_template`; auto follows the rows.
        prompt_template: What a plain prompt is put into: ask the student later in the same words.
        epochs: Times that each example is seen.
        lr: Learning rate at its height; if left out 2e-4 for an adapter and 2e-5 for all weights.
        batch: Examples a step, over all devices.
        micro: Examples at once on a device: what its memory holds; changes no number.
        schedule: How the learning rate falls.
        warmup: Proportion of the steps in which it rises.
        decay: Weight decay.
        clip: Largest norm of a gradient.
        length: Most tokens of an example.
        long: What to do where examples are longer: nothing is ever cut, a cut answer teaches to break off.
        packing: Put several examples into one sequence, kept apart; quicker where examples are short.
        rank: Rank of the adapter.
        alpha: The adapter's weight is alpha / rank.
        dropout: Proportion of the adapter's inputs that are dropped.
        merge: Also save the student with its adapter worked in.
        precision: Of the numbers that are computed with; auto takes bfloat16 where the hardware has it.
        checkpointing: Compute activations twice instead of keeping them: slower, less memory.
        save: Steps between two checkpoints.
        seed: Decides the order of the examples and an adapter's first weights."""

def study(
    plan: Place | None = ...,
    *,
    name: str = ...,
    out: str = ...,
    students: Sequence[str] = ...,
    teachers: Sequence[str | Mapping[str, object]] = ...,
    single: Sequence[str] = ...,
    prompts: str = ...,
    column: str | None = ...,
    lang: str = ...,
    limit: int | None = ...,
    k: int = ...,
    best_of: Sequence[int] = ...,
    best_of_students: Sequence[str] = ...,
    best_of_arms: Sequence[Literal['base', 'first', 'random', 'single', 'multi', 'multi-random', 'equal']] = ...,
    sampling: Mapping[str, object] = ...,
    objectives: Mapping[str, object] = ...,
    arms: Sequence[Literal['base', 'first', 'random', 'single', 'multi', 'multi-random', 'equal']] = ...,
    seeds: Sequence[int] = ...,
    skip_filters: Sequence[str] = ...,
    chat: bool = ...,
    recipe: Mapping[str, object] = ...,
    profile: Sequence[object] = ...,
    guard: Mapping[str, float] = ...,
    on: str = ...,
    at_once: int = ...,
    resources: Mapping[Literal['sample', 'score', 'select', 'train', 'profile', 'preferences'], object] = ...,
    per_student: Mapping[str, object] = ...,
    reported: str | None = ...,
    bases: Mapping[str, str] = ...,
) -> Result[Findings]:
    """See what students inherit, arm by arm, as a PLAN file and the options say; what is done is not done again.

    Options:
        name: What it is called.
        out: Folder for everything that is made; a stage that is in it is not done again.
        students: Models to teach: checkpoints' folders, hub ids, or demo.
        teachers: As `inherit sample` takes them: demo, a path, MODEL@URL, a .toml file, or its fields.
        single: Teachers that the arms of one teacher are made for; all if left out.
        prompts: What teachers are asked: a .jsonl, .csv or .parquet file, hub:OWNER/NAME, or mini.
        column: The column that holds the prompt; alpaca: instruction and input in Alpaca's template, with no other around it.
        lang:
        limit: Prompts, picked by seed.
        k: Candidates per prompt and teacher.
        best_of: Also teach the best of only so many candidates, say [1, 2, 4]: what more of them bring once they are taught.
        best_of_students: Students that `best_of` is for; all if left out.
        best_of_arms: Arms that `best_of` is for: single, multi, equal; all of those in `arms` if left out.
        sampling: What goes for every teacher: temperature, top_p and the like, max_tokens, stop, seed, prompt_template, system, price.
        objectives: A name → goals.
        arms: Of base, first, random, single, multi, multi-random, equal.
        seeds: Each decides a choice's ties and controls, and a training's order.
        skip_filters: Filters that are not applied; `inherit select --help` lists them.
        chat: Teach and ask through the students' chat template.
        recipe: Keys of `inherit train --show` but student, data, out and seed.
        profile: Probes that every student is asked.
        guard: PROBE.METRIC → how far it may get worse than the base's; ability.acc_mean: 0.02 where ability is asked.
        on: Where stages run: here, ray, ray://HOST:PORT, slurm or slurm:PARTITION.
        at_once: Stages that may run here at the same time; those that only ask servers are not counted.
        resources: What a stage of a kind wants: train: {gpus: 8, processes: 8}, profile: {gpus: 1, engine: vllm}; the kinds are sample, score, select, train, profile and preferences.
        per_student: One of `students` → what it has otherwise: {recipe: {merge: true}, resources: {train: {gpus: 8}}}.
        reported: A TOML file of numbers that others reported, which the report sets beside its own (docs/study.md).
        bases: Model → the model that it was made from, where its folder does not say so: who is related to whom."""

def load(
    run: Place = ...,
    *,
    out: Place = ...,
) -> ProfileResult:
    """A profile of before: its folder, the end of the folder's name under OUT, its name, or `latest`."""
