"""Loaders given bytes that nobody wrote: a right answer, or an error of ours that names the file.

``make fuzz`` gives each of them a minute. Atheris, on libFuzzer, changes a small corpus of whole
files and keeps what reaches code that nothing reached before. A finding is another kind of
exception, an error that does not name the file, a crash, more than ten seconds of a
core or two gigabytes. Each kind is kept once, with its bytes, under the folder ``--out``.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

import strange_images as images
from strange_images import GREY, Image, Loader

INSTRUMENTED = ["stemfast", "rsciio", "tifffile", "tomllib", "yaml", "safetensors"]
SLOWEST_S, HANGS_S, MOST_MB = 10, 120, 2048


class Labels(Image):
    """A label image, and the particles that it stands for."""

    suffix = ".tif"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "labels.tif"
        self.image = GREY.astype(np.float32)

    def writers(self) -> Iterator[Callable[[Path], object]]:
        import tifffile

        marked = np.zeros((12, 10), np.int32)
        marked[2:5, 2:5], marked[6:10, 4:9] = 1, 2
        for kind in (np.int32, np.uint16, np.uint8, np.float32):
            yield lambda path, kind=kind: tifffile.imwrite(path, marked.astype(kind))

    def read(self, content: bytes) -> None:
        from stemfast.finding.find import find_in
        from stemfast.finding.source import source_of

        self.file.write_bytes(content)
        found = find_in(source_of(self.image, 1.0), "bright", "classical", labels=self.file)
        assert found.labels.max() == len(found.particles)


class Shard(Loader):
    """A shard, with a manifest that says its size and checksum."""

    def __init__(self, folder: Path) -> None:
        from stemfast import dataset, recipes

        super().__init__(folder / "set")
        recipe = recipes.get("shapes", image_px=16, field_nm=40, particle={"diameter_nm": (6, 12)})
        dataset.write(self.folder, recipe, seed=4, splits={"train": (0, 4)}, shard_images=4)
        self.file = self.folder / "train-00000.hspy"
        self.manifest = json.loads((self.folder / "manifest.json").read_text("utf-8"))

    @property
    def name(self) -> str:
        return str(self.folder)

    def seeds(self) -> Iterator[bytes]:
        yield self.file.read_bytes()

    def read(self, content: bytes) -> None:
        self.file.write_bytes(content)
        self.manifest["shards"][0] |= {
            "n_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        (self.folder / "manifest.json").write_text(json.dumps(self.manifest), "utf-8")
        self.use()

    def use(self) -> None:
        from stemfast import dataset
        from stemfast.dataset.verify import verify

        # The last error is what counts: verify must tell of all others, not raise them.
        verify(self.folder, sample=0)
        data = dataset.open(self.folder)
        assert data[0].images.shape == data.image_shape
        assert 0 <= data.labels.min() <= data.labels.max() < len(data.class_names)
        _ = data[:], dict(data.columns), data.parameters(-1)


class ManifestFile(Shard):
    """The manifest of a whole set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = self.folder / "manifest.json"

    def read(self, content: bytes) -> None:
        from stemfast.dataset.about import describe

        self.file.write_bytes(content)
        describe(self.folder)
        self.use()


class Network(Loader):
    """The configuration of a trained network, its checksum made right."""

    kind = "classifier"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "network")
        self.file = self.folder / "config.json"

    @property
    def name(self) -> str:
        return str(self.folder)

    def seeds(self) -> Iterator[bytes]:
        self.save()
        yield self.file.read_bytes()

    def save(self) -> None:
        from stemfast.pretrained import save
        from untrained import by_chance

        save(self.folder, by_chance())

    def load(self) -> object:
        from stemfast.pretrained import load

        return load(self.folder)

    def read(self, content: bytes) -> None:
        from stemfast.pretrained.store import sealed_text

        with suppress(ValueError, TypeError, RecursionError):
            content = sealed_text(json.loads(content)).encode()
        self.file.write_bytes(content)
        network = self.load()
        _ = repr(network), network._repr_html_()  # type: ignore[attr-defined]


class FinderNetwork(Network):
    def save(self) -> None:
        from flax import nnx

        from stemfast.models.finder import Finder, FinderConfig
        from stemfast.pretrained.finder import TrainedFinder, save_finder

        model = Finder(FinderConfig(widths=(4, 8), head=4), rngs=nnx.Rngs(0))
        card = {"test": {"ap50": 0.5, "f1": 0.5, "fields": 3}}
        save_finder(self.folder, TrainedFinder(model, card))

    def load(self) -> object:
        from stemfast.pretrained.finder import load_finder

        return load_finder(self.folder)


class Reconstructor(Network):
    def save(self) -> None:
        from stemfast.pretrained.shipped import folder

        shutil.copytree(folder("ground-truth"), self.folder)

    def load(self) -> object:
        from stemfast.pretrained.reconstructor import load

        return load(self.folder)


class Weights(Network):
    """The weights of a network, with a configuration that says their checksum."""

    def seeds(self) -> Iterator[bytes]:
        from stemfast.pretrained.store import WEIGHTS_FILE

        self.save()
        self.config = json.loads(self.file.read_text("utf-8"))
        self.file = self.folder / WEIGHTS_FILE
        yield self.file.read_bytes()

    def read(self, content: bytes) -> None:
        from stemfast.pretrained.store import sealed_text

        self.file.write_bytes(content)
        self.config["weights_sha256"] = hashlib.sha256(content).hexdigest()
        (self.folder / "config.json").write_text(sealed_text(self.config), "utf-8")
        self.load()


class Conditions(Loader):
    """Conditions, as `stemfast match` writes and ``train --like`` reads them."""

    def __init__(self, folder: Path) -> None:
        from stemfast import recipes

        super().__init__(folder)
        self.file = folder / "conditions.toml"
        self.recipe = recipes.get("shapes")

    def seeds(self) -> Iterator[bytes]:
        from stemfast.matching.conditions import Conditions as Written
        from stemfast.matching.conditions import write_conditions
        from stemfast.matching.estimate import told, untold

        names = list(Written.__dataclass_fields__)[2:]
        for contrast in ("bright", "dark"):
            known = [told(2.0 + k, 0.5, "nm") for k in range(len(names))]
            known[5] = untold("nothing is there", "e")
            yield write_conditions(self.file, Written("a.tif", contrast, *known)).read_bytes()

    def read(self, content: bytes) -> None:
        from stemfast.matching.conditions import read_conditions
        from stemfast.matching.settings import settings_like

        self.file.write_bytes(content)
        _ = str(read_conditions(self.file))
        settings_like(self.file, self.recipe)


class Settings(Loader):
    """Settings of a recipe in TOML."""

    suffix = ".toml"
    seed = b"image_px = 64\n[particle]\ndiameter_nm = [6, 1.2e1]\n[imaging]\nfilm_nm = [0, 5]\n"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / f"settings{self.suffix}"

    def seeds(self) -> Iterator[bytes]:
        yield self.seed

    def read(self, content: bytes) -> None:
        from stemfast.recipes.resolve import read_settings

        self.file.write_bytes(content)
        read_settings(self.file)


class SettingsYaml(Settings):
    suffix = ".yaml"
    seed = b"image_px: 64\nday: 2020-01-02\nparticle: &a {diameter_nm: [6, 0b11, 1_0:20]}\nx: *a\n"


class Stl(Loader):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "strange.stl"

    def seeds(self) -> Iterator[bytes]:
        import stemfast as sf
        from stemfast.particles.stl import stl_bytes

        yield stl_bytes(sf.Cuboid(edges=(2, 3, 4)))

    def read(self, content: bytes) -> None:
        from stemfast.particles.stl import read_stl

        self.file.write_bytes(content)
        assert np.isfinite(read_stl(self.file)).all()


class Xyz(Loader):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "strange.xyz"

    def seeds(self) -> Iterator[bytes]:
        yield b"3\n\nPt 0 0 0\nPd 0 0 2.8\nAu 2.8 1e0 0\n"

    def read(self, content: bytes) -> None:
        from stemfast.reconstruction.atoms import read_xyz

        self.file.write_bytes(content)
        assert np.isfinite(read_xyz(self.file).positions_nm).all()


LOADERS: dict[str, type[Loader]] = {
    "manifest": ManifestFile, "shard": Shard, "classifier": Network, "finder": FinderNetwork,
    "reconstructor": Reconstructor, "weights": Weights, "tif": images.Tiff, "png": images.Png,
    "jpg": images.Jpeg, "bmp": images.Bmp, "gif": images.Gif, "webp": images.Webp,
    "pgm": images.Pgm, "npy": Image, "mrc": images.Mrc, "hspy": images.Hspy, "h5": images.Hdf5,
    "emd": images.Emd, "dm4": images.Dm, "ser": images.Ser, "emi": images.Emi,
    "blo": images.Blockfile, "zspy": images.Zspy, "labels": Labels, "conditions": Conditions,
    "toml": Settings, "yaml": SettingsYaml, "stl": Stl, "xyz": Xyz,
}  # fmt: skip


def attempt(loader: Loader, content: bytes) -> str:
    """Read the bytes; the kind of what went wrong, empty where nothing did."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loader.read(content)
        return ""
    except (ValueError, OSError) as error:
        kept, text = error, str(error)
        if not isinstance(error, UnicodeError) and loader.name in text:
            return ""
    except Exception as error:
        kept, text = error, str(error)
    frames = traceback.extract_tb(kept.__traceback__)
    ours = [f for f in frames if "stemfast" in f.filename] or frames
    places = ", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in (ours[-1], frames[-1]))
    return f"{type(kept).__name__} at {places}: {re.sub(r'0x[0-9a-f]+', '0x', text)[:300]}"


def peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fuzz_one(name: str, seconds: float, out: Path) -> None:
    """Fuzz one loader in this process, which ends with it."""
    import atheris

    shelf = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    work = Path(tempfile.mkdtemp(dir=shelf))
    corpus, findings = out / "corpus" / name, out / "findings" / name
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=INSTRUMENTED):
        loader = LOADERS[name](work)
        for k, seed in enumerate(loader.seeds()):
            (corpus / f"seed-{k}").write_bytes(seed)
            if wrong := attempt(loader, seed):
                print(f"{name}: seed {k}: {wrong}", flush=True)
    gc.collect()
    gc.freeze()  # readers that fail collect garbage, of which the libraries are none
    known: set[str] = set()
    peak = peak_mb()

    def once(content: bytes) -> None:
        nonlocal peak
        begun = time.process_time()
        wrong = attempt(loader, content)
        if (used := time.process_time() - begun) > SLOWEST_S:
            wrong = f"slow: {used:.0f} s; {wrong}"
        if (now := peak_mb()) > peak + 1024:
            wrong = f"memory: {now - peak:.0f} MB more; {wrong}"
        peak = max(peak, now)
        kind = wrong.partition(": ")[0]
        if wrong and kind not in known:
            known.add(kind)
            path = findings / hashlib.sha256(kind.encode()).hexdigest()[:12]
            path.write_bytes(content)
            path.with_suffix(".txt").write_text(wrong + "\n", errors="replace")
            print(f"{name}: {wrong}", flush=True)

    atheris.Setup(
        [
            "fuzz_loaders",
            str(corpus),
            f"-max_total_time={seconds:.0f}",
            f"-timeout={HANGS_S}",
            f"-rss_limit_mb={MOST_MB + int(peak)}",
            f"-artifact_prefix={findings}/",
            "-print_final_stats=1",
            "-verbosity=1",
        ],
        once,
    )
    atheris.Fuzz()


def fuzz(name: str, seconds: float, out: Path) -> tuple[int, int]:
    """Fuzz one loader in a process of its own: inputs tried and kinds of findings."""
    end, tried, crashes = time.monotonic() + seconds, 0, 0
    while (left := end - time.monotonic()) > 1 and crashes < 3:
        words = [sys.executable, __file__, name, "--here", f"--seconds={left}", f"--out={out}"]
        ran = subprocess.run(words, capture_output=True, text=True, errors="replace")
        for line in ran.stdout.splitlines():
            if line.startswith(f"{name}: "):
                print(line, flush=True)
        counted = re.search(r"number_of_executed_units: *(\d+)", ran.stderr)
        tried += int(counted[1]) if counted else 0
        if ran.returncode == 0:
            break
        crashes += 1
        print(f"{name}: ended with {ran.returncode}: {_words(ran.stderr)}", flush=True)
    kinds = len(list((out / "findings" / name).glob("*.txt"))) if out.exists() else 0
    return tried, kinds + crashes


def _words(said: str) -> str:
    """What libFuzzer says when a process ends, without its progress."""
    return "\n".join(line for line in said.splitlines()[-60:] if not line.startswith("#"))


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("loaders", nargs="*", choices=[*LOADERS, "all"], default="all")
    told.add_argument("--seconds", type=float, default=60.0, help="for each loader")
    told.add_argument("--out", type=Path, default=Path("build/fuzz"), help="corpora and findings")
    told.add_argument("--again", type=Path, help="a finding: read it once, with the traceback")
    told.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    words = told.parse_args()
    if words.here:
        fuzz_one(words.loaders[0], words.seconds, words.out)
    if words.again:
        with tempfile.TemporaryDirectory() as folder:
            loader = LOADERS[words.loaders[0]](Path(folder))
            list(loader.seeds())
            loader.read(words.again.read_bytes())
        return
    found = 0
    print("| loader | inputs | findings |\n|---|---|---|", flush=True)
    for name in LOADERS if "all" in words.loaders else words.loaders:
        tried, kinds = fuzz(name, words.seconds, words.out)
        found += kinds
        print(f"| {name} | {tried:,} | {kinds} |", flush=True)
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
