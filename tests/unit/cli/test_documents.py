"""YAML with line numbers: what is read, and how each fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cell.documents import MAX_BYTES, dotted, parse_value, read_yaml
from perception.errors import InputError


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_values_and_lines_are_given_when_the_file_is_right(tmp_path: Path) -> None:
    document = read_yaml(write(tmp_path, "a:\n  b: 1.5\n  c: [1,\n    two]\n\nd: off\n"))
    assert document.data == {"a": {"b": 1.5, "c": [1, "two"]}, "d": False}
    assert document.line(("a", "c")) == 3
    assert document.line(("a", "c", 1)) == 4
    assert document.line(("a", "b", "deeper")) == 2
    assert document.line(("no",)) is None


def test_dates_and_exponents_are_read_as_ros_reads_them(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path, "a: 2020-01-01\nb: 1e5\nc: 1.0e-3\n")).data == {
        "a": "2020-01-01",
        "b": 1e5,
        "c": 1e-3,
    }


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        (b"", None, "is empty"),
        (b"a: 1\nb: [1, 2\n", 3, "wrong YAML"),
        (b"a: 1\na: 2\n", 2, "twice, first in line 1"),
        (b"a: &x 1\nb: *x\n", 2, "aliases"),
        (b"a: &x [*x]\n", 1, "aliases"),
        (b"1: 2\n", 1, "a key must be a word"),
        (b"? [a]\n: 2\n", 1, "a key must be a word"),
        (b"a: 1\nb: !!python/object:os.system x\n", 2, "not read"),
        (b"a: !!set {b}\n", 1, "not read"),
        (b"a: !!int ''\n", 1, "cannot be read as a value"),
        (b"a: \xff\n", 1, "UTF-8"),
        (b"a: 1\n\nb: \xe9\n", 3, "UTF-8"),
        (b"a: 1\nb: \x01\n", 2, "control character"),
        (b"---\na: 1\n---\nb: 1\n", 3, "document"),
        (b"a: 1\nb: " + b"[" * 5000, 2, "too deeply"),
        ("".join(f"{' ' * n}a:\n" for n in range(600)).encode(), None, "too deeply"),
        (b"a: " + b"9" * 5000, 1, "cannot be read as a value"),
        (b"# " + b"x" * MAX_BYTES, None, "larger than 1 MB"),
    ],
)
def test_fault_names_file_and_line_when_the_yaml_is_wrong(
    text: bytes, line: int | None, part: str, tmp_path: Path
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert caught.value.file == str(path)
    assert caught.value.line == line
    assert part in caught.value.message


def test_fault_names_the_file_when_it_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="is a folder"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("sim:gripper", "sim:gripper"),
        ("[1", "[1"),
        ("*", "*"),
    ],
)
def test_command_line_value_has_the_type_that_yaml_gives_it(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_way_is_written_with_dots_and_brackets() -> None:
    assert dotted(("gripper", "window_m", 1)) == "gripper.window_m[1]"
    assert dotted(()) == ""


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text("ab:{}[]&*!-? \n\"'|>%@,#0.1e~", max_size=80).map(str.encode)))
def test_nothing_but_an_input_error_comes_out_whatever_the_bytes(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(text)
    try:
        read_yaml(path)
    except InputError as error:
        assert error.file == str(path)
    parse_value(text.decode("utf-8", "replace"))
