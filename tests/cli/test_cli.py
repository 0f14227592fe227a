"""The command's manners: quick help, one line for what went wrong, and the right exit status."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import vedit as package
from tests.conftest import Ran
from vedit.cli import commands
from vedit.cli.help import EXAMPLES
from vedit.errors import DeviceError, VeditWarning
from vedit.progress import Display

Command = Callable[..., Ran]


def replace_edit(monkeypatch: pytest.MonkeyPatch, run: Callable[..., object]) -> None:
    """Put something else in the place of running a job."""
    monkeypatch.setattr(commands, "run_job", run)


def test_help_lists_the_commands(vedit: Command) -> None:
    ran = vedit("--help")
    assert ran.status == 0
    assert {"edit", "tune", "invert", "inspect", "rerun", "doctor", "parts"} <= set(ran.out.split())
    assert "..." not in ran.out.split("Commands")[1], "nothing is cut off"
    assert vedit("-h") == ran


def test_help_imports_nothing_heavy() -> None:
    """What is imported decides how soon help is there; a time would depend on the machine."""
    code = """
import sys
there = {*sys.modules}
from vedit.cli import main
main(['--help'])
print(*sorted({name.partition('.')[0] for name in {*sys.modules} - there} - sys.stdlib_module_names), file=sys.stderr)
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stderr.split()
    libraries = {name for name in told if not name.startswith("_")} - {"vedit"}
    light = {"annotated_doc", "annotated_types", "pydantic", "pydantic_core", "typer", "typing_extensions"}
    assert libraries <= light | {"shellingham", "typing_inspection"}


def test_version(vedit: Command) -> None:
    assert vedit("--version") == Ran(0, f"vedit {package.__version__}\n", "")


def test_python_m_vedit() -> None:
    done = subprocess.run([sys.executable, "-m", "vedit", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"vedit {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no command given"),
        (["edti"], "error: there is no command 'edti'; did you mean 'edit'?; see `vedit --help`"),
        (["finetune"], "there is no command 'finetune'; here it is called 'tune'"),
        (["edit", "a.mp4", "x", "--stepz", "3"], "--steps"),
        (["edit", "a.mp4", "x", "--steps"], "requires an argument"),
        (["edit", "a.mp4", "x", "y"], "a prompt of several words stands in quotes"),
        (["tune", "a.mp4", "a fox"], "what the clip shows is given as --prompt"),
        (["invert", "a.mp4", "a fox"], "what the clip shows is given as --source-prompt"),
        (["compare", "a.mp4", "b.mp4", "c.mp4"], "unexpected extra argument"),
        (["edit", "a.mp4"], "PROMPT is missing; for example: vedit edit"),
        (["edit"], "CLIP and PROMPT are missing; for example: vedit edit"),
        (["edit", "a blue star", "examples/star.mp4"], "vedit edit examples/star.mp4 'a blue star'"),
        (["examples/star.mp4", "a blue star"], "to edit it: vedit edit examples/star.mp4 'a blue star'"),
        (["a blue star"], 'vedit generate "a blue star"'),
        (["--steps", "3", "edit"], "flags stand behind the command"),
        (["edit", "a.mp4", "x", "--cfg-scale", "3"], "there is no flag --cfg-scale; here it is --guidance"),
        (["edit", "a.mp4", "x", "--rate", "3"], "no flag --rate; see"),
        (["edit", "a.mp4", "x", "--last", "b.png"], "no flag --last; it is a flag of `vedit generate`; see"),
        (["upscale", "a.mp4", "--only", "2s.."], "no flag --only; it is a flag of `vedit edit`, `vedit batch`; see"),
        (["edit", "a.mp4", "x", "--stepz", "3"], "no flag --stepz; did you mean --steps?"),
        (["edit", "a.mp4", "x", "--canny"], "here it is --control edge"),
        (["edit", "a.mp4", "--prompt", "x"], "here it is the argument PROMPT"),
        (["edit", "a.mp4", "x", "--set", "num_inference_steps=3"], "here it is called 'steps'"),
        (["edit", "a.mp4", "x", "--control", "openpose:0.5"], "here it is called 'pose'"),
        (["inspect", "hed", "a.mp4"], "here it is called 'soft_edge'"),
        (["edit", "a.mp4", "x", "--steps", "0", "--crf", "99"], "2 faults"),
        (["edit", "a.mp4", "x", "--config", "none.yaml"], "none.yaml cannot be read"),
        (["edit", "a.mp4", "x", "--set", "steps"], "expected key=value"),
        (["edit", "a.mp4", "/home/me/other.mp4"], "PROMPT: '/home/me/other.mp4' looks like a path"),
        (["rerun", "none.yaml"], "none.yaml cannot be read"),
        (["rerun"], "SIDECAR"),
        (["rerun", "a.yaml", "--prompt", "a fox"], "no flag --prompt; a setting is changed as --set prompt='...'"),
        (["rerun", "a.yaml", "--cfg-scale", "3"], "--set guidance='...'"),
        (["rerun", "a.yaml", "--stepz=3"], "--set steps='...'"),
        (["rerun", "a.yaml", "--no-paste"], "--set paste=false"),
        (["rerun", "a.yaml", "-g", "3"], "--set NAME='...'"),
        (["rerun", "a.yaml", "--sett", "steps=3"], "did you mean --set?"),
        (["rerun", "a.yaml", "new words"], "(new words); new words are given as --set prompt='...'"),
    ],
)
def test_wrong_usage_is_one_line(vedit: Command, arguments: list[str], said: str) -> None:
    assert said in vedit(*arguments).complaint


def test_rerun_takes_sidecars_only(vedit: Command, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("clip: a.mp4\nprompt: a cat\n")
    assert "is not a sidecar" in vedit("rerun", tmp_path / "own.yaml").complaint


def test_an_error_is_one_line_and_2(vedit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DeviceError("no such thing;\n use another")

    replace_edit(monkeypatch, fail)
    assert vedit("edit", "a.mp4", "x").complaint == "error: no such thing; use another"
    loud = vedit("edit", "a.mp4", "x", "--verbose")
    assert loud.status == 2
    assert "Traceback" in loud.err
    assert "Traceback" in vedit("--verbose", "edit", "a.mp4", "x").err


def test_a_fault_of_our_own_is_one_line_and_1(vedit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("lost")

    replace_edit(monkeypatch, fail)
    ran = vedit("edit", "a.mp4", "x")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "error: a fault of vedit's own, KeyError: 'lost'; --verbose shows where\n"


def test_an_interruption_is_130(vedit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    replace_edit(monkeypatch, interrupt)
    ran = vedit("edit", "a.mp4", "x")
    assert (ran.status, ran.out, "Traceback" in ran.err) == (130, "", False)


def test_a_request_to_end_leaves_by_an_exception(vedit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = []

    def wait(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            cleaned.append(True)

    replace_edit(monkeypatch, wait)
    with pytest.raises(SystemExit) as caught:
        vedit("edit", "a.mp4", "x")
    assert (caught.value.code, cleaned) == (143, [True])
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_our_warnings_are_one_line_and_others_are_not_shown(vedit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*_: object, **__: object) -> None:
        warnings.warn("a library's own", FutureWarning, stacklevel=1)
        warnings.warn("mind the\n step", VeditWarning, stacklevel=1)
        raise DeviceError("stop here")

    replace_edit(monkeypatch, warn)
    assert vedit("edit", "a.mp4", "x").err == "warning: mind the step\nerror: stop here\n"


def test_progress_off_a_terminal_is_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for done in (1, 2, 3):
            display("denoising", done, 3)
    assert capsys.readouterr().err == "denoising: 3 in 0 s\n"


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with Display() as display:
        display.expect({"inverting": 1, "denoising": 3})
        display("inverting", 1, 1)
        display("denoising", 1, 2)
        display.say("a [bold] line")
        display("denoising", 2, 2)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "100%" in shown
    assert "a [bold] line" in shown


def test_parts_lists_every_kind(vedit: Command) -> None:
    from vedit import registry

    shown = vedit("parts").out
    assert all(kind in shown for family in registry.TABLES for kind in registry.names(family))


def test_doctor_examines_this_machine(vedit: Command) -> None:
    ran = vedit("doctor")
    assert ran.status == 0
    for part in (
        "torch",
        "cpu",
        "threads",
        "bfloat16",
        "times as long as float32",
        "sdpa",
        "agrees",
        "xformers",
        "mini",
        "cache",
    ):
        assert part in ran.out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["inspect", ""], {"edge", "pose", "audio", "timeline"}),
        (["edit", "a.mp4", "x", "--control", "p"], {"pose"}),
        (["edit", "a.mp4", "x", "--prior", ""], {"inversion", "flow_warped"}),
        (["edit", "--codec", "lib"], {"libx264", "libx265", "libvpx-vp9"}),
        (["generate", "--model", "sd"], {"sd15", "sd21"}),
        (["edit", "--mask", ""], {"auto", "word:"}),
        (["edit", "--source"], {"--source-prompt"}),
    ],
)
def test_shells_complete_commands_flags_kinds_and_choices(words: list[str], offered: set[str]) -> None:
    asked = {
        "_VEDIT_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["vedit", *words]),
        "COMP_CWORD": str(len(words)),
    }
    code = "import sys\nsys.argv = ['vedit']\nfrom vedit.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert offered <= set(done.stdout.split())
    assert "--install-completion" not in done.stdout


def test_a_kinds_own_options_are_in_its_help(vedit: Command) -> None:
    shown = vedit("inspect", "edge", "--help").out
    assert "Options of edge, as --set NAME=VALUE" in shown
    assert all(name in shown.split("Options of edge")[1] for name in ("low", "high", "blur"))


def test_the_kinds_of_inspect_say_what_each_is(vedit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = vedit("inspect", "--help").out.splitlines()
    assert "  pose        Skeletons in OpenPose's drawing, on black, as SD's pose ControlNets were trained" in lines
    told = [line[14:] for line in lines[lines.index("Kinds") + 1 :] if line.startswith("  ")]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("example", EXAMPLES.values())
def test_no_example_writes_its_settings_over_what_it_reads(example: str) -> None:
    words = shlex.split(example)
    if "-o" in words:
        sidecar = Path(words[words.index("-o") + 1]).with_suffix(".yaml").name
        read = [word for index, word in enumerate(words) if words[index - 1] != "-o"]
        assert sidecar not in read
