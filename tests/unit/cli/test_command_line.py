"""The command line: finding commands, and keeping bad input to one line and exit status 2."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cell.cli import command, main
from cell.cli.main import Parser, find_commands, load
from perception.errors import InputError


class Greeting:
    help = "say hello to somebody"
    example = "cell greet all --times 2"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--times", type=command.positive_int, default=1, help="how often")
        parser.add_argument("--speed", type=command.speed, default=1.0)
        parser.add_argument("--overkill", type=command.overkill, default=0.05)
        parser.add_argument("--report", type=command.output_file)
        parser.add_argument("--port", type=command.port_number, default=8080)
        parser.add_argument("--data", type=command.existing_file)
        parser.add_argument("--source", type=command.existing_dir)
        parser.add_argument("--kind", type=command.one_of("fifo", "spt"))

    def run(self, args: argparse.Namespace) -> int:
        if args.times == 13:
            raise InputError("thirteen is unlucky", file="greetings.yaml", line=7, key="greet.times")
        if args.times == 14:
            raise KeyboardInterrupt
        print("\n".join(["hello"] * args.times))
        return 0


class Missing(Greeting):
    help = "needs an extra"


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "greet all": f"{__name__}:Greeting",
        "greet one": f"{__name__}:Greeting",
        "broken": "no_such_package.module:Command",
    }
    points = [EntryPoint(name=name, value=value, group=main.GROUP) for name, value in names.items()]
    monkeypatch.setattr(main, "entry_points", lambda group: points)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Greeting.__module__])


def run(*words: str) -> int:
    return main.main(list(words))


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr; stdout is empty."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and err.startswith("cell: ")
    return err.strip()


def test_command_runs_when_its_words_match(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("greet", "all", "--times", "2") == 0
    assert capsys.readouterr().out == "hello\nhello\n"


def test_overview_lists_every_command_with_its_line_when_asked_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    out = capsys.readouterr().out
    assert "greet all  say hello to somebody" in out
    assert "broken" in out and "cannot be loaded" in out


def test_group_overview_lists_its_own_commands_when_asked_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("greet", "--help") == 0
    out = capsys.readouterr().out
    assert "greet all" in out and "greet one" in out and "broken" not in out


def test_overview_is_shown_when_nothing_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert "commands:" in capsys.readouterr().out


def test_command_help_ends_with_its_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("greet", "all", "--help") == 0
    assert capsys.readouterr().out.rstrip().endswith("example:\n  cell greet all --times 2")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("gret", "all"), ("gret", "did you mean 'greet")),
        (("greet", "al"), ("greet al", "did you mean 'greet all'")),
        (("greet",), ("greet", "all, one")),
        (("--verson",), ("--verson", "--version")),
        (("greet", "all", "--time", "2"), ("--time", "did you mean '--times'")),
        (("greet", "all", "--time=2"), ("--time=2", "did you mean '--times'")),
        (("greet", "all", "extra"), ("extra", "unexpected argument")),
        (("greet", "all", "--times"), ("--times", "expected one argument")),
        (("greet", "all", "--times", "-3"), ("--times", "'-3'")),
        (("greet", "all", "--times", "two"), ("--times", "'two'")),
        (("greet", "all", "--times", "0"), ("--times", "from 1")),
        (("greet", "all", "--speed", "-1"), ("--speed", "'-1'")),
        (("greet", "all", "--speed", "nan"), ("--speed", "finite")),
        (("greet", "all", "--speed", "fast"), ("--speed", "'fast'")),
        (("greet", "all", "--overkill", "0.5"), ("--overkill", "0.01 to 0.20")),
        (("greet", "all", "--port", "70000"), ("--port", "65535")),
        (("greet", "all", "--kind", "lifo"), ("--kind", "fifo, spt")),
        (("greet", "all", "--data", "no/such.yaml"), ("--data", "no/such.yaml", "does not exist")),
        (("greet", "all", "--data", "."), ("--data", "folder")),
        (("greet", "all", "--data", ""), ("--data", "empty")),
        (("greet", "all", "--data", "x" * 300), ("--data", "cannot be read")),
        (("greet", "all", "--source", "nowhere"), ("--source", "nowhere", "does not exist")),
        (("greet", "all", "--source", __file__), ("--source", "file, not a folder")),
        (("greet", "all", "--report", "no/such/r.json"), ("--report", "no/such", "does not exist")),
        (("greet", "all", "--report", f"{__file__}/r.json"), ("--report", "is a file")),
        (("greet", "all", "--report", "."), ("--report", "folder")),
        (("greet", "all", "--times", "13"), ("greetings.yaml:7", "greet.times", "unlucky")),
        (("broken",), ("broken", "no_such_package")),
    ],
)
def test_one_line_and_status_2_when_the_input_is_wrong(
    words: tuple[str, ...], parts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    line = one_line(capsys)
    for part in parts:
        assert part in line


def test_status_130_when_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("greet", "all", "--times", "14") == 130


def test_installing_is_asked_for_when_no_command_is_registered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "entry_points", lambda group: [])
    assert run("run") == 2
    assert "pip install" in one_line(capsys)


def test_only_the_wanted_module_is_imported_when_a_command_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    genuine = load

    def noting(point: EntryPoint) -> command.Command:
        loaded.append(point.name)
        return genuine(point)

    monkeypatch.setattr(main, "load", noting)
    assert run("greet", "one") == 0
    assert loaded == ["greet one"]


def test_first_of_two_counts_when_a_name_is_registered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name="a", value=f"m{n}:C", group=main.GROUP) for n in (1, 2)]
    monkeypatch.setattr(main, "entry_points", lambda group: points)
    assert find_commands()["a"].value == "m1:C"


def test_flag_is_refused_when_abbreviated() -> None:
    parser = Parser("cell greet all", Greeting())
    Greeting().configure(parser)
    with pytest.raises(InputError, match="--time"):
        parser.parse_args(["--time", "2"])


def test_nothing_is_left_behind_when_an_output_is_checked(tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    assert command.output_file(str(target)) == target
    assert list(tmp_path.iterdir()) == []


def test_existing_path_takes_both_when_given_a_file_or_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("")
    assert command.existing_path(str(file)) == file
    assert command.existing_path(str(tmp_path)) == tmp_path


def test_ends_quietly_when_the_reader_of_its_output_is_gone() -> None:
    code = (
        "import sys; from cell.cli import main; from importlib.metadata import EntryPoint\n"
        "class Flood:\n"
        "    help = 'flood'; example = 'cell flood'\n"
        "    def configure(self, parser): pass\n"
        "    def run(self, args):\n"
        "        for _ in range(20000): print('x' * 100)\n"
        "        return 0\n"
        "main.entry_points = lambda group: [EntryPoint('flood', '__main__:Flood', group)]\n"
        "sys.exit(main.main(['flood']))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None
    os.read(child.stdout.fileno(), 10)
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait(timeout=20) == 141
    child.stderr.close()


def test_no_heavy_package_is_imported_when_only_the_version_is_asked_for() -> None:
    heavy = "'numpy', 'cv2', 'pydantic', 'yaml', 'onnxruntime', 'rclpy'"
    code = f"import sys, cell.cli.main; print([name for name in ({heavy}) if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert out.stdout.strip() == "[]"
