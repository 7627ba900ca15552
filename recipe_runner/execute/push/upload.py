"""Sends a package to the hub: the large files one by one, then everything in one commit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from recipe_runner.execute.codes.during import HUB_UNREACHABLE
from recipe_runner.execute.codes.push import (
    PUSH_FAILED,
    PUSH_REFUSED,
    REPOSITORY_NOT_FOUND,
    TOKEN_MISSING,
)
from recipe_runner.execute.exports.target import Meter, Told
from recipe_runner.execute.fault import fault
from recipe_runner.execute.finished import FinishedRun
from recipe_runner.execute.push.package import Package, Wanted
from recipe_runner.plan import digest

_MAIN = "main"
_WEIGHTS = re.compile(
    r"(adapter_)?model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json"
    r"|adapter_model\.bin|adapter_config\.json"
)
"""Names by which transformers and PEFT find the weights of a repository."""


def demand_token(finished: FinishedRun) -> None:
    """Report RR642 where neither the environment nor a login has a token."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise fault(
            TOKEN_MISSING,
            finished.run.path,
            "HF_TOKEN is not set, and nobody is logged in",
            "set HF_TOKEN to a token with write access, or run `hf auth login`",
        )


def license_on_hub(base: str | None, revision: str | None) -> str | None:
    """The license that the hub states for `base`; None where it states none or cannot be asked."""
    if base is None:
        return None
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    try:
        stated = HfApi().model_info(base, revision=revision, timeout=20).card_data
    except (HTTPError, OSError):
        return None
    license = None if stated is None else stated.get("license")
    return license if isinstance(license, str) else None


def upload(
    finished: FinishedRun,
    wanted: Wanted,
    package: Package,
    *,
    private: bool,
    revision: str,
    told: Told,
    meter: Meter,
) -> str:
    """Upload `package` and return the address of the commit.

    The repository and the branch are made where they are missing. Large files that the hub
    has from an earlier try are not sent again. Weights of an earlier upload that would be
    loaded in the place of these, or beside them, go with the same commit. Reports RR707 and
    RR743 to RR745.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api, name = HfApi(), wanted.repository
    with _explained(finished, name):
        api.create_repo(name, private=private, exist_ok=True)
        if revision != _MAIN:
            api.create_branch(name, branch=revision, exist_ok=True)
        additions = [
            CommitOperationAdd(
                file.path, file.content if isinstance(file.content, bytes) else str(file.content)
            )
            for file in package.files
        ]
        for number, addition in enumerate(additions, start=1):
            api.preupload_lfs_files(
                name, additions=[addition], revision=revision, free_memory=False
            )
            meter(number, len(additions))
        old = _superseded(package, api.list_repo_files(name, revision=revision))
        if old:
            told(f"taking out what an earlier upload left: {', '.join(old)}")
        done = api.create_commit(
            name,
            operations=[*additions, *(CommitOperationDelete(path) for path in old)],
            commit_message=f"{finished.plan.name}, plan {digest(finished.plan)[:12]}",
            revision=revision,
        )
    return str(done.commit_url)


def _superseded(package: Package, there: Iterable[str]) -> list[str]:
    """Files of the repository that loading would take for a part of the package.

    transformers prefers `model.safetensors` to an index, and puts an adapter that lies beside
    a model on it. GGUF files are named when they are loaded, and stand beside each other.
    """
    ours = {file.path for file in package.files}
    if not any(_WEIGHTS.fullmatch(path) for path in ours):
        return []
    return sorted(path for path in there if _WEIGHTS.fullmatch(path) and path not in ours)


@contextmanager
def _explained(finished: FinishedRun, name: str) -> Iterator[None]:
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    where = finished.run.path
    try:
        yield
    except HfHubHTTPError as error:
        raise _answered(error, finished, name) from error
    except OfflineModeIsEnabled as error:
        raise fault(
            HUB_UNREACHABLE,
            where,
            "the hub cannot be reached: offline mode is on",
            "unset HF_HUB_OFFLINE, or look at what would be sent with --dry-run",
        ) from error
    except (HTTPError, ConnectionError) as error:
        raise fault(
            HUB_UNREACHABLE,
            where,
            f"the hub cannot be reached: {_first_line(error)}",
            "check the connection, then give the same command again; what has arrived is not "
            "sent again",
        ) from error
    except ValueError as error:
        # The hub's verdict on the card, and on files one by one.
        raise fault(
            PUSH_FAILED,
            where,
            f"the hub does not take the upload to {name}: {_first_line(error)}",
            "correct what it names, then give the same command again",
        ) from error


def _answered(error: Any, finished: FinishedRun, name: str) -> Exception:
    status = error.response.status_code
    said = error.server_message or _first_line(error)
    where = finished.run.path
    # The hub answers 401 with a hint at the repository to who may not know that it exists.
    if status in (401, 403):
        return fault(
            PUSH_REFUSED,
            where,
            f"the hub refuses to write to {name} ({status}): {said}",
            "take a token with write access, and a repository that it may write to; "
            "`hf auth whoami` says whose the token is",
        )
    if status == 404:
        return fault(
            REPOSITORY_NOT_FOUND,
            where,
            f"the hub has no {name} for this token: {said}",
            "correct the id, or take a token that may see the repository",
        )
    return fault(
        PUSH_FAILED,
        where,
        f"the hub answers {status} to the upload to {name}: {said}",
        "give the same command again; it does not send again what has arrived",
    )


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason")
