"""The parser of interface files, and that our copies of the standard definitions agree with rosbags' typestore."""

from __future__ import annotations

from pathlib import Path

import pytest

from cell.runtime import interfaces
from cell.runtime.interfaces import FieldType, InterfaceError


def parse(text: str, kind: str = "msg") -> interfaces.InterfaceDefinition:
    return interfaces.parse(text, "my_msgs", kind, "Thing", Path("Thing." + kind))


def test_fields_have_types_and_defaults_when_read() -> None:
    definition = parse(
        "# comment\n"
        "Header header\n"
        "Point32[<=3] corners\n"
        "float64[9] k\n"
        "string<=5[] names\n"
        "int32[] counts [1, -2, 0x10]\n"
        "string greeting 'a # b'   # real comment\n"
        "bool yes true\n"
        "float32 ratio 0.5\n"
        "other_msgs/Thing thing\n"
    ).parts[0]
    types = {field.name: field.type for field in definition.fields}
    assert types["header"] == FieldType("std_msgs/msg/Header")
    assert types["corners"] == FieldType("my_msgs/msg/Point32", "bounded", 3)
    assert types["k"] == FieldType("float64", "array", 9)
    assert types["names"] == FieldType("string", "sequence", 0, 5)
    assert types["thing"] == FieldType("other_msgs/msg/Thing")
    defaults = {field.name: field.default for field in definition.fields if field.default is not None}
    assert defaults == {"counts": [1, -2, 16], "greeting": "a # b", "yes": True, "ratio": 0.5}


def test_texts_keep_their_escapes_and_commas_when_they_are_defaults() -> None:
    definition = parse(
        """string a "it's, \\"so\\" # \\n" # comment\n"""
        """string[] b ["one, two", 'three', four]\n"""
        """wstring c 'caf\\u00e9'\n"""
        """string d Don't # unquoted\n"""
        """byte[2] e [0x01, 255]\n"""
        """char f 65\n"""
        """bool[<=3] g [true, False, 1]\n"""
        """string<=5[<=2] h ['', 'x']\n"""
    ).parts[0]
    assert [field.default for field in definition.fields] == [
        'it\'s, "so" # \n',
        ["one, two", "three", "four"],
        "caf\u00e9",
        "Don't",
        [b"\x01", b"\xff"],
        65,
        [True, False, True],
        ["", "x"],
    ]


def test_packages_are_found_when_they_lie_in_an_ament_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "share" / "overlaid_msgs" / "msg"
    folder.mkdir(parents=True)
    (folder / "Thing.msg").write_text("int32 a\n")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert "overlaid_msgs" in interfaces.packages()
    from overlaid_msgs.msg import Thing

    assert Thing(a=3).a == 3
    first = tmp_path / "first" / "overlaid_msgs" / "msg"
    first.mkdir(parents=True)
    (first / "Thing.msg").write_text("int64 other\n")
    monkeypatch.setenv("CELL_INTERFACE_PATH", str(tmp_path / "first"))
    assert interfaces.load("overlaid_msgs/msg/Thing").parts[0].fields[0].name == "other"


def test_constants_are_kept_apart_when_read() -> None:
    definition = parse('uint8 LOW=1\nstring NAME = "x y"\nbyte B=2 # why\nfloat64 PI=3.5\nuint8 value\n').parts[0]
    assert [(entry.name, entry.value) for entry in definition.constants] == [
        ("LOW", 1),
        ("NAME", "x y"),
        ("B", b"\x02"),
        ("PI", 3.5),
    ]
    assert [field.name for field in definition.fields] == ["value"]


def test_parts_are_named_when_file_is_a_service_or_an_action() -> None:
    assert [part.name for part in parse("---\nbool ok\n", "srv").parts] == [
        "my_msgs/srv/Thing_Request",
        "my_msgs/srv/Thing_Response",
    ]
    assert len(parse("int8 a\n---\n---\nint8 b\n", "action").parts) == 3


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        ("int32\n", "msg", "Thing.msg:1"),
        ("int32 a\n\nint32 a\n", "msg", "Thing.msg:3: the name 'a' is used twice"),
        ("int32 Upper\n", "msg", "Thing.msg:1: not the name of a field"),
        ("int32 a__b\n", "msg", "not the name of a field"),
        ("int32 lower=1\n", "msg", "not the name of a constant"),
        ("uint8 A=256\n", "msg", r"256 is out of the range of uint8, \[0, 255\]"),
        ("int8[2] a [1]\n", "msg", "1 defaults for 2 elements"),
        ("int8[<=1] a [1, 2]\n", "msg", "2 defaults for at most 1"),
        ("int8[] a 1\n", "msg", "brackets"),
        ("int8[0] a\n", "msg", "must be positive"),
        ("int8<=3 a\n", "msg", "only strings"),
        ("string<=3 a 'four'\n", "msg", "longer than 3"),
        ("string a 'open\n", "msg", "quote"),
        ("other_msgs/Thing thing 3\n", "msg", "only primitive types"),
        ("lower thing\n", "msg", "not the name of a type"),
        ("bool b maybe\n", "msg", "not a boolean"),
        ("int32 a\nfloat64 x nonsense\n", "msg", "Thing.msg:2"),
        ("Header H=1\n", "msg", "constant"),
        ("int32 a\n", "srv", "1 parts"),
        ("---\n---\n---\n", "action", "4 parts"),
    ],
)
def test_error_names_file_and_line_when_definition_is_bad(text: str, kind: str, problem: str) -> None:
    with pytest.raises(InterfaceError, match=problem):
        parse(text, kind)


def test_standard_definitions_agree_when_compared_with_typestore() -> None:
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    compared = 0
    for package in interfaces.packages():
        for short in interfaces.type_names(package, "msg"):
            name = f"{package}/msg/{short}"
            if name not in store.fielddefs:
                continue
            constants, fields = store.fielddefs[name]
            ours = interfaces.load(name).parts[0]
            theirs = [(field, _type(node)) for field, node in fields if field != "structure_needs_at_least_one_member"]
            assert [(field.name, field.type) for field in ours.fields] == theirs, name
            values = [(entry.name, entry.base, entry.value) for entry in ours.constants]
            assert values == [
                (key, kind, bytes([value]) if kind == "byte" else value) for key, kind, value in constants
            ]
            compared += 1
    assert compared > 120


def _type(node: object) -> FieldType:
    kind, what = node  # type: ignore[misc]
    if kind.name == "BASE":
        return FieldType(what[0], string_bound=what[1])
    if kind.name == "NAME":
        return FieldType(what)
    inner = _type(what[0])
    container = "array" if kind.name == "ARRAY" else "bounded" if what[1] else "sequence"
    return FieldType(inner.base, container, what[1], inner.string_bound)


def test_own_package_is_importable_when_on_interface_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plant_msgs_for_test"
    (folder / "msg").mkdir(parents=True)
    (folder / "msg" / "Level.msg").write_text("uint8 FULL=9\nstd_msgs/Header header\nfloat64 level 0.25\n")
    prefix = tmp_path / "install" / "share" / "ament_msgs_for_test" / "srv"
    prefix.mkdir(parents=True)
    (prefix / "Ask.srv").write_text("string q\n---\nstring a\n")
    monkeypatch.setenv("CELL_INTERFACE_PATH", str(tmp_path))
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "install"))
    from ament_msgs_for_test.srv import Ask
    from plant_msgs_for_test.msg import Level

    assert Level().level == 0.25
    assert Level.FULL == 9
    assert Ask.Request(q="x").q == "x"
    with pytest.raises(ImportError):
        import plant_msgs_for_test.srv  # noqa: F401


def test_cmake_lists_every_interface_when_package_is_built_by_colcon() -> None:
    folder = Path(interfaces.__file__).parent.parent / "interfaces" / "cell_msgs"
    listed = (folder / "CMakeLists.txt").read_text()
    files = [file for kind in interfaces.KINDS for file in (folder / kind).glob("*")]
    assert files
    for file in files:
        assert f'"{file.parent.name}/{file.name}"' in listed
