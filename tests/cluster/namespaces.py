"""Namespaces of a test's own, as a machine within the machine: what runs in them ends with the process that made them.

They are a network, mounts and process ids, with control groups for the containers; one link joins the network to this
machine's. Nothing of this machine changes but for the link, its route and the control groups, which go with them.
"""

import subprocess
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

from tests.cluster.processes import TIED, StartError, execute

NUMBERS = range(100, 200)

# The first process within: it waits until the pipe from the starter closes, and all others end with it.
# Images are many small files: a disk of their own, which nobody needs after a crash, takes them quickly and goes as one
# file. A kubelet sets those kernel parameters, which are the whole machine's: it finds files of its own instead.
FIRST = r"""
set -e
read -r pid _ < /proc/self/stat
mount --make-rshared /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
truncate --size=64G "$1"
mkfs.ext4 -q -O ^has_journal "$1"
mount -o loop,noatime,nobarrier "$1" /var/lib
mkdir /var/lib/log
mount --bind /var/lib/log /var/log
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
        kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
    mkdir -p "/run/sysctl/${name%/*}"
    cat "/proc/sys/$name" > "/run/sysctl/$name"
    mount --bind "/run/sysctl/$name" "/proc/sys/$name"
done
echo 1 > /proc/sys/net/ipv4/ip_forward
echo "$pid"
trap '' CHLD  # an orphan that ends leaves no zombie
exec cat > /dev/null
"""

# What stays outside, and outlives the starter for as long as it takes to remove the control groups.
KEEPER = r"""
first=$1 disk=$2
shift 2
unshare --net --mount --pid --fork --kill-child sh -c "$first" first "$disk"
exec find "$@" -depth -type d -exec rmdir {} +
"""


class Namespaces:
    """Namespaces that live from `start` to `stop`, and no longer than this process.

    What they see as /var/lib and /var/log is a disk of their own, a file in `folder` that grows with what is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keeper: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Make them, under the first number that is free on this machine.

        Raises:
            StartError: it can't be done; the message says why.
        """
        self.folder.mkdir(parents=True)
        number = claim_number()
        self.name = called(number)
        self.network = IPv4Network(f"10.{number}.0.0/16")
        self.host, self.address = str(self.network[1]), str(self.network[2])
        log = self.folder / "namespaces.log"
        with log.open("wb") as errors:
            self.keeper = subprocess.Popen(
                ["sh", "-c", KEEPER, "keeper", FIRST, self.folder / "disk", *control_groups(self.name)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                text=True,
            )
        assert self.keeper.stdout is not None
        self.pid = self.keeper.stdout.readline().strip()
        if not self.pid:
            raise StartError(f"no namespaces of their own: {log.read_text(encoding='utf-8').strip()}")
        self._link()

    def stop(self) -> None:
        """End everything in them, and wait until nothing is left."""
        if self.keeper is not None:
            # the kernel would remove it too, some time later
            subprocess.run(["ip", "link", "delete", self.name], capture_output=True, check=False)
            self.keeper.communicate()
            self.keeper = None

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command that runs a command within; when it is killed, so is the other."""
        enter = ["nsenter", f"--target={self.pid}", "--net", "--mount", "--pid", "--"]
        return [*enter, *TIED, *map(str, arguments)]

    def run(self, *arguments: str | Path) -> str:
        """Run a command within and return what it printed.

        Raises:
            subprocess.CalledProcessError: it failed; what it said is in the error's notes.
        """
        return execute(self.command(*arguments), input="").stdout

    def _link(self) -> None:
        """Join the network to this machine's, where a route leads to all its addresses."""
        execute(["ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.pid])
        execute(["ip", "address", "add", f"{self.host}/30", "dev", self.name])
        execute(["ip", "link", "set", self.name, "up"])
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{self.address}/30", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        execute(["ip", "route", "add", str(self.network), "via", self.address])


def called(number: int) -> str:
    """Return the name of what carries a number."""
    return f"tenantry{number}"


def control_groups(name: str) -> list[Path]:
    """Return the control groups of that name, one in each hierarchy that is mounted."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    roots = [Path(place) for _, place, kind, *_ in mounts if kind in {"cgroup", "cgroup2"}]
    return [root / name for root in roots]


def claim_number() -> int:
    """Make the control groups of the first number that is free, and return it."""
    for number in NUMBERS:
        first, *others = control_groups(called(number))
        with suppress(FileExistsError):
            first.mkdir()
            for group in others:
                group.mkdir(exist_ok=True)
            return number
    raise StartError(f"no number from {NUMBERS[0]} to {NUMBERS[-1]} is free: all have control groups already")
