"""``tenantry completion``: what a shell needs to complete commands, options, kinds and files."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples, for the shell that reads them:
      source <(tenantry completion bash)
      tenantry completion zsh > "${fpath[1]}/_tenantry"
      tenantry completion fish > ~/.config/fish/completions/tenantry.fish
    """
    click.echo(SHELLS[shell](ctx.find_root().command, {}, "tenantry", "_TENANTRY_COMPLETE").source())
