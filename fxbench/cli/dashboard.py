"""`fxbench dashboard`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import results_option, settings_option, threads_option
from fxbench.cli.values import Whole
from fxbench.errors import FxbenchError, StoreError, UnavailableError, UsageError

if TYPE_CHECKING:
    from fxbench.dashboard.setup import Setup

_WAIT_S = 60.0
_STANDARD_ERROR = 2
_STREAMLIT = (1, 67)
"""Older ones lack options that keep other sites out, and texts for who can't see a chart."""
_THEME = {
    "theme.light.primaryColor": "#0b5cad",
    "theme.light.linkColor": "#0b5cad",
    "theme.light.textColor": "#1b1f24",
    "theme.light.secondaryBackgroundColor": "#f1f3f6",
    "theme.dark.primaryColor": "#7cb8f5",
    "theme.dark.linkColor": "#7cb8f5",
    "theme.dark.backgroundColor": "#14171b",
    "theme.dark.secondaryBackgroundColor": "#22272e",
    "theme.dark.textColor": "#e7eaee",
}
"""The colours of the reports. Which of the two is shown is the browser's choice, or the menu's."""
_MEND = "pip install 'fxbench[dashboard]'"


@click.command("dashboard")
@results_option
@click.option(
    "--port",
    type=Whole(0, 65535),
    default=8501,
    show_default=True,
    help="The port to serve on; 0 for any that is free.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to serve on; other than this machine's own needs --allow-network.",
)
@click.option(
    "--allow-network",
    is_flag=True,
    help="Let other machines in: there is no password, and nothing is encrypted.",
)
@click.option("--browser/--no-browser", default=True, help="Open it in the browser (the default).")
@click.option(
    "--max-upload",
    type=Whole(1, 2000),
    default=100,
    show_default=True,
    help="The largest file that may be uploaded, MB.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    help="How much of a video is looked at, at most.",
)
@settings_option
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON when it is ready: its address.")
def command(
    *,
    results: Path,
    port: int,
    host: str,
    allow_network: bool,
    browser: bool,
    max_upload: int,
    max_seconds: float,
    settings: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Serve pages to compare runs, analyse photos and videos, attack a face, and look live.

    They are for this machine's browser alone. What is uploaded is kept in memory or in temporary
    files until the page is closed, and nowhere else. Ctrl-C ends it.

    \b
    Examples:
      fxbench dashboard
      fxbench dashboard --results ~/results --port 8600 --no-browser
      fxbench dashboard --max-seconds 300 --max-upload 500
    """
    from fxbench import environment
    from fxbench.chunks import default_folder
    from fxbench.dashboard.setup import VARIABLE, Setup

    _check_host(host, allow_network=allow_network)
    _check_installed()
    _check_settings(settings)
    # The server inherits the environment, and reads the number of threads when it imports NumPy.
    environment.fix_threads(threads or environment.default_threads())
    port = _free(host, port)
    setup = Setup(results.expanduser().absolute(), settings, max_upload, max_seconds, allow_network)
    address = f"http://{_named(host)}:{port}"
    for name in ("SIGTERM", "SIGHUP"):
        # Ended so, it must not leave the server behind.
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    debug = click.get_current_context().find_root().obj["debug"]
    log = None if debug else default_folder() / "dashboard.log"
    with _place() as place:
        server = _started(
            _arguments(host, port, max_upload, network=allow_network),
            os.environ | {VARIABLE: setup.text(), "TMPDIR": place},
            log,
        )
        _serve(server, setup, address, (host, port), log, browser=browser, as_json=as_json)


def _serve(
    server: subprocess.Popen[bytes],
    setup: Setup,
    address: str,
    at: tuple[str, int],
    log: Path | None,
    *,
    browser: bool,
    as_json: bool,
) -> None:
    """Stay until it ends, or is ended.

    Raises:
        FxbenchError: it ended by itself.
    """
    try:
        _await(server, *at, log)
        if as_json:
            click.echo(json.dumps({"url": address, "results": str(setup.results)}))
        else:
            click.echo(f"The dashboard is at {address}  (Ctrl-C ends it)")
        if browser:
            click.launch(address)
        code = server.wait()
    except KeyboardInterrupt:
        click.echo("\nThe dashboard has ended.", err=True)
        return
    finally:
        _end(server)
    if code:
        raise FxbenchError(f"The server ended with the code {code}: {_where(log)} why.")


@contextlib.contextmanager
def _place() -> Iterator[str]:
    """A folder for the server's temporary files, gone in the end even where it was killed.

    Raises:
        StoreError: it can't be made.
    """
    try:
        folder = tempfile.TemporaryDirectory(
            prefix="fxbench-dashboard-", ignore_cleanup_errors=True
        )
    except OSError as error:
        raise StoreError(
            f"No temporary folder can be made: {error.strerror or error}. Free some space, or name "
            "another place in TMPDIR."
        ) from error
    with folder as place:
        yield place


def _started(
    arguments: list[str], environment: dict[str, str], log: Path | None
) -> subprocess.Popen[bytes]:
    """The server. What libraries print goes to a file, where one is named and can be written."""
    with contextlib.ExitStack() as stack:
        output: Any = _STANDARD_ERROR
        if log is not None:
            with contextlib.suppress(OSError):
                log.parent.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(log.open("wb"))
        return subprocess.Popen(arguments, env=environment, stdout=output, stderr=output)


def _where(log: Path | None) -> str:
    return "what it says above tells" if log is None else f"{log} tells"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _check_host(host: str, *, allow_network: bool) -> None:
    """See to it that nobody opens a door to the network unawares.

    Raises:
        UsageError: the address is none, or is not this machine's own and that was not allowed.
    """
    try:
        own = host == "localhost" or ip_address(host).is_loopback
    except ValueError as error:
        raise UsageError(
            f"--host {host!r} is no address: expected is such as 127.0.0.1, ::1 or 0.0.0.0."
        ) from error
    if not own and not allow_network:
        raise UsageError(
            f"--host {host} lets other machines in: whoever reaches this one could see the runs "
            "and have pictures analysed, without a password and unencrypted. Say --allow-network "
            "if that is meant, or leave --host out."
        )


def _check_installed() -> None:
    """See to it that Streamlit, Plotly and PyAV are there.

    Raises:
        UnavailableError: one is not, or is too old.
    """
    from importlib import metadata, util

    needed = {"streamlit": "Streamlit", "plotly": "Plotly", "av": "PyAV"}
    absent = [called for name, called in needed.items() if util.find_spec(name) is None]
    if absent:
        raise UnavailableError(f"The dashboard needs {', '.join(absent)}: {_MEND}")
    version = metadata.version("streamlit")
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < _STREAMLIT:
        raise UnavailableError(
            f"The dashboard needs Streamlit {'.'.join(map(str, _STREAMLIT))} or newer, and "
            f"{version} is installed: {_MEND} --upgrade"
        )


def _check_settings(settings: tuple[str, ...]) -> None:
    """Say now what is wrong with --set, and not on every page.

    Raises:
        UsageError: an unknown name, or a value of the wrong type.
    """
    from fxbench.options import resolve
    from fxbench.registry import discover

    resolve((e.component for e in discover().entries), settings, os.environ, Path())


def _free(host: str, port: int) -> int:
    """The port, or a free one where it is 0.

    Raises:
        UsageError: it is taken, or the address can't be served on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise UsageError(
            f"{host} port {port} can't be served on ({error.strerror or error}): name another with "
            "--port, or 0 for any that is free."
        ) from error


def _named(host: str) -> str:
    """The host as it stands in an address that this machine's browser opens."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - it is compared with
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _arguments(host: str, port: int, max_upload: int, *, network: bool) -> list[str]:
    from fxbench import dashboard

    options: dict[str, object] = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.maxUploadSize": max_upload,
        # A page of another site can neither upload nor connect, whatever name it gives this host.
        "server.enableXsrfProtection": "true",
        "server.enableCORS": "true",
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "runner.magicEnabled": "false",
        "server.enableStaticServing": "false",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "none",
        "logger.hideWelcomeMessage": "true",
        "logger.level": "warning",
        **_THEME,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    if not network:
        words += [f"--server.allowedHosts={name}" for name in ("localhost", "127.0.0.1", "::1")]
    script = Path(str(dashboard.__file__)).with_name("app.py")
    return [sys.executable, "-m", "streamlit", "run", str(script), *words]


def _await(server: subprocess.Popen[bytes], host: str, port: int, log: Path | None) -> None:
    """Wait until it answers.

    Raises:
        FxbenchError: it ended, or takes too long.
    """
    at = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is compared with
    begin = time.monotonic()
    while time.monotonic() - begin < _WAIT_S:
        if server.poll() is not None:
            raise FxbenchError(
                f"The server ended at once with the code {server.returncode}: {_where(log)} why. "
                f"Should Streamlit be too old: {_MEND} --upgrade"
            )
        try:
            socket.create_connection((at, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise FxbenchError(f"The server has not answered for {_WAIT_S:.0f} s: try it again.")


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
