"""The field's own objects: HyperSpy signals in, pandas, ASE, STL and notebooks out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import stemfast as sf
from stemfast import describing
from stemfast.image.taking import pixel_size_of, taken
from stemfast.particles.stl import read_stl
from stemfast.reconstruction import Atoms

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")

SCOPE = sf.Microscope(scan=sf.Scan(shape=(96, 96), pixel_size_nm=0.35, dwell_us=20))


class Signal:
    """As much of HyperSpy's `Signal2D` as is looked at."""

    def __init__(self, data, scale, units="nm", title=""):
        self.data = data
        axes = [
            SimpleNamespace(name=n, scale=s, units=units) for n, s in zip("xy", scale, strict=True)
        ]
        self.axes_manager = SimpleNamespace(
            signal_axes=axes,
            signal_dimension=2,
            navigation_dimension=data.ndim - 2,
            navigation_size=0 if data.ndim == 2 else len(data),
        )
        self.metadata = SimpleNamespace(General=SimpleNamespace(title=title))


@pytest.fixture(scope="module")
def image():
    pose = sf.orientation.random(1, seed=3)[0]
    return sf.simulate(sf.Cuboid((16, 14, 12)), pose, SCOPE, seed=1)


def stand_in(image):
    return Signal(image.pixels, (3.5, 3.5), "Å", "a cuboid")


def hyperspy(image):
    pytest.importorskip("hyperspy", reason="needs HyperSpy, the extra [test]")
    return image.to_hyperspy()


@pytest.mark.parametrize("as_signal", [stand_in, hyperspy])
def test_every_way_in_takes_a_signal_with_its_scale(image, as_signal):
    signal = as_signal(image)
    assert taken(signal)[1] == pytest.approx(0.35)
    found = sf.find(signal, method="classical")
    assert found.pixel_size_nm == pytest.approx(0.35)
    one = describing.describe(signal)
    assert one.area_nm2 == pytest.approx(describing.describe(image, 0.35).area_nm2)
    [same] = sf.features(signal, method="classical")
    assert same.area_nm2 == pytest.approx(one.area_nm2, rel=0.05)
    table = describing.describe_many([signal, image])
    assert table["area_nm2"][0] == pytest.approx(table["area_nm2"][1])


def test_the_callers_pixel_size_goes_before_the_signals(image):
    assert taken(stand_in(image), 0.5)[1] == 0.5
    assert taken(Signal(image.pixels, (1.0, 1.0), "px"))[1] is None
    micrograph = sf.micrograph.Micrograph(image, 0.5)
    assert taken(micrograph)[1] == 0.5
    assert taken(micrograph)[0].dtype == np.float32


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (Signal(np.eye(9), (0.5, 0.4)), "0.5 nm x 0.4 nm, expected squares"),
        (Signal(np.eye(9), (0.5, 0.5), "1/nm"), "is in '1/nm', expected a length"),
    ],
)
def test_a_signal_without_a_use_is_refused(signal, message):
    with pytest.raises(ValueError, match=message):
        pixel_size_of(signal)


def test_images_of_several_scales_are_refused_together(image):
    with pytest.raises(ValueError, match="different pixel sizes, 0.35 to 0.7 nm"):
        describing.describe_many([image, image[::2, ::2]])


def test_a_network_brings_an_image_to_its_own_scale(image):
    pytest.importorskip("jax", reason="needs JAX, the extra [train]")
    from untrained import by_chance

    network = by_chance()
    own = network.predict(image)
    told = network.predict(image.pixels, pixel_size_nm=0.35)
    np.testing.assert_array_equal(own.probabilities, told.probabilities)
    assert own.notes == told.notes != ()
    with pytest.raises(ValueError, match="or their pixel_size_nm"):
        network.predict(image.pixels)
    assert "<b>TrainedClassifier &#x27;small&#x27;" in network._repr_html_()


def test_reconstruct_needs_a_scale_from_someone(image):
    pytest.importorskip("jax", reason="needs JAX, the extra [train]")
    from stemfast.reconstruction.solve import _own_sizes

    assert _own_sizes([image, stand_in(image)], 2) == pytest.approx([0.35, 0.35])
    with pytest.raises(TypeError, match="or images that say it"):
        sf.reconstruct(image.pixels)


def test_what_is_found_is_a_table_in_pandas_and_in_notebooks(image):
    found = sf.find(image, method="classical")
    assert "<td>1</td>" in found._repr_html_()
    pytest.importorskip("pandas", reason="needs pandas")
    table = found.to_dataframe()
    assert list(table["particle"]) == [1]
    assert table["area_nm2"][0] == found.table[0]["area_nm2"]
    features = sf.features(image, method="classical").to_dataframe()
    assert features["n_vertices"][0] >= 4


@pytest.mark.filterwarnings("ignore")  # of napari's own
def test_what_is_found_is_layers_of_napari(image):
    found = sf.find(image, method="classical")
    (pixels, about, kind), (labels, more, other) = found.to_napari()
    assert (kind, other) == ("image", "labels")
    assert about["scale"] == more["scale"] == pytest.approx((0.35, 0.35))
    assert more["features"]["index"] == [1]
    layers = pytest.importorskip("napari.layers", reason="needs napari")
    shown = layers.Layer.create(labels, more, other)
    assert shown.features["area_nm2"][0] == pytest.approx(found.table[0]["area_nm2"])
    assert layers.Layer.create(pixels, about, kind).data.dtype == np.float32


def test_without_pandas_it_says_what_to_install(image, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
        sf.find(image, method="classical").to_dataframe()


def test_ases_atoms_come_in_in_nanometres():
    build = pytest.importorskip("ase.build", reason="needs ASE")
    atoms = Atoms.from_ase(build.bulk("Pt", cubic=True).repeat(2))
    assert len(atoms) == 32
    assert atoms.spacing_nm() == pytest.approx(0.392 / np.sqrt(2), rel=1e-3)
    with pytest.raises(TypeError, match=r"expected ase\.Atoms"):
        Atoms.from_ase([1, 2])


def test_a_particle_is_saved_as_a_solid(tmp_path):
    file = sf.Octahedron(10).save(tmp_path / "a.stl")
    a, b, c = read_stl(file).swapaxes(0, 1)
    volume = np.einsum("ij,ij", a, np.cross(b, c)) / 6
    assert volume == pytest.approx(sf.Octahedron(10).volume, rel=1e-5)
    content = bytearray(file.read_bytes())
    content[100:104] = b"\xff\xff\xff\x7f"  # NaN
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.stl has corners that are NaN or infinite"):
        read_stl(file)
    with pytest.raises(ValueError, match="ends in .stl"):
        sf.Octahedron(10).save(tmp_path / "a.obj")
    with pytest.raises(ValueError, match="no faces"):
        sf.Sphere(5).save(tmp_path / "b.stl")


@pytest.mark.parametrize(
    ("particle", "faces"),
    [
        (sf.Cuboid((9, 8, 7)), 3),
        (sf.Octahedron(10), 4),
        (sf.Cuboid((9, 9, 9), corners={7: sf.Displacement(nm=3)}), None),
        (sf.Sphere(5), None),
        (sf.CoreShell(sf.Sphere(3), sf.Sphere(4)), None),
    ],
)
def test_a_particle_shows_itself_in_a_notebook(particle, faces):
    from xml.etree import ElementTree

    shown = particle._repr_html_()
    ElementTree.fromstring(shown)  # well formed
    assert f"{particle.volume:.4g} nm³" in shown
    assert faces in (None, shown.count("<polygon"))
    assert shown.count("<polygon") >= 3


def test_the_lit_side_is_the_upper_left():
    from stemfast.particles.picture import _polygon

    def brightness(normal):
        return int(_polygon(np.zeros((3, 3)), np.array(normal)).partition("rgb(")[2].split(",")[0])

    assert brightness([-0.7, 0.0, -0.7]) > brightness([0.7, 0.0, -0.7])
    assert brightness([0.0, -0.7, -0.7]) > brightness([0.0, 0.7, -0.7])


def test_a_cube_is_asked_for_in_three_numbers():
    with pytest.raises(TypeError, match=r"write \(20, 20, 20\) for a cube"):
        sf.Cuboid(20)


@pytest.mark.parametrize("name", ["classify", "features", "find", "match", "reconstruct", "train"])
def test_verbs_are_functions_whatever_was_imported_before(name):
    import stemfast.classification
    import stemfast.describing
    import stemfast.finding  # noqa: F401

    assert callable(getattr(sf, name))
