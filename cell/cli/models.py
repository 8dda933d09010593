"""``cell models``: what models there are, what a card says, and whether the files are those of their cards."""

from __future__ import annotations

import argparse
import json

from perception.errors import InputError


class ListCommand:
    """One line a model."""

    help = "list the models that are shipped"
    example = "cell models list"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """No arguments."""

    def run(self, args: argparse.Namespace) -> int:
        from perception.cards import load_card  # noqa: PLC0415  not before a command needs it
        from perception.registry import CARD_FILE, SHIPPED, model_ids  # noqa: PLC0415

        ids = model_ids()
        if not ids:
            print(f"no models in {SHIPPED}")
        for model_id in ids:
            try:
                card = load_card(SHIPPED / model_id / CARD_FILE)
            except InputError as error:
                print(f"{model_id:16} {error}")
                continue
            size = f"{card.input.width}x{card.input.height}"
            classes = ", ".join(card.classes)
            auroc = f"AUROC {card.calibration.auroc:.3f}"
            print(f"{model_id:16} {card.architecture:10} {size:9} {auroc}  {card.licence}  {classes}")
        return 0


class ShowCommand:
    """A model's card."""

    help = "show a model's card"
    example = "cell models show sim"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("model", metavar="ID_OR_FILE", help="a model by its id or its file")

    def run(self, args: argparse.Namespace) -> int:
        from perception.registry import find_model  # noqa: PLC0415  not before a command needs it

        model = find_model(args.model)
        print(json.dumps(model.card.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False))
        return 0


class VerifyCommand:
    """Each model's file against its card, and one run of it."""

    help = "check that models are the files of their cards and can be run"
    example = "cell models verify sim"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "model", nargs="?", metavar="ID_OR_FILE", help="only this one (default: all that are shipped)"
        )

    def run(self, args: argparse.Namespace) -> int:
        from perception.backends import open_backend  # noqa: PLC0415  not before a command needs it
        from perception.registry import find_model, is_known, model_ids  # noqa: PLC0415

        if args.model is not None and not is_known(args.model):
            # Raises with the names that there are: a wrong name is wrong input, not a failed check.
            find_model(args.model)
        failed = 0
        for name in (args.model,) if args.model is not None else model_ids():
            try:
                model = find_model(name)
                open_backend(model, threads=1)
            except InputError as error:
                failed += 1
                print(f"{name}: FAILED: {error}")
            else:
                print(f"{name}: ok, SHA-256 {model.card.sha256[:12]}…, licence {model.card.licence}")
        return 1 if failed else 0
