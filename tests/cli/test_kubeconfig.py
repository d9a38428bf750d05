"""How `KUBECONFIG` names a server: which one counts, what opens it, and what is said of one that cannot be used."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from yarl import URL

from tests.cluster.controlplane import ControlPlane
from tests.cluster.pki import NEW_EC_KEY, make_pki, openssl
from tests.support.cli import run
from tests.support.server import ServerInProcess

V1 = "client.authentication.k8s.io/v1"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without .tenantry, and no KUBECONFIG."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def ask(*arguments: str, kubeconfig: object = "", data_dir: object = "") -> Result:
    """`tenantry get plans` beside a server that is in this process."""

    def call() -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(kubeconfig))
            return run("get", "plans", *arguments, DATA_DIR=str(data_dir))

    return await asyncio.to_thread(call)


def write(path: Path, like: ServerInProcess, user: dict[str, Any], **cluster: Any) -> Path:
    """The kubeconfig of a server, with this user, and this in the place of what it says of the cluster."""
    known = yaml.safe_load(like.kubeconfig.read_text())
    known["users"][0]["user"] = user
    known["clusters"][0]["cluster"] |= cluster
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(known))
    return path


@pytest.mark.slow
async def test_which_one_counts(server: ServerInProcess, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = write(nowhere / "theirs", server, {"token": "t"}, server="https://127.0.0.1:1")
    lost = "tenantry: https://127.0.0.1:1 cannot be reached: "
    assert (await ask(kubeconfig=server.kubeconfig)).exit_code == 0
    assert (await ask(kubeconfig=theirs)).stderr.startswith(lost)
    assert (await ask(kubeconfig=theirs)).stderr.endswith(
        '; it is the server of the context "tenantry" of KUBECONFIG\n'
    )
    assert (await ask(kubeconfig=theirs, data_dir=server.data_dir)).exit_code == 0
    write(nowhere / ".tenantry/kubeconfig", server, {"token": server.token})
    assert (await ask()).exit_code == 0
    mistyped = await ask(kubeconfig=nowhere / "missing")
    assert (mistyped.exit_code, mistyped.stderr) == (78, f"tenantry: KUBECONFIG: there is no {nowhere / 'missing'}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(nowhere))
    signed_out = await ask(kubeconfig=nowhere / "tenantry/kubeconfig")
    assert signed_out.stderr.endswith(": nobody is signed in any more: unset it, or tenantry login --server URL\n")
    assert (await ask(kubeconfig=theirs)).stderr.startswith(lost)
    assert (await ask("--server", server.tls_url, kubeconfig=theirs)).exit_code == 0
    assert (await ask("--server", "https://127.0.0.1:1", kubeconfig=theirs)).stderr.startswith(lost)


async def test_several_files_are_one(server: ServerInProcess, nowhere: Path) -> None:
    whole = yaml.safe_load(server.kubeconfig.read_text())
    first = {"contexts": whole["contexts"], "current-context": "tenantry", "users": None}
    cluster = {"server": server.tls_url, "certificate-authority": "trusted/ca.crt"}
    second = {
        "current-context": "other",
        "contexts": [{"name": "tenantry", "context": {}}],
        "clusters": [{"name": "tenantry", "cluster": cluster}],
    }
    third = {"users": [{"name": "tenantry", "user": {"tokenFile": "token"}}]}
    folder = nowhere / "elsewhere"
    (folder / "trusted").mkdir(parents=True)
    (folder / "trusted/ca.crt").write_bytes(server.ca.read_bytes())
    (folder / "token").write_text(server.token + "\n")
    for name, document in (("a", first), ("b", second), ("c", third), ("d", "")):
        (folder / name).write_text(yaml.safe_dump(document) if document else "")
    paths = [str(folder / name) for name in ("missing", "d", "a", "b", "c")]
    asked = await ask(kubeconfig=":".join(paths))
    assert asked.exit_code == 0, asked.output


def plugin(folder: Path, output: object, **more: Any) -> dict[str, Any]:
    """A user of a plugin that tells this, and leaves what it was told in the file `info`."""
    text = output if isinstance(output, str) else json.dumps(output)
    script = folder / "plugin.sh"
    script.write_text(
        f'#!/bin/sh\nprintf "%s" "$KUBERNETES_EXEC_INFO" > "$1/info"\ncat <<END\n{text}\nEND\nexit $CODE\n'
    )
    script.chmod(0o755)
    spec = {"apiVersion": V1, "command": "./plugin.sh", "args": [str(folder)], "interactiveMode": "IfAvailable"}
    return {"exec": {**spec, "env": [{"name": "CODE", "value": "0"}], **more}}


def told(**status: str) -> dict[str, Any]:
    """An ExecCredential."""
    return {"apiVersion": V1, "kind": "ExecCredential", "status": status}


async def test_a_plugin_tells_a_token(server: ServerInProcess, nowhere: Path) -> None:
    user = plugin(nowhere, told(token=server.token), provideClusterInfo=True)
    asked = await ask(kubeconfig=write(nowhere / "kubeconfig", server, user))
    assert asked.exit_code == 0, asked.output
    info = json.loads((nowhere / "info").read_text())
    assert (info["apiVersion"], info["kind"], info["spec"]["interactive"]) == (V1, "ExecCredential", False)
    assert info["spec"]["cluster"]["server"] == server.tls_url


@pytest.mark.parametrize(
    ("output", "more", "says"),
    [
        ("", {}, "told no ExecCredential of client.authentication.k8s.io/v1"),
        ("[]", {}, "told no ExecCredential of client.authentication.k8s.io/v1"),
        (told() | {"kind": "Status"}, {}, "told no ExecCredential of client.authentication.k8s.io/v1"),
        (told(), {}, "told neither a token nor a certificate with its key"),
        (told(token="t"), {"env": [{"name": "CODE", "value": "3"}]}, "ended with 3"),
        (told(token="t"), {"interactiveMode": "Always"}, "wants a terminal, and standard input is none"),
        (told(token="t"), {"apiVersion": "x/v1"}, "is of x/v1, and must be of client.authentication.k8s.io/v1 or "),
        (
            told(token="t"),
            {"command": "none", "installHint": "apt install it"},
            "cannot be run: No such file or direct",
        ),
    ],
)
async def test_a_plugin_that_tells_nothing_is_one_line(
    server: ServerInProcess, nowhere: Path, output: object, more: dict[str, Any], says: str
) -> None:
    asked = await ask(kubeconfig=write(nowhere / "kubeconfig", server, plugin(nowhere, output, **more)))
    assert asked.exit_code == 78
    name = more.get("command", "./plugin.sh")
    assert asked.stderr.startswith(f"tenantry: the credential plugin {name} {says}")
    assert asked.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("user", "cluster", "says"),
    [
        (
            {"auth-provider": {"name": "gcp"}},
            {},
            'the user "tenantry" of the kubeconfig has auth-provider, which is not',
        ),
        ({"username": "u", "password": "p"}, {}, 'the user "tenantry" of the kubeconfig has username, which is not'),
        (
            {"token": "t"},
            {"proxy-url": "http://p"},
            'the cluster "tenantry" of the kubeconfig has proxy-url, which is n',
        ),
        (
            {"token": "t"},
            {"insecure-skip-tls-verify": True},
            'the cluster "tenantry" of the kubeconfig has insecure-sk',
        ),
        ({"tokenFile": "none"}, {}, "{server} does not accept the token: the token cannot be read: "),
        ({"client-certificate": "none"}, {}, "cannot read {folder}/none: No such file or directory"),
        ({"client-certificate-data": "%"}, {}, "{folder}/kubeconfig has a user whose credential is not as it must be"),
        ({"exec": {"command": "true"}}, {}, "{folder}/kubeconfig has a user whose credential is not as it must be"),
        ({}, {}, "no token for {server} is known: give one with --token or TENANTRY_TOKEN, or sign in: tenantry login"),
    ],
)
async def test_what_is_not_supported_is_one_line(
    server: ServerInProcess, nowhere: Path, user: dict[str, Any], cluster: dict[str, Any], says: str
) -> None:
    asked = await ask(kubeconfig=write(nowhere / "kubeconfig", server, user, **cluster))
    assert asked.exit_code in {77, 78}
    assert asked.stderr.startswith("tenantry: " + says.format(server=server.tls_url, folder=nowhere))
    assert asked.stderr.count("\n") == 1


@asynccontextmanager
async def gate(server: ServerInProcess, folder: Path) -> AsyncIterator[str]:
    """The URL of a TLS terminator before a server, which lets in who shows the certificate `client.crt`."""
    make_pki(folder)
    openssl(
        folder, "req", "-x509", *NEW_EC_KEY, "-days", "1", "-subj", "/CN=client", "-keyout", "client.key",
        "-out", "client.crt",
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "client.crt")
    context.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    context.verify_mode = ssl.CERT_REQUIRED
    behind = URL(server.base_url)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(behind.host, behind.port)
        await asyncio.gather(copy(reader, forth), copy(back, writer))

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context) as listening:
        yield f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@pytest.mark.slow
async def test_a_client_certificate_is_shown(server: ServerInProcess, nowhere: Path) -> None:
    async with gate(server, nowhere) as url:
        trusted = base64.b64encode((nowhere / "ca.crt").read_bytes()).decode()
        cluster = {"server": url, "certificate-authority-data": trusted}
        key = base64.b64encode((nowhere / "client.key").read_bytes()).decode()
        user = {"token": server.token, "client-certificate": "client.crt", "client-key-data": key}
        asked = await ask(kubeconfig=write(nowhere / "kubeconfig", server, user, **cluster))
        assert asked.exit_code == 0, asked.output
        pair = {"clientCertificateData": "client.crt", "clientKeyData": "client.key"}
        pem = {name: (nowhere / file).read_text() for name, file in pair.items()}
        user = plugin(nowhere, "$(cat $1/told)")
        (nowhere / "told").write_text(json.dumps(told(token=server.token, **pem)))
        asked = await ask(kubeconfig=write(nowhere / "kubeconfig", server, user, **cluster))
        assert asked.exit_code == 0, asked.output
        without = await ask(kubeconfig=write(nowhere / "kubeconfig", server, {"token": server.token}, **cluster))
        assert (without.exit_code, without.stderr.count("\n")) == (69, 1)


@pytest.mark.cluster
def test_a_cluster_is_no_server_of_ours(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    for words in (["get", "tenants"], ["apply", "-f", "-"], ["delete", "tenant", "acme"]):
        refused = run(*words, DATA_DIR="")
        assert refused.exit_code == 78
        assert refused.stderr.startswith('tenantry: the current context of KUBECONFIG, "')
        assert ", is the Kubernetes cluster v1." in refused.stderr
        assert refused.stderr.endswith("which alone has /v1: choose another, or name one with --server\n")
        assert refused.output.count("\n") == 1
