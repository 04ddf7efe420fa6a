"""Coverage and width of the intervals of corrected shares, on simulated batches.

    python examples/prevalence.py [IMAGES]

Prints the tables of docs/populations.md. First 100 batches a row, drawn from the confusion of the
network `deformed`, each with a fresh test of it; "perfect" is the width with true labels. Then a
batch of IMAGES simulated images (300) for each share, which the network reads.
"""

import sys

import numpy as np

from stemfast import pretrained, recipes
from stemfast.populations import prevalence

BATCHES = 100
SHARES = (0.05, 0.2, 0.5)
SIZES = (100, 400, 2000, 20_000)

network = pretrained.load_pretrained("deformed")
confusion = np.array(network.card["test"]["confusion"])
rates = confusion / confusion.sum(axis=1, keepdims=True)


def covers(answer, share):
    return bool(answer.low[1] <= share <= answer.high[1])


print("| deformed | particles | covered | not corrected | width | of perfect labels |")
print("|---|---|---|---|---|---|")
for share in SHARES:
    for n in SIZES:
        rng = np.random.default_rng([7, n, round(100 * share)])
        told = []
        for _ in range(BATCHES):
            card = np.stack(
                [rng.multinomial(r.sum(), p) for r, p in zip(confusion, rates, strict=True)]
            )
            truth = rng.multinomial(n, [1 - share, share])
            seen = sum(rng.multinomial(m, p) for m, p in zip(truth, rates, strict=True))
            answers = prevalence(seen, card), prevalence(seen), prevalence(truth)
            told.append(
                [*(covers(a, share) for a in answers), *(a.high[1] - a.low[1] for a in answers)]
            )
        covered, plain, _, width, _, perfect = np.mean(told, axis=0)
        print(
            f"| {100 * share:.0f} % | {n} | {BATCHES * covered:.0f} | {BATCHES * plain:.0f} "
            f"| {100 * width:.2f} % | {width / perfect:.2f} × |"
        )

images = int(sys.argv[1]) if len(sys.argv) > 1 else 300
print("\n| deformed | images | called deformed | corrected | 95 % |\n|---|---|---|---|---|")
recipe = recipes.get("deformed")
for k, share in enumerate(SHARES):
    many = round(images * share)
    scenes = recipe.sample(2026, 2 * images * k, 2 * images * (k + 1))
    chosen = np.concatenate(
        [np.flatnonzero(scenes.labels == c)[:n] for c, n in enumerate((images - many, many))]
    )
    classes = network.predict(scenes.simulate()[chosen]).classes
    answer = prevalence(np.bincount(classes, minlength=2), confusion)
    print(
        f"| {many} | {images} | {np.count_nonzero(classes)} | {100 * answer.shares[1]:.1f} % "
        f"| {100 * answer.low[1]:.1f} to {100 * answer.high[1]:.1f} % |"
    )
