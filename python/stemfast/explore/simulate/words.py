"""A scene as Python code and as a command line, which take the same bits."""

from __future__ import annotations

import shlex
from dataclasses import fields

from stemfast.explore.simulate.scene import BY_EDGE, Numbers, Scene
from stemfast.particles import Cuboid
from stemfast.particles.support import NONE

__all__ = ["command_line", "not_on_the_command_line", "python_code"]

#: Fields of a scene that are options of ``stemfast simulate``, named like them.
_OPTIONS = (
    "pixel_size_nm",
    "dwell_us",
    "current_pa",
    "energy_kev",
    "probe_nm",
    "convergence_mrad",
    "inner_mrad",
    "outer_mrad",
    "bright_field_mrad",
    "film_nm",
    "seed",
)
#: Defaults of ``stemfast simulate`` and of the classes; those of a scene but for its field.
_USUAL = {one.name: one.default for one in fields(Scene)} | {"pixels": 128, "pixel_size_nm": 0.35}

_EDIT_CODE = {
    "truncate": "sf.Truncation({})",
    "displace": "sf.Displacement(nm={})",
    "round": "sf.Rounding(radius_nm={})",
}


def command_line(scene: Scene, file: str = "image.tif") -> str:
    """The command that takes the image, where all of the scene can be said there.

    Examples
    --------
    >>> command_line(
    ...     Scene(
    ...         turn_deg=(30, 0, 0), corners={7: ("truncate", 0.3)}, pixels=128, pixel_size_nm=0.35
    ...     )
    ... )
    'stemfast simulate image.tif --size 24,20,16 --corner 7:truncate:0.3 --turn x:30'
    """
    words = ["stemfast", "simulate", file]
    if scene.shape != "cuboid":
        words += ["--shape", scene.shape]
    words += ["--size", ",".join(_number(length) for length in scene.size_nm)]
    for corner, (kind, amount) in scene.corners.items():
        words += ["--corner", f"{corner}:{kind}:{_number(amount)}"]
    if scene.material != _USUAL["material"]:
        words += ["--material", scene.material]
    for axis, angle in zip("xyz", scene.turn_deg, strict=True):
        if angle:
            words += ["--turn", f"{axis}:{_number(angle)}"]
    if scene.contamination_nm:
        words += ["--contamination", _number(scene.contamination_nm)]
    if scene.support != NONE:
        size = _number(scene.support_nm)
        words += ["--support", f"{scene.support}:{size}:{scene.support_material}"]
    if scene.pixels != _USUAL["pixels"]:
        words += ["--pixels", str(scene.pixels), str(scene.pixels)]
    for name in _OPTIONS:
        if value := _unless_usual(scene, name):
            words += [f"--{name.replace('_', '-')}", value]
    return shlex.join(words)


def not_on_the_command_line(scene: Scene) -> list[str]:
    """Names of what the scene has and the command line has no option for."""
    told = {
        "the film's roughness": scene.roughness_nm,
        "spin": any(scene.spin_rad_s),
        "drift": any(scene.drift_nm_s),
        "row jitter": scene.jitter_pm,
    }
    return [name for name, there in told.items() if there]


def python_code(scene: Scene) -> str:
    """Python code that takes the image into ``taken``, and saves it.

    Examples
    --------
    >>> print(python_code(Scene("sphere", (12,), turn_deg=(0, 0, 0), pixels=128)))
    import stemfast as sf
    <BLANKLINE>
    particle = sf.Sphere(radius=6, material="Au")
    microscope = sf.Microscope(
        scan=sf.Scan(shape=(128, 128), pixel_size_nm=0.2),
    )
    taken = sf.simulate(particle, microscope=microscope, seed=0, return_truth=True)
    taken.image().save("image.tif")
    """
    turns = [(axis, a) for axis, a in zip("xyz", scene.turn_deg, strict=True) if a]
    supported = scene.support != NONE
    lines = ["import stemfast as sf"]
    if turns or supported:
        lines.append("from scipy.spatial.transform import Rotation")
    lines += ["", f"particle = {_particle(scene)}"]
    if scene.contamination_nm:
        lines.append(f"particle = sf.contaminated(particle, {_number(scene.contamination_nm)})")
    if turns:
        code = ""
        for axis, angle in turns:
            turn = f'Rotation.from_euler("{axis}", {_number(angle)}, degrees=True)'
            code = f"{turn} * ({code})" if " * " in code else f"{turn} * {code}" if code else turn
        lines.append(f"pose = {code}")
    if supported:
        lines += _specimen(scene, "pose" if turns else "Rotation.identity()")
    lines += ["microscope = sf.Microscope("]
    lines += [f"    {part}," for part in _microscope(scene)]
    lines.append(")")
    words = ["particle", *(["pose", "microscope"] if turns else ["microscope=microscope"])]
    if supported:
        words = ["specimen", "microscope=microscope"]
    words.append(f"seed={scene.seed}")
    if any(scene.spin_rad_s):
        words.append(f"spin_rad_s={_numbers(scene.spin_rad_s)}")
    lines.append(f"taken = sf.simulate({', '.join(words)}, return_truth=True)")
    lines.append('taken.image().save("image.tif")')
    return "\n".join(lines)


def _particle(scene: Scene) -> str:
    size, material = scene.size_nm, f'material="{scene.material}"'
    match scene.shape:
        case "cuboid":
            edits = ", ".join(
                f"{corner}: {_EDIT_CODE[kind].format(_number(amount))}"
                for corner, (kind, amount) in scene.corners.items()
            )
            corners = f"corners={{{edits}}}, " if edits else ""
            return f"sf.Cuboid(edges={_numbers(size)}, {corners}{material})"
        case "sphere":
            return f"sf.Sphere(radius={_number(size[0] / 2)}, {material})"
        case "ellipsoid":
            axes = _numbers(tuple(length / 2 for length in size))
            return f"sf.Ellipsoid(semi_axes={axes}, {material})"
        case "hexagonal-prism":
            edge, height = map(_number, size)
            return f"sf.HexagonalPrism(edge={edge}, height={height}, {material})"
    return f"sf.{BY_EDGE[scene.shape].__name__}(edge={_number(size[0])}, {material})"


def _specimen(scene: Scene, pose: str) -> list[str]:
    """Lines that put the particle before its support."""
    body, depth_nm = scene.support_body()
    material = f'material="{scene.support_material}"'
    made = f"sf.Sphere(radius={_number(scene.support_nm / 2)}, {material})"
    if isinstance(body, Cuboid):
        made = f"sf.Cuboid(edges={_numbers(body.edges)}, {material})"
    return [
        f"support = {made}",
        "specimen = sf.Specimen(",
        "    [particle, support],",
        f"    [(0, 0, 0), (0, 0, {_number(depth_nm)})],",
        f"    Rotation.concatenate([{pose}, Rotation.identity()]),",
        ")",
    ]


def _microscope(scene: Scene) -> list[str]:
    """Parts of the microscope that are not as they are by default."""
    strays = _call(
        "sf.Instability",
        drift_nm_s=_numbers(scene.drift_nm_s) if any(scene.drift_nm_s) else "",
        row_jitter_pm=_unless_usual(scene, "jitter_pm"),
    )
    parts = {
        "scan": _call(
            "sf.Scan",
            shape=f"({scene.pixels}, {scene.pixels})",
            pixel_size_nm=_number(scene.pixel_size_nm),
            dwell_us=_unless_usual(scene, "dwell_us"),
            instability=strays,
        ),
        "beam": _call(
            "sf.Beam",
            energy_kev=_unless_usual(scene, "energy_kev"),
            current_pa=_unless_usual(scene, "current_pa"),
            convergence_mrad=_unless_usual(scene, "convergence_mrad"),
        ),
        "probe": _call("sf.Probe", fwhm_nm=_unless_usual(scene, "probe_nm")),
        "haadf": _call(
            "sf.Haadf",
            inner_mrad=_unless_usual(scene, "inner_mrad"),
            outer_mrad=_unless_usual(scene, "outer_mrad"),
        ),
        "bright_field": _call(
            "sf.BrightField", outer_mrad=_unless_usual(scene, "bright_field_mrad")
        ),
        "film": _call(
            "sf.Film",
            thickness_nm=_unless_usual(scene, "film_nm"),
            roughness_nm=_unless_usual(scene, "roughness_nm"),
        ),
    }
    return [f"{name}={code}" for name, code in parts.items() if code]


def _call(name: str, **arguments: str) -> str:
    """A call with the arguments that have a text; "" where none has."""
    given = ", ".join(f"{key}={text}" for key, text in arguments.items() if text)
    return f"{name}({given})" if given else ""


def _unless_usual(scene: Scene, name: str) -> str:
    value = getattr(scene, name)
    return "" if value == _USUAL[name] else _number(value)


def _number(value: float) -> str:
    return f"{value:.12g}"


def _numbers(values: Numbers) -> str:
    return f"({', '.join(_number(value) for value in values)})"
