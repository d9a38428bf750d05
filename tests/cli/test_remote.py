"""How commands find a server, and what they say when there is none, or it does not let them in."""

import asyncio
from pathlib import Path

import pytest
import yaml

from tests.support.cli import Tenantry, run
from tests.support.server import ServerInProcess


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_options_name_a_server(tenantry: Tenantry, server: ServerInProcess, tmp_path: Path, scheme: str) -> None:
    url = server.base_url if scheme == "http" else server.tls_url
    options = ["--server", url, "--token", server.token, "--ca-file", str(server.ca)]
    assert (await tenantry("get", "plans", *options, DATA_DIR=str(tmp_path / "none"))).exit_code == 0


async def test_variables_name_a_server(tenantry: Tenantry, server: ServerInProcess, tmp_path: Path) -> None:
    variables = {"SERVER": server.base_url, "TOKEN": server.token, "DATA_DIR": str(tmp_path / "none")}
    assert (await tenantry("get", "plans", **variables)).exit_code == 0


async def test_what_was_pasted_with_a_line_break_is_taken_without(
    tenantry: Tenantry, server: ServerInProcess, tmp_path: Path
) -> None:
    variables = {"SERVER": f" {server.base_url}\n", "TOKEN": f"{server.token}\r\n", "DATA_DIR": str(tmp_path / "none")}
    assert (await tenantry("get", "plans", **variables)).exit_code == 0
    config = yaml.safe_load(server.kubeconfig.read_text())
    config["users"][0]["user"]["token"] += "\n"
    server.kubeconfig.write_text(yaml.safe_dump(config))
    assert (await tenantry("get", "plans")).exit_code == 0


async def test_the_kubeconfig_completes_what_is_of_its_server(tenantry: Tenantry, server: ServerInProcess) -> None:
    assert (await tenantry("get", "plans", "--server", f"{server.tls_url}/")).exit_code == 0
    other = await tenantry("get", "plans", "--server", server.base_url)
    assert other.exit_code == 77
    assert other.stderr == (
        f"tenantry: no token for {server.base_url} is known: give one with --token or TENANTRY_TOKEN, "
        "or sign in: tenantry login\n"
    )


async def test_a_certificate_is_verified(tenantry: Tenantry, server: ServerInProcess, tmp_path: Path) -> None:
    options = ["--server", server.tls_url, "--token", server.token]
    refused = await tenantry("get", "plans", *options, DATA_DIR=str(tmp_path / "none"))
    assert refused.exit_code == 69
    assert refused.stderr.startswith(f"tenantry: {server.tls_url} cannot be reached: its certificate is not trusted: ")
    assert refused.stderr.count("\n") == 1


async def test_the_other_scheme_is_told(server: ServerInProcess, tmp_path: Path) -> None:
    plain, tls = server.base_url, server.tls_url
    for url, says in (
        (
            plain.replace("http:", "https:"),
            "it does not speak TLS there: if that is a port for plain HTTP, write http://",
        ),
        (tls.replace("https:", "http:"), "it hung up: if that is a port for HTTPS, write https://"),
    ):
        lost = f"tenantry: {url} cannot be reached: {says}\n"
        for words in (["get", "plans", "--token", "x"], ["login"]):
            refused = await asyncio.to_thread(run, *words, "--server", url, DATA_DIR=str(tmp_path / "none"))
            assert (refused.exit_code, refused.stderr) == (69, lost)


@pytest.mark.parametrize("words", [["get", "plans"], ["login"]])
def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path, words: list[str]) -> None:
    for content in ("", "no certificate"):
        (tmp_path / "ca.crt").write_text(content)
        refused = run(*words, "--server", "https://127.0.0.1:1", "--ca-file", str(tmp_path / "ca.crt"))
        assert refused.exit_code == 2
        assert f"'--ca-file': {tmp_path}/ca.crt holds no certificate in PEM form\n" in refused.stderr


async def test_a_wrong_token_is_one_line(tenantry: Tenantry, server: ServerInProcess) -> None:
    for words in (["get", "plans"], ["apply", "-f", "-"]):
        refused = await tenantry(*words, TOKEN="tnk_wrong")
        assert refused.exit_code == 77
        assert refused.stderr.startswith(f"tenantry: {server.tls_url} does not accept the token: ")
        assert refused.output.count("\n") == 1


@pytest.mark.parametrize("token", ["tnk_in two\nlines", "tnk_\u2026"])
async def test_what_is_no_token_is_one_line(tenantry: Tenantry, token: str) -> None:
    refused = await tenantry("get", "plans", TOKEN=token)
    assert refused.exit_code == 77
    assert refused.stderr.endswith("the token has a line break, or a letter that no token has\n")
    assert refused.output.count("\n") == 1


async def test_a_server_of_something_else_is_one_line(tenantry: Tenantry, server: ServerInProcess) -> None:
    refused = await tenantry("get", "plans", "--server", server.ops_url, "--token", "x")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("tenantry: the server answered 404")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ([], 69, "no server is known: there is no {data}/kubeconfig; start one with `tenantry serve`, or "),
        (["--server", "http://127.0.0.1:1", "--token", "x"], 69, "http://127.0.0.1:1 cannot be reached: Connection re"),
        (["--server", "https://none.invalid", "--token", "x"], 69, "https://none.invalid cannot be reached: "),
        (
            ["--server", "http://none.invalid", "--token", "x"],
            78,
            "--server: the token would go to http://none.inv",
        ),
        (["--server", "acme", "--token", "x"], 78, "--server: acme is no URL such as https://tenantry.example.com"),
        (["--server", "http://127.0.0.1:1"], 77, "no token for http://127.0.0.1:1 is known: "),
    ],
)
def test_no_server_is_one_line(tmp_path: Path, options: list[str], code: int, says: str) -> None:
    refused = run("get", "plans", *options, DATA_DIR=str(tmp_path))
    assert refused.exit_code == code
    assert refused.stderr.startswith(f"tenantry: {says.format(data=tmp_path)}")
    assert refused.output.count("\n") == 1


@pytest.mark.parametrize("content", ["", "[]", "a: [", "clusters: []\ncurrent-context: x\n", b"\xff"])
def test_a_kubeconfig_that_is_none_is_one_line(tmp_path: Path, content: str | bytes) -> None:
    (tmp_path / "kubeconfig").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused = run("get", "plans", DATA_DIR=str(tmp_path))
    assert refused.exit_code == 78
    assert refused.stderr == (
        f"tenantry: {tmp_path}/kubeconfig is no kubeconfig with a server and a token in its current context\n"
    )


async def test_objects_are_in_the_namespace_of_the_kubeconfig(tenantry: Tenantry, server: ServerInProcess) -> None:
    config = yaml.safe_load(server.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = "elsewhere"
    server.kubeconfig.write_text(yaml.safe_dump(config))
    manifest = "{apiVersion: tenantry.dev/v1alpha1, kind: Config, metadata: {name: web}, spec: {configSet: web, "
    await tenantry("apply", "-f", "-", given=f"{manifest} scope: {{plan: {{ref: pro}}}}}}}}")
    for options in ([], ["--server", server.tls_url]):
        listed = await tenantry("get", "configs", "-o", "name", *options)
        assert listed.stdout == "config.tenantry.dev/web\n", listed.stderr
    assert (await tenantry("get", "configs", "-A")).stdout.splitlines()[1].startswith("elsewhere ")
