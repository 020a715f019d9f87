"""A Ray cluster as its job API shows it: five requests over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rmr1_core.errors import Rmr1Error, UsageError

if TYPE_CHECKING:
    from rmr1_ray import RayLauncher

ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
SECONDS = 30.0


class Silent(Rmr1Error):
    """The cluster does not answer."""


class Refused(Rmr1Error):
    """The cluster answers, and says no."""

    def __init__(self, status: int, words: str) -> None:
        self.status = status
        super().__init__(words)


class Status(msgspec.Struct, frozen=True):
    """How a job is: "PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"; "GONE" when the cluster
    knows nothing of it."""

    status: str
    message: str | None = ""
    driver_exit_code: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in {"PENDING", "RUNNING"}


class Cluster:
    """The cluster that a launcher's options name.

    Raises:
        UsageError: they name none, or in a way that the job API does not know.
    """

    def __init__(self, launcher: RayLauncher) -> None:
        named = [launcher.address, *(os.environ.get(name, "") for name in ADDRESS_VARIABLES)]
        address = next(filter(None, named), "")
        if not address:
            raise UsageError(
                "launcher 'ray' needs the address of a cluster's dashboard; "
                "say it with: --set launcher.options.address=http://HOST:8265"
            )
        if "://" not in address and ":" in address:
            address = f"http://{address}"
        if not address.startswith(("http://", "https://")):
            raise UsageError(
                f"{address!r} is no address of a Ray dashboard; it looks like http://HOST:8265, "
                "and is said with: --set launcher.options.address=URL"
            )
        self.address = address.rstrip("/")

    def submit(self, asked: Mapping[str, Any]) -> None:
        """Submit a job."""
        self._ask("POST", "/api/jobs/", asked)

    def status(self, job: str) -> Status:
        """How a job is."""
        try:
            return msgspec.convert(self._ask("GET", f"/api/jobs/{job}"), Status)
        except Refused as error:
            if error.status == 404:
                return Status(status="GONE")
            raise

    def log(self, job: str) -> str:
        """What Ray itself kept of a job's output."""
        answer = self._ask("GET", f"/api/jobs/{job}/logs")
        return str(answer.get("logs", ""))

    def stop(self, job: str) -> None:
        """Stop a job."""
        self._ask("POST", f"/api/jobs/{job}/stop")

    def version(self) -> str:
        """The cluster's release of Ray."""
        return str(self._ask("GET", "/api/version").get("ray_version", ""))

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import ProxyHandler, Request, build_opener, getproxies

        headers = {"Content-Type": "application/json"}
        if token := _token():
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address + path, data=data, headers=headers, method=method)
        try:
            with build_opener(ProxyHandler(getproxies())).open(request, timeout=SECONDS) as answer:
                found = json.load(answer)
        except HTTPError as error:
            words = error.read().decode("utf-8", "replace").strip().splitlines()
            raise Refused(error.code, words[-1] if words else str(error)) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise Silent(f"no Ray dashboard answers at {self.address}: {reason}") from None
        return found if isinstance(found, dict) else {}


def _token() -> str:
    """The token of a cluster that asks for one, from where Ray's own programs take it; "" if none
    is there."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return os.environ["RAY_AUTH_TOKEN"]
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except OSError:
        return ""
