"""How `stemfast classify` fares on simulated micrographs of many, partly touching particles.

    python examples/classify_fields.py [NAME|FOLDER]

Prints the table of docs/classify.md: six fields of 25 tetrahedra, cuboids and spheres for each
pixel size and beam current, found, shown to the network and compared with the truth. It takes a
minute or two.
"""

import sys
from pathlib import Path

import numpy as np

import stemfast as sf
from stemfast import micrograph, pretrained
from stemfast.classification import shown

FIELDS = range(1, 7)
FIELD_NM = 320.0
CASES = ((0.4, 20), (0.8, 20), (1.25, 20), (2.0, 20), (0.8, 4), (0.8, 2), (0.8, 1), (0.8, 0.5))

name = sys.argv[1] if len(sys.argv) > 1 else "shapes"
network = pretrained.load(name) if Path(name).is_dir() else pretrained.load_pretrained(name)
print("| pixel [nm] | beam [pA] | e⁻/nm² on particles | found | right | named | right of these |")
print("|---|---|---|---|---|---|---|")
for pixel, current in CASES:
    side = round(FIELD_NM / pixel)
    scope = sf.Microscope(
        scan=sf.Scan(shape=(side, side), pixel_size_nm=pixel, dwell_us=8.0),
        probe=sf.Probe(fwhm_nm=1.2),
        beam=sf.Beam(current_pa=current),
    )
    right, named, electrons = [], [], []
    for seed in FIELDS:
        field = micrograph.simulated_field(seed, microscope=scope)
        image = micrograph.Micrograph(field.image, pixel)
        found = micrograph.find_particles(image)
        views, _ = shown(image, found, network)
        chances = network.probabilities(views)
        centres = np.array([particle.centroid for particle in found])
        nearest = np.linalg.norm(centres[:, None] - field.centres_px, axis=2).argmin(axis=1)
        truth = [network.class_names.index(field.shapes[n]) for n in nearest]
        right += (chances.argmax(axis=1) == truth).tolist()
        whole = ~np.array([particle.on_border for particle in found])
        named += (whole & (chances.max(axis=1) >= 0.8) & (network.novelty(views) <= 1)).tolist()
        electrons += micrograph.electrons_nm2(image, found).tolist()
    shares = [np.mean(right), np.mean(named), np.mean(np.array(right)[named])]
    cells = [f"{pixel:g}", f"{current:g}", f"{np.median(electrons):.3g}", f"{len(right)}"]
    cells += [f"{100 * share:.1f} %" for share in shares]
    print(f"| {' | '.join(cells)} |", flush=True)
