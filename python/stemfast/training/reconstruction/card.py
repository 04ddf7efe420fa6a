"""Model card of a ground-truth network, from the records of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stemfast.pretrained.reconstructor import TrainedReconstructor

__all__ = ["card_text"]


def card_text(trained: TrainedReconstructor) -> str:
    """Model card in Markdown: purpose, training, accuracy and limits."""
    card = trained.card
    experiment, machine = card["experiment"], card["machine"]
    rows = [
        f"| {name} | {_figure(entry)} |" for name, entry in sorted(card.get("test", {}).items())
    ]
    return "\n".join(
        [
            f"# {experiment['name']}",
            "",
            "Reads 1 to 16 images of one cuboid with three different edges and 0 to 8 cut corners, "
            f"in `{experiment['conditions']}` conditions, {experiment['image_px']} px, and says "
            "which corners are deformed, the edges, the volume and the severities.",
            "",
            f"- Made by `{card.get('command', '')}`.",
            f"- Stage one, single images: {card['images_seen']:,} images, "
            f"{card['seconds'] / 60:.1f} min; stage two, sets: {experiment['set_particles']:,} "
            f"particles of {experiment['set_views']} images read once, {experiment['set_steps']:,} "
            f"steps, {card['seconds_sets'] / 60:.1f} min. {machine['devices']}, "
            f"{machine['processor']}, {machine['cores']} cores.",
            *_of_spin(card),
            f"- {card['parameters']:,} parameters in the reader; it started from "
            f"`{experiment['start_from']}`.",
            "",
            "| on test particles | with 95 % interval |",
            "|---|---|",
            *rows,
            "",
            "It answers with a cuboid whatever the images show: compare the answer, simulated "
            "again, with the images. Static images at unknown poses say nothing about handedness. "
            + ("" if trained.knows_spin else "It learnt from particles at rest. ")
            + "It learnt from corners that are cut, not moved.",
            "",
        ]
    )


def _of_spin(card: dict[str, Any]) -> list[str]:
    """Lines of the card about the third stage, if there was one."""
    if "seconds_spin" not in card:
        return []
    own = card["experiment"]
    by = f", by `{card['command_spin']}`" if "command_spin" in card else ""
    return [
        f"- Stage three, known spins: {own['spin_images']:,} images of spinning particles read "
        f"once, {own['spin_steps']:,} steps of {own['spin_batch']}, "
        f"{card['seconds_spin'] / 60:.1f} min{by}."
    ]


def _figure(entry: dict[str, Any]) -> str:
    if "share" in entry:
        low, high = (100 * end for end in entry["interval"])
        return f"{100 * entry['share']:.1f} % ({low:.1f} … {high:.1f} %) of {entry['of']:,}"
    return f"{100 * entry['rms']:.2f} % rms of {entry['of']:,}"
