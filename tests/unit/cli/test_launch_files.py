"""Launch files: substitutions, scopes, includes, and how each fault names file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cell.cmdline import split
from cell.launching import (
    KEYS,
    LaunchDescription,
    Respawn,
    configure,
    default_launch,
    load_launch,
    parse_arguments,
    share_folder,
)
from cell.substitutions import Scope, SubstitutionError, substitute
from perception.errors import InputError


def write(folder: Path, text: str, name: str = "cell.launch.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def load(folder: Path, actions: str, **arguments: str) -> LaunchDescription:
    """A launch file whose actions are written without indentation."""
    return load_launch(write(folder, "launch:\n" + actions), arguments)


def names(launch: LaunchDescription) -> list[str]:
    return [node.name for node in launch.nodes]


def test_default_launch_starts_the_simulated_cell() -> None:
    launch = load_launch(default_launch())
    assert {"sim_camera", "sim_arm", "detector", "tracker", "policy", "picker", "gripper", "conveyor"} <= set(
        names(launch)
    )
    assert all(path.is_file() for node in launch.nodes for path in node.params_files)


@pytest.mark.parametrize("name", ["cell.launch.yaml", "hardware.launch.yaml"])
def test_shipped_launch_files_are_configured_without_a_fault(name: str) -> None:
    launch = load_launch(share_folder() / "launch" / name)
    configs = configure(launch, {"/**": {"use_sim_time": True, "overkill": 0.1}, "policy": {"name": "fifo"}})
    by_name = {config.name: config.values for config in configs}
    assert by_name["policy"]["name"] == "fifo"
    assert by_name["detector"]["overkill"] == 0.1
    assert "overkill" not in by_name["gripper"]
    assert all(values["use_sim_time"] is True for values in by_name.values())


def test_command_is_taken_apart(tmp_path: Path) -> None:
    params = tmp_path / "my params.yaml"
    params.write_text("policy:\n  ros__parameters: {}\n")
    launch = load(
        tmp_path,
        "- executable:\n"
        "    name: chooser\n"
        "    cmd: cell node policy --ros-args --params-file '$(dirname)/my params.yaml' -p name:=fifo -p grip_s:=0.5"
        " -p window_m:='[0.4, 0.8]' -r /parts:=/left/parts --log-level debug --\n",
    )
    (node,) = launch.nodes
    assert node.name == "policy"
    assert node.params_files == (params,)
    assert dict(node.parameters) == {"name": "fifo", "grip_s": 0.5, "window_m": [0.4, 0.8]}
    assert dict(node.remaps) == {"/parts": "/left/parts"}
    assert node.args[:2] == ("--ros-args", "--params-file")
    assert node.line == 4


def test_executable_is_a_process_with_its_nodes_and_its_limit(tmp_path: Path) -> None:
    launch = load(
        tmp_path,
        "- arg: {name: apart, default: 'true'}\n"
        "- executable: {cmd: cell node tracker policy --ros-args -p name:=fifo, name: $(var apart)-way}\n"
        "- executable: {cmd: cell node detector, respawn: $(var apart), respawn_delay: 0.5, respawn_max_retries: 3}\n"
        "- executable: {cmd: cell node status, respawn: 'false', respawn_delay: 1}\n",
    )
    assert [(process.name, [node.name for node in process.nodes]) for process in launch.processes] == [
        ("true-way", ["tracker", "policy"]),
        ("detector", ["detector"]),
        ("status", ["status"]),
    ]
    assert [process.respawn for process in launch.processes] == [None, Respawn(0.5, 3), None]
    assert names(launch) == ["tracker", "policy", "detector", "status"]
    # What is set for several nodes holds for those that know it.
    by_name = {config.name: dict(config.values) for config in configure(launch)}
    assert by_name["policy"] == {"name": "fifo"}
    assert by_name["tracker"] == {}


def test_parameter_is_refused_when_no_node_of_the_process_knows_it(tmp_path: Path) -> None:
    launch = load(tmp_path, "- executable: {cmd: 'cell node tracker policy --ros-args -p namme:=fifo'}\n")
    with pytest.raises(InputError, match=r"launch\.yaml:2: tracker\.namme: unknown key"):
        configure(launch)


def test_arguments_have_defaults_and_are_overridden(tmp_path: Path) -> None:
    actions = (
        "- arg: {name: policy, default: spt, choice: [{value: spt}, {value: fifo}]}\n"
        "- arg: {name: copy, default: $(var policy)-copy}\n"
        "- executable: {cmd: 'cell node policy --ros-args -p name:=$(var policy)'}\n"
    )
    assert load(tmp_path, actions).nodes[0].parameters["name"] == "spt"
    launch = load(tmp_path, actions, policy="fifo")
    assert launch.nodes[0].parameters["name"] == "fifo"
    assert dict(launch.arguments) == {"policy": "fifo", "copy": "fifo-copy"}
    with pytest.raises(InputError, match=r"launch\.yaml:2: arg\.choice: policy must be one of spt, fifo, not 'dp'"):
        load(tmp_path, actions, policy="dp")


def test_argument_that_no_file_declares_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pollicy:=: no such argument; did you mean 'policy'"):
        load(tmp_path, "- arg: {name: policy, default: a}\n- executable: {cmd: cell node policy}\n", pollicy="b")


def test_group_has_a_scope_of_its_own_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    for scoped, value in (("true", "outer"), ("false", "inner")):
        launch = load(
            tmp_path,
            "- let: {name: x, value: outer}\n"
            f"- group: {{scoped: {scoped}, children: [{{let: {{name: x, value: inner}}}}]}}\n"
            "- executable: {cmd: 'cell node policy --ros-args -p name:=$(var x)'}\n",
        )
        assert launch.nodes[0].parameters["name"] == value
    bare = load(
        tmp_path,
        "- let: {name: x, value: outer}\n"
        "- group:\n"
        "  - let: {name: x, value: inner}\n"
        "  - executable: {cmd: 'cell node tracker --ros-args -p model:=$(var x)'}\n"
        "- executable: {cmd: 'cell node policy --ros-args -p name:=$(var x)'}\n",
    )
    assert [next(iter(node.parameters.values())) for node in bare.nodes] == ["inner", "outer"]


@pytest.mark.parametrize(
    ("condition", "starts"),
    [("if: 'true'", True), ("if: true", True), ("if: '0'", False), ("unless: $(var no)", True), ("unless: '1'", False)],
)
def test_condition_decides_on_an_action(condition: str, starts: bool, tmp_path: Path) -> None:
    launch = load(
        tmp_path,
        "- let: {name: 'no', value: 'false'}\n"
        f"- group: {{{condition}, children: [{{executable: {{cmd: cell node policy}}}}]}}\n"
        f"- executable: {{cmd: cell node tracker, {condition}}}\n"
        "- executable: {cmd: cell node gripper}\n",
    )
    assert names(launch) == (["policy", "tracker", "gripper"] if starts else ["gripper"])


def test_include_passes_arguments_and_knows_its_own_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write(inner, "policy:\n  ros__parameters: {}\n", "p.yaml")
    write(
        inner,
        "launch:\n- arg: {name: rule}\n"
        "- executable: {cmd: 'cell node policy --ros-args --params-file $(dirname)/p.yaml -p name:=$(var rule)'}\n",
        "inner.launch.yaml",
    )
    launch = load(
        tmp_path,
        "- include:\n    file: $(dirname)/inner/inner.launch.yaml\n    arg: [{name: rule, value: fifo}]\n"
        "- executable: {cmd: 'cell node tracker --ros-args -p model:=$(dirname)'}\n",
    )
    assert launch.nodes[0].params_files == (inner / "p.yaml",)
    assert launch.nodes[0].parameters["name"] == "fifo"
    assert launch.nodes[1].parameters["model"] == str(tmp_path)


def test_substitutions_nest_and_are_not_split(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CELL_TEST_SET", "a b")
    monkeypatch.delenv("CELL_TEST_UNSET", raising=False)
    scope = Scope({"x": "CELL_TEST_SET", "spaced": "one two"}, share_folder, tmp_path)
    assert substitute("<$(env $(var x))>", scope) == "<a b>"
    assert substitute("$(env CELL_TEST_UNSET 'c d')", scope) == "c d"
    assert substitute("$(env CELL_TEST_UNSET '')", scope) == ""
    assert substitute("$(var none $(dirname)/f)", scope) == f"{tmp_path}/f"
    assert substitute("$(find-pkg-share cellwright)/launch", scope) == f"{share_folder()}/launch"
    assert substitute(r"\$(var x) costs $5", scope) == "$(var x) costs $5"
    assert split("a $(var spaced)/b 'c d' $(var x)$(var x)", scope) == [
        "a",
        "one two/b",
        "c d",
        "CELL_TEST_SETCELL_TEST_SET",
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("$(vax x)", "did you mean 'var'"),
        ("$(var)", "takes 1 or 2"),
        ("$(var speeed)", "did you mean 'speed'"),
        ("$(var x", "not closed"),
        ("$(env 'x)", "not closed"),
        ("$()", "name"),
        ("$($(var speed))", "name"),
        ("$(env CELL_TEST_UNSET)", "CELL_TEST_UNSET is not set"),
        ("$(find-pkg-share turtlesim)", "turtlesim"),
        ("$(dirname x)", "takes 0"),
        ("$(var " * 50, "deeply"),
    ],
)
def test_substitution_is_refused_when_it_cannot_be_made(text: str, part: str) -> None:
    with pytest.raises(SubstitutionError, match=part):
        substitute(text, Scope({"speed": "1"}, share_folder))


OK = "- executable: {cmd: cell node gripper}\n"


@pytest.mark.parametrize(
    ("actions", "line", "key", "part"),
    [
        ("  x: 1\n", 1, "launch", "list of actions"),
        ("- 5\n", 2, "launch", "must be one action"),
        ("- {arg: {name: a}, let: {}}\n", 2, "launch", "must be one action"),
        ("- executible: {cmd: cell node gripper}\n", 2, "executible", "did you mean 'executable'"),
        ("- node: {pkg: a}\n", 2, "node", "unknown action"),
        ("- executable: 5\n", 2, "executable", "group of keys"),
        ("- executable: {cmd: cell node gripper, cmdd: x}\n", 2, "executable.cmdd", "did you mean 'cmd'"),
        ("- executable: {name: x}\n", 2, "executable.cmd", "missing"),
        ("- executable: {cmd: [a]}\n", 2, "executable.cmd", "text"),
        ("- executable: {cmd: ls -l}\n", 2, "executable.cmd", "cell node NAME"),
        ("- executable: {cmd: cell node}\n", 2, "executable.cmd", "cell node NAME"),
        ("- executable: {cmd: cell node griper}\n", 2, "executable.cmd", "did you mean 'gripper'"),
        ("- executable: {cmd: cell node gripper fast}\n", 2, "executable.cmd", "'fast'"),
        ('- executable: {cmd: "cell node gripper \'x"}\n', 2, "executable.cmd", "quotation"),
        ("- executable: {cmd: cell node gripper --ros-args -x}\n", 2, "executable.cmd", "'-x'"),
        ("- executable: {cmd: cell node gripper --ros-args -p}\n", 2, "executable.cmd", "needs a value"),
        ("- executable: {cmd: cell node gripper --ros-args -p a=1}\n", 2, "executable.cmd", "name:=value"),
        ("- executable: {cmd: 'cell node gripper --ros-args -p a:=1 -p a:=2'}\n", 2, "executable.cmd", "twice"),
        ("- executable: {cmd: 'cell node gripper --ros-args -r __node:=x'}\n", 2, "executable.cmd", "__node"),
        ("- executable: {cmd: cell node gripper --ros-args -- x}\n", 2, "executable.cmd", "'x'"),
        (
            "- executable: {cmd: cell node gripper --ros-args --params-file no.yaml}\n",
            2,
            "executable.cmd",
            "no.yaml does not",
        ),
        (OK + OK, 3, "executable.cmd", "twice"),
        ("- executable: {cmd: cell node gripper gripper}\n", 2, "executable.cmd", "twice"),
        ("- executable: {cmd: cell node policy, name: gripper}\n" + OK, 3, "executable.name", "named 'gripper'"),
        ("- executable: {cmd: cell node gripper, respawn: maybe}\n", 2, "executable.respawn", "'maybe'"),
        ("- executable: {cmd: cell node gripper, respawn_delay: -1}\n", 2, "executable.respawn_delay", "seconds"),
        ("- executable: {cmd: cell node gripper, respawn_delay: true}\n", 2, "executable.respawn_delay", "seconds"),
        (
            "- executable: {cmd: cell node gripper, respawn_max_retries: '3'}\n",
            2,
            "executable.respawn_max_retries",
            "whole",
        ),
        ("- arg: {default: a}\n", 2, "arg.name", "missing"),
        ("- arg: {name: speed}\n", 2, "arg.name", "speed:=VALUE"),
        ("- arg: {name: a, default: b, choice: x}\n", 2, "arg.choice", "list"),
        ("- arg: {name: a, default: b, choice: [{vallue: x}]}\n", 2, "arg.choice[0].vallue", "'value'"),
        ("- let: {name: a}\n", 2, "let.value", "missing"),
        ("- let: {name: a, value: $(var b)}\n", 2, "let.value", "'b'"),
        ("- group: {children: 5}\n", 2, "children", "list of actions"),
        ("- group: {scoped: maybe, children: []}\n", 2, "group.scoped", "true or false"),
        ("- group: {}\n", 2, "group.children", "missing"),
        ("- executable: {cmd: cell node gripper, if: maybe}\n", 2, "executable.if", "'maybe'"),
        ("- executable: {cmd: cell node gripper, if: '1', unless: '1'}\n", 2, "executable.unless", "exclude"),
        ("- include: {file: none.yaml}\n", 2, "include.file", "does not exist"),
        ("- include: {file: $(dirname)/cell.launch.yaml}\n", 2, "include.file", "includes itself"),
        ("- include: {file: $(dirname)/cell.launch.yaml, arg: [{name: x}]}\n", 2, "include.file", "includes itself"),
        ("- let: {name: a, value: b}\n", None, None, "starts no node"),
    ],
)
def test_fault_names_line_and_key_when_a_launch_file_is_wrong(
    actions: str, line: int | None, key: str | None, part: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, actions)
    error = caught.value
    assert (error.file, error.line, error.key) == (str(tmp_path / "cell.launch.yaml"), line, key)
    assert part in error.message
    assert "\n" not in str(error)


@pytest.mark.parametrize("text", ["gripper:\n  ros__parameters: {}\n", "[]\n", "launch: []\nmore: 1\n"])
def test_file_is_refused_when_it_is_no_launch_file(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="launch"):
        load_launch(write(tmp_path, text))


def test_loop_is_found_when_files_include_each_other(tmp_path: Path) -> None:
    write(tmp_path, "launch:\n- include: {file: $(dirname)/cell.launch.yaml}\n", "b.yaml")
    with pytest.raises(InputError, match=r"b\.yaml:2: include\.file: cell\.launch\.yaml includes itself"):
        load(tmp_path, "- include: {file: $(dirname)/b.yaml}\n")


def test_fault_of_an_override_names_the_launch_file(tmp_path: Path) -> None:
    launch = load(tmp_path, "- executable: {cmd: 'cell node policy --ros-args -p gripp_s:=1.0'}\n")
    with pytest.raises(InputError, match=r"launch\.yaml:2: policy\.gripp_s: unknown key; did you mean 'grip_s'"):
        configure(launch)


def test_missing_device_names_the_launch_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"launch\.yaml:2: gripper\.device: is missing"):
        configure(load(tmp_path, OK))


def test_fault_of_a_flag_names_the_parameter(tmp_path: Path) -> None:
    launch = load(tmp_path, "- executable: {cmd: cell node detector}\n")
    with pytest.raises(InputError, match=r"^detector\.overkill: must be at most 0\.2, not 0\.5$"):
        configure(launch, {"/**": {"overkill": 0.5}})


def test_launch_arguments_are_read_from_words() -> None:
    assert parse_arguments(["a:=1", "b:=c:=d", "e:="]) == {"a": "1", "b": "c:=d", "e": ""}
    for words in (["a=1"], [":=1"], ["a:=1", "a:=2"]):
        with pytest.raises(InputError, match="launch argument"):
            parse_arguments(words)


texts = st.sampled_from(
    [
        "cell node gripper",
        "cell node policy --ros-args -p name:=$(var a)",
        "$(var a)",
        "$(dirname)/x.yaml",
        "a",
        "true",
        "$(",
        "",
    ]
)
values = st.recursive(
    st.one_of(texts, st.none(), st.booleans(), st.integers(), st.text("$()'\" :=avr\\", max_size=12)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYS, "name", "value", "cmd", "if", "children", "file", "default"]), inner, max_size=4
        )
    ),
    max_leaves=6,
)
actions_of = {
    kind: st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(keys), values)) for kind, keys in KEYS.items()
}
actions = st.sampled_from(sorted(KEYS)).flatmap(lambda kind: st.fixed_dictionaries({kind: actions_of[kind]}))


@settings(max_examples=80, deadline=None)
@given(st.lists(actions | values, max_size=4) | values)
def test_nothing_but_an_input_error_comes_out_whatever_a_launch_file_holds(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.launch.yaml"
    path.write_text(yaml.safe_dump({"launch": content}))
    try:
        launch = load_launch(path)
    except InputError as error:
        assert error.file == str(path)
    else:
        assert launch.nodes
