"""Jobs files that are wrong: the name of each, what it holds, and all that is to be told of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

Bad = tuple[str, str | bytes, Sequence[str]]
"""The name of the file, what it holds, and a part of each line that is told, in their order."""

HUNDRED = f"[{', '.join(map(str, range(1, 101)))}]"
GOOD = "clip: a.mp4, prompt: x"


def yaml(text: str, *told: str) -> Bad:
    return "j.yaml", text, told


def job(settings: str, *told: str) -> Bad:
    """A job in the second line that would be good but for some settings."""
    return yaml(f"jobs:\n- {{{GOOD}, {settings}}}", *(f"j.yaml:2: job 1: {each}" for each in told))


def csv(text: str | bytes, *told: str) -> Bad:
    return "j.csv", text, told


def jsonl(*lines: object, told: Sequence[str]) -> Bad:
    return "j.jsonl", "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines), told


# What cannot be read at all

UNREADABLE: dict[str, Bad] = {
    "an empty file": yaml("", "j.yaml holds no jobs; expected 'defaults:' and 'jobs:'"),
    "a list": yaml("- clip: a.mp4", "j.yaml holds no jobs"),
    "a text": yaml("all of them", "j.yaml holds no jobs"),
    "no YAML": yaml("jobs:\n- {clip: a.mp4\n- x", "j.yaml:4: not YAML"),
    "two documents": yaml("jobs: []\n---\njobs: []", "j.yaml:2: not YAML: but found another document"),
    "a tag that would run code": yaml(
        "jobs:\n- prompt: !!python/object/apply:os.mkdir [opened]", "j.yaml:2: not YAML: could not determine a construc"
    ),
    "a tag of its own": yaml("jobs:\n- !job {prompt: x}", "j.yaml:2: not YAML: could not determine a constructor"),
    "anchors": yaml("defaults: &a {clip: a.mp4}\njobs: [*a]", "j.yaml:1: not YAML: anchors and aliases"),
    "a merged key": yaml("defaults: {clip: a.mp4}\njobs:\n- <<: *defaults", "j.yaml:3: not YAML: anchors and aliases"),
    "YAML too deep": yaml("jobs:\n- clip: " + "[" * 500, "j.yaml:2: not YAML: more than 20 levels"),
    "YAML with too many values": yaml(f"jobs:\n- seed: [{'1,' * 200_000}]", "j.yaml:2: not YAML: more than 100,000"),
    "a key that is a list": yaml("jobs:\n- {[a]: 3}", "j.yaml:2: not YAML: found unhashable key"),
    "bytes that are no text": ("j.yaml", b"jobs: \xff", ["'j.yaml' is not text"]),
    "NUL": yaml("jobs:\n- prompt: a\0b", "j.yaml: not YAML: unacceptable character"),
    "a file that is too large": yaml("#" * 20_000_000, "'j.yaml' cannot be read: it has more than 16,000,000 bytes"),
    "another kind of file": ("j.txt", "jobs: []", ["j.txt is no jobs file; expected .yaml, .yml, .csv, .jsonl, or"]),
    "no jobs in the list": yaml("jobs: []", "j.yaml holds no jobs; expected at least one"),
    "an empty table": csv("\n\n", "j.csv is empty; expected names of settings in the first line"),
    "a table of its head alone": csv("clip,prompt\n", "j.csv holds no jobs"),
    "a table with semicolons": csv(
        "clip;prompt\na.mp4;x\n", "j.csv:1: the columns stand apart by ';'; expected commas"
    ),
    "a table with tabs": csv("clip\tprompt\na.mp4\tx\n", "j.csv:1: the columns stand apart by '\\t'; expected commas"),
    "a table with an open quote": csv('clip,prompt\na.mp4,x\na.mp4,"y\n', "j.csv:3: not CSV: unexpected end of data"),
    "a table with a quote too many": csv('clip,prompt\na.mp4,"a "red" cat"\n', "j.csv:2: not CSV: "),
    "lines of nothing": jsonl("", "", told=["j.jsonl holds no jobs"]),
}

# What is wrong with the parts of a file

PARTS: dict[str, Bad] = {
    "jobs that are a mapping": yaml("defaults: {}\njobs: {}", "j.yaml:2: jobs: expected a list of jobs"),
    "jobs that are a text": yaml("jobs: all", "j.yaml:1: jobs: expected a list of jobs"),
    "jobs that are nothing": yaml("jobs:", "j.yaml:1: jobs: expected a list of jobs"),
    "no jobs": yaml("defaults: {clip: a.mp4}", "j.yaml:1: jobs: expected a list of jobs"),
    "parts that are unknown": yaml(
        f"default: {{}}\n3: 4\njobs: [{{{GOOD}}}]",
        "j.yaml:1: default: there is no such part; did you mean 'defaults'?",
        "j.yaml:2: 3: there is no such part; expected one of defaults, jobs",
    ),
    "defaults that are no mapping": yaml(
        "defaults: [clip]\njobs:\n- {prompt: x}\n- {crf: 99}",
        "j.yaml:1: defaults: ['clip'] is no mapping",
        "j.yaml:4: job 2: crf: 99 is out of range",
    ),
    "jobs that are none": yaml(
        f"jobs:\n- a cat\n- 3\n-\n- [x]\n- {{{GOOD}}}",
        "j.yaml:2: job 1: 'a cat' is no mapping; expected lines such as 'seed: 1'",
        "j.yaml:3: job 2: 3 is no mapping",
        "j.yaml:4: job 3: None is no mapping",
        "j.yaml:5: job 4: ['x'] is no mapping",
    ),
    "keys that are given twice": yaml(
        "defaults: {clip: a.mp4, clip: b.mp4}\n"
        "jobs:\n"
        "- prompt: x\n  prompt: y\n"
        "  product: 3\n  product: {seed: [1], seed: [2]}\n"
        "- prompt: z\n  sweep: {strength: 0.5..1/2,\n    strength: 1..1}\n"
        "- {product: {look: {a: {prompt: x, prompt: y}, a: {}}}}\n"
        "- {prompt: x, negative-prompt: mud, negative_prompt: mud}\n"
        "defaults: {clip: a.mp4}\n",
        "j.yaml:1: 'clip' is given twice",
        "j.yaml:4: 'prompt' is given twice",
        "j.yaml:6: 'product' is given twice",
        "j.yaml:6: 'seed' is given twice",
        "j.yaml:9: 'strength' is given twice",
        "j.yaml:10: 'prompt' is given twice",
        "j.yaml:10: 'a' is given twice",
        "j.yaml:11: job 4: 'negative_prompt' is given twice",
        "j.yaml:12: 'defaults' is given twice",
    ),
    "a job that is unknown": yaml(
        f"defaults:\n  command: edti\njobs:\n- {{{GOOD}}}\n- {{command: rerun, {GOOD}}}\n- {{command: 3}}\n"
        f"- {{command: [edit]}}\n- {{command: inspect timeline, timeline: '1'}}",
        "j.yaml:2: defaults: command: 'edti' is no job; did you mean 'edit'?",
        "j.yaml:5: job 2: command: 'rerun' is no job",
        "j.yaml:6: job 3: command: '3' is no job; expected one of edit, generate, animate, tune,",
        "j.yaml:7: job 4: command: \"['edit']\" is no job",
        "j.yaml:8: job 5: command: 'inspect timeline' is no job",
    ),
}

# Settings

SETTINGS: dict[str, Bad] = {
    "settings that are unknown": yaml(
        f"defaults: {{sed: 3}}\njobs:\n- {{{GOOD}, stpes: 3}}\n- {{{GOOD}, output: y, 3: 4}}",
        "j.yaml:1: defaults: sed: there is no such setting; did you mean 'seed'?",
        "j.yaml:3: job 1: stpes: there is no such setting; did you mean 'steps'?",
        "j.yaml:4: job 2: 3: there is no such setting; expected one of clip, ",
    ),
    "another tool's name": job("denoise: 0.5", "denoise: there is no such setting; here it is called 'strength'"),
    "types that are wrong": job(
        "seed: often, strength: [1], negative_prompt: 3, paste: perhaps, sheet: 3, output: {a: b}",
        "negative_prompt: 3 is not a string of text",
        "seed: 'often' is not a whole number",
        "paste: 'perhaps' is neither true nor false",
        "strength: [1] is not a number",
        "output: {'a': 'b'} is no path; put quotes around it",
        "sheet: 3 is no path; put quotes around it",
    ),
    "lists of what is one value": yaml(
        "jobs:\n- clip: [a.mp4, b.mp4]\n  prompts: [x, y]\n  prompt: [x, y]\n"
        "  seeds: [1, 2]\n  steps: [1]\n  lora: [3]",
        "j.yaml:2: job 1: clip: ['a.mp4', 'b.mp4'] is not a path; several values of clip, each of which is taken, ",
        "j.yaml:3: job 1: prompts: there is no such setting; several values of prompt,",
        "j.yaml:4: job 1: prompt: ['x', 'y'] is not a string of text; several values of prompt,",
        "j.yaml:5: job 1: seeds: there is no such setting; several values of seed,",
        "j.yaml:6: job 1: steps: [1] is not a whole number; several values of steps,",
        "j.yaml:7: job 1: lora: ",
    ),
    "numbers that are none": job("strength: .nan, guidance: .inf", "guidance: inf", "strength: nan is not a number"),
    "what is missing": yaml(
        "jobs:\n- {seed: 1}\n- {command: generate}\n",
        "j.yaml:2: job 1: clip is missing",
        "j.yaml:2: job 1: prompt is missing",
        "j.yaml:3: job 2: prompt is missing",
    ),
    "settings that do not agree": job("tune: 3, audio_mix: true", "tune needs source_prompt, the words that say what"),
    "a wrong default of many jobs": yaml(
        "defaults:\n  clip: a.mp4\n  crf: 99\njobs:\n" + "- {prompt: x}\n" * 50 + "- {product: {prompt: [x, y, z]}}",
        "j.yaml:3: defaults: crf: 99 is out of range; expected 0..51",
    ),
    "what holds for one run": yaml(
        f"defaults: {{overwrite: true}}\njobs:\n- {{{GOOD}}}\n- {{{GOOD}, product: {{look: {{a: {{overwrite: 1}}}}}}}}",
        "j.yaml:1: defaults: overwrite is not taken from a file; say --overwrite where you mean it",
        "j.yaml:4: job 2: product: overwrite is not taken from a file",
    ),
    "clips that are missing": yaml(
        "defaults: {prompt: x}\njobs:\n- {clip: no.mp4}\n- {clip: no*.mp4}\n- {clip: ''}\n- {clip: \"a\\0*.mp4\"}\n"
        '- {clip: "~\\0"}\n- product: {clip: [a.mp4,\n    no/b.mp4]}\n- {clip: http://a/c.mp4, audio: no.wav}',
        "j.yaml:3: job 1: clip: {here}/no.mp4 does not exist",
        "j.yaml:4: job 2: clip: no file matches 'no*.mp4'",
        "j.yaml:5: job 3: clip: '' is no path",
        "j.yaml:6: job 4: clip: '/",
        "j.yaml:7: job 5: clip: '/",
        "j.yaml:9: job 6: product: clip: {here}/no/b.mp4 does not exist",
        "j.yaml:10: job 7: clip: 'http://a/c.mp4' is an address; expected a file on this machine",
        "j.yaml:10: job 7: audio: {here}/no.wav does not exist",
    ),
    "words that are none": job(
        "negative_prompt: 'a {hue} thing', words: {colour: red}, seed: x",
        "negative_prompt: there is no word {hue}; expected one of colour",
        "seed: 'x' is not a whole number",
    ),
    "words of which there are none": job(
        "negative_prompt: 'a {hue} thing'",
        "negative_prompt: there is no word {hue}; the job has no words:",
    ),
}

# Products and sweeps

AXES: dict[str, Bad] = {
    "products that are none": yaml(
        "jobs:\n" + "".join(f"- {{{GOOD}, product: {each}}}\n" for each in (
            "3", "[seed]", "{}", "", "{seed: []}", "{seed: {}}", "{seed: 3}", "{seed: }", "{sed: [1]}",
            "{look: [a]}", "{look: {a: 3}}", "{my look: {a: {seed: 1}}}", "{words: [a]}", "{seed: 1..3}",
        )),
        "j.yaml:2: job 1: product: 3 is no mapping; expected lines such as 'seed: [1, 2]'",
        "j.yaml:3: job 2: product: ['seed'] is no mapping",
        "j.yaml:4: job 3: product: nothing is listed",
        "j.yaml:5: job 4: product: nothing is listed",
        "j.yaml:6: job 5: product: seed: nothing is no list of values; expected [one, another]",
        "j.yaml:7: job 6: product: seed: nothing is no list of values",
        "j.yaml:8: job 7: product: seed: 3 is no list of values",
        "j.yaml:9: job 8: product: seed: nothing is no list of values",
        "j.yaml:10: job 9: product: sed: there is no such setting; did you mean 'seed'?; several settings",
        "j.yaml:11: job 10: product: look: there is no such setting;",
        "j.yaml:12: job 11: product: look: there is no such setting;",
        "j.yaml:13: job 12: product: my look: expected a name of letters, digits and _",
        "j.yaml:14: job 13: product: words: there is no such setting;",
        "j.yaml:15: job 14: product: seed: '1..3' is no list of values; expected [one, another]; such numbers",
    ),
    "sweeps that are none": yaml(
        "jobs:\n" + "".join(f"- {{clip: a.mp4, prompt: x, sweep: {each}}}\n" for each in (
            "3", "{strength: a..b}", "{strength: 0.5}", "{strength: 0.5..0.9}", "{seed: 0..3/0}",
            "{seed: 0..999999999}", "{seed: 0..1/1000000}", "{seed: [1, 2]}", "{seed: }", "{seed: 1..2..3}",
            "{strength: 1e400..2/3}", "{strength: .nan}", "{negative_prompt: 1..2}", "{audio: 1..2}",
            "{paste: 0..1}", "{output: 1..2}", "{sed: 1..2}", "{crf: 0..1/3}", "{strength: 0.5..1.5/2}",
        )),
        "j.yaml:2: job 1: sweep: 3 is no mapping; expected lines such as 'strength: 0.5..0.9/5'",
        "j.yaml:3: job 2: sweep: strength: 'a..b' is no sweep; expected FROM..TO/HOW_MANY",
        "j.yaml:4: job 3: sweep: strength: 0.5 is no sweep",
        "j.yaml:5: job 4: sweep: strength: '0.5..0.9' does not say how many values",
        "j.yaml:6: job 5: sweep: seed: '0..3/0' has 0 values; expected 1..10,000",
        "j.yaml:7: job 6: sweep: seed: '0..999999999' has 1,000,000,000 values; expected 1..10,000",
        "j.yaml:8: job 7: sweep: seed: '0..1/1000000' has 1,000,000 values",
        "j.yaml:9: job 8: sweep: seed: [1, 2] is no sweep",
        "j.yaml:10: job 9: sweep: seed: None is no sweep",
        "j.yaml:11: job 10: sweep: seed: '1..2..3' is no sweep",
        "j.yaml:12: job 11: sweep: strength: '1e400..2/3' is no sweep",
        "j.yaml:13: job 12: sweep: strength: nan is no sweep",
        "j.yaml:14: job 13: sweep: negative_prompt: it is no number, and cannot be swept",
        "j.yaml:15: job 14: sweep: audio: it is no number",
        "j.yaml:16: job 15: sweep: paste: it is no number",
        "j.yaml:17: job 16: sweep: output: it is no number",
        "j.yaml:18: job 17: sweep: sed: there is no such setting; did you mean 'seed'?",
        "j.yaml:19: job 18: sweep: crf: 0.5 is not a whole number",
        "j.yaml:20: job 19: sweep: strength: 1.5 is out of range",
    ),
    "a setting in two ways": job(
        "seed: 1, product: {seed: [1], crf: [1]}, sweep: {crf: 1..2}",
        "product: seed: it is given in two ways; leave one out",
        "sweep: crf: it is given in two ways; leave one out",
    ),
    "a million combinations": job(
        f"product: {{seed: {HUNDRED}, steps: {HUNDRED}, start: {HUNDRED}}}",
        "1,000,000 combinations; expected at most 10,000",
    ),
    "too many jobs": yaml(
        "jobs:\n" + f"- {{{GOOD}, product: {{seed: {HUNDRED}, steps: {HUNDRED}}}}}\n- {{{GOOD}, output: y.mp4}}",
        "j.yaml: more than 10,000 jobs; make several files of it",
    ),
}  # fmt: skip

# Outputs

OUTPUTS: dict[str, Bad] = {
    "templates that lead out": yaml(
        "defaults: {clip: a.mp4, prompt: x}\njobs:\n" + "".join(f"- output: {each}\n" for each in (
            "../x.mp4", "'{prompt}/../../x.mp4'", "/tmp/x.mp4", "~/x.mp4", "'..\\x.mp4'", "'C:\\x.mp4'", "'.'", "''",
            ".batch.lock", "link/x.mp4",
        )),
        "j.yaml:3: job 1: output: '../x.mp4' leads out of the output folder; expected a name inside it",
        "j.yaml:4: job 2: output: '{prompt}/../../x.mp4' leads out of the output folder",
        "j.yaml:5: job 3: output: '/tmp/x.mp4' leads out of the output folder",
        "j.yaml:6: job 4: output: '~/x.mp4' leads out of the output folder",
        "j.yaml:7: job 5: output: '..\\\\x.mp4' leads out of the output folder",
        "j.yaml:8: job 6: output: 'C:\\\\x.mp4' leads out of the output folder",
        "j.yaml:9: job 7: output: '.' leads out of the output folder",
        "j.yaml:10: job 8: output: '' leads out of the output folder",
        "j.yaml:11: job 9: output: '.batch.lock' is hidden, as unfinished files are",
        "j.yaml:12: job 10: output: 'link/x.mp4' leads out of the output folder through a link",
    ),
    "templates that are none": yaml(
        "defaults: {clip: a.mp4, prompt: x}\njobs:\n" + "".join(f"- output: '{each}.mp4'\n" for each in (
            "{prompt", "}", "{}", "{0}", "{prompt.__class__}", "{prompt!r}", "{seed:04.1f}", "{prompt:03}", "{promt}",
            "{output}", "{overwrite}", "{command}", "x" * 300,
        )) + '- output: "a\\e[31m.mp4"\n',
        "j.yaml:3: job 1: output: '{prompt.mp4' is no template",
        "j.yaml:4: job 2: output: '}.mp4' is no template",
        "j.yaml:5: job 3: output: '{}.mp4': '{}' is no field; expected {prompt} or {seed:04}",
        "j.yaml:6: job 4: output: '{0}.mp4': '{0}' is no field",
        "j.yaml:7: job 5: output: '{prompt.__class__}.mp4': '{prompt.__class__}' is no field",
        "j.yaml:8: job 6: output: '{prompt!r}.mp4': '{prompt!r}' is no field",
        "j.yaml:9: job 7: output: '{seed:04.1f}.mp4': '{seed:04.1f}' is no field",
        "j.yaml:10: job 8: output: '{prompt:03}.mp4': prompt is 'x', no whole number",
        "j.yaml:11: job 9: output: {promt} is no setting; did you mean 'prompt'?",
        "j.yaml:12: job 10: output: {output} is no setting",
        "j.yaml:13: job 11: output: {overwrite} is no setting",
        "j.yaml:14: job 12: output: {command} is no setting",
        "j.yaml:15: job 13: output: 'xxx",
        "j.yaml:16: job 14: output: 'a\\x1b[31m.mp4' holds characters that no file's name should",
    ),
    "outputs that meet": yaml(
        "defaults: {clip: a.mp4}\njobs:\n- {prompt: a/b}\n- {prompt: a?b}\n- {prompt: x, output: A/A-B.mp4}\n"
        "- {product: {prompt: [x, y]}, output: z.mp4}\n- {prompt: x, output: x.mp4, sheet: z.mp4}\n"
        "- {prompt: x, output: pictures/x.mp4}\n- {prompt: x, report: index.html}\n",
        "j.yaml:4: job 2: a/a-b.mp4 is written by j.yaml:3: job 1 too; put what differs into the name",
        "j.yaml:5: job 3: A/A-B.mp4 is, to some file systems, a/a-b.mp4 of j.yaml:3: job 1",
        "j.yaml:6: job 4: z.mp4 is written by another of its combinations too; put what differs into the name",
        "j.yaml:7: job 5: z.mp4 is written by j.yaml:6: job 4 too",
        "j.yaml:8: job 6: pictures/x.mp4 is the batch's own; give another name",
        "j.yaml:9: job 7: index.html is the batch's own; give another name",
    ),
    "prompts of which no name tells one from another": yaml(
        "defaults: {clip: a.mp4}\njobs:\n- {prompt: a 🦊}\n- {prompt: a 🐱}\n- {prompt: \"a\\0\"}\n- {prompt: a/}\n",
        "j.yaml:4: job 2: a/a.mp4 is written by j.yaml:3: job 1 too",
        "j.yaml:5: job 3: a/a.mp4 is written by j.yaml:3: job 1 too",
        "j.yaml:6: job 4: a/a.mp4 is written by j.yaml:3: job 1 too",
    ),
    "labels that lead out are names, and meet": job(
        "output: '{look}.mp4', product: {look: {../x: {}, x: {}, 'x/..': {}}}",
        "x.mp4 is written by another of its combinations too; put what differs into the name, such as {look}",
    ),
}  # fmt: skip

# Tables and lines

TABLES: dict[str, Bad] = {
    "columns that are unknown": csv(
        "clip,prompt,sed,sweep,words,clip\na.mp4,x,1,,,a.mp4\na.mp4,y,2,,,a.mp4\n",
        "j.csv:1: the column 'clip' is there twice",
        "j.csv:1: sed: there is no such setting; did you mean 'seed'?",
        "j.csv:1: sweep: a table has no room for it",
        "j.csv:1: words: a table has no room for it",
    ),
    "cells that are too many": csv(
        "clip,prompt,\na.mp4,a fox, running\na.mp4,y,,z\na.mp4,z,,\n",
        "j.csv:2: job 1: 'running' stands in a column without a name in the first line",
        "j.csv:3: job 2: 'z' stands in a column without a name in the first line",
    ),
    "cells that are wrong": csv(
        b"\xef\xbb\xbfcommand,clip,prompt,seed\r\n,a.mp4,\"two\r\nlines\",often\r\nedti,a.mp4,x,1\r\n,no.mp4,,\r\n",
        "j.csv:2: job 1: seed: 'often' is not a whole number",
        "j.csv:4: job 2: command: 'edti' is no job; did you mean 'edit'?",
        "j.csv:5: job 3: prompt is missing",
        "j.csv:5: job 3: clip: {here}/no.mp4 does not exist",
    ),
    "a setting that another kind of job has": csv(
        "command,clip,prompt,fps\ngenerate,,x,8\nedit,a.mp4,x,8\n", "j.csv:3: job 2: fps: there is no such setting"
    ),
    "lines that are wrong": jsonl(
        {"clip": "a.mp4", "prompt": "x"}, "", '{"clip": ', "[1]", '"x"', '{"clip": "a.mp4", "seed": 1, "seed": 2}',
        {"clip": "a.mp4", "prompt": "x", "product": 3}, {"clip": "a.mp4", "prompt": "a \ud800", "seed": float("nan")},
        {"clip": "a.mp4", "prompt": "x", "product": {"look": {"a": {"seed": "?"}}}}, f'{{"seed": {"9" * 5000}}}',
        "[" * 100_000, {"clip": "a.mp4", "prompt": "x", "seed": 10**400},
        told=[
            "j.jsonl:3: job 2 cannot be read as JSON: ",
            "j.jsonl:4: job 3 holds no settings: expected a JSON object",
            "j.jsonl:5: job 4 holds no settings: expected a JSON object",
            "j.jsonl:6: job 5: 'seed' is given twice",
            "j.jsonl:7: job 6: product: 3 is no mapping; expected lines such as",
            "j.jsonl:8: job 7: seed: nan",
            "j.jsonl:8: job 7: prompt: 'a \\ud800'",
            "j.jsonl:9: job 8: product: seed: '?' is not a whole number",
            "j.jsonl:10: job 9 cannot be read as JSON: ",
            "j.jsonl:11: job 10 cannot be read as JSON: it is nested too deeply",
            "j.jsonl:12: job 11: seed: 1000",
        ],
    ),
    "a list of very many values": jsonl(
        '{"clip": "a.mp4", "product": {"prompt": [' + "1," * 500_000 + "1]}}",
        told=["j.jsonl:1: job 1: product: prompt: 500,001 values; expected at most 10,000"],
    ),
}  # fmt: skip

FILES = UNREADABLE | PARTS | SETTINGS | AXES | OUTPUTS | TABLES
