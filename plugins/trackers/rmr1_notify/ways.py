"""Ways of telling: a program of the user's, an address of the web, the desktop.

What is told may have words of anybody's, such as a server's error. None of it becomes a command,
a header, or markup that calls people.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from rmr1_core.errors import Rmr1Error, UsageError
from rmr1_core.processes import ask

if TYPE_CHECKING:
    from rmr1_notify.words import News

SECONDS = 10.0
"""How long anybody may take."""
_HOW = (
    "write RMR1_NOTIFY=desktop, RMR1_NOTIFY='command:PROGRAM', or "
    "RMR1_NOTIFY=https://…, with ntfy: or slack: before it where the name does not tell"
)
_SCRIPT = (
    *("-e", "on run argv"),
    *("-e", "display notification (item 2 of argv) with title (item 1 of argv)"),
    *("-e", "end run"),
)


def by_command(command: str, what: News) -> None:
    """Run a line of the shell, which gets the news as JSON on its standard input, and its words as
    variables.

    Raises:
        Rmr1Error: it failed, or took too long.
    """
    variables = {
        "RMR1_RUN": what.facts["run"],
        "RMR1_STATUS": what.facts["status"],
        "RMR1_TITLE": what.title,
        "RMR1_MESSAGE": what.text,
    }
    said = json.dumps({"title": what.title, "text": what.text, **what.facts})
    plain = {name: value.replace("\0", "") for name, value in variables.items()}
    _ran(["/bin/sh", "-c", command], plain, said)


def desktop() -> Callable[[News], None]:
    """What shows a notification on this desktop. Raises UsageError where nothing can."""
    if program := shutil.which("notify-send"):
        return partial(_by_notify_send, program)
    if sys.platform == "darwin" and (program := shutil.which("osascript")):
        return partial(_by_osascript, program)
    raise UsageError(f"RMR1_NOTIFY=desktop: there is no notify-send here; {_HOW}")


def webhook(asked: str) -> Callable[[News], None]:
    """What posts to an address: as a text where it is ntfy's, as `{"text": …}` where it is
    Slack's, and else as JSON with all that is known.

    Raises:
        UsageError: it is no address, or one that everybody on the way could read.
    """
    form, url, parts = _split(asked)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"RMR1_NOTIFY names nobody that can be told: {public(asked)}; {_HOW}")
    if parts.scheme == "http" and not _is_here(host):
        raise UsageError(f"RMR1_NOTIFY: http is for this machine alone; use https for {host}")
    if not form and (host == "ntfy.sh" or host.startswith("ntfy.")):
        form = "ntfy"
    if not form and host == "hooks.slack.com":
        form = "slack"
    return partial(_post, url, form, _is_here(host))


def public(asked: str) -> str:
    """Who is told, without the path of an address, which is a secret of Slack's and ntfy's."""
    if asked.startswith("command:") or asked == "desktop":
        return "the command of RMR1_NOTIFY" if asked != "desktop" else asked
    _, _, parts = _split(asked)
    return f"{parts.scheme}://{parts.hostname}/…" if parts.hostname else "a word without an address"


def _split(asked: str) -> tuple[str, str, SplitResult]:
    form, url = "", asked
    for known in ("ntfy", "slack"):
        if asked.startswith(f"{known}:"):
            form, url = known, asked.removeprefix(f"{known}:")
    try:
        return form, url, urlsplit(url)
    except ValueError:
        return form, url, urlsplit("")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _post(url: str, form: str, here: bool, what: News) -> None:
    """Post the news. Raises Rmr1Error for any answer but a good one, OSError where there is
    none."""
    from urllib import request
    from urllib.error import HTTPError

    headers = {"Content-Type": "application/json", "User-Agent": "rmr1"}
    if form == "ntfy":
        headers |= {"Content-Type": "text/plain; charset=utf-8", "Title": _header(what.title)}
        body = what.text
    elif form == "slack":
        words = f"{what.title}\n{what.text}"
        body = json.dumps({"text": escape(words, quote=False)})  # or "<!channel>" calls them all
    else:
        body = json.dumps({"title": what.title, "text": what.text, **what.facts})

    class NoRedirect(request.HTTPRedirectHandler):
        """A redirected POST would become a GET, and may go where nobody said."""

        def redirect_request(self, *_: object) -> None:
            return None

    proxies = [request.ProxyHandler({})] if here else []
    opener = request.build_opener(NoRedirect, *proxies)
    asked = request.Request(url, body.encode(errors="replace"), headers, method="POST")
    try:
        with opener.open(asked, timeout=SECONDS):
            pass
    except HTTPError as error:
        raise Rmr1Error(f"it answers {error.code} {error.reason}") from None


def _header(text: str) -> str:
    """A text in one line of ASCII."""
    return " ".join(text.split()).encode("ascii", "replace").decode()


def _by_notify_send(program: str, what: News) -> None:
    urgent = "--urgency=critical" if what.facts["error"] else "--urgency=normal"
    marked = escape(what.text, quote=False)  # its body may have markup
    _ran([program, "--app-name=rmr1", urgent, "--", what.title, marked], {}, None)


def _by_osascript(program: str, what: News) -> None:
    _ran([program, *_SCRIPT, what.title, what.text], {}, None)


def _ran(argv: list[str], variables: dict[str, str], said: str | None) -> None:
    code, _, errors = ask(argv, timeout=SECONDS, env=variables, said=said)
    if code:
        last = errors.strip().splitlines()[-1:] or [f"it ended with {code}"]
        raise Rmr1Error(last[0])
