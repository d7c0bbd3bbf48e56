"""The jail: a taken-over tool gets nowhere, each wall is needed, and honest tools notice none of it."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from media_jobs import fitness, jail, syscalls
from media_jobs.ffmpeg import Cancelled, examine, run
from media_jobs.jail import Bounds, Level
from media_jobs.launcher import NOT_STARTED
from portal.errors import Unavailable
from tests import footage

PRISONER = Path(__file__).with_name("prisoner.py")
NEEDED = ("encodings", "ctypes", "os.py", "struct.py", "types.py", "io.py", "abc.py", "codecs.py", "stat.py")
BINARY = ("_ctypes*", "_struct*", "resource*")
BOUNDS = Bounds(memory_bytes=1 << 30, cpu_seconds=20, file_bytes=1 << 20)
IS_ROOT = os.geteuid() == 0
USERS = [pytest.param(None, id="as-we-are")]
if IS_ROOT:
    USERS.append(pytest.param(65534, id="as-an-ordinary-user"))


class Yard:
    """A small Python that anybody may start, a room, and outside of it all that is worth reaching."""

    def __init__(self, place: Path) -> None:
        self.home, self.outside = place / "home", place / "outside"
        self._copy_python()
        self.outside.mkdir()
        self.outside.chmod(0o777)
        self.loader = jail._loader(str(Path(sys._base_executable).resolve()))

    def _copy_python(self):
        library = Path(sysconfig.get_path("stdlib"))
        own = self.home / "lib" / library.name
        (own / "lib-dynload").mkdir(parents=True)
        (self.home / "bin").mkdir()
        shutil.copy(Path(sys._base_executable).resolve(), self.home / "bin" / "python3")
        for name in NEEDED:
            path = library / name
            if path.is_dir():
                shutil.copytree(path, own / name, ignore=shutil.ignore_patterns("test", "__pycache__"))
            else:
                shutil.copy(path, own)
        for pattern in BINARY:
            for path in (library / "lib-dynload").glob(pattern):
                shutil.copy(path, own / "lib-dynload")
        if (shared := sysconfig.get_config_var("INSTSONAME") or "").startswith(
            "libpython"
        ) and ".so" in shared:
            shutil.copy(Path(sysconfig.get_config_var("LIBDIR")) / shared, self.home / "lib")
        ours = self.home / "media_jobs"
        ours.mkdir()
        for name in ("__init__.py", "launcher.py", "syscalls.py"):
            shutil.copy(jail.ROOT / "media_jobs" / name, ours)
        shutil.copy(PRISONER, self.home)
        for path in (self.home, *self.home.rglob("*")):
            path.chmod(0o755)

    @property
    def python(self):
        """Words that start the small Python wherever its own paths cannot be read."""
        return [self.loader, "--library-path", str(self.home / "lib"), str(self.home / "bin" / "python3")]

    def prepare(self):
        (self.outside / "new").unlink(missing_ok=True)
        (self.outside / "private").mkdir(mode=0o700, exist_ok=True)
        (self.outside / "private" / "clip").write_bytes(b"private")
        for name in ("clip", "prey"):
            (self.outside / name).write_bytes(b"private")
            (self.outside / name).chmod(0o666)
        shutil.copy("/bin/sh", self.outside / "program")


@pytest.fixture(scope="module")
def yard():
    with tempfile.TemporaryDirectory(prefix="vecu-yard-") as name:
        place = Path(name)
        place.chmod(0o755)
        yield Yard(place)


@contextmanager
def neighbours(yard, user):
    """Everybody whom the prisoner could speak to or harm: servers, and a process of its own user."""
    as_user = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        path = yard.outside / "socket"
        path.unlink(missing_ok=True)
        abstract = f"vecu-yard-{os.getpid()}"
        for address in (str(path), f"\0{abstract}"):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(address)
            server.listen()
        path.chmod(0o777)
        victim = stack.enter_context(
            subprocess.Popen(["/bin/sh", "-c", "read x"], stdin=subprocess.PIPE, env={"W": "1"}, **as_user)
        )
        stack.callback(victim.kill)
        yield {
            "port": tcp.getsockname()[1],
            "unix": path,
            "abstract": abstract,
            "victim": victim.pid,
            "outside": yard.outside,
        }


def attempts(yard, *, at=Level.LANDLOCK, without=(), user=None, bounds=BOUNDS):
    """What the prisoner managed, by name; `without` takes single walls away, `user` starts the launcher as that one.

    At no level at all it is started without the launcher.
    """
    yard.prepare()
    with ExitStack() as stack:
        room = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="room-", dir=yard.home.parent)))
        if user is not None:
            os.chown(room, user, user)
        facts = stack.enter_context(neighbours(yard, user))
        film, leaked = (os.open(yard.outside / "clip", os.O_RDONLY) for _ in range(2))
        stack.callback(os.close, film)
        stack.callback(os.close, leaked)
        words = [f"{name}={value}" for name, value in {**facts, "film": film, "leaked": leaked}.items()]
        tool = [*yard.python, "-I", "-S", "-B", str(yard.home / "prisoner.py"), *words]
        options = {"cwd": room, "env": {"SECRET": "s3cret"}, "pass_fds": [film, leaked]}
        if at is None:
            ended = subprocess.run(tool, check=False, capture_output=True, text=True, timeout=60, **options)
        else:
            reads = [str(yard.home), *jail.LIBRARY_ROOMS]
            command = jail.command(tool, at=at, writes=True, keeps=[film], bounds=bounds, reads=reads)
            ended = start(yard, command, without, user, **options)
    assert ended.returncode == 0, ended.stderr
    said = (line.partition("\t") for line in ended.stdout.splitlines())
    return {name: succeeded == "1" for name, _, succeeded in said}


def start(yard, command, without=(), user=None, **options):
    """Start what `jail.command` said, by the small Python; as another user when one is named."""
    missing = {f"wall={wall}" for wall in (*without, *(["user"] if user is not None else []))}
    words = [word for word in command if word not in missing]
    words[words.index(str(jail.ROOT))] = str(yard.home)
    who = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
    options = {"capture_output": True, "text": True, "timeout": 60, **options}
    return subprocess.run([*yard.python, *words[1:]], check=False, **who, **options)


def open_ways(found):
    return {name for name, succeeded in found.items() if succeeded} - {"works"}


needs_landlock = pytest.mark.skipif(
    Level.LANDLOCK not in jail.offered(), reason="this kernel has no Landlock: level 1 cannot be had"
)


@pytest.mark.parametrize("level", [level for level in jail.offered() if level is not Level.CALLS])
@pytest.mark.parametrize("user", USERS)
def test_a_taken_over_tool_gets_nowhere(yard, user, level):
    found = attempts(yard, at=level, user=user)
    assert found["works"]
    # Thirty-nine ways out, as SECURITY.md says, and what an honest tool needs.
    assert len(found) == 40
    assert open_ways(found) == set()


WORLDS_OWN = {"passwd", "other clip", "write over a clip", "delete", "film opened for writing"}


def test_without_the_launcher_nearly_everything_is_open(yard):
    found = attempts(yard, at=None)
    assert {"tcp", "udp", "passwd", "own secret", "leaked descriptor", "shell", "8 GiB"} <= open_ways(found)
    # In a container some of the rest is shut already.
    assert len(open_ways(found)) >= 20


@needs_landlock
@pytest.mark.parametrize("user", USERS)
def test_without_the_list_of_calls_the_kernel_lies_open(yard, user):
    found = attempts(yard, without=("seccomp",), user=user)
    assert {"udp", "netlink", "unix path", "outlive the worker"} <= open_ways(found)
    assert not WORLDS_OWN & open_ways(found)


@pytest.mark.parametrize("user", USERS)
def test_without_landlock_the_files_of_the_world_lie_open(yard, user):
    found = attempts(yard, at=Level.CALLS, without=("user",), user=user)
    assert open_ways(found) >= WORLDS_OWN
    assert not {"tcp", "udp", "shell", "ptrace", "200 processes"} & open_ways(found)


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a tool a user of its own")
def test_a_user_of_its_own_keeps_the_portals_files_shut_where_there_is_no_landlock(yard):
    assert open_ways(attempts(yard, at=Level.CALLS)) <= WORLDS_OWN | {"write outside"}
    assert "private file" in open_ways(attempts(yard, at=Level.CALLS, without=("user",)))


def test_without_limits_memory_and_disk_lie_open(yard):
    wide = Bounds(memory_bytes=64 << 30, cpu_seconds=20, file_bytes=8 << 30)
    assert {"8 GiB", "4 GiB file"} <= open_ways(attempts(yard, at=Level.OFF, bounds=wide))
    assert not {"8 GiB", "4 GiB file"} & open_ways(attempts(yard, at=Level.OFF))


@pytest.mark.parametrize("level", jail.offered())
def test_the_trial_at_the_workers_start_passes_where_the_walls_stand(level, tmp_path):
    assert fitness.trial(replace(footage.tools(), level=level), tmp_path) is None


def test_the_trial_at_the_workers_start_fails_where_there_is_no_wall(tmp_path):
    assert "was read" in fitness.trial(replace(footage.tools(), level=Level.OFF), tmp_path)


def test_no_tool_is_started_where_no_wall_can_be_built(tmp_path):
    film = footage.small(tmp_path)
    with pytest.raises(Unavailable) as caught:
        examine(replace(footage.tools(), level=Level.NONE), film, "mov", "-show_format")
    assert caught.value.facts["exit"] == NOT_STARTED


def test_the_tool_has_no_environment_and_tight_limits(yard):
    bounds = Bounds(memory_bytes=1 << 30, cpu_seconds=7, file_bytes=1 << 20)
    shell = ["/bin/sh", "-c", "ulimit -v; ulimit -t; ulimit -c; ulimit -f; export -p"]
    command = jail.command(shell, at=jail.level(), writes=False, keeps=[], bounds=bounds)
    said = start(yard, command, cwd="/", env={"SECRET": "s3cret"}).stdout
    assert said.split()[:4] == ["1048576", "7", "0", "2048"]
    assert "s3cret" not in said


def test_a_tool_that_writes_nothing_has_nowhere_to_write(yard, tmp_path):
    tmp_path.chmod(0o777)
    shell = ["/bin/sh", "-c", "echo here > file; echo $?"]
    command = jail.command(shell, at=jail.level(), writes=False, keeps=[], bounds=BOUNDS)
    assert start(yard, command, cwd=tmp_path, env={}).stdout.strip() != "0"
    assert list(tmp_path.iterdir()) == []


def test_the_launcher_gives_up_when_its_worker_is_already_gone(yard):
    command = jail.command(["/bin/true"], at=jail.level(), writes=False, keeps=[], bounds=BOUNDS)
    orphan = [word.replace(f"parent={os.getpid()}", "parent=1") for word in command]
    assert start(yard, orphan, cwd="/").returncode == NOT_STARTED


def test_the_launcher_starts_nothing_when_it_cannot_shut_a_wall(yard):
    # Inside a jail nobody may build another one: the kernel refuses the launcher's first step.
    inner = jail.command(["/bin/true"], at=jail.level(), writes=False, keeps=[], bounds=BOUNDS)
    inner = [str(yard.home) if word == str(jail.ROOT) else word for word in inner if word != "wall=user"]
    reads = [str(yard.home), *jail.LIBRARY_ROOMS]
    outer = jail.command(
        [*yard.python, *inner[1:]], at=jail.level(), writes=False, keeps=[], bounds=BOUNDS, reads=reads
    )
    ended = start(yard, outer, cwd="/", env={})
    assert ended.returncode == NOT_STARTED
    assert "the tool was not started: [Errno 1]" in ended.stderr


@needs_landlock
def test_an_ordinary_users_jail_lets_an_honest_transcode_through(yard, tmp_path):
    film = footage.small(tmp_path)
    tool = footage.tools().ffmpeg
    if IS_ROOT and not all(parent.stat().st_mode & 1 for parent in tool.parents):
        pytest.skip("the tool lies where no ordinary user may go")
    with tempfile.TemporaryDirectory(dir=yard.home.parent) as name, film.open("rb") as original:
        if IS_ROOT:
            os.chown(name, 65534, 65534)
        line = ["-v", "error", "-fd", str(original.fileno()), "-i", "fd:", "-threads", "2", "made.mp4"]
        command = jail.command(
            [str(tool), *line],
            at=Level.LANDLOCK,
            writes=True,
            keeps=[original.fileno()],
            bounds=Bounds(1 << 30, 20, 1 << 30),
        )
        fds = [original.fileno()]
        ended = start(yard, command, user=65534 if IS_ROOT else None, cwd=name, env={}, pass_fds=fds)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert (Path(name) / "made.mp4").stat().st_size > 1000


LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {url}/a.mp4\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT4S" minBufferTime="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="v" bandwidth="1000" width="64" height="64" '
    'codecs="avc1.42c00d"><BaseURL>{url}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
}
WIDE = ["-protocol_whitelist", "fd,file,http,https,tcp,tls,udp,rtp,data,crypto", "-rw_timeout", "500000"]
FORCED = {
    "hls": ["-f", "hls", "-allowed_extensions", "ALL", "-extension_picky", "0"],
    "concat": ["-f", "concat", "-safe", "0"],
    "dash": ["-f", "dash"],
    "sdp": ["-f", "sdp"],
}


def fetched(tools, folder, kind):
    """Whether a list of links, handed over with every guard of ours taken away, made the tool connect or listen."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        path = folder / "film.mp4"
        path.write_text(LISTS[kind].format(url=f"http://127.0.0.1:{port}", port=port))
        line = [*WIDE, *FORCED[kind], "-fd", str(path), "-i", "fd:", "-f", "null", "-"]
        reached = []

        def is_reached():
            # An SDP has the tool itself listen, on UDP.
            if f":{port:04X} " in Path("/proc/net/udp").read_text():
                reached.append("udp")
            with suppress(BlockingIOError):
                listener.accept()[0].close()
                reached.append("tcp")
            return bool(reached)

        with pytest.raises((Unavailable, Cancelled)):
            run(tools, line, folder=None, wall_seconds=10, cancelled=is_reached)
        return is_reached()


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_links_connects_to_nobody_even_without_our_guards(tmp_path, kind):
    assert not fetched(footage.tools(), tmp_path, kind)


@pytest.mark.parametrize("kind", LISTS)
def test_the_same_list_connects_where_there_is_no_jail(tmp_path, kind):
    assert fetched(replace(footage.tools(), level=Level.OFF), tmp_path, kind)


def answer(program, number, *words, architecture=0xC000003E):
    """What the kernel answers to a call under this filter: "allow", an error's number, or "kill"."""
    memory = number.to_bytes(4, "little") + architecture.to_bytes(4, "little") + bytes(8)
    memory += b"".join(word.to_bytes(8, "little") for word in (*words, *[0] * (6 - len(words))))
    place, held = 0, 0
    while True:
        code, yes, no = int.from_bytes(program[place : place + 2], "little"), *program[place + 2 : place + 4]
        value = int.from_bytes(program[place + 4 : place + 8], "little")
        place += 8
        if code == 0x20:
            held = int.from_bytes(memory[value : value + 4], "little")
        elif code == 0x54:
            held &= value
        elif code == 0x15:
            place += 8 * (yes if held == value else no)
        elif code == 0x06:
            return {0x7FFF0000: "allow", 0x80000000: "kill"}.get(value, value & 0xFFFF)


MACHINES = {
    "x86_64": (
        0xC000003E,
        {"openat": 257, "socket": 41, "clone": 56, "clone3": 435, "prctl": 157, "execveat": 322},
    ),
    "aarch64": (
        0xC00000B7,
        {"openat": 56, "socket": 198, "clone": 220, "clone3": 435, "prctl": 167, "execveat": 281},
    ),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_says_the_same_on_both_kinds_of_machine(machine):
    architecture, numbers = MACHINES[machine]
    program = syscalls.program((9, 0x7F12_3456_789A), machine)

    def ask(name, *words):
        return answer(program, numbers[name], *words, architecture=architecture)

    assert ask("openat") == "allow"
    assert ask("socket") == 1
    assert ask("clone", 0x3D0F00) == "allow"
    assert ask("clone", 17) == 1
    assert ask("clone", 0x10000 | 0x10000000) == 1
    assert ask("clone3") == 38
    assert [ask("prctl", 15), ask("prctl", 1)] == ["allow", 1]
    assert ask("execveat", 9, 0x7F12_3456_789A, 0, 0, 0x1000) == "allow"
    assert ask("execveat", 9, 0x7F12_3456_789B, 0, 0, 0x1000) == 1
    assert ask("execveat", 9, 0x7F12_3456_789A, 0, 0, 0) == 1
    assert answer(program, numbers["openat"], architecture=0x40000003) == "kill"
    assert 90 <= len(syscalls.allowed(0)) <= 120
