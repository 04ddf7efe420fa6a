"""Ten minutes of training of `shapes` for a microscope that it never learnt from.

    python examples/foreign_microscope.py [FOLDER] [MINUTES]

A micrograph of particles under a foreign microscope (probe twice the widest learnt, thicker and
rougher film, other dose, 8 bits) is simulated, `stemfast match` reads its conditions off it, and
`stemfast train shapes --like` goes on from the shipped weights for MINUTES (10). The shipped
network and the new one are judged by the same 10,000 images of that microscope. Prints the table
of docs/match.md; what is in FOLDER already is not done again.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import stemfast as sf
from stemfast import micrograph, pretrained, recipes
from stemfast.evaluation.metrics import wilson_interval

FIELD_SEED, TEST_SEED, TEST_IMAGES = 17, 1, 10_000
FILM = sf.Film(thickness_nm=60.0, roughness_nm=2.0, correlation_nm=15.0, hurst=0.7)
SCOPE = sf.Microscope(
    scan=sf.Scan(shape=(640, 640), pixel_size_nm=0.5, dwell_us=4.0),
    beam=sf.Beam(current_pa=20.0),
    probe=sf.Probe(fwhm_nm=5.0),
    film=FILM,
    detector=sf.Detector(bits=8, gain=1.2, offset=8.0, read_noise=2.0),
)
#: The same microscope and particles as settings of the recipe.
FOREIGN = [
    "imaging.probe_fwhm_nm=[5,5]",
    "imaging.film_nm=[60,60]",
    f"imaging.film_roughness=[{2 / 60:.4f},{2 / 60:.4f}]",
    "imaging.film_correlation_nm=[15,15]",
    "imaging.film_hurst=[0.7,0.7]",
    "imaging.film_wedge_nm_per_um=[0,0]",
    "imaging.read_noise_e=[2,2]",
    "imaging.signal_e_px=[45,76]",
    "particle.diameter_nm=[14,24]",
    "particle.shift_nm=2",
    "particle.edge_ratio=1.3",
    'particle.materials=["Au"]',
]


def stemfast(*words: str) -> None:
    print("$ stemfast", *words, flush=True)
    subprocess.run([sys.executable, "-m", "stemfast", *words], check=True)


def main(folder: Path, minutes: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file, like = folder / "field.tif", folder / "like"
    if not (like / "conditions.toml").exists():
        field = micrograph.simulated_field(FIELD_SEED, n_particles=40, microscope=SCOPE)
        Image.fromarray(field.image).save(file)
        size = str(SCOPE.scan.pixel_size_nm)
        stemfast("match", str(file), "--pixel-size-nm", size, "--out", str(like))
    tuned = folder / "tuned"
    if not (tuned / "evaluation.json").exists():
        conditions = str(like / "conditions.toml")
        words = ("--like", conditions, "--minutes", minutes, "--out", str(tuned))
        stemfast("train", "shapes", *words)
    scenes = recipes.resolve("shapes", sets=FOREIGN).sample(TEST_SEED, 0, TEST_IMAGES)
    images, truth = scenes.simulate(), np.asarray(scenes.labels)
    print("| network | right of the foreign images | 95 % interval |\n|---|---|---|")
    for name, network in (
        ("shipped", pretrained.load_pretrained("shapes")),
        (f"matched, {minutes} minutes of training", pretrained.load(tuned)),
    ):
        said = network.predict(images, pixel_size_nm=SCOPE.scan.pixel_size_nm)
        right = int((said.classes == truth).sum())
        low, high = wilson_interval(right, len(truth))
        share = f"{100 * right / len(truth):.1f} %"
        print(f"| {name} | {share} | {100 * low:.1f} – {100 * high:.1f} % |", flush=True)


if __name__ == "__main__":
    folder, minutes = [*sys.argv[1:3], *("foreign", "10")[len(sys.argv) - 1 :]]
    main(Path(folder), minutes)
