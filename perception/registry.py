"""Which models there are: folders of ``perception/models`` by id, or a file anywhere with its card beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from perception.cards import Card, load_card
from perception.errors import InputError

SHIPPED = Path(__file__).resolve().parent / "models"
CARD_FILE = "card.json"


@dataclass(frozen=True, slots=True)
class Model:
    """A model whose file is there and is the one that its card describes.

    Attributes:
        card: its card.
        path: the file with the network.
    """

    card: Card
    path: Path


def model_ids(folder: Path | None = None) -> tuple[str, ...]:
    """The ids of the models in a folder (the shipped ones), sorted: each subfolder with a card, in order or not."""
    folder = folder or SHIPPED
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in folder.iterdir() if (entry / CARD_FILE).is_file()))


def is_known(id_or_file: str, *, folder: Path | None = None) -> bool:
    """Whether there is a model of that name, or a file at that path, in order or not."""
    if _is_path(id_or_file):
        return Path(id_or_file).expanduser().exists()
    return id_or_file in model_ids(folder)


def find_model(id_or_file: str, *, folder: Path | None = None) -> Model:
    """A shipped model by its id, or a model by its file, its card or the folder that holds both.

    A bare word is an id; anything with a slash or a suffix ``.onnx`` or ``.json`` is a path.

    Raises:
        InputError: no such model, a card that is not in order, or a file that is missing or not the card's (SHA-256).
    """
    if not _is_path(id_or_file):
        home = (folder or SHIPPED) / id_or_file
        if not (home / CARD_FILE).is_file():
            known = ", ".join(model_ids(folder)) or "none"
            raise InputError(f"no model of that name; there are: {known}", key=id_or_file)
        card = load_card(home / CARD_FILE)
        if card.id != id_or_file:
            raise InputError(
                f"names the model {card.id!r} and lies in the folder of {id_or_file!r}", file=home / CARD_FILE
            )
        return _checked(card, home / card.file)
    given = Path(id_or_file).expanduser()
    if not given.exists():
        raise InputError("no such file", file=given)
    home = given if given.is_dir() else given.parent
    if not (home / CARD_FILE).is_file():
        raise InputError(f"the model's card {CARD_FILE} is missing in its folder", file=given)
    card = load_card(home / CARD_FILE)
    is_model = given.is_file() and given.suffix != ".json"
    return _checked(card, given if is_model else home / card.file)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(error.strerror or str(error), file=path) from None
    return digest.hexdigest()


def _is_path(id_or_file: str) -> bool:
    return "/" in id_or_file or id_or_file.endswith((".onnx", ".json")) or id_or_file in ("", ".", "..")


def _checked(card: Card, path: Path) -> Model:
    if not path.is_file():
        raise InputError("the model's file is missing", file=path)
    found = file_sha256(path)
    if found != card.sha256:
        raise InputError(
            f"is not the file of its card: SHA-256 {found[:12]}… instead of {card.sha256[:12]}…", file=path
        )
    return Model(card, path)
