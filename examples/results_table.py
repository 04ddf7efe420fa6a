"""The tables of docs/results.md, from the records in docs/results and of the networks that ship.

Run it with ``python examples/results_table.py [FILE.md]``: it writes docs/results.md anew, or with
a name a copy of it. Tables stand between two comments each; what is around them stays.
What is not there yet is a dash.

``python examples/results_table.py --add PATH …`` first puts records into docs/results: lines of
``stemfast ceiling``, what ``stemfast evaluate`` wrote of a network that ships, ``runs.json`` of
``stemfast study runs`` (under the name of its folder), what ``stemfast study baselines`` or ``study
transfer`` wrote, or the folder of a run whose network does not ship.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import stemfast

DOCS = Path(__file__).resolve().parents[1] / "docs"
RECORDS = DOCS / "results"
WEIGHTS = Path(stemfast.__file__).parent / "weights"

TASKS = ("shapes", "deformed", "count", "pairs-cube", "pairs-cuboid")
CLASSES = {"shapes": 3, "deformed": 2, "count": 9, "pairs-cube": 3, "pairs-cuboid": 7}
#: What a student project reached with the network and images of its time.
STUDENTS = {
    "deformed": "94.4 %",
    "count": "about 55 %",
    "pairs-cube": "about 50 % ²",
    "pairs-cuboid": "about 50 % ²",
}
#: What was hoped for: with a GPU, and on two CPU cores in about an hour.
GOALS = {
    "shapes": "99.5 %",
    "deformed": "99.0 % / 98 %",
    "count": "96 % / 88 %",
    "pairs-cube": "97 %",
    "pairs-cuboid": "93 %",
}
NONE = "–"

Record = dict[str, Any]


def read(name: str) -> Record | None:
    path = RECORDS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def network(task: str) -> Record | None:
    """The records of the network of a task that comes along."""
    path = WEIGHTS / task / "config.json"
    return json.loads(path.read_text(encoding="utf-8"))["card"] if path.is_file() else None


def judged(task: str, pose: str) -> Record | None:
    """Test of a network that ships on one kind of pose, if that was measured by itself."""
    return (read(f"poses-{task}") or {}).get(pose)


def of_random_poses(task: str, card: Record) -> Record:
    """Test on random poses, as ceilings and baselines are; the card's own where it has no other."""
    return judged(task, "random") or card["test"]


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def within(share: float, interval: list[float], digits: int = 1) -> str:
    low, high = (f"{100 * end:.{digits}f}" for end in interval)
    return f"{percent(share, digits)} ({low}–{high})"


def table(head: list[str], rows: list[list[str]], numbers: int) -> str:
    """Markdown; the last `numbers` columns stand to the right."""
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *rows])


def duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def tasks() -> str:
    """Tasks × models × ceilings."""
    head = ["task", "chance", "boosted features", "two layers", "**network**", "at rest ⁴"]
    head += ["its training", "ceiling", "goal ³", "student project"]
    rows = []
    for task in TASKS:
        row = [f"`{task}`", percent(1 / CLASSES[task])]
        base, own, top = read(f"baselines-{task}"), network(task), read(f"ceiling-{task}")
        for name in ("boosted features", "two layers"):
            found = base and base["baselines"][name]
            row.append(
                within(found["balanced_accuracy"], found["balanced_interval"]) if found else NONE
            )
        if own:
            test, lying = of_random_poses(task, own), judged(task, "resting, tilts of 5°")
            row.append(f"**{within(test['balanced_accuracy'], test['balanced_interval'])}**")
            row.append(percent(lying["balanced_accuracy"]) if lying else NONE)
            row.append(f"{own['images_seen']:,} images, {duration(own['seconds'])}" + start(own))
        else:
            row += [NONE, NONE, NONE]
        row.append(ceiling(top, own))
        rows.append([*row, GOALS[task], STUDENTS.get(task, NONE)])
    return table(head, rows, 0)


def start(card: Record) -> str:
    """What a network had learnt before."""
    before = card.get("started_from")
    return f", from `{before['name']}`" if before else ""


def ceiling(top: Record | None, own: Record | None) -> str:
    if top is None:
        return NONE
    text = f"{within(top['accuracy'], top['interval'])} of {top['images']}"
    cuts_only = own and own["recipe"]["particle"].get("displaced_share", 0) > 0
    return text + (" ¹" if cuts_only else "")


def within_one() -> str:
    """What is at most one corner off."""
    base, own, top = read("baselines-count"), network("count"), read("ceiling-count")
    cells = [percent(base["baselines"][n]["within_one"]) for n in base["baselines"]] if base else []
    cells += [] if own is None else [own_within_one(own)]
    cells += [] if top is None else [f"{percent(top['within_one'])} of {top['images']}"]
    names = [*(base["baselines"] if base else ()), *["network"] * bool(own)]
    names += ["ceiling"] * bool(top)
    return table(["", *names], [["`count`, at most one corner off", *cells]], 0)


def own_within_one(card: Record) -> str:
    test = of_random_poses("count", card)
    return within(test["within_one"], test["within_one_interval"], 2)


def poses() -> str:
    """Networks on particles in random poses, at rest on a face, and tilted from there."""
    kinds = ["random", "resting", "resting, tilts of 5°"]
    rows = []
    for task in TASKS:
        found = [judged(task, kind) for kind in kinds]
        if not any(found):
            continue
        rows.append(
            [f"`{task}`"]
            + [within(o["balanced_accuracy"], o["balanced_interval"]) if o else NONE for o in found]
        )
        if found[0] and found[0]["within_one"] is not None:
            near = (percent(o["within_one"]) if o else NONE for o in found)
            rows.append([f"`{task}`, at most one off", *near])
    return table(["network", *kinds], rows, 0)


def commands() -> str:
    """What gives each figure."""
    rows = []
    for task in TASKS:
        base, own, top = read(f"baselines-{task}"), network(task), read(f"ceiling-{task}")
        if own:
            test = of_random_poses(task, own)
            rate = own["images_seen"] / own["seconds"]
            rows.append(
                [
                    f"`stemfast evaluate {task} -n {test['images']}{in_random_poses(own)}`",
                    f"`{short(own['command'])}`: {own['images_seen']:,} images, "
                    f"{own['seconds']:,.0f} s, {rate:.0f} images/s, {machine(own['machine'])}",
                ]
            )
        if base:
            spent = sum(one["seconds"] for one in base["baselines"].values())
            n = base["baselines"]["two layers"]["n_images"]
            rows.append(
                [
                    f"`{short(base['command'])}`",
                    f"{base['training_images']:,} training and {n:,} test images, {spent:,.0f} s, "
                    f"{machine(base['machine'])}",
                ]
            )
        if top:
            rows.append([f"`{top['command']}`", f"{top['images']} images, {top['seconds']:,.0f} s"])
    return table(["command", "what it took"], rows, 0)


def in_random_poses(card: Record) -> str:
    """Options that ask for them where a network learnt from others too."""
    if card["recipe"]["particle"].get("pose", "random") == "random":
        return ""
    return " --set particle.pose=random --set particle.tilt_spread_deg=0"


def short(command: str) -> str:
    """A command without where it wrote to."""
    words = shlex.split(command)
    if "--out" in words:
        place = words.index("--out")
        del words[place : place + 2]
    return shlex.join(words)


def machine(record: Record) -> str:
    gpu = "" if record["platform"] == "cpu" else f"{record['devices']}, "
    return f"{gpu}{record['cores']} cores of {record['processor']}"


def curve_records(against: str) -> list[Record]:
    """Curves against a condition, in the order of the tasks."""
    found = [
        json.loads(path.read_text("utf-8")) for path in RECORDS.glob(f"curve-{against}-*.json")
    ]
    return sorted(found, key=lambda one: (TASKS.index(one["task"]), one["network"]))


def curves(against: str) -> str:
    """Accuracy at each value of a condition, a row for each network, and the picture."""
    there = curve_records(against)
    if not there:
        return NONE
    values = sorted({point["value"] for record in there for point in record["points"]})
    rows = []
    for record in there:
        at = {point["value"]: point for point in record["points"]}
        name = f"`{record['network']}`"
        rows.append(
            [name, *(f"{100 * at[v]['accuracy']:.1f}" if v in at else NONE for v in values)]
        )
        if at[max(at)]["within_one"] is not None:
            near = (f"{100 * at[v]['within_one']:.1f}" if v in at else NONE for v in values)
            rows.append([f"{name}, at most one off", *near])
    label = there[0]["label"]
    text = table([label, *(f"{value:g}" for value in values)], rows, len(values))
    commands = [f"- `{short(record['command'])}`" for record in there]
    picture = f"![accuracy against {label}](results/curve-{against}.png)"
    return "\n\n".join([picture, f"Accuracy [%]:\n\n{text}", "\n".join(commands)])


def further() -> str:
    """Networks of other image sizes and of turning particles, which do not ship."""
    rows = []
    for path in sorted(RECORDS.glob("run-*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        made, test = card["experiment"], card["test"]
        near = test["within_one"]
        rows.append(
            [
                f"`{made['recipe']}`",
                f"{made['image_px']} px" + (", turning" if made["spin"] else ""),
                f"{card['images_seen']:,} images, {duration(card['seconds'])}" + start(card),
                within(test["balanced_accuracy"], test["balanced_interval"]),
                NONE if near is None else within(near, test["within_one_interval"], 2),
                f"{test['images']:,}",
                f"`{short(card['command'])}`",
            ]
        )
    head = ["task", "images", "training", "balanced accuracy", "at most one off", "test images"]
    return table([*head, "command"], rows, 0) if rows else NONE


def like_for_like() -> str:
    """Transfer learning and our own networks on the same labelled images."""
    record = read("like-for-like")
    if record is None:
        return NONE
    rows = [
        [
            row["method"],
            within(row["accuracy"], row["interval"]),
            f"{row['images_seen']:,}",
            f"{row['seconds']:,.0f}",
            row["pretraining"],
        ]
        for row in record["rows"]
    ]
    head = ["method", "accuracy", "images seen", "seconds", "seen before"]
    return "\n\n".join([table(head, rows, 0), *record["notes"]])


def runs() -> str:
    """Comparisons of finished runs, one table and picture for each record."""
    from stemfast.studies import runs as finished

    parts = []
    for path in sorted(RECORDS.glob("runs-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        found = finished.from_dict(record)
        title = record.get("title", path.stem.removeprefix("runs-").replace("-", " "))
        picture = f"![{title}](results/{path.stem}.png)"
        parts.append(f"**{title}**, on {found.rows[0].machine}\n\n{found}\n\n{picture}")
    return "\n\n".join(parts) or NONE


PARTS = {
    "tasks": tasks,
    "within one": within_one,
    "poses": poses,
    "commands": commands,
    "dose": lambda: curves("dose"),
    "severity": lambda: curves("severity"),
    "turn": lambda: curves("turn"),
    "runs": runs,
    "further": further,
    "like for like": like_for_like,
}


def page(text: str) -> str:
    """A page with its tables made anew."""
    for name, make in PARTS.items():
        begin, end = (
            f"<!-- {name}: made by examples/results_table.py -->",
            f"<!-- end of {name} -->",
        )
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"docs/results.md must hold {begin} and {end}, once each")
        old = text[text.index(begin) : text.index(end)]
        text = text.replace(old, f"{begin}\n\n{make()}\n\n")
    return text


def add(path: Path) -> Path:
    """Put a record into docs/results, by what it is of; pictures are drawn with it."""
    if path.suffix == ".jsonl":
        return sum_up(path)
    if path.is_dir():
        card = json.loads((path / "config.json").read_text(encoding="utf-8"))["card"]
        return keep(f"run-{path.name}", card)
    record = json.loads(path.read_text(encoding="utf-8"))
    kind = record.get("format", "")
    if kind.startswith("stemfast curve"):
        from stemfast.studies import curve_pictures

        against, name = record["against"], record["network"]
        if (WEIGHTS / name).is_dir():
            record["command"] = re.sub(rf"\S*/{name}(?= )", name, record["command"])
        target = keep(f"curve-{against}-{name}", record)
        curve_pictures.draw(curve_records(against), RECORDS / f"curve-{against}.png")
        return target
    if kind.startswith("stemfast runs"):
        from stemfast.studies import run_pictures
        from stemfast.studies import runs as finished

        name = f"runs-{path.parent.name}"
        run_pictures.draw(finished.from_dict(record), RECORDS / f"{name}.png")
        return keep(name, record)
    if kind.startswith("stemfast baselines"):
        return keep(f"baselines-{record['task']}", record)
    if "confusion" in record and "network" in record:
        name, particle = Path(record["network"]).name, record["recipe"]["particle"]
        tilts = f", tilts of {particle['tilt_spread_deg']:g}°" * (particle["tilt_spread_deg"] > 0)
        kept = read(f"poses-{name}") or {}
        left_out = ("recipe", "network", "class_names")
        kept[particle["pose"] + tilts] = {k: v for k, v in record.items() if k not in left_out}
        return keep(f"poses-{name}", kept)
    if "rows" in record and "notes" in record:
        return keep("like-for-like", record)
    raise ValueError(f"{path} is no record of a curve, of runs, of baselines or of a comparison")


def keep(name: str, record: Record) -> Path:
    """Write a record, without the places where runs lay on the machine that made it."""
    text = json.dumps(record, indent=1, ensure_ascii=False)
    text = re.sub(r"(?<![\w.])(/[\w.-]+)+/runs/", "runs/", text)
    record = json.loads(text)
    if "command" in record and name.startswith(("run-", "curve-", "baselines-")):
        record["command"] = short(record["command"])
    target = RECORDS / f"{name}.json"
    target.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


def sum_up(file: Path) -> Path:
    """What ``stemfast ceiling`` wrote of single images, as one record."""
    from stemfast import recipes
    from stemfast.studies.ceiling import ceiling as have_it_read

    first, *lines = file.read_text(encoding="utf-8").splitlines()
    head = json.loads(first)
    recipe = recipes.from_dump(head["task"], head["recipe"])
    found = have_it_read(recipe, len(lines), seed=head["seed"], path=file)
    record = {
        "command": f"stemfast ceiling {found.task} -n {len(lines)}" + changes(recipe),
        "task": found.task,
        "recipe": head["recipe"],
        "seed": head["seed"],
        "images": len(lines),
        "accuracy": found.share,
        "interval": list(found.interval),
        "within_one": found.within_one if found.task == "count" else None,
        "mean_probability": found.mean_probability,
        "seconds": sum(verdict.seconds for verdict in found.verdicts),
        "class_names": list(found.class_names),
        "confusion": found.confusion.tolist(),
    }
    suffix = "" if recipe.conditions == "standard" else f"-{recipe.conditions}"
    return keep(f"ceiling-{found.task}{suffix}", record)


def changes(recipe: Any) -> str:
    """Options of the command line that make a recipe out of the one of its name."""
    words = [] if recipe.conditions == "standard" else ["--conditions", recipe.conditions]
    from stemfast import recipes

    plain = recipes.get(recipe.name, conditions=recipe.conditions).model_dump(mode="json")
    for group, values in recipe.model_dump(mode="json").items():
        if isinstance(values, dict):
            for key, value in values.items():
                if value != plain[group][key]:
                    words += ["--set", f"{group}.{key}={json.dumps(value)}"]
    return "".join(f" {word}" for word in map(shlex.quote, words))


def main(words: list[str]) -> None:
    if words[:1] == ["--add"]:
        for path in words[1:]:
            print(f"wrote {add(Path(path))}")
        words = []
    source = DOCS / "results.md"
    target = Path(words[0]) if words else source
    target.write_text(page(source.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {target}")


if __name__ == "__main__":
    main(sys.argv[1:])
