"""A folder put on the Hugging Face hub, or on a server that speaks its protocol (HF_ENDPOINT)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from profiler.errors import InheritError, WrongUse

Kind = Literal["dataset", "model"]


def require(repository: str) -> None:
    """Whether this user may be let in, before anything is paid for."""
    api, failed = _api()
    if repository.count("/") != 1:
        raise WrongUse(f"`--push` takes OWNER/NAME, found {repository!r}")
    try:
        api.whoami()
    except failed as error:
        raise InheritError(f"the hub does not let you in ({_first(error)}); `hf auth login` does") from None


def push(folder: Path, repository: str, kind: Kind, without: Sequence[str] = ()) -> str:
    """Put FOLDER into a repository, which is made private where it is new; its address.

    Hidden files stay here, which are a lock or what a killed writer left, and folders WITHOUT which it is whole.
    """
    api, failed = _api()
    try:
        api.create_repo(repository, repo_type=kind, private=True, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            repo_type=kind,
            ignore_patterns=[".*", "*/.*", *(f"{name}/*" for name in without)],
            commit_message="Put here by inherit",
        )
    except failed as error:
        raise InheritError(
            f"{folder} is whole, but the hub did not take it: {_first(error)}; the same command tries again"
        ) from None
    return str(done.commit_url).partition("/commit/")[0]


def _api() -> tuple[Any, tuple[type[Exception], ...]]:
    """The hub's client, and what it raises."""
    try:
        from huggingface_hub import HfApi, errors
    except ImportError:
        raise InheritError("`--push` needs the package huggingface_hub: pip install huggingface_hub") from None
    return HfApi(), (errors.HfHubHTTPError, errors.LocalTokenNotFoundError, errors.HTTPError)


def _first(error: Exception) -> str:
    """What a person can do something with."""
    return str(error).strip().partition("\n")[0]
