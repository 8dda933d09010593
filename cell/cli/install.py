"""``cell install-service``, ``cell upgrade``, ``cell rollback``: a cell PC from its first start to its next version."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cell.cli.command import existing_dir, existing_file, existing_path, positive_float
from cell.cli.state import default_state
from cell.install import service
from cell.install.package import read_package
from cell.install.prefix import DEFAULT, Place, Prefix
from cell.install.service import Service
from cell.install.upgrade import Change
from cell.launching import configure, load_launch
from perception.errors import InputError


class ServiceCommand:
    """Makes a cell a service of systemd."""

    help = "make the cell a service of systemd, with a watchdog"
    example = "sudo cell install-service --config /etc/cellwright\nsystemctl start cellwright"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--config", type=existing_dir, help=f"the cell's folder (default {service.DEFAULT_CONFIG})")
        parser.add_argument("--launch", type=existing_file, help="the launch file, where the folder has several")
        parser.add_argument(
            "--state", type=Path, default=service.DEFAULT_STATE, help="ledger and history (default %(default)s)"
        )
        parser.add_argument("--user", default=service.DEFAULT_USER, help="who runs it (default %(default)s)")
        parser.add_argument("--name", default="cellwright", help="of the service (default %(default)s)")
        parser.add_argument(
            "--watchdog",
            type=positive_float,
            default=service.WATCHDOG_S,
            metavar="S",
            help="seconds without a sign of life after which it is ended (default %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="print the files, write nothing")
        parser.add_argument("--uninstall", action="store_true", help="stop it and take its files away; state stays")
        parser.add_argument(
            "--root", type=existing_dir, default=Path("/"), help="a file system that this machine does not run on"
        )

    def run(self, args: argparse.Namespace) -> int:
        service.check_name(args.name, "--name")
        service.check_name(args.user, "--user")
        if args.uninstall:
            return _uninstall(args)
        wanted, notes = _service(args)
        if args.dry_run:
            for path, text in wanted.files().items():
                print(f"# {path}\n{text}")
            for note in notes:
                print(f"cell: {note}", file=sys.stderr)
            return 0
        here = args.root == Path("/")
        if here and os.geteuid() != 0:
            raise InputError("only root may write below /etc: sudo, or --dry-run to see the files")
        if here:
            done = service.make_user(wanted.user, wanted.state)
            if done:
                print(done)
            _own_state(wanted)
        for path in service.write(wanted.files(), args.root):
            print(f"wrote {path}")
        for note in notes:
            print(f"cell: {note}", file=sys.stderr)
        if here:
            service.tell_systemd("daemon-reload")
            service.tell_systemd("try-restart", f"systemd-journald@{wanted.name}.service")
            service.tell_systemd("enable", wanted.name)
            _remember(Place(wanted.name, str(wanted.state), str(wanted.config)))
            print(f"start it: systemctl start {wanted.name}; its journal: journalctl --namespace={wanted.name} -f")
        return 0


def _service(args: argparse.Namespace) -> tuple[Service, list[str]]:
    """What the arguments ask for, checked, and what the person should know."""
    config = (args.config or service.DEFAULT_CONFIG).absolute()
    if not config.is_dir():
        raise InputError("there is no such folder: cell init writes one for your devices", file=config, key="--config")
    launch = _launch(config, args.launch)
    description = load_launch(launch)
    configs = configure(description)
    values = [value for node in configs for value in _leaves(node.values)]
    cameras = any(node.name == "camera" for node in configs)
    groups, notes = service.groups_for(service.device_paths(values), cameras)
    wanted = Service(
        name=args.name,
        user=args.user,
        groups=tuple(groups) if args.user != "root" else (),
        cell=service.command(),
        launch=launch,
        config=config,
        state=args.state.expanduser().absolute(),
        watchdog_s=args.watchdog,
    )
    params = {path for node in description.nodes for path in node.params_files}
    for path in (wanted.cell, wanted.cell.with_name("python"), *sorted({launch, *params})):
        blocked = service.unreadable_by(wanted.user, Path(path))
        if blocked is not None:
            notes.append(f"{blocked}: the user {wanted.user} may not read this, which the service needs ({path})")
    return wanted, notes


def _launch(config: Path, given: Path | None) -> Path:
    if given is not None:
        return given.absolute()
    found = sorted(config.glob("*.launch.yaml"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError("holds no *.launch.yaml; cell init writes one", file=config, key="--config")
    raise InputError(f"say which: {', '.join(path.name for path in found)}", file=config, key="--launch")


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def _own_state(wanted: Service) -> None:
    import pwd  # noqa: PLC0415 (only as root)

    try:
        wanted.state.mkdir(parents=True, exist_ok=True, mode=0o750)
        entry = pwd.getpwnam(wanted.user)
        os.chown(wanted.state, entry.pw_uid, entry.pw_gid)
    except (OSError, KeyError) as error:
        raise InputError(f"cannot be given to {wanted.user}: {error}", file=wanted.state, key="--state") from None


def _remember(place: Place) -> None:
    prefix = Prefix.of_this_process()
    if prefix is not None:
        others = [other for other in prefix.places() if other.service != place.service]
        prefix.record_places([*others, place])


def _uninstall(args: argparse.Namespace) -> int:
    paths = Service(args.name, args.user, (), Path("/"), Path("/"), Path("/"), Path("/")).files()
    targets = [args.root / path.relative_to("/") for path in paths]
    there = [path for path in targets if path.exists()]
    if not there:
        raise InputError(f"no service {args.name} is installed", file=targets[0], key="--name")
    if args.dry_run:
        print("\n".join(f"would remove {path}" for path in there))
        return 0
    here = args.root == Path("/")
    if here and os.geteuid() != 0:
        raise InputError("only root may take a service away: sudo")
    if here:
        service.tell_systemd("disable", "--now", args.name)
    for path in there:
        try:
            path.unlink()
        except OSError as error:
            raise InputError(f"cannot be removed: {error.strerror}", file=path) from None
        print(f"removed {path}")
    if here:
        service.tell_systemd("daemon-reload")
        prefix = Prefix.of_this_process()
        if prefix is not None:
            prefix.record_places([place for place in prefix.places() if place.service != args.name])
    return 0


def _prefix(given: Path | None) -> Prefix:
    prefix = Prefix(given.absolute()) if given is not None else Prefix.of_this_process()
    if prefix is None:
        raise InputError(
            f"this cell does not run from versions side by side; --prefix {DEFAULT} makes such a place", key="--prefix"
        )
    return prefix


def _places(prefix: Prefix, args: argparse.Namespace) -> list[Place]:
    """The cells of the prefix: as they were installed as services, or as the command line says."""
    if args.state is None and args.config is None:
        known = prefix.places()
        return known or [Place("cell", str(default_state()))]
    state = (args.state or default_state()).expanduser().absolute()
    return [Place("cell", str(state), str(args.config.absolute()) if args.config is not None else None)]


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prefix", type=Path, metavar="DIR", help="of the versions (default: where this cell runs)")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="of the cell (default: of every service that runs from here)"
    )
    parser.add_argument("--config", type=existing_dir, metavar="DIR", help="of the cell, when --state is given")


def _say(words: str) -> None:
    print(words, flush=True)


class UpgradeCommand:
    """Installs another version beside the one that runs and switches to it."""

    help = "install another version beside this one, back up the state, migrate it, and switch"
    example = "sudo cell upgrade bundle-0.2.0-py3.11-x86_64"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("package", type=existing_path, metavar="WHEEL_OR_BUNDLE", help="a wheel, or a bundle")
        _add_places(parser)
        parser.add_argument("--extra", action="append", default=[], metavar="NAME", help="of a wheel, such as dds")

    def run(self, args: argparse.Namespace) -> int:
        prefix = _prefix(args.prefix)
        package = read_package(args.package, args.extra)
        places = _places(prefix, args)
        old = prefix.running()
        Change(prefix, places, _say).upgrade(package)
        print(f"{prefix.current} is {package.version}" + (f"; cell rollback goes back to {old}" if old else ""))
        return 0


class RollbackCommand:
    """Goes back to a version that is still installed."""

    help = "go back to the version before, with the state of then or of now"
    example = "sudo cell rollback --restore-state"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        _add_places(parser)
        parser.add_argument("--to", metavar="VERSION", help="which (default: the one before the last upgrade)")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--restore-state", action="store_true", help="put back the state of before the upgrade")
        which.add_argument("--keep-state", action="store_true", help="keep the state (default where it can be read)")
        parser.add_argument("--restore-config", action="store_true", help="put back the config of before the upgrade")
        parser.add_argument("--list", action="store_true", help="what is installed, and what was done; changes nothing")

    def run(self, args: argparse.Namespace) -> int:
        prefix = _prefix(args.prefix)
        if args.list:
            running = prefix.running()
            for version, mark in prefix.installed().items():
                print(f"{version} of {mark.get('installed', '?')}{', runs' if version == running else ''}")
            for step in prefix.history():
                backup = f", backup {prefix.backups / step.backup}" if step.backup else ""
                print(f"{step.at} {step.kind} {step.source or 'nothing'} -> {step.target}{backup}")
            return 0
        keep = True if args.keep_state else False if args.restore_state else None
        step = Change(prefix, _places(prefix, args), _say).rollback(args.to, keep=keep, config=args.restore_config)
        kept = f"; the state of {step.source} is kept in {prefix.backups / step.backup}" if step.backup else ""
        print(f"{prefix.current} is {step.target}{kept}")
        return 0
