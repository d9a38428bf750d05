"""``tenantry generate``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tenantry import generated
from tenantry.cli.main import main
from tenantry.generate import files


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; name what is not as it would be written, and exit with 1.")
def generate(*, check: bool) -> None:
    """Write the generated files of Tenantry's repository.

    CRDs, JSON Schemas, the OpenAPI document, the reference's pages. For who works on Tenantry itself; run it in the
    repository's root, as `make generate` and `make verify` do.

    \b
    Examples:
      tenantry generate
      tenantry generate --check
    """
    root = Path()
    if not (root / "k8s").is_dir():
        raise click.UsageError("run it in the root of Tenantry's repository")
    sys.exit(generated.settle(files(main), root, check=check))
