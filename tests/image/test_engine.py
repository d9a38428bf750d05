"""The engine builds and runs images, and those that stand in for others do what the others would."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql
import pytest

from tests.cluster.namespaces import control_groups
from tests.cluster.node import Node
from tests.image import standins
from tests.image.engine import Engine

pytestmark = pytest.mark.image

PYTHON, MYSQL, PROMETHEUS = standins.STANDINS

DOCKERFILE = f"""
FROM {PYTHON} AS build
RUN python -m venv --without-pip /opt/app
RUN --mount=type=secret,id=pip,target=/etc/pip.conf pip --python /opt/app install six==1.17.0
FROM {PYTHON}
COPY --from=build /opt/app /opt/app
USER 65532:0
ENTRYPOINT ["/opt/app/bin/python", "-c", "import os, six; print(six.__version__, os.getuid())"]
"""

COMPOSE = f"""
services:
  mysql:
    image: {MYSQL}
    user: mysql
    read_only: true
    cap_drop: [ALL]
    environment:
      MYSQL_DATABASE: shop
      MYSQL_USER: clerk
      MYSQL_PASSWORD_FILE: /run/secrets/clerk
      MYSQL_ROOT_PASSWORD_FILE: /run/secrets/root
    secrets: [clerk, root]
    ports: ["127.0.0.1:3306:3306"]
    tmpfs: ["/tmp", "/run/mysqld:mode=1777"]
    volumes: ["data:/var/lib/mysql"]
    healthcheck:
      test: [CMD, mysqladmin, ping, --host=127.0.0.1, --silent]
      interval: 1s
      retries: 60
volumes:
  data:
secrets:
  clerk: {{file: ./clerk}}
  root: {{file: ./root}}
"""


@pytest.fixture(scope="module")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that was built from a package of PyPI."""
    standins.provide(engine, PYTHON)
    context = tmp_path_factory.mktemp("context")
    (context / "Dockerfile").write_text(DOCKERFILE)
    engine.build(context, "built:1")
    return "built:1"


def test_an_image_is_built_from_pypi_and_runs(engine: Engine, image: str) -> None:
    assert engine.docker("run", "--rm", "--read-only", "--cap-drop=ALL", image).stdout == "1.17.0 65532\n"


@pytest.mark.node
def test_an_image_that_was_built_runs_on_the_node(engine: Engine, image: str, node: Node, tmp_path: Path) -> None:
    engine.docker("save", f"--output={tmp_path / 'image.tar'}", image)
    node.load(tmp_path / "image.tar")
    node.kubectl("run", "built", f"--image={image}", "--restart=Never")
    node.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/built", "--timeout=60s")
    assert node.kubectl("logs", "built").stdout == "1.17.0 65532\n"


def test_mysql_is_set_up_once_by_its_variables(engine: Engine, tmp_path: Path) -> None:
    standins.provide(engine, MYSQL)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "clerk").write_text("it's \\ a secret\n")
    (tmp_path / "root").write_text("another\n")
    with composed(engine, tmp_path):
        port = engine.forward(3306)
        assert query(port, "CREATE TABLE kept (n INT)", "INSERT INTO kept VALUES (7)", "SELECT n FROM kept") == ((7,),)
        engine.docker("compose", f"--project-directory={tmp_path}", "down")
        engine.docker("compose", f"--project-directory={tmp_path}", "up", "--wait")
        assert query(port, "SELECT n FROM kept") == ((7,),)


@contextmanager
def composed(engine: Engine, folder: Path) -> Iterator[None]:
    """Keep what a folder's Compose file tells running, and leave nothing of it."""
    try:
        engine.docker("compose", f"--project-directory={folder}", "up", "--wait")
        yield
    finally:
        engine.docker("compose", f"--project-directory={folder}", "down", "--volumes")


def query(port: int, *statements: str) -> tuple[tuple[object, ...], ...]:
    """Run statements as the clerk and return the rows of the last."""
    connection = pymysql.connect(
        host="127.0.0.1", port=port, user="clerk", password="it's \\ a secret", database="shop", autocommit=True
    )
    with closing(connection):
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows: tuple[tuple[object, ...], ...] = cursor.fetchall()
        return rows


def test_prometheus_and_its_tool_are_there(engine: Engine) -> None:
    standins.provide(engine, PROMETHEUS)
    assert "prometheus, version" in engine.docker("run", "--rm", PROMETHEUS, "--version").stdout
    tool = engine.docker("run", "--rm", "--entrypoint=promtool", PROMETHEUS, "--version")
    assert "promtool, version" in tool.stdout


def test_a_second_engine_stands_beside_and_leaves_nothing(engine: Engine, image: str) -> None:
    with Engine() as other:
        assert other.docker("images", "--quiet").stdout == ""
        name = other.within.name
        assert all(group.exists() for group in control_groups(name))
    assert not any(group.exists() for group in control_groups(name))
    assert not Path("/sys/class/net", name).exists()
    assert not other.folder.exists()
    assert engine.docker("run", "--rm", image).stdout == "1.17.0 65532\n"
