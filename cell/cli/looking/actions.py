"""``cell action``: what there is to do, and one goal."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cell.cli.command import positive_float
from cell.cli.looking.names import action_name
from cell.cli.looking.services import type_and_text
from cell.cli.looking.session import Session, add_session_flags, look_again_hint
from cell.cli.looking.text import from_yaml, load_interface, to_yaml

NOT_DONE = 1
STATUS = {4: "succeeded", 5: "canceled", 6: "aborted"}
"""action_msgs/msg/GoalStatus."""


class ListCommand:
    """The actions."""

    help = "list the actions"
    example = "cell action list --types"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("-t", "--types", action="store_true", help="with their types")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        with Session(args) as session:
            session.settle()
            for name, kind in session.actions().items():
                print(f"{name} [{kind}]" if args.types else name)
            hint = look_again_hint(session)
            if hint:
                print(hint, file=sys.stderr)
        return 0


class SendCommand:
    """One goal."""

    help = "send a goal to an action and print its result; Ctrl-C cancels it"
    example = "cell action send /gripper/command '{command: {position: [0.04]}}' --feedback"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        action_name(parser)
        parser.add_argument("words", nargs="*", metavar="[TYPE] [YAML]", help="the type is found by itself")
        parser.add_argument("-f", "--feedback", action="store_true", help="print feedback as it comes")
        parser.add_argument("--timeout", type=positive_float, metavar="S", help="cancel the goal after S seconds")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        from rclpy.action import ActionClient  # noqa: PLC0415

        kind, text = type_and_text(args.words)
        if kind is not None:
            from_yaml(text, load_interface(kind, "action").Goal)
        with Session(args) as session:
            name = session.find("action", args.action, session.actions)
            interface = load_interface(kind or session.actions()[name], "action")
            now = session.node.get_clock().now().to_msg()
            goal = from_yaml(text, interface.Goal, now=now)
            client: Any = ActionClient(session.node, interface, name)
            try:
                return _send(session, client, goal, args)
            finally:
                client.destroy()


def _send(session: Session, client: Any, goal: Any, args: argparse.Namespace) -> int:
    def show(message: Any) -> None:
        print(f"feedback:\n{_indented(to_yaml(message.feedback))}", flush=True)

    if not session.wait_for(client.server_is_ready, 5.0):
        print(f"{args.action} has no server that is ready", file=sys.stderr)
        return NOT_DONE
    sent = client.send_goal_async(goal, feedback_callback=show if args.feedback else None)
    if not session.wait_for(sent.done, 5.0):
        print(f"{args.action} did not answer within 5 s", file=sys.stderr)
        return NOT_DONE
    handle = sent.result()
    if not handle.accepted:
        print("the goal was rejected")
        return NOT_DONE
    print(f"the goal was accepted: {bytes(handle.goal_id.uuid).hex()}", flush=True)
    result = handle.get_result_async()
    try:
        in_time = session.wait_for(result.done, args.timeout if args.timeout is not None else float("inf"))
    except KeyboardInterrupt:
        in_time = False
    if not in_time:
        print("canceling the goal", flush=True)
        handle.cancel_goal_async()
        if not session.wait_for(result.done, 5.0):
            print(f"{args.action} did not end the goal", file=sys.stderr)
            return NOT_DONE
    answer = result.result()
    print(f"result:\n{_indented(to_yaml(answer.result))}")
    print(f"the goal {STATUS.get(answer.status, f'ended with status {answer.status}')}")
    return 0 if answer.status == 4 else NOT_DONE


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
