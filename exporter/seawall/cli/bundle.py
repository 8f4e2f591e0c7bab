"""A folder of generated files: a bundle is put in place whole or not at all, and others' files are safe.

A manifest in the folder names the files that were generated, with a digest of each, so that the next run can
take away what is not generated any more, and tell its own files from those of others.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seawall.cli.problem import CliError, reason

MANIFEST = ".seawall-manifest.json"


@dataclass(frozen=True, slots=True)
class Difference:
    """How a folder differs from a bundle; paths, sorted."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    stale: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.stale)

    def lines(self) -> list[str]:
        named = (("missing", self.missing), ("differs", self.changed), ("no longer generated", self.stale))
        return [f"{what}: {path}" for what, paths in named for path in paths]


def compare(folder: Path, files: Mapping[str, str], elsewhere: tuple[str, ...] = ()) -> Difference:
    """What `write` would change. `CliError` when the folder can't be read."""
    _refuse_file(folder)
    missing, changed = [], []
    for path, text in files.items():
        found = _read(folder / path)
        if found is None:
            missing.append(path)
        elif found != text.encode():
            changed.append(path)
    known = [path for path in _manifest(folder) if not (elsewhere and path.startswith(elsewhere))]
    stale = [path for path in known if path not in files and (folder / path).exists()]
    return Difference(tuple(sorted(missing)), tuple(sorted(changed)), tuple(sorted(stale)))


def write(folder: Path, files: Mapping[str, str], elsewhere: tuple[str, ...] = ()) -> list[str]:
    """Put the bundle in place. Says, a line each, which stale files stay because somebody edited them.

    Files whose paths begin with one of ``elsewhere`` belong to another part of the bundle, and stay.
    `CliError`, with the folder as it was, when that can't be done or a file of others is in the way.
    """
    _refuse_file(folder)
    known = _manifest(folder)
    _refuse_strangers(folder, files, known)
    others = {path: digest for path, digest in known.items() if elsewhere and path.startswith(elsewhere)}
    stale = {path: digest for path, digest in known.items() if path not in files and path not in others}
    kept = [path for path, digest in stale.items() if _edited(folder / path, digest)]
    gone = [path for path in stale if path not in kept and (folder / path).exists()]
    digests = others | {path: _digest(text) for path, text in files.items()}
    manifest = {"generator": "seawall generate", "files": digests}
    everything = {**files, MANIFEST: json.dumps(manifest, indent=2, sort_keys=True) + "\n"}
    try:
        made = _make(folder)
        try:
            with tempfile.TemporaryDirectory(prefix=".seawall-", dir=folder) as staged:
                _replace_all(folder, Path(staged), everything, gone)
        except BaseException:
            for path in made:
                with contextlib.suppress(OSError):
                    path.rmdir()
            raise
    except OSError as error:
        raise CliError(f"can't write {error.filename or folder}: {reason(error)}") from None
    _tidy(folder, gone)
    return [f"{path} is no longer generated, but was edited: left in place" for path in kept]


def _replace_all(folder: Path, staged: Path, files: Mapping[str, str], gone: list[str]) -> None:
    """Write everything beside, then rename one by one; on any failure rename all of it back."""
    fresh, old = staged / "new", staged / "old"
    for path, text in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
    moved: list[tuple[Path, Path]] = []
    folders: list[Path] = []
    try:
        for path in [*gone, *files]:
            target, backup = folder / path, old / path
            if target.exists():
                backup.parent.mkdir(parents=True, exist_ok=True)
                os.replace(target, backup)
                moved.append((backup, target))
            if path in files:
                folders += _make(target.parent)
                os.replace(fresh / path, target)
                moved.append((target, fresh / path))
    except BaseException:
        for source, back in reversed(moved):
            os.replace(source, back)
        for made in reversed(folders):
            with contextlib.suppress(OSError):
                made.rmdir()
        raise


def _make(folder: Path) -> list[Path]:
    """Make the folder and those above it; gives the ones made, deepest first."""
    missing = []
    path = folder
    while not path.exists():
        missing.append(path)
        path = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _tidy(folder: Path, gone: list[str]) -> None:
    """Take away folders that removed files leave empty."""
    for path in gone:
        for above in (folder / path).parents:
            if above == folder or not above.is_dir() or any(above.iterdir()):
                break
            above.rmdir()


def refuse(given: str) -> None:
    """`CliError` for what can't be a folder of a bundle."""
    if not given:
        raise CliError("--out is empty; allowed: a folder, . is this one")
    _refuse_file(Path(given))


def _refuse_file(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise CliError(f"{folder} is a file; allowed: a folder, or a path where there is nothing yet")


def _refuse_strangers(folder: Path, files: Mapping[str, str], known: Mapping[str, str]) -> None:
    others = [
        path
        for path, text in files.items()
        if path not in known and (found := _read(folder / path)) is not None and found != text.encode()
    ]
    if others:
        raise CliError.listing(
            f"{folder} holds files that were not generated and are in the way", sorted(others)
        )


def _manifest(folder: Path) -> dict[str, str]:
    """Digests of the files generated before, by path; paths that lead out of the folder are not believed."""
    body = _read(folder / MANIFEST)
    if body is None:
        return {}
    try:
        files = json.loads(body)["files"]
        return {
            str(path): str(digest)
            for path, digest in files.items()
            if not Path(path).is_absolute() and ".." not in Path(path).parts
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CliError(f"{folder / MANIFEST} can't be read; remove it if it is none of seawall's") from None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CliError(f"can't read {path}: {reason(error)}") from None


def _edited(path: Path, digest: str) -> bool:
    found = _read(path)
    return found is not None and hashlib.sha256(found).hexdigest() != digest


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
