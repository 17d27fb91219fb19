import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.waiting import until

DETACHED = """
    import os, sys
    from carpool.node.detach import detach, open_standard_descriptors
    from carpool.node.loop import Loop

    open_standard_descriptors()
    reader, writer = os.pipe()
    loop = Loop()
    before = os.getpid()
    detach()
    os.write(writer, b"survived")
    report = []

    def on_readable():
        report.append(os.read(reader, 100).decode())
        child = os.posix_spawn("/bin/true", ["true"], {})
        loop.on_child(child, lambda code: (report.append(f"child {code}"), loop.stop()))

    loop.watch(reader, on_readable)
    loop.call_at(loop.now() + 60_000_000_000, loop.stop)
    loop.run()
    report += [os.getcwd(), f"other process {os.getpid() != before}"]
    report += [f"other session {os.getsid(0) != int(sys.argv[2])}"]
    report += [f"leader {os.getsid(0) == os.getpid()}"]
    report += [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)]
    print("nobody hears this", file=sys.stderr)
    with open(sys.argv[1] + ".new", "w") as file:
        file.write("\\n".join(report))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
"""


def test_a_detached_process_has_left_everything_but_its_descriptors(tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DETACHED), str(report), str(os.getsid(0))],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    until(report.exists)
    assert report.read_text().splitlines() == [
        "survived",
        "child 0",
        "/",
        "other process True",
        "other session True",
        "leader False",
        *["/dev/null"] * 3,
    ]


def test_closed_standard_descriptors_are_filled_and_open_ones_left() -> None:
    script = """
        import os
        from carpool.node.detach import open_standard_descriptors
        before = os.readlink("/proc/self/fd/1")
        open_standard_descriptors()
        open_standard_descriptors()
        assert os.readlink("/proc/self/fd/1") == before
        for fd in (0, 2):
            assert os.readlink(f"/proc/self/fd/{fd}") == "/dev/null"
            assert os.get_inheritable(fd)
        descriptors = os.listdir("/proc/self/fd")  # one of them is that of the listing itself
        print(sum(os.path.exists(f"/proc/self/fd/{fd}") for fd in descriptors))
    """
    command = 'exec "$0" -c "$1" <&- 2>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == b"3\n"
