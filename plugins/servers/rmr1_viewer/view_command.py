"""`rmr1 view`."""

from __future__ import annotations

from pathlib import Path

import click

from rmr1_core.cli.options import RunName, runs_dir_option

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command(
    epilog="\b\nExamples:\n"
    "  rmr1 view                        all runs, also those that go on\n"
    "  rmr1 view last\n"
    "  rmr1 view RUN1 RUN2 --port 8000 --no-browser"
)
@click.argument("runs", nargs=-1, type=RunName())
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: a free one.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen. Elsewhere than on this machine, the printed address has a token.",
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@runs_dir_option
def view(
    runs: tuple[str, ...], port: int, host: str, *, no_browser: bool, runs_dir: Path | None
) -> None:
    """Read, search and compare judgments on a local page.

    RUNS are ids, parts of them, paths, or 'last'; without any, all runs are shown. Runs that go on
    are shown as they grow. Nothing is changed. Ctrl-C ends it.
    """
    import secrets
    import signal
    import threading

    from rmr1_core.stored import StoredRun
    from rmr1_viewer.serving import served

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the index is removed then, too
    folders = [StoredRun.find(name, runs_dir).folder for name in runs]
    token = "" if host in LOOPBACK else secrets.token_urlsafe(24)
    with served(folders, runs_dir, host=host, port=port, token=token) as address:
        whole = f"{address}?token={token}" if token else address
        click.echo(f"{whole} (Ctrl-C ends it)")
        if not no_browser:
            click.launch(whole)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("")
