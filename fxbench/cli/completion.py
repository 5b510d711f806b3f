"""`fxbench completion`."""

from __future__ import annotations

import json

import click

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the shell and its script.")
@click.pass_context
def command(ctx: click.Context, *, shell: str, as_json: bool) -> None:
    """Print the script by which SHELL completes commands, options, components and runs.

    SHELL is bash (4.4 or newer), zsh or fish. The script is read once, by the file that the shell
    reads when it starts; docs/cli.md says which.

    \b
    Examples:
      fxbench completion bash >> ~/.bashrc
      fxbench completion zsh > ~/.zfunc/_fxbench
      fxbench completion fish > ~/.config/fish/completions/fxbench.fish
    """
    from fxbench.cli.completing import script

    text = script(ctx.find_root().command, shell)
    click.echo(json.dumps({"shell": shell, "script": text}) if as_json else text, nl=as_json)
