"""The sidecar: the settings beside a result, from which ``vedit rerun`` makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vedit import __version__
from vedit.atomic import whole_file
from vedit.config.anchors import portable
from vedit.config.groups import Settings
from vedit.config.paths import absolute
from vedit.config.sidecar_format import FORMAT


def save(config: Settings, path: Path, made_with: Mapping[str, str], *, overwrite: bool) -> None:
    """Write settings as a sidecar that ``vedit rerun`` takes. Paths in its folder are relative, others absolute, so the
    folder may be moved and read from anywhere. Raises MediaError when it cannot be written.
    """
    import yaml

    folder = absolute(path).parent
    dumped = config.model_dump(mode="json", exclude=set(config.transient))
    values = portable(dumped, type(config), folder)
    notes = {"command": config.job, "format": FORMAT, "vedit": __version__, "made_with": dict(made_with)}
    head = f"# Written by vedit {__version__}: `vedit rerun {path.name}` makes the same again.\n"
    body = yaml.safe_dump({**notes, **values}, sort_keys=False, allow_unicode=True, width=2**16)
    with whole_file(path, overwrite) as beside:
        beside.write_text(head + body, encoding="utf-8")
