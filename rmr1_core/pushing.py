"""`rmr1 data push`: a mix as a dataset on the hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from rmr1_core.errors import BadInput, MissingPackage, Rmr1Error, UsageError
from rmr1_core.mix_report import CARD_FILE, REMOVED_FILE, REPORT_FILE, ROWS_FILE, MixReport
from rmr1_core.words import misfit

FILES = (ROWS_FILE, CARD_FILE, REPORT_FILE, REMOVED_FILE)


def read_report(folder: Path) -> MixReport:
    """The report of a mix.

    Raises:
        UsageError: the folder is no mix. BadInput: its report is damaged.
    """
    path = folder / REPORT_FILE
    if not path.is_file():
        raise UsageError(
            f"{folder} is no mix (it has no {REPORT_FILE}); make one with: rmr1 data mix"
        )
    try:
        return msgspec.json.decode(path.read_bytes(), type=MixReport)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, field = misfit(error)
        raise BadInput(path, problem, field=field or None) from None


def checked(folder: Path) -> MixReport:
    """The report of a mix whose rows are those that it describes.

    Raises:
        UsageError: the folder is no mix, or its rows were changed.
    """
    report = read_report(folder)
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UsageError(f"{folder} lacks {', '.join(missing)}; mix again with: rmr1 data mix")
    with (folder / ROWS_FILE).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != report.sha256:
        raise UsageError(
            f"{folder / ROWS_FILE} was changed after it was mixed, so its card would be wrong; "
            "mix again with: rmr1 data mix"
        )
    return report


def push(folder: Path, repository: str, *, private: bool, branch: str | None) -> str:
    """Upload a mix to a dataset repository, which is made if need be; the address of the commit.

    Raises:
        UsageError: the folder is no mix, or its rows were changed.
        Rmr1Error: the hub cannot be reached, or refuses.
    """
    report = checked(folder)
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
    except ImportError:
        raise MissingPackage(
            "huggingface_hub", "pushing to the hub", "pip install huggingface_hub"
        ) from None
    try:
        api = HfApi()
        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        if branch:
            api.create_branch(repository, repo_type="dataset", branch=branch, exist_ok=True)
        commit = api.create_commit(
            repository,
            [CommitOperationAdd(name, folder / name) for name in FILES],
            repo_type="dataset",
            revision=branch,
            commit_message=f"{report.mixture.name}: {report.rows:,} rows, mixed by rmr1",
        )
    except Exception as error:  # the boundary to the hub: network, rights, names
        cause = " ".join(str(error).split()) or type(error).__name__
        status = getattr(getattr(error, "response", None), "status_code", None)
        again = f"try again with: rmr1 data push {folder} {repository}"
        advice = "log in with: hf auth login" if status in (401, 403) else again
        raise Rmr1Error(f"cannot push to {repository!r}: {cause}; {advice}") from error
    return str(commit.commit_url)
