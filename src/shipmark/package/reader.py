"""From a path or standard input to a Package, with every complaint of one pass."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from shipmark.errors import PackageError
from shipmark.package.complaints import Complaints, refusal
from shipmark.package.config import Config
from shipmark.package.config_file import MAX_CONFIG_BYTES, ConfigFile, read_config
from shipmark.package.config_rules import CONFIG_FILE, name_fault, suggest_name
from shipmark.package.detect import Detected, detect
from shipmark.package.golden_files import FOLDER, check_golden, golden_beside, golden_paths
from shipmark.package.model_file import ModelFile, read_model_file
from shipmark.package.opening import STANDARD_INPUT, Opened, open_path, open_standard_input
from shipmark.package.package import FileEntry, Package, Version
from shipmark.package.requirements import Requirements, read_requirements
from shipmark.package.signature import MAX_ENTRY_BYTES, read_signature
from shipmark.package.tree import hash_files, read_small
from shipmark.package.version import version_of
from shipmark.store.file_hashes import FileHashes
from shipmark_serve.contract.model import Model
from shipmark_serve.contract.schema import Schema, Tensors

T = TypeVar("T")


def read_package(
    path: Path | None,
    *,
    stdin: BinaryIO | None = None,
    name: str | None = None,
    hashes: FileHashes | None = None,
) -> Package:
    """See `shipmark.package.read`."""
    origin = STANDARD_INPUT if path is None else str(path)
    complaints = Complaints(origin)
    try:
        opened = _open(path, stdin, complaints)
    except PackageError as error:
        complaints.add_all(error)
        complaints.raise_if_any()
        raise
    try:
        return _Reading(opened, origin, name, complaints, hashes).package()
    except BaseException:
        opened.tree.close()
        raise


def _open(path: Path | None, stdin: BinaryIO | None, complaints: Complaints) -> Opened:
    if path is not None:
        return open_path(path, complaints)
    if stdin is None:
        raise refusal(STANDARD_INPUT, "is not given", "give a path")
    return open_standard_input(stdin, complaints)


class _Reading:
    def __init__(
        self,
        opened: Opened,
        origin: str,
        name: str | None,
        complaints: Complaints,
        hashes: FileHashes | None,
    ) -> None:
        self._opened = opened
        self._tree = opened.tree
        self._origin = origin
        self._given_name = name
        self._complaints = complaints
        self._hashes = hashes
        self._paths = [found.path for found in opened.tree.found]

    def package(self) -> Package:
        # With files missing because they were refused, no model would be found: not its fault.
        is_whole = not self._complaints
        if not self._paths and is_whole:
            self._complaints.add(".", "holds no files", "shipmark new makes an example")
        file = self._attempt(self._config)
        if file is None:
            self._complaints.raise_if_any()
            raise AssertionError("a config without a fault was not read")
        name = self._name(file)
        self._check_validation(file)
        requirements = (
            self._attempt(lambda: read_requirements(self._tree, file, self._complaints))
            or Requirements()
        )
        if not is_whole or not self._paths:
            self._complaints.raise_if_any()
        detected = detect(self._paths, file, self._complaints)
        if detected is None:
            self._complaints.raise_if_any()
            raise AssertionError("a package without a model was not complained of")
        inside = self._attempt(lambda: self._inside(detected, file, requirements))
        if inside is None:
            inside = ModelFile(schema=None, requirements=requirements)
        golden = golden_paths(self._paths, detected.model_file)
        check_golden(self._tree, golden, inside.schema, self._complaints)
        if not golden:
            self._note_golden(detected)
        self._complaints.raise_if_any()
        code, weights = self._halves(detected, inside)
        self._complaints.raise_if_any()
        version = version_of(
            code,
            weights,
            code_version=file.config.model.version,
            weights_version=file.config.weights.version,
        )
        return Package(
            name=name,
            name_chosen=self._given_name is not None or file.config.model.name is not None,
            version=version,
            config=_filled(file.config, name, version, detected),
            model=Model(
                name=name,
                version=str(version),
                code_digest=version.code_digest,
                weights_digest=version.weights_digest,
                runtime=detected.runtime,
                entry=detected.entry,
                weights=detected.model_file or detected.weights,
                golden=golden,
                schema=inside.schema,
                serve=file.config.serve,
            ),
            code=code,
            weights=weights,
            requirements=inside.requirements.texts(),
            source=self._tree,
            origin=self._origin,
            lock_path=self._opened.lock_path,
            hashes=inside.requirements.hashes,
            notes=self._complaints.notes,
        )

    def _attempt(self, step: Callable[[], T]) -> T | None:
        """Take a step; where it cannot go on, keep its complaint and go on without it."""
        try:
            return step()
        except PackageError as error:
            self._complaints.add_all(error)
            return None

    def _config(self) -> ConfigFile:
        is_there = CONFIG_FILE in self._paths
        data = read_small(self._tree, CONFIG_FILE, MAX_CONFIG_BYTES) if is_there else None
        return read_config(data, self._complaints)

    def _name(self, file: ConfigFile) -> str:
        if self._given_name is not None:
            if (fault := name_fault(self._given_name)) is not None:
                self._complaints.add("--name", *fault)
            return self._given_name
        if file.config.model.name is not None:
            return file.config.model.name
        stem = self._opened.stem
        if stem is None:
            self._complaints.add(
                STANDARD_INPUT,
                "has no name to call the model by",
                f"give one: --name NAME, or [model] name in {CONFIG_FILE}",
            )
            return ""
        name = stem if name_fault(stem) is None else suggest_name(stem)
        if not name:
            self._complaints.add(
                stem,
                "has no letter or digit that could stand in the model's name",
                f"give one: --name NAME, or [model] name in {CONFIG_FILE}",
            )
        elif name != stem:
            self._complaints.note(
                stem, f"is no valid name; the model is called {name}", "give one: --name NAME"
            )
        return name

    def _check_validation(self, file: ConfigFile) -> None:
        validate = file.config.validate
        if validate is not None and validate.data not in self._paths:
            self._complaints.add(
                file.place("validate", "data"),
                f"{validate.data!r} is not in the package",
                "correct the path",
            )

    def _inside(
        self, detected: Detected, file: ConfigFile, requirements: Requirements
    ) -> ModelFile:
        """Look into the entry or the model file."""
        if detected.model_file is not None:
            return read_model_file(
                self._tree, detected.model_file, detected.runtime, requirements, self._complaints
            )
        schema: Schema | None = None
        if detected.entry is not None:
            schema = read_signature(
                read_small(self._tree, detected.entry, MAX_ENTRY_BYTES),
                detected.entry,
                file.config.python.version or "3.11",
                self._complaints,
            )
        if _has_tensors(schema) and not requirements.naming("numpy"):
            self._complaints.note(
                detected.entry or "",
                "takes or gives arrays, and numpy is not among the requirements",
                "add numpy, unless another requirement brings it",
            )
        return ModelFile(schema=schema, requirements=requirements)

    def _halves(
        self, detected: Detected, inside: ModelFile
    ) -> tuple[tuple[FileEntry, ...], tuple[FileEntry, ...]]:
        """Hash the files, apart for code and weights."""
        entries = hash_files(self._tree, self._complaints, self._hashes)
        at = detected.weights
        weights = tuple(
            entry
            for entry in entries
            if entry.path in inside.data
            or (at is not None and (entry.path == at or entry.path.startswith(f"{at}/")))
        )
        taken = {entry.path for entry in weights}
        return tuple(entry for entry in entries if entry.path not in taken), weights

    def _note_golden(self, detected: Detected) -> None:
        is_bare = detected.model_file is not None and len(self._paths) == 1
        path = golden_beside(self._paths[0]) if is_bare else f"{FOLDER}/example.json"
        self._complaints.note(
            path,
            "is missing: no golden record shows that the served model answers right",
            'add it: {"input": ..., "output": ...}',
        )


def _has_tensors(schema: Schema | None) -> bool:
    return schema is not None and Tensors in (type(schema.input), type(schema.output))


def _filled(config: Config, name: str, version: Version, detected: Detected) -> Config:
    """The configuration with what was found in the place of what was not said."""
    replace = msgspec.structs.replace
    return replace(
        config,
        model=replace(
            config.model,
            name=name,
            version=version.code,
            entry=detected.entry,
            runtime=detected.runtime,
        ),
        weights=replace(config.weights, path=detected.weights, version=version.weights),
    )
