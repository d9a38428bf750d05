"""The table of contents: every command, by the module that has it. A module is imported when its command is called."""

from __future__ import annotations

import errno
import inspect
from importlib import import_module
from typing import Any

import click

from tenantry import __version__, exitcodes, termination

#: heading of the help -> command -> module
COMMANDS = {
    "Run a server": {"serve": "serve", "migrate": "migrate", "admin": "admin"},
    "Sign in": {"login": "login", "logout": "login", "token": "login"},
    "Work with plans, tenants and configs": {
        "apply": "apply",
        "get": "get",
        "describe": "describe",
        "explain": "explain",
        "delete": "delete",
        "undelete": "undelete",
        "export": "export",
    },
    "Look into the past": {"history": "history", "diff": "history", "rollback": "history", "audit": "audit"},
    "Without a server": {
        "validate": "validate",
        "completion": "completion",
        "generate": "generate",
        "version": "version",
    },
}
#: what writing to a file or a terminal can end with
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class _Contents(click.Group):
    """A group that knows where its commands are, and loads them when they are wanted."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # a pipe whose reader went away is click's to end, and without a word
            if error.errno not in _UNWRITABLE:
                raise
            from tenantry.cli import exits  # noqa: PLC0415 - only who fails loads the model

            exits.fail_writing(error)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:  # click looks for similar ones among those that are loaded
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=self.list_commands(ctx), ctx=ctx
            ) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        module = next((names[cmd_name] for names in COMMANDS.values() if cmd_name in names), None)
        if module is None:
            return None
        command: click.Command = getattr(import_module(f"tenantry.cli.{module}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in COMMANDS.items():
            found = ((name, self.get_command(ctx, name)) for name in names)
            with formatter.section(heading):
                formatter.write_dl([(name, command.get_short_help_str(78)) for name, command in found if command])


@click.group(cls=_Contents, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s", help="Print the version.")
def main() -> None:
    """Tenantry, the tenant and configuration control plane.

    A first look, with nothing but this program:

    \b
      tenantry serve                       starts a server on SQLite
      tenantry apply -f k8s/samples/       in another terminal
      tenantry get tenants
      tenantry explain tenant acme         why it is Ready, or why not

    Commands that talk to a server find it by --server and --token, or TENANTRY_SERVER and TENANTRY_TOKEN: with a
    server alone by the sign-in there, if there is one; else by the kubeconfig which `tenantry serve` wrote into
    TENANTRY_DATA_DIR, if that is set; else by the current context of KUBECONFIG, which may be several files; else by
    .tenantry/kubeconfig; else by that of `tenantry login`.
    """


main.help = f"{inspect.cleandoc(main.help or '')}\n\n{exitcodes.table()}"


def program() -> None:
    """The process ``tenantry``."""
    termination.end_on_sigterm()
    main()
